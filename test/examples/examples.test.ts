/** The examples that need Node alone, once, to their end: exit code and summary. And what all of them have in common. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runExample } from './example-process.js';

// Tests run in dist/test/examples.
const EXAMPLES = fileURLToPath(new URL('../../../examples/', import.meta.url));

test("a leader's settings reach 1,000 watches whole, and nothing is missed", async () => {
  const { code, text } = await runExample('leader-settings');
  assert.equal(code, 0, text);
  assert.match(text, /each of 1,000 watches has the last settings/);
  assert.match(text, /updates, 0 missed, 0 halves of a batch seen/);
});

test('two services follow the configuration, and a refused value says why and changes nothing', async () => {
  const { code, text } = await runExample('dynamic-config');
  assert.equal(code, 0, text);
  assert.match(text, /refused: variable "log-level": "verbose" is not in choices: give one of "debug", "info", "warn"/);
  assert.match(text, /refused: ranking \(none was set\): variable "ranking": "rank\.random" is not in allowed_modules/);
  assert.match(text, /search +ranks by rank\.popular: Old favourites comes first/);
  assert.match(text, /mailer +ends, having applied 3 values/);
  assert.match(text, /search +ends, having applied 2 values/);
});

test('a name that is no example is refused with those that are', async () => {
  const { code, text } = await runExample('leader');
  assert.equal(code, 2);
  assert.match(
    text,
    /there is no example leader: .*dashboard-feed \| dynamic-config \| leader-settings \| optimiser \| thermostat/,
  );
});

test('each example has a README with its command and a transcript, and imports public names only', () => {
  // Files for a machine of one's own are no program that can be run here.
  const folders = readdirSync(EXAMPLES, { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && entry.name !== 'deploy',
  );
  for (const { name } of folders) {
    assert.ok(existsSync(join(EXAMPLES, name, 'example.json')), `${name} has an example.json`);
    const page = readFileSync(join(EXAMPLES, name, 'README.md'), 'utf8');
    assert.ok(page.includes(`npm run example -- ${name}`), `the README of ${name} has its command`);
    assert.match(page, /```text\n/, `the README of ${name} shows what it prints`);
    assert.ok(readFileSync(join(EXAMPLES, 'README.md'), 'utf8').includes(`npm run example -- ${name}`), name);
    for (const file of readdirSync(join(EXAMPLES, name)).filter((each) => each.endsWith('.js'))) {
      const code = readFileSync(join(EXAMPLES, name, file), 'utf8');
      const specifiers = [...code.matchAll(/^import .* from '([^']+)';$/gm)].map(([, specifier]) => specifier!);
      // Besides, a library that draws, and what stands beside it.
      const foreign = specifiers.filter(
        (each) => !/^(node:.*|bridged-state(\/server)?|echarts|\.\/[\w-]+\.js)$/.test(each),
      );
      assert.deepEqual(foreign, [], `${name}/${file}`);
    }
    for (const file of readdirSync(join(EXAMPLES, name)).filter((each) => each.endsWith('.py'))) {
      const code = readFileSync(join(EXAMPLES, name, file), 'utf8');
      const modules = [...code.matchAll(/^(?:from|import) (\S+)/gm)].map(([, module]) => module!);
      const known = ['argparse', 'asyncio', 'random', 'sys', 'bridged_state'];
      assert.deepEqual(
        modules.filter((module) => !known.includes(module)),
        [],
        `${name}/${file}`,
      );
    }
  }
});
