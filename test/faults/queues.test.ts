/** What waits is never passed by, and a batch that was set atomically is told whole or not at all. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import { blockBehindTurn } from '../support/block.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';

let server: ServerProcess;
let endpoint: string;

before(async () => {
  server = await ServerProcess.start();
  endpoint = `127.0.0.1:${server.port}`;
});

after(() => server.close());

test('an atomic watch with overflow error takes a batch larger than its buffer whole, and says so when it falls behind', async () => {
  await using pool = await WorkerPool.open({ workers: 1, credits: 64 });
  await using state = await BridgedState.open({ endpoint, sessionId: 'overflow', pool });
  await using writer = await BridgedState.open({ endpoint, sessionId: 'overflow', workers: 1 });
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const name of names) await state.registerVariable(name, 'integer', 0);
  const seen = new SeenUpdates();
  const { onError, onState } = seen;
  const watch = await state.watchVariables(names, seen.watcher, {
    atomic: true,
    overflow: 'error',
    bufferLimit: 2,
    onError,
    onState,
  });
  const setAll = (value: number) =>
    writer.updateVariables(Object.fromEntries(names.map((name) => [name, value])), { atomic: true });
  await setAll(1);
  await seen.when(5_000, () => seen.all.length === names.length, 'the batch');
  const sets = Array.from({ length: 60 }, (_, round) => setAll(round + 2));
  await blockBehindTurn(500);
  await Promise.all(sets);
  await seen.when(5_000, () => seen.states.includes('failed'), 'the end of the watch');
  assert.equal(watch.state, 'failed');
  assert.deepEqual(
    seen.errors.map((error) => (error as Error & { code?: string }).code),
    ['BUFFER_OVERFLOW'],
  );
  assert.equal(seen.all.length % names.length, 0);
  assert.deepEqual(await state.listWatchers(), []);
});

test('an atomic batch larger than the room between the threads arrives in one turn', async () => {
  await using pool = await WorkerPool.open({ workers: 1, credits: 64 });
  await using state = await BridgedState.open({ endpoint, sessionId: 'large-batch', pool });
  const names = Array.from({ length: 300 }, (_, number) => `v${number}`);
  await Promise.all(names.map((name) => state.registerVariable(name, 'integer', 0)));
  const turns: number[] = [];
  let turn = 0;
  const seen = new SeenUpdates();
  const watch = await state.watchVariables(
    names,
    (...call) => {
      if (turn === 0) {
        setImmediate(() => {
          turns.push(turn);
          turn = 0;
        });
      }
      turn += 1;
      seen.watcher(...call);
    },
    { atomic: true },
  );
  await watch.synced;
  for (let round = 1; round <= 5; round += 1) {
    await state.updateVariables(Object.fromEntries(names.map((name) => [name, round])), { atomic: true });
  }
  await seen.when(10_000, () => seen.all.length === 5 * names.length, 'all of five batches');
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(
    turns.every((calls) => calls % names.length === 0),
    `calls a turn: ${turns}`,
  );
});

test('an atomic batch that a break cuts, or that was set during one, arrives in one turn', async () => {
  await using proxy = await TcpProxy.start(server.port);
  await using writer = await BridgedState.open({ endpoint, sessionId: 'cut', workers: 1 });
  await using state = await BridgedState.open({
    endpoint: proxy.endpoint,
    sessionId: 'cut',
    workers: 2,
    verify: true,
    reconnect: { baseMs: 20, spreadMs: 5 },
  });
  const names = Array.from({ length: 20 }, (_, number) => `leg${number}`);
  for (const name of names) await writer.registerVariable(name, 'integer', 0);
  const known = new Map<string, unknown>(names.map((name) => [name, 0]));
  const torn: unknown[][] = [];
  let isTurnOpen = false;
  const seen = new SeenUpdates();
  await state.watchVariables(
    names,
    (name, old, value, metadata) => {
      known.set(name, value);
      seen.watcher(name, old, value, metadata);
      if (isTurnOpen) return;
      isTurnOpen = true;
      setImmediate(() => {
        isTurnOpen = false;
        const values = [...new Set(known.values())];
        if (values.length > 1) torn.push(values);
      });
    },
    { atomic: true, bufferLimit: 100_000, onError: seen.onError },
  );
  const batches = 200;
  for (let batch = 1; batch <= batches; batch += 1) {
    await writer.updateVariables(Object.fromEntries(names.map((name) => [name, batch])), { atomic: true });
    if (batch % 10 === 0) proxy.cut();
    if (batch % 10 === 5) proxy.mend();
  }
  proxy.mend();
  await seen.when(20_000, () => [...known.values()].every((value) => value === batches), 'the last batch');
  assert.deepEqual(torn, []);
  assert.equal(seen.missed, 0);
  assert.deepEqual(seen.errors, []);
});

test('what a full buffer dropped is told by the next update of that variable, also when the buffer is empty by then', async () => {
  await using pool = await WorkerPool.open({ workers: 1, credits: 64 });
  await using state = await BridgedState.open({ endpoint, sessionId: 'dropped', pool });
  await using writer = await BridgedState.open({ endpoint, sessionId: 'dropped', workers: 1 });
  for (const name of ['a', 'b']) await writer.registerVariable(name, 'integer', 1);
  const seen = new SeenUpdates();
  const watch = await state.watchVariables(['a', 'b'], seen.watcher, {
    overflow: 'drop-oldest',
    bufferLimit: 32,
    verify: true,
    onError: seen.onError,
  });
  await watch.synced;
  // Fills the lane with b, the buffer with a, and drops a by more of b.
  const sets: Promise<number>[] = [];
  for (let value = 2; value <= 120; value += 1) sets.push(writer.setVariable('b', value));
  for (let value = 2; value <= 6; value += 1) sets.push(sets.at(-1)!.then(() => writer.setVariable('a', value)));
  await blockBehindTurn(300);
  await Promise.all(sets);
  const more: Promise<number>[] = [];
  for (let value = 121; value <= 260; value += 1) more.push(writer.setVariable('b', value));
  await blockBehindTurn(500);
  await Promise.all(more);
  await writer.setVariable('a', 7);
  await seen.when(
    10_000,
    () => seen.all.some(({ identifier, newValue }) => identifier === 'a' && newValue === 7),
    'the last of a',
  );
  let version = 1;
  for (const { identifier, metadata } of seen.all) {
    if (identifier !== 'a') continue;
    assert.equal(metadata.version, version + metadata.missed + 1);
    version = metadata.version;
  }
  assert.deepEqual(seen.errors, []);
});
