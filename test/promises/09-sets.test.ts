/** A set that resolved is there, sets are made in the order of the calls, and one whose answer was lost says so and is not repeated. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { within } from '../support/deadline.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { sharedPool } from '../support/shared-pool.js';
import { TcpProxy } from '../support/tcp-proxy.js';

test('a set that resolved is what every other client reads, and unawaited sets are made in the order of the calls', async () => {
  await using server = await startBridgeServer({ port: 0 });
  const endpoint = `127.0.0.1:${server.port}`;
  await using state = await BridgedState.open({ endpoint, pool: await sharedPool(2) });
  await using other = await BridgedState.open({ endpoint, workers: 0 });
  const id = await state.registerVariable('fan', 'integer', 0);
  await state.registerVariable('lamp', 'integer', 0);
  const seen = new SeenUpdates();
  await other.watchVariables('fan', seen.watcher);
  const calls: Promise<unknown>[] = [];
  for (let value = 1; value <= 90; value += 3) {
    calls.push(state.setVariable('fan', value));
    calls.push(state.setVariable(id, value + 1));
    calls.push(state.updateVariables({ fan: value + 2, lamp: value }));
  }
  await Promise.all(calls);
  assert.equal(await other.getVariable('fan'), 90);
  await seen.when(5_000, () => seen.last?.newValue === 90, 'the last set');
  assert.deepEqual(
    seen.all.map(({ newValue }) => newValue),
    Array.from({ length: 90 }, (_, place) => place + 1),
  );
});

test('a set that found no connection is made once, when there is one again', async () => {
  await using server = await startBridgeServer({ port: 0 });
  await using proxy = await TcpProxy.start(server.port);
  await using state = await BridgedState.open({ endpoint: proxy.endpoint, pool: await sharedPool(1) });
  await using other = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
  await state.registerVariable('fan', 'integer', 0);
  const watched = new SeenUpdates();
  await state.watchVariables('fan', watched.watcher, { onState: watched.onState });
  proxy.cut();
  await watched.when(5_000, () => watched.states.includes('backoff'), 'the break');
  const set = state.setVariable('fan', 1);
  proxy.mend();
  assert.equal(await within(10_000, set, 'its answer'), 2);
  assert.equal((await other.getVariableInfo('fan')).version, 2);
});
