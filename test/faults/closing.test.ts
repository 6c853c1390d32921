/** Closing answers what was asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { within } from '../support/deadline.js';

test('sets that were made before close() get their answers, with a pool of its own, a shared one and none', async () => {
  await using server = await startBridgeServer({ port: 0 });
  const endpoint = `127.0.0.1:${server.port}`;
  await using pool = await WorkerPool.open({ workers: 1 });
  await using reader = await BridgedState.open({ endpoint, workers: 0 });
  await reader.registerVariable('a', 'integer', 0);
  let value = 0;
  for (const options of [{ workers: 1 }, { workers: 0 }, { pool }]) {
    const state = await BridgedState.open({ endpoint, ...options });
    const sets = Array.from({ length: 60 }, () => {
      value += 1;
      return state.setVariable('a', value);
    });
    const closed = state.close();
    const outcomes = await within(10_000, Promise.allSettled(sets), 'the answers');
    await within(10_000, closed, 'the end');
    assert.deepEqual(
      outcomes.filter(({ status }) => status === 'rejected'),
      [],
    );
    assert.equal(await reader.getVariable('a'), value);
    await assert.rejects(state.setVariable('a', 1), { code: 'CLOSED' });
  }
});

test('a state whose server is gone closes without waiting for calls that cannot be made', async () => {
  const server = await startBridgeServer({ port: 0 });
  const state = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 1 });
  await state.registerVariable('a', 'integer', 0);
  await server.close();
  const set = state.setVariable('a', 1).then(
    () => 'resolved',
    (error: { code: string }) => error.code,
  );
  await within(3_000, state.close(), 'the end');
  assert.match(await set, /^(CLOSED|UNAVAILABLE|UNKNOWN_OUTCOME)$/);
});
