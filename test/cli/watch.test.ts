import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { CommandProcess, runHere, startServe } from '../support/command-line.js';
import { within } from '../support/deadline.js';
import { PassingServer } from '../support/passing-server.js';

const FIELDS = [
  ...['identifier', 'old', 'new', 'version', 'missed', 'initial', 'resync', 'deleted', 'source', 'timestamp'],
  'receivedAtNs',
];

describe('watch', () => {
  let serve: CommandProcess;
  let endpoint: string;
  let state: BridgedState;
  const running: CommandProcess[] = [];
  before(async () => {
    ({ serve, endpoint } = await startServe('--log-level', 'warn'));
    state = await BridgedState.open({ endpoint, workers: 0, source: 'test' });
  });
  after(async () => {
    await state.close();
    await Promise.all(running.map((command) => command.kill()));
    await serve.kill();
  });

  const start = (...args: string[]): CommandProcess => {
    const command = new CommandProcess(['watch', ...args, '--endpoint', endpoint]);
    running.push(command);
    return command;
  };

  async function startReady(...args: string[]): Promise<CommandProcess> {
    const command = start(...args, '--json');
    const { event, ref } = await command.json();
    assert.equal(event, 'ready');
    assert.ok(ref === null || typeof ref === 'string');
    return command;
  }

  test("--json says ready first, then a line per update with exactly the contract's fields", async () => {
    await state.registerVariable('a', 'float', 1);
    const watch = await startReady('a', '--count', '2');
    const beforeNs = process.hrtime.bigint();
    await state.setVariable('a', 2.5, { source: 'someone' });
    const first = await watch.json();
    const afterNs = process.hrtime.bigint();
    assert.deepEqual(Object.keys(first), FIELDS);
    const { timestamp, receivedAtNs, ...rest } = first;
    assert.deepEqual(rest, {
      ...{ identifier: 'a', old: 1, new: 2.5, version: 2, missed: 0, initial: false, resync: false, deleted: null },
      source: 'someone',
    });
    assert.ok(Math.abs((timestamp as number) - Date.now()) < 60_000);
    assert.ok(BigInt(receivedAtNs as number) > beforeNs && BigInt(receivedAtNs as number) < afterNs);
    await state.setVariable('a', 3);
    assert.deepEqual([(await watch.json()).old, (await watch.end()).exitCode], [2.5, 0]);
  });

  test('--include-initial begins with the present values, which count', async () => {
    await state.registerVariable('b.1', 'integer', 1n << 70n);
    await state.registerVariable('b.2', 'string', 'text');
    const watch = await startReady('b.1', 'b.2', '--include-initial', '--count', '2');
    const { exitCode, stdout } = await watch.end();
    assert.equal(exitCode, 0);
    assert.match(
      stdout,
      /"identifier":"b\.1","old":null,"new":1180591620717411303424,"version":1,"missed":0,"initial":true/,
    );
    assert.match(stdout, /"identifier":"b\.2","old":null,"new":"text","version":1,"missed":0,"initial":true/);
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`${signal} ends it with 0`, async () => {
      const name = `ended-by-${signal}`;
      await state.registerVariable(name, 'integer', 1);
      const watch = await startReady(name);
      watch.signal(signal);
      const { exitCode, stderr } = await watch.end();
      assert.deepEqual([exitCode, stderr], [0, '']);
    });
  }

  test('the end of its reader ends it with 0', async () => {
    await state.registerVariable('c', 'integer', 1);
    const watch = await startReady('c');
    watch.closeStdout();
    // The first line that nobody takes is what tells.
    await state.setVariable('c', 2);
    const { exitCode, stderr } = await watch.end();
    assert.deepEqual([exitCode, stderr], [0, '']);
  });

  test('an unknown name fails in one line, exit code 1', async () => {
    const { exitCode, stdout, stderr } = await start('not-there').end();
    assert.deepEqual([exitCode, stdout], [1, '']);
    assert.match(stderr, /^bridged-state: Variable not found: not-there[^\n]*\n$/);
  });

  test('a pattern watches what matches now and what comes later, from its registration on', async () => {
    await state.registerVariable('p.now', 'integer', 1);
    await state.registerVariable('other', 'integer', 1);
    const watch = await startReady('p.*');
    await state.setVariable('other', 2);
    await state.setVariable('p.now', 2);
    const first = await watch.json();
    assert.deepEqual([first.identifier, first.new, first.initial], ['p.now', 2, false]);
    await state.registerVariable('p.later', 'integer', 10);
    const later = await watch.json();
    assert.deepEqual([later.identifier, later.old, later.new, later.initial], ['p.later', null, 10, false]);
    await state.setVariable('p.later', 11);
    const next = await watch.json();
    assert.deepEqual([next.old, next.new, next.version, next.initial], [10, 11, 2, false]);
    watch.signal('SIGINT');
    assert.equal((await watch.end()).exitCode, 0);
  });

  test('a deleted variable that matches a pattern is watched again when it comes back', async () => {
    await state.registerVariable('again.1', 'integer', 1);
    const watch = await startReady('again.*');
    await state.deleteVariable('again.1');
    const gone = await watch.json();
    assert.deepEqual([gone.identifier, gone.old, gone.new, gone.deleted], ['again.1', 1, null, 'deleted']);
    await state.registerVariable('again.1', 'integer', 5);
    const back = await watch.json();
    assert.deepEqual([back.old, back.new, back.version], [null, 5, 1]);
    await state.setVariable('again.1', 6);
    assert.deepEqual((await watch.json()).new, 6);
    watch.signal('SIGINT');
    assert.equal((await watch.end()).exitCode, 0);
  });

  test('what comes and goes at once is told by a pattern, and a variable that is named as well once', async () => {
    await state.registerVariable('brief.1', 'integer', 1);
    const watch = await startReady('brief.1', 'brief.*', '?rief.2', '--count', '5');
    await state.setVariable('brief.1', 2);
    await state.registerVariable('brief.2', 'integer', 3);
    await state.setVariable('brief.2', 4);
    await state.deleteVariable('brief.2');
    await state.deleteVariable('brief.1');
    const { exitCode, stdout } = await watch.end();
    const lines = stdout
      .trimEnd()
      .split('\n')
      .slice(-5)
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ identifier, old, new: now, deleted }) => [identifier, old, now, deleted]),
      [
        ['brief.1', 1, 2, null],
        ['brief.2', null, 3, null],
        ['brief.2', 3, 4, null],
        ['brief.2', 4, null, 'deleted'],
        ['brief.1', 2, null, 'deleted'],
      ],
    );
    assert.equal(exitCode, 0);
    const { exitCode: missing, stderr } = await start('brief.9', 'brief.*').end();
    assert.equal(missing, 1);
    assert.match(stderr, /^bridged-state: Variable not found: brief\.9/);
  });

  test('a pattern that nothing matches waits', async () => {
    const watch = await startReady('nothing.*', '--count', '1');
    await state.registerVariable('nothing.1', 'integer', 1);
    assert.equal((await watch.json()).identifier, 'nothing.1');
    assert.equal((await watch.end()).exitCode, 0);
  });

  test('when every variable is deleted it ends: with 0, or with 1 when more updates were asked for', async () => {
    await state.registerVariable('d', 'integer', 1);
    const content = await startReady('d');
    const asking = await startReady('d', '--count', '9');
    await state.deleteVariable('d');
    assert.equal((await content.end()).exitCode, 0);
    const { exitCode, stderr } = await asking.end();
    assert.equal(exitCode, 1);
    assert.match(stderr, /after 1 of 9 updates/);
  });

  test('for people a line has the time, the name, old and new value', async () => {
    await state.registerVariable('h', 'float', 1);
    const watch = start('h', '--count', '1');
    await watch.said(/watching 1 variable/);
    await state.setVariable('h', 2);
    assert.match(await watch.line(), /^\d\d:\d\d:\d\d\.\d{3} {2}h {2}1 -> 2 {2}\(version 2\)$/);
    assert.equal((await watch.end()).exitCode, 0);
  });

  test('--transport stream watches by streams', async () => {
    await state.registerVariable('s', 'float', 1);
    const watch = await startReady('s', '--transport', 'stream', '--count', '1');
    await state.setVariable('s', 2);
    assert.equal((await watch.end()).exitCode, 0);
  });

  test('a watch that is told to end while it connects ends with 0', async () => {
    const { createServer } = await import('node:net');
    // Accepts and says nothing.
    const silent = createServer().listen(0, '127.0.0.1');
    const connected = new Promise((resolve) => silent.once('connection', resolve));
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as { port: number };
    const watch = new CommandProcess(['watch', 'a', '--endpoint', `127.0.0.1:${port}`]);
    running.push(watch);
    try {
      await within(15_000, connected, 'the connection');
      watch.signal('SIGINT');
      assert.equal((await watch.end(4_000)).exitCode, 0);
    } finally {
      silent.close();
    }
  });
});

