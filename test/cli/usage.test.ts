import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { run, runHere } from '../support/command-line.js';

const COMMANDS = [
  ...['serve', 'demo', 'top', 'register', 'get', 'set', 'delete', 'list', 'history', 'rollback', 'watch'],
];

for (const command of COMMANDS) {
  test(`${command} --help shows an example and exits 0`, async () => {
    const { exitCode, stdout, stderr } = await runHere([command, '--help']);
    assert.equal(exitCode, 0);
    assert.equal(stderr, '');
    assert.match(stdout, new RegExp(`^Usage: bridged-state ${command}\\b`));
    assert.match(stdout, new RegExp(`Examples?:\\n(?: {2}.*\\n)* {2}\\$ bridged-state ${command}\\b`));
  });
}

test('--help names every command and none that is hidden', async () => {
  const { exitCode, stdout } = await runHere(['--help']);
  assert.equal(exitCode, 0);
  for (const command of COMMANDS) assert.match(stdout, new RegExp(`^ {2}${command} `, 'm'));
  assert.doesNotMatch(stdout, /demo-writer|demo-watcher|with-parent/);
});

test('--version prints the version of the package', async () => {
  const packageJson = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(packageJson) as { version: string };
  assert.deepEqual(await run(['--version']), { exitCode: 0, stdout: `${version}\n`, stderr: '' });
});

test('without a command the help goes to stderr, with exit code 2', async () => {
  const { exitCode, stdout, stderr } = await run([]);
  assert.equal(exitCode, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /^Usage: bridged-state/);
});

test('a wrong use and a help end a process with their exit code, said on the right stream', async () => {
  const wrong = await run(['get', 'a', '--jsn']);
  assert.deepEqual([wrong.exitCode, wrong.stdout], [2, '']);
  assert.match(wrong.stderr, /^bridged-state: unknown option '--jsn'[^\n]*\n$/);
  const help = await run(['get', '--help']);
  assert.deepEqual([help.exitCode, help.stderr], [0, '']);
  assert.match(help.stdout, /^Usage: bridged-state get\b/);
});

const WRONG_USES: Readonly<Record<string, readonly [args: readonly string[], sentence: RegExp]>> = {
  'an unknown command': [['gte', 'a'], /unknown command 'gte'/],
  'an unknown option': [['get', 'a', '--jsn'], /unknown option '--jsn' \(Did you mean --json\?\)/],
  'a missing argument': [['set', 'a'], /missing required argument 'VALUE'/],
  'too many arguments': [['delete', 'a', 'b'], /too many arguments/],
  'a port that is none': [['serve', '--port', '70000'], /Give a whole number from 0 to 65535/],
  'a count of 0': [['watch', 'a', '--count', '0'], /Give a whole number from 1/],
  'a limit that is no number': [['history', 'a', '--limit', 'x'], /Give a whole number from 1/],
  'a version that is no number': [['rollback', 'a', '1.5'], /Give a whole number from 1/],
  'a negative expected version': [['set', 'a', '1', '--expected-version=-1'], /Give a whole number from 0/],
  'a rate of 0': [['demo', '--rate', '0'], /Give a whole number from 1/],
  'seconds that are no time': [['demo', '--seconds', 'soon'], /Give a number above 0/],
  'an endpoint without a port': [['get', 'a', '--endpoint', 'localhost'], /Give HOST:PORT/],
  'an endpoint with a port beyond all': [['get', 'a', '--endpoint', 'localhost:99999'], /HOST:PORT/],
  'an empty session': [['get', 'a', '--session', ''], /at least one character/],
  'a type that is none of the ten': [['register', 'a', 'flot', '1'], /Allowed choices are float, integer/],
  'a transport that does not exist': [['watch', 'a', '--transport', 'udp'], /Allowed choices are auto, link, stream/],
  'an engine that does not exist': [['serve', '--engine', 'oracle'], /--engine oracle: give memory, sqlite:DIR/],
  'an address whose kind is mistyped, without its password': [
    ['serve', '--engine', 'reddis://me:secret@store/1'],
    /--engine reddis:\/\/…@store\/1: give memory/,
  ],
  'an address of Redis in another form': [
    ['serve', '--engine', 'redis+sentinel://a,b'],
    /lacks the name that the sentinels/,
  ],
  'a sqlite engine without a folder': [['serve', '--engine', 'sqlite:'], /give memory, sqlite:DIR/],
  'a durability of memory': [['serve', '--durability', 'os'], /give --engine sqlite:DIR too/],
  'a log level that does not exist': [['serve', '--log-level', 'loud'], /Allowed choices are debug/],
  'a float that is not JSON': [['register', 'a', 'float', 'warm'], /"warm" is not JSON: write it such as 21\.5/],
  'a map that is not JSON': [['register', 'a', 'map', '{a:1}'], /is not JSON/],
  'constraints that are not JSON': [['register', 'a', 'float', '1', '--constraints', 'min=1'], /--constraints/],
  'a part of the demo alone': [['demo-writer'], /run that/],
};

for (const [what, [args, sentence]] of Object.entries(WRONG_USES)) {
  test(`${what} is wrong use: one line on stderr, exit code 2`, async () => {
    const { exitCode, stdout, stderr } = await runHere(args);
    assert.equal(exitCode, 2, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, sentence);
    assert.match(stderr, /^bridged-state: [^\n]+\n$/);
  });
}

for (const args of [['get', 'a'], ['list'], ['watch', 'a'], ['register', 'a', 'float', '1']]) {
  test(`${args[0]} of a server that is down says so in one line, exit code 1`, async () => {
    const { exitCode, stdout, stderr } = await runHere([...args, '--endpoint', '127.0.0.1:1']);
    assert.deepEqual([exitCode, stdout], [1, '']);
    assert.match(stderr, /^bridged-state: [^\n]*127\.0\.0\.1:1[^\n]*\n$/);
  });
}
