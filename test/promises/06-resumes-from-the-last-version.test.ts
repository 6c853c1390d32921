/** After a break a watch goes on from its last version: by replay while the server's history has it, else by one resync. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { within } from '../support/deadline.js';
import { SeenUpdates, SOON } from '../support/seen-updates.js';
import { sharedPool } from '../support/shared-pool.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { workerCounts } from '../support/worker-counts.js';

for (const workers of workerCounts([0, 1], 1)) {
  test(`with ${workers} workers, what was set while the connection was cut is replayed change by change`, async () => {
    await using server = await startBridgeServer({ port: 0 });
    await using proxy = await TcpProxy.start(server.port);
    await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
    await using state = await BridgedState.open({ endpoint: proxy.endpoint, workers, verify: true, ...SOON });
    const seen = await cutBehindOneUpdate(writer, state, proxy);
    for (let value = 2; value <= 40; value += 1) await writer.setVariable('fan', value);
    proxy.mend();

    await seen.when(15_000, () => seen.last?.newValue === 40, 'the last value set during the cut');
    assert.deepEqual(
      seen.rows(),
      Array.from({ length: 40 }, (_, index) => [index, index + 1, index + 2, 0, false]),
    );
    assert.deepEqual(seen.errors, []);
    const [info] = await state.listWatchers();
    assert.equal(info?.stats.updatesMissed, 0);
  });
}

test('beyond the history one resync brings the present value and tells exactly what was missed', async () => {
  await using server = await startBridgeServer({ port: 0, history: { maxAgeMs: 0, maxVersions: 16 } });
  await using proxy = await TcpProxy.start(server.port);
  await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
  await using state = await BridgedState.open({
    endpoint: proxy.endpoint,
    pool: await sharedPool(1),
    verify: true,
    ...SOON,
  });
  const seen = await cutBehindOneUpdate(writer, state, proxy);
  for (let value = 2; value <= 100; value += 1) await writer.setVariable('fan', value);
  proxy.mend();

  await seen.when(15_000, () => seen.last?.newValue === 100, 'the resync');
  await writer.setVariable('fan', 101);
  await seen.when(5_000, () => seen.last?.newValue === 101, 'the update after the resync');
  assert.deepEqual(seen.rows(), [
    [0, 1, 2, 0, false],
    [1, 100, 101, 98, true],
    [100, 101, 102, 0, false],
  ]);
  assert.deepEqual(seen.errors, []);
});

test('a break during which nothing was set is not told to the watcher', async () => {
  await using server = await startBridgeServer({ port: 0 });
  await using proxy = await TcpProxy.start(server.port);
  await using state = await BridgedState.open({
    endpoint: proxy.endpoint,
    pool: await sharedPool(1),
    verify: true,
    ...SOON,
  });
  await state.registerVariable('fan', 'integer', 0);
  const seen = new SeenUpdates();
  const { onError, onState } = seen;
  const watch = await state.watchVariables('fan', seen.watcher, { includeInitial: true, onError, onState });
  await seen.when(5_000, () => seen.all.length === 1, 'the initial value');

  proxy.cut();
  await seen.when(5_000, () => seen.states.includes('backoff'), 'the watch in backoff');
  proxy.mend();

  await seen.when(15_000, () => watch.state === 'live', 'the watch live again');
  await state.setVariable('fan', 1);
  await seen.when(5_000, () => seen.all.length === 2, 'the update after the break');
  assert.deepEqual(seen.rows(), [
    [undefined, 0, 1, 0, false],
    [0, 1, 2, 0, false],
  ]);
  assert.deepEqual(seen.errors, []);
});

test('a watch is live and synced after a break in which an add was refused', async () => {
  await using server = await startBridgeServer({ port: 0 });
  await using proxy = await TcpProxy.start(server.port);
  await using state = await BridgedState.open({ endpoint: proxy.endpoint, workers: 0, ...SOON });
  await state.registerVariable('held', 'integer', 1);
  const seen = new SeenUpdates();
  const watch = await state.watchVariables('held', seen.watcher, { onState: seen.onState });

  proxy.cut();
  await seen.when(10_000, () => seen.states.includes('backoff'), 'the break');
  const refused = assert.rejects(watch.add('nobody registered it'), { code: 'VARIABLE_NOT_FOUND' });
  proxy.mend();
  await within(20_000, refused, 'the refusal');

  await seen.when(10_000, () => watch.state === 'live', 'the state live');
  await within(10_000, watch.synced, 'being in step');
  assert.deepEqual(watch.identifiers, ['held']);
});

/** A watch of `fan` that has heard of 1 when its connection is cut. */
async function cutBehindOneUpdate(writer: BridgedState, state: BridgedState, proxy: TcpProxy): Promise<SeenUpdates> {
  await writer.registerVariable('fan', 'integer', 0);
  const seen = new SeenUpdates();
  const { onError, onState } = seen;
  await state.watchVariables('fan', seen.watcher, { onError, onState });
  await writer.setVariable('fan', 1);
  await seen.when(5_000, () => seen.all.length === 1, 'the update before the cut');

  proxy.cut();
  await seen.when(5_000, () => seen.states.includes('backoff'), 'the watch in backoff');
  return seen;
}