test('a watch goes on when its server comes back on the same port, and tells what it missed', async () => {
  const { serve, endpoint, line } = await startServe('--log-level', 'silent');
  const port = String(line.port);
  let second: CommandProcess | undefined;
  let watch: CommandProcess | undefined;
  try {
    await runHere(['register', 'fan', 'integer', '1', '--endpoint', endpoint]);
    watch = new CommandProcess(['watch', 'fan', '--json', '--endpoint', endpoint]);
    assert.equal((await watch.json()).event, 'ready');
    await serve.kill();
    second = new CommandProcess(['serve', '--port', port, '--log-level', 'silent']);
    await second.line();
    await runHere(['register', 'fan', 'integer', '7', '--endpoint', endpoint]);
    const update = await watch.json();
    assert.deepEqual([update.new, update.resync], [7, true]);
    watch.signal('SIGTERM');
    assert.equal((await watch.end()).exitCode, 0);
  } finally {
    await serve.kill();
    await second?.kill();
    await watch?.kill();
  }
});

test('a pattern of a server that knows none is listed: what comes later is told with its present value first', async () => {
  const { serve, endpoint, line } = await startServe('--log-level', 'silent');
  await using foreign = await PassingServer.start(line.port as number, { isForeign: true });
  await runHere(['register', 'now', 'integer', '1', '--endpoint', endpoint]);
  const watch = new CommandProcess(['watch', '*', '--json', '--endpoint', `127.0.0.1:${foreign.port}`]);
  try {
    assert.equal((await watch.json()).event, 'ready');
    await runHere(['register', 'later', 'integer', '5', '--endpoint', endpoint]);
    const update = await watch.json();
    assert.deepEqual([update.identifier, update.old, update.new, update.initial], ['later', null, 5, true]);
    watch.signal('SIGTERM');
    assert.equal((await watch.end()).exitCode, 0);
  } finally {
    await watch.kill();
    await serve.kill();
  }
});
