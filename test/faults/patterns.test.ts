/** What fits a pattern comes and goes while the watch is away: nothing of it is lost, and nothing is told twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Watcher } from '../../src/main/index.js';
import { BridgedState, UnsupportedError, WorkerPool } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { block } from '../support/block.js';
import { within } from '../support/deadline.js';
import { PassingServer } from '../support/passing-server.js';
import { SeenUpdates, SOON } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { sharedPool } from '../support/shared-pool.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { workerCounts } from '../support/worker-counts.js';

const ROOMS = { pattern: 'room/*' };

/** [identifier, old, new, version, missed, deleted] of each call, those of one variable in their order. */
function rowsOf(seen: SeenUpdates, name: string): unknown[][] {
  return seen.all
    .filter(({ identifier }) => identifier === name)
    .map(({ oldValue, newValue, metadata: { version, missed, deleted } }) => [
      oldValue,
      newValue,
      version,
      missed,
      deleted,
    ]);
}

for (const workers of workerCounts([0, 1], 1)) {
  test(`with ${workers} workers, variables that come, change and go during a cut are told as if it had not been`, async () => {
    await using server = await startBridgeServer({ port: 0 });
    await using proxy = await TcpProxy.start(server.port);
    await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
    await using state = await BridgedState.open({ endpoint: proxy.endpoint, workers, verify: true, ...SOON });
    for (const name of ['room/stays', 'room/goes', 'room/again']) await writer.registerVariable(name, 'integer', 0);
    const seen = new SeenUpdates();
    const { onError, onState } = seen;
    const watch = await state.watchVariables(ROOMS, seen.watcher, { onError, onState });
    await within(5_000, watch.synced, 'the first synced');

    proxy.cut();
    await seen.when(5_000, () => seen.states.includes('backoff'), 'the watch in backoff');
    await writer.setVariable('room/stays', 1);
    await writer.deleteVariable('room/goes');
    await writer.deleteVariable('room/again');
    await writer.registerVariable('room/again', 'integer', 10);
    await writer.registerVariable('room/comes', 'integer', 20);
    await writer.setVariable('room/comes', 21);
    await writer.registerVariable('room/passes', 'integer', 30);
    await writer.deleteVariable('room/passes');
    proxy.mend();

    await seen.when(15_000, () => rowsOf(seen, 'room/comes').length === 2, 'the newcomer');
    await within(5_000, watch.synced, 'the second synced');
    assert.deepEqual(rowsOf(seen, 'room/stays'), [[0, 1, 2, 0, undefined]]);
    assert.deepEqual(rowsOf(seen, 'room/comes'), [
      [undefined, 20, 1, 0, undefined],
      [20, 21, 2, 0, undefined],
    ]);
    const [goes] = rowsOf(seen, 'room/goes');
    assert.deepEqual([goes?.[0], goes?.[1], goes?.[4]], [0, undefined, 'deleted']);
    const again = rowsOf(seen, 'room/again');
    assert.deepEqual(again.at(-1)?.slice(1, 3), [10, 1]);
    assert.deepEqual([...watch.identifiers].sort(), ['room/again', 'room/comes', 'room/stays']);
    await writer.setVariable('room/again', 11);
    await seen.when(5_000, () => seen.last?.newValue === 11, 'a set of the one that came again');
    assert.deepEqual(seen.errors, []);
  });

  test(`with ${workers} workers, what comes during a cut of a pattern that had found nothing is told from its first version on`, async () => {
    await using server = await startBridgeServer({ port: 0 });
    await using proxy = await TcpProxy.start(server.port);
    await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
    await using state = await BridgedState.open({ endpoint: proxy.endpoint, workers, verify: true, ...SOON });
    const seen = new SeenUpdates();
    const { onError, onState } = seen;
    await state.watchVariables(ROOMS, seen.watcher, { onError, onState, includeInitial: true });
    proxy.cut();
    await seen.when(5_000, () => seen.states.includes('backoff'), 'the watch in backoff');
    await writer.registerVariable('room/comes', 'integer', 1);
    await writer.setVariable('room/comes', 2);
    proxy.mend();
    await seen.when(15_000, () => seen.all.length === 2, 'both versions');
    assert.deepEqual(seen.rows(), [
      [undefined, 1, 1, 0, false],
      [1, 2, 2, 0, false],
    ]);
    assert.ok(seen.all.every(({ metadata }) => !metadata.initial));
    assert.deepEqual(seen.errors, []);
  });
}

