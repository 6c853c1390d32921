import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import type { CommandResult } from '../support/command-line.js';
import { CommandProcess, run, runHere, startServe } from '../support/command-line.js';

describe('client commands', () => {
  let serve: CommandProcess;
  let endpoint: string;
  /** What a command finds is registered by this: a process for each takes half a second. */
  let state: BridgedState;
  before(async () => {
    ({ serve, endpoint } = await startServe('--log-level', 'warn'));
    state = await BridgedState.open({ endpoint, workers: 0 });
  });
  after(async () => {
    await state.close();
    await serve.kill();
  });

  const call = (...args: string[]): Promise<CommandResult> => runHere([...args, '--endpoint', endpoint]);

  /** What a command that is done has printed. */
  async function done(...args: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await call(...args);
    assert.equal(exitCode, 0, stderr);
    assert.equal(stderr, '');
    return stdout;
  }

  async function json(...args: string[]): Promise<unknown> {
    const text = await done(...args, '--json');
    assert.match(text, /^[^\n]+\n$/, 'one line');
    return JSON.parse(text);
  }

  async function failure(...args: string[]): Promise<string> {
    const { exitCode, stderr } = await call(...args);
    assert.equal(exitCode, 1, stderr);
    assert.match(stderr, /^bridged-state: [^\n]+\n$/);
    return stderr;
  }

  test('each is a process that ends by itself, with the exit code that the shell asks for', async () => {
    for (const [exitCode, said, ...args] of [
      [0, /^\S+\n$/, 'register', 'whole', 'integer', '1'],
      [0, /^1\n$/, 'get', 'whole'],
      [0, /^2\n$/, 'set', 'whole', '2'],
      [2, /^$/, 'set', 'whole', 'warm'],
      [0, /^\[\{"version":2,[^\n]+\]\n$/, 'history', 'whole', '--limit', '1', '--json'],
      [0, /^3\n$/, 'rollback', 'whole', '1'],
      [0, /^\[\{"name":"whole",[^\n]+\]\n$/, 'list', 'whole', '--json'],
      [0, /^\{"name":"whole","deleted":true\}\n$/, 'delete', 'whole', '--json'],
      [1, /^$/, 'get', 'whole'],
    ] as const) {
      const result = await run([...args, '--endpoint', endpoint]);
      assert.equal(result.exitCode, exitCode, `${args.join(' ')}: ${result.stderr}`);
      assert.match(result.stdout, said, args.join(' '));
      assert.match(result.stderr, exitCode === 0 ? /^$/ : /^bridged-state: [^\n]+\n$/, args.join(' '));
    }
  });

  test('register prints the id, and get finds the variable by name and by id', async () => {
    const id = (await done('register', 'by-id', 'float', '21.5')).trim();
    assert.match(id, /^\S+$/);
    assert.equal(await done('get', 'by-id'), '21.5\n');
    assert.equal(await done('get', id), '21.5\n');
  });

  test('register --json prints name, id and version', async () => {
    const { id, ...rest } = (await json('register', 'registered', 'boolean', 'true')) as { id: string };
    assert.deepEqual(rest, { name: 'registered', version: 1 });
    assert.match(id, /^\S+$/);
  });

  test('set prints the new version, and the old one for an equal value', async () => {
    await state.registerVariable('versions', 'float', 1);
    assert.equal(await done('set', 'versions', '2'), '2\n');
    assert.equal(await done('set', 'versions', '2'), '2\n');
    assert.deepEqual(await json('set', 'versions', '-3.5'), { name: 'versions', version: 3 });
  });

  test('several values are printed as NAME VALUE in the order asked for, with --json as one object', async () => {
    await state.registerVariable('one', 'integer', 1);
    await state.registerVariable('two', 'string', 'second');
    assert.equal(await done('get', 'two', 'one'), 'two second\none 1\n');
    assert.deepEqual(await json('get', 'two', 'one'), { two: 'second', one: 1 });
  });

  test('what is there is printed although another variable is missing, with exit code 1', async () => {
    await state.registerVariable('there', 'integer', 7);
    const { exitCode, stdout, stderr } = await call('get', 'there', 'not-there', '--json');
    assert.deepEqual([exitCode, stdout], [1, '{"there":7}\n']);
    assert.match(stderr, /Variable not found: not-there: /);
  });

  test('integers keep every digit, both ways', async () => {
    await done('register', 'digits', 'integer', '12345678901234567890123');
    assert.equal(await done('get', 'digits', '--json'), '{"digits":12345678901234567890123}\n');
    await done('register', 'nested', 'map', '{"of":[9007199254740993]}');
    assert.equal(await done('get', 'nested', '--json'), '{"nested":{"of":[9007199254740993]}}\n');
  });

  test('a float takes NaN and the infinities as words and as JSON strings', async () => {
    await done('register', 'nan', 'float', 'NaN');
    assert.equal(await done('get', 'nan'), 'NaN\n');
    assert.equal(await done('get', 'nan', '--json'), '{"nan":"NaN"}\n');
    await done('set', 'nan', '"Infinity"');
    assert.equal(await done('get', 'nan'), 'Infinity\n');
    const { exitCode } = await runHere(['set', 'nan', '--endpoint', endpoint, '--', '-Infinity']);
    assert.equal(exitCode, 0);
    assert.equal(await done('get', 'nan'), '-Infinity\n');
  });

  test('for a string what is no JSON string stands for itself', async () => {
    await state.registerVariable('text', 'string', '');
    for (const [given, held] of [
      ['5', '5'],
      ['true', 'true'],
      ['"quoted \\u0041"', 'quoted A'],
      ['"half', '"half'],
      ['{"a":1}', '{"a":1}'],
      ['', ''],
    ] as const) {
      await done('set', 'text', given);
      assert.equal(await state.getVariable('text'), held);
    }
  });

  test('a string with control characters is printed as JSON, and set reads it back', async () => {
    await done('register', 'control', 'string', '"a\\u001b[31m\\nb"');
    const printed = await done('get', 'control');
    assert.equal(printed, '"a\\u001b[31m\\nb"\n');
    await done('register', 'control-copy', 'string', printed.trim());
    assert.deepEqual(await json('get', 'control-copy'), { 'control-copy': 'a\u001b[31m\nb' });
  });

  test('embeddings are lists and tensors are shape and data', async () => {
    await done('register', 'embedding', 'embedding', '[1, 0.5, "NaN"]');
    await done('register', 'tensor', 'tensor', '{"shape":[2,1],"data":[[1],[2]]}');
    assert.equal(
      await done('get', 'embedding', 'tensor', '--json'),
      '{"embedding":[1,0.5,"NaN"],"tensor":{"shape":[2,1],"data":[1,2]}}\n',
    );
  });

  test('a choice keeps to its choices', async () => {
    await done('register', 'mode', 'choice', 'eco', '--constraints', '{"choices":["eco","boost"]}');
    assert.equal(await done('set', 'mode', 'boost'), '2\n');
    assert.match(await failure('set', 'mode', 'turbo'), /"mode"/);
  });

  test('a number that no float holds is refused for what it is, as a value and in constraints', async () => {
    await state.registerVariable('wide', 'float', 0);
    const constraints = ['--constraints', '{"min":1e999}'];
    assert.match(await failure('set', 'wide', '1e999'), /the number is too large for a float/);
    assert.match(await failure('register', 'wide1', 'list', '[1e999]'), /\[0\] is too large for a double/);
    assert.match(await failure('register', 'wide2', 'integer', '1e999'), /beyond what a float can hold/);
    assert.match(await failure('register', 'wide3', 'embedding', '[1e999]'), /element 0 is Infinity only because/);
    assert.match(await failure('register', 'wide4', 'float', '1', ...constraints), /\.min is too large for a double/);
  });

  test('a value that is not JSON is wrong use, JSON of another type a failure', async () => {
    await state.registerVariable('typed', 'float', 1);
    const { exitCode, stderr } = await call('set', 'typed', 'warm');
    assert.equal(exitCode, 2);
    assert.match(stderr, /"typed", a variable of type float, "warm" is not JSON/);
    assert.match(await failure('set', 'typed', '"warm"'), /is not a float/);
  });

  test('set with the wrong expected version fails and says which it is', async () => {
    await state.registerVariable('expected', 'float', 1);
    assert.match(await failure('set', 'expected', '2', '--expected-version', '9'), /version 1, not 9/);
    assert.equal(await done('set', 'expected', '2', '--expected-version', '1'), '2\n');
  });

  test('history tells versions, values and sources, oldest first', async () => {
    await state.registerVariable('told', 'integer', 1);
    await done('set', 'told', '2', '--source', 'me');
    await state.setVariable('told', 3, { source: 'you' });
    const entries = (await json('history', 'told')) as Record<string, unknown>[];
    assert.deepEqual(
      entries.map(({ version, value }) => [version, value]),
      [1, 2, 3].map((number) => [number, number]),
    );
    assert.deepEqual(Object.keys(entries[0]!), ['version', 'value', 'timestamp', 'source', 'custom']);
    assert.deepEqual([entries[1]?.source, entries[2]?.source], ['me', 'you']);
    const newest = (await json('history', 'told', '--limit', '1')) as Record<string, unknown>[];
    assert.deepEqual(
      newest.map(({ version }) => version),
      [3],
    );
    assert.match(await done('history', 'told'), /^VERSION +TIME +SOURCE +VALUE\n1 /);
  });

  test('rollback sets an earlier value as a new version', async () => {
    await state.registerVariable('back', 'integer', 1);
    await state.setVariable('back', 2);
    assert.deepEqual(await json('rollback', 'back', '1'), { name: 'back', version: 3 });
    assert.equal(await state.getVariable('back'), 1);
    assert.match(await failure('rollback', 'back', '77'), /version 77/);
  });

  test('a deleted variable is gone, and deleting it again fails', async () => {
    await state.registerVariable('gone', 'integer', 1);
    assert.deepEqual(await json('delete', 'gone'), { name: 'gone', deleted: true });
    assert.match(await failure('delete', 'gone'), /Variable not found: gone/);
  });

  test('list prints what matches as a table, and with --json all that is known', async () => {
    await done('register', 'listed.b', 'integer', '2', '--constraints', '{"min":0}');
    await state.registerVariable('listed.a', 'string', 'text');
    const table = await done('list', 'listed.?');
    assert.match(table, /^NAME +TYPE +VERSION +VALUE\nlisted\.a +string +1 +text\nlisted\.b +integer +1 +2\n$/);
    const [first, second, ...others] = (await json('list', 'listed.*')) as Record<string, unknown>[];
    assert.equal(others.length, 0);
    assert.deepEqual([first?.name, first?.value, second?.name, second?.value], ['listed.a', 'text', 'listed.b', 2]);
    assert.deepEqual(second?.constraints, { min: 0 });
    assert.deepEqual(await json('list', 'no-such.*'), []);
  });

  test('a session is made when it is not there, and holds its own variables', async () => {
    await done('register', 'shared-name', 'integer', '1', '--session', 'first');
    await done('register', 'shared-name', 'integer', '2', '--session', 'second');
    assert.equal(await done('get', 'shared-name', '--session', 'first'), '1\n');
    assert.deepEqual(await json('list', '--session', 'third'), []);
  });

  test('registering a name twice fails', async () => {
    await state.registerVariable('twice', 'integer', 1);
    assert.match(await failure('register', 'twice', 'integer', '1'), /twice/);
  });

  test('a reader that goes away after the first line is no failure', async () => {
    for (let from = 0; from < 3; from += 1) await state.registerVariable(`piped.${from}`, 'string', 'x'.repeat(30_000));
    const command = new CommandProcess(['get', 'piped.0', 'piped.1', 'piped.2', '--endpoint', endpoint]);
    command.closeStdout();
    const { exitCode, stderr } = await command.end();
    assert.deepEqual([exitCode, stderr], [0, '']);
  });
});
