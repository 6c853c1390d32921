/** What becomes of a set whose answer was lost: over streams its outcome is unknown, over the link it is sent again and made once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgedState, type BridgeError } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { until, within } from '../support/deadline.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { sharedPool } from '../support/shared-pool.js';
import { TcpProxy } from '../support/tcp-proxy.js';

test('over streams, a set whose answer was lost fails with UnknownOutcomeError and is not made again', async () => {
  await using server = await startBridgeServer({ port: 0 });
  await using proxy = await TcpProxy.start(server.port);
  await using state = await BridgedState.open({
    endpoint: proxy.endpoint,
    pool: await sharedPool(1),
    transport: 'stream',
  });
  await using other = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
  await state.registerVariable('fan', 'integer', 0);
  const seen = new SeenUpdates();
  await other.watchVariables('fan', seen.watcher);
  // Its type is known from here on: the set is one call.
  await state.setVariable('fan', 1);
  proxy.swallowAnswers();
  const set = state.setVariable('fan', 2).then(
    () => 'resolved',
    (error: BridgeError) => error.code,
  );
  await seen.when(5_000, () => seen.last?.newValue === 2, 'the set at the server');
  proxy.cut();
  assert.equal(await within(5_000, set, 'the outcome'), 'UNKNOWN_OUTCOME');
  proxy.mend();
  // The connection is back, and nothing comes again over it.
  assert.equal(await within(10_000, state.getVariable('fan'), 'an answer'), 2);
  assert.deepEqual(
    seen.all.map(({ newValue }) => newValue),
    [1, 2],
  );
});

test('over the link, sets that a break leaves unanswered are sent again and made once, in their order', async () => {
  await using server = await startBridgeServer({ port: 0 });
  await using proxy = await TcpProxy.start(server.port);
  await using state = await BridgedState.open({
    endpoint: proxy.endpoint,
    sessionId: 'once',
    pool: await sharedPool(1),
    transport: 'link',
    reconnect: { baseMs: 5, spreadMs: 5, capMs: 50 },
  });
  await using reader = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, sessionId: 'once', workers: 0 });
  await state.registerVariable('counted', 'integer', 0);
  const values: unknown[] = [];
  await reader.watchVariables('counted', (_name, _old, value) => void values.push(value), { bufferLimit: 100_000 });
  const cuts = 25;
  const setsACut = 400;
  const sets: Promise<number>[] = [];
  for (let cut = 0; cut < cuts; cut += 1) {
    for (let count = 0; count < setsACut; count += 1) sets.push(state.setVariable('counted', sets.length + 1));
    // Somewhere in the middle of them: the answers of the last are under way, or their questions.
    await within(10_000, sets[sets.length - 1 - Math.floor(Math.random() * setsACut)]!, 'one of them');
    proxy.cut();
    proxy.mend();
  }
  const versions = await within(30_000, Promise.all(sets), 'all of them');
  assert.deepEqual(
    versions,
    sets.map((_, index) => index + 2),
    'each made one version, in the order of the calls',
  );
  await until(5_000, () => values.length === sets.length, 'all changes');
  assert.deepEqual(
    values,
    sets.map((_, index) => index + 1),
  );
});

test('over the link, batches that a break leaves unanswered are made once, an atomic one as a whole', async () => {
  await using server = await startBridgeServer({ port: 0 });
  await using proxy = await TcpProxy.start(server.port);
  const options = { sessionId: 'batches', pool: await sharedPool(1), transport: 'link' } as const;
  const reconnect = { baseMs: 5, spreadMs: 5, capMs: 50 };
  await using state = await BridgedState.open({ endpoint: proxy.endpoint, ...options, reconnect });
  await using reader = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, ...options });
  const names = Array.from({ length: 8 }, (_, place) => `batch-${place}`);
  for (const name of names) await state.registerVariable(name, 'integer', 0);
  const revisions = new Map<number, number>();
  await reader.watchVariables(names, (_name, _old, _value, { revision }) => {
    revisions.set(revision, (revisions.get(revision) ?? 0) + 1);
  });
  const batches: Promise<Map<string, number>>[] = [];
  const cuts = 15;
  const batchesACut = 60;
  for (let cut = 0; cut < cuts; cut += 1) {
    for (let count = 0; count < batchesACut; count += 1) {
      const value = batches.length + 1;
      const values = Object.fromEntries(names.map((name) => [name, value]));
      batches.push(state.updateVariables(values, { atomic: value % 2 === 0, metadata: { value: String(value) } }));
    }
    await within(10_000, batches[batches.length - 1 - Math.floor(Math.random() * batchesACut)]!, 'one of them');
    proxy.cut();
    proxy.mend();
  }
  const made = await within(30_000, Promise.all(batches), 'all of them');
  for (const [index, versions] of made.entries()) {
    assert.deepEqual(
      [...versions],
      names.map((name) => [name, index + 2]),
    );
  }
  const atomic = Math.floor(batches.length / 2);
  const revisionsOfAll = atomic + (batches.length - atomic) * names.length;
  await until(5_000, () => revisions.size === revisionsOfAll, 'all changes');
  assert.equal([...revisions.values()].filter((count) => count === names.length).length, atomic);
});

test('over the link, sets that wait for a server that lost its state have an unknown outcome, and those behind are made', async () => {
  const first = await startBridgeServer({ port: 0 });
  const { port } = first;
  await using proxy = await TcpProxy.start(port);
  await using state = await BridgedState.open({
    endpoint: proxy.endpoint,
    sessionId: 'lost',
    pool: await sharedPool(1),
    transport: 'link',
    reconnect: { baseMs: 5, spreadMs: 5, capMs: 50 },
  });
  await state.registerVariable('a', 'integer', 0);
  await state.setVariable('a', 1);
  proxy.silence();
  const sent = state.setVariable('a', 2).then(
    () => 'made',
    (error: { code: string }) => error.code,
  );
  await new Promise((resolve) => setImmediate(resolve));
  await first.close();
  await using second = await startBridgeServer({ port });
  await using other = await BridgedState.open({ endpoint: `127.0.0.1:${second.port}`, sessionId: 'lost', workers: 0 });
  await other.registerVariable('a', 'integer', 0);
  proxy.cut();
  proxy.mend();
  assert.equal(await within(10_000, sent, 'the outcome'), 'UNKNOWN_OUTCOME');
  assert.equal(await within(10_000, state.setVariable('a', 3), 'the next'), 2);
});
