/** The pages say what is: tables are printed from the code, links lead somewhere, programs run and print what the page says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BridgeProcess } from '../interop/bridge-process.js';
import { findPython, WHAT_TO_INSTALL } from '../interop/python-process.js';
import { anchorsOf, blocksOf, commandsOf, joined, linksOf, namedPaths, pagePaths, ROOT, readPage } from './pages.js';
import { ProgramFolder, RunningProgram } from './programs.js';

const CLI = join(ROOT, 'dist/src/cli/main.js');
const NODE_PAGE = 'docs/getting-started-node.md';
const REACTIVE_PAGE = 'docs/reactive.md';
const PYTHON_PAGE = 'docs/getting-started-python.md';

test('options.md, errors.md, api.md and api-python.md are what the code prints now', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/print-docs.mjs', '--check'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
});

for (const page of pagePaths()) {
  test(`the links of ${page} lead to files and headings that are there`, () => {
    const broken = linksOf(page)
      .filter(({ path, anchor }) => {
        if (!existsSync(join(ROOT, path))) return true;
        return anchor !== '' && !anchorsOf(path).includes(anchor);
      })
      .map(({ path, anchor }) => `${path}${anchor === '' ? '' : `#${anchor}`}`);
    assert.deepEqual(broken, []);
  });

  test(`the files that ${page} names are there`, () => {
    assert.deepEqual(
      namedPaths(page).filter((path) => !existsSync(join(ROOT, path))),
      [],
    );
  });
}

describe('the programs of the pages', () => {
  const readme = readPage('README.md');
  let server: BridgeProcess;
  let folder: ProgramFolder;
  let compiled: Record<string, string>;

  before(async () => {
    server = await BridgeProcess.start();
    folder = new ProgramFolder();
    compiled = folder.compile({
      readme: here(joined(blocksOf(readme, ''), 'ts')),
      watching: here(joined(blocksOf(readme, 'Watching from Node'), 'ts')),
      page: here(joined(blocksOf(readPage(NODE_PAGE)), 'ts')),
      reactive: here(joined(blocksOf(readPage(REACTIVE_PAGE)), 'ts')),
    });
  });

  after(async () => {
    folder?.remove();
    await server?.close();
  });

  /** The same program against our server. */
  const here = (code: string): string => code.replaceAll('127.0.0.1:50051', server.endpoint);

  test('the first program of the README prints what it says', async () => {
    const [, said] = blocksOf(readme, '').filter(({ language }) => language === 'text');
    const program = new RunningProgram(process.execPath, [compiled.readme!]);
    assert.equal(await program.output(), said?.code);
  });

  test('the page for Node prints what it says', async () => {
    const program = new RunningProgram(process.execPath, [compiled.page!]);
    assert.equal(await program.output(), joined(blocksOf(readPage(NODE_PAGE)), 'text').replaceAll('\n\n', '\n'));
  });

  test('the watching programs of the README print what its commands set', async (t) => {
    const [, register, set] = commandsOf(readme, 'A server');
    run(register);
    const python = findPython();
    if (python === undefined) t.diagnostic(`without Python: ${WHAT_TO_INSTALL}`);
    const programs = [
      { heading: 'Watching from Node', program: new RunningProgram(process.execPath, [compiled.watching!]) },
    ];
    if (python !== undefined) {
      const heading = 'Watching from Python';
      const path = folder.write('watching.py', here(joined(blocksOf(readme, heading), 'python')));
      programs.push({
        heading,
        program: new RunningProgram(python.interpreter, [path], { PYTHONPATH: join(ROOT, 'python') }),
      });
    }
    try {
      const first = await Promise.all(programs.map(({ program }) => program.line()));
      run(set);
      for (const [place, { heading, program }] of programs.entries()) {
        const printed = `${first[place]}\n${await program.line()}\n`;
        assert.equal(printed, joined(blocksOf(readme, heading), 'text'), heading);
      }
    } finally {
      await Promise.all(programs.map(({ program }) => program.end()));
      python?.remove();
    }
  });

  test('the reactive program for Node prints what its page says', async () => {
    const program = new RunningProgram(process.execPath, [compiled.reactive!]);
    assert.equal(await program.output(), joined(blocksOf(readPage(REACTIVE_PAGE)), 'text').replaceAll('\n\n', '\n'));
  });

  for (const page of [PYTHON_PAGE, REACTIVE_PAGE]) {
    test(`the program of ${page} for Python prints what it says`, async (t) => {
      const python = findPython();
      if (python === undefined) {
        if (process.env.CI === 'true') assert.fail(WHAT_TO_INSTALL);
        t.skip(WHAT_TO_INSTALL);
        return;
      }
      try {
        const blocks = blocksOf(readPage(page));
        const path = folder.write('page.py', here(joined(blocks, 'python')));
        const program = new RunningProgram(python.interpreter, [path], { PYTHONPATH: join(ROOT, 'python') });
        assert.equal(await program.output(), joined(blocks, 'text').replaceAll('\n\n', '\n'));
      } finally {
        python.remove();
      }
    });
  }

  /** A command of the README, such as `npx bridged-state set temperature 22`. */
  function run(command: string | undefined): void {
    const [npx, name, ...args] = (command ?? '').split(' ');
    assert.deepEqual([npx, name], ['npx', 'bridged-state'], `"${command}" is no command of ours`);
    const { status, stderr } = spawnSync(process.execPath, [CLI, ...args, '--endpoint', server.endpoint], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
  }
});

test('wire.md names every field of the watch messages that is ours', () => {
  const proto = readPage('proto/bridge.proto');
  const page = readPage('docs/wire.md');
  const unnamed = Object.entries(FIRST_OF_OURS).flatMap(([message, first]) => {
    const [, body = ''] = new RegExp(`^message ${message} \\{\\n([\\s\\S]*?)^\\}`, 'm').exec(proto) ?? [];
    const fields = [...body.matchAll(/^ {2}\S.* (\w+) = (\d+);$/gm)].map(([, name, number]) => ({ name, number }));
    assert.notEqual(fields.length, 0, `${message} has no fields`);
    return fields
      .filter(({ number }) => Number(number) >= first)
      .map(({ name, number }) => `\`${name}\` = ${number}`)
      .filter((words) => !page.includes(words));
  });
  assert.deepEqual(unnamed, []);
});

test('a promise that has a test has a heading with its number in guarantees.md', () => {
  const folder = join(ROOT, 'test/promises');
  const tested = existsSync(folder)
    ? readdirSync(folder).flatMap((name) => /^\d+(?=-.*\.test\.ts$)/.exec(name) ?? [])
    : [];
  const page = readPage('docs/guarantees.md');
  assert.deepEqual(
    tested.filter((number) => !page.includes(`\n## ${Number(number)}. `)),
    [],
  );
});

test('each promise of guarantees.md names a test that is there, and says what breaks it', () => {
  const [, ...promises] = readPage('docs/guarantees.md').split(/^(?=## \d+\. )/m);
  assert.ok(promises.length >= 20);
  for (const promise of promises) {
    const heading = promise.slice(0, promise.indexOf('\n'));
    const [, path = ''] = /^Test: \[(test\/[\w/.-]+)\]\(\.\.\/\1\)\. Breaks it: \S/m.exec(promise) ?? [];
    assert.notEqual(path, '', `${heading} names no test, or does not say what breaks it`);
    assert.ok(existsSync(join(ROOT, path)), `${heading}: ${path} is not there`);
  }
});

/** By message, the first number of a field that the published contract does not have. */
const FIRST_OF_OURS: Readonly<Record<string, number>> = { WatchVariablesRequest: 4, VariableUpdate: 7 };