test('a worker that dies takes nothing of a pattern along, and its variables keep their chains', async () => {
  await using server = await startBridgeServer({ port: 0 });
  const endpoint = `127.0.0.1:${server.port}`;
  await using writer = await BridgedState.open({ endpoint, workers: 0 });
  await using pool = await WorkerPool.open({ workers: 1 });
  await using state = await BridgedState.open({ endpoint, pool, verify: true });
  const seen = new SeenUpdates();
  const { onError, onState } = seen;
  await state.watchVariables(ROOMS, seen.watcher, { onError, onState });
  await writer.registerVariable('room/a', 'integer', 0);
  await writer.registerVariable('room/b', 'integer', 0);
  await seen.when(5_000, () => seen.all.length === 2, 'both variables');
  for (let round = 1; round <= 3; round += 1) {
    const dies = pool.restartWorker(0);
    await writer.setVariable('room/a', round);
    await writer.registerVariable(`room/${round}`, 'integer', round);
    await writer.deleteVariable(`room/${round}`);
    await dies;
    await writer.setVariable('room/b', round);
    await seen.when(10_000, () => rowsOf(seen, 'room/b').length === round + 1, `round ${round}`);
  }
  for (const name of ['room/a', 'room/b']) {
    assert.deepEqual(
      rowsOf(seen, name).map(([oldValue, newValue]) => [oldValue, newValue]),
      [
        [undefined, 0],
        [0, 1],
        [1, 2],
        [2, 3],
      ],
    );
  }
  assert.deepEqual(seen.errors, []);
});

test('after a restart of the server a pattern tells what is registered there, as a resync or as new', async () => {
  let server = await ServerProcess.start();
  const { port } = server;
  try {
    await using state = await BridgedState.open({
      endpoint: `127.0.0.1:${port}`,
      pool: await sharedPool(1),
      verify: true,
      ...SOON,
    });
    await state.registerVariable('room/a', 'integer', 5);
    const seen = new SeenUpdates();
    const { onError, onState } = seen;
    await state.watchVariables(ROOMS, seen.watcher, { onError, onState });
    await state.setVariable('room/a', 6);
    await seen.when(5_000, () => seen.all.length === 1, 'the update before the restart');
    await server.kill();
    await seen.when(5_000, () => seen.states.includes('backoff'), 'the watch in backoff');
    server = await ServerProcess.start({ port });
    await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${port}`, workers: 0 });
    await writer.registerVariable('room/a', 'integer', 1);
    await writer.registerVariable('room/new', 'integer', 1);
    await seen.when(15_000, () => rowsOf(seen, 'room/new').length === 1, 'the new variable');
    await seen.when(5_000, () => rowsOf(seen, 'room/a').length === 2, 'the one that is back');
    const back = seen.all.filter(({ identifier }) => identifier === 'room/a').at(-1);
    assert.deepEqual([back?.oldValue, back?.newValue, back?.metadata.resync], [6, 1, true]);
    assert.deepEqual(seen.errors, []);
  } finally {
    await server.close();
  }
});

test('a pattern that overflows tells exactly how many versions of each variable it left out', async () => {
  const server = await ServerProcess.start();
  try {
    const endpoint = `127.0.0.1:${server.port}`;
    for (const overflow of ['conflate', 'drop-oldest'] as const) {
      await using writer = await BridgedState.open({ endpoint, sessionId: overflow, pool: await sharedPool(1) });
      await using pool = await WorkerPool.open({ workers: 1, credits: 64 });
      await using state = await BridgedState.open({ endpoint, sessionId: overflow, pool, verify: true });
      const seen = new SeenUpdates();
      const { onError } = seen;
      const watcher: Watcher = (identifier, oldValue, newValue, metadata) => {
        // The worker goes on meanwhile.
        if (newValue === 1) block(20);
        seen.watcher(identifier, oldValue, newValue, metadata);
      };
      await state.watchVariables(ROOMS, watcher, { onError, overflow, bufferLimit: 4 });
      const names = Array.from({ length: 40 }, (_, place) => `room/${place}`);
      for (const name of names) await writer.registerVariable(name, 'integer', 0);
      const sets = 50;
      const batches: Promise<unknown>[] = [];
      for (let value = 1; value <= sets; value += 1) {
        batches.push(writer.updateVariables(Object.fromEntries(names.map((name) => [name, value]))));
      }
      await Promise.all(batches);
      // One more of each, apart: it tells what was left out before it.
      for (const name of names) {
        await writer.setVariable(name, -1);
        const isTold = () => rowsOf(seen, name).at(-1)?.[1] === -1;
        await seen.when(10_000, isTold, `the last value of ${name}`);
      }
      for (const name of names) {
        const rows = rowsOf(seen, name);
        const missed = rows.reduce((sum, row) => sum + (row[3] as number), 0);
        assert.equal(rows.length + missed, sets + 2, `${name} with ${overflow}`);
      }
      assert.ok(seen.missed > 0, 'it overflowed');
      assert.deepEqual(seen.errors, []);
    }
  } finally {
    await server.close();
  }
});

test('a server that knows only the published contract has no patterns, and that is said', async () => {
  await using server = await startBridgeServer({ port: 0 });
  await using foreign = await PassingServer.start(server.port, { isForeign: true });
  await using state = await BridgedState.open({ endpoint: foreign.endpoint, pool: await sharedPool(1) });
  const watching = state.watchVariables(ROOMS, () => undefined);
  await assert.rejects(within(10_000, watching, 'the refusal'), UnsupportedError);
  assert.deepEqual(await state.listWatchers(), []);
});
