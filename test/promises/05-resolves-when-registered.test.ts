/** A watch that resolved is registered: a set made after that, by anybody, is seen. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BridgedState, VariablesNotFoundError } from '../../src/main/index.js';
import { within } from '../support/deadline.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { sharedPool } from '../support/shared-pool.js';
import { workerCounts } from '../support/worker-counts.js';

let server: ServerProcess;

before(async () => {
  server = await ServerProcess.start();
});

after(() => server.close());

for (const workers of workerCounts([0, 2], 0)) {
  test(`with ${workers} workers, a set by another client right after the watch resolved is its first change`, async () => {
    const endpoint = `127.0.0.1:${server.port}`;
    const sessionId = `resolved-${workers}`;
    await using state = await BridgedState.open({ endpoint, workers, sessionId, verify: true });
    await using other = await BridgedState.open({ endpoint, workers: 0, sessionId });
    await other.registerVariable('fan', 'integer', 0);
    for (let round = 1; round <= 100; round += 1) {
      const seen = new SeenUpdates();
      const watch = await state.watchVariables('fan', seen.watcher);

      const version = await other.setVariable('fan', round);

      await seen.when(5_000, () => seen.all.length > 0, `the set of round ${round}`);
      assert.deepEqual(seen.rows(), [[round - 1, round, version, 0, false]]);
      await watch.stop();
    }
  });
}

test('ready resolves with the watch, and synced when everything up to the registration was delivered', async () => {
  const sessionId = 'ready';
  await using state = await BridgedState.open({
    endpoint: `127.0.0.1:${server.port}`,
    pool: await sharedPool(1),
    sessionId,
  });
  await state.registerVariable('fan', 'integer', 7);
  const seen = new SeenUpdates();

  const watch = await state.watchVariables('fan', seen.watcher, { includeInitial: true });

  await within(1_000, watch.ready, 'ready');
  await within(5_000, watch.synced, 'synced');
  assert.deepEqual(seen.rows(), [[undefined, 7, 1, 0, false]]);
});

test('a watch of a missing variable is refused naming every missing one, and none is watched', async () => {
  const sessionId = 'missing';
  await using state = await BridgedState.open({
    endpoint: `127.0.0.1:${server.port}`,
    pool: await sharedPool(2),
    sessionId,
  });
  await state.registerVariable('there', 'integer', 0);
  const seen = new SeenUpdates();

  const refused = state.watchVariables(['there', 'gone', 'lost'], seen.watcher);

  await assert.rejects(refused, (error) => {
    assert.ok(error instanceof VariablesNotFoundError);
    assert.match(error.message, /gone/);
    assert.match(error.message, /lost/);
    return true;
  });
  assert.deepEqual(await state.listWatchers(), []);
});

test("with missing: 'wait' the registration itself is the first change", async () => {
  const endpoint = `127.0.0.1:${server.port}`;
  const sessionId = 'wait';
  await using state = await BridgedState.open({ endpoint, pool: await sharedPool(1), sessionId, verify: true });
  await using other = await BridgedState.open({ endpoint, workers: 0, sessionId });
  const seen = new SeenUpdates();
  await state.watchVariables('late', seen.watcher, { missing: 'wait' });

  await other.registerVariable('late', 'integer', 1);
  await other.setVariable('late', 2);

  await seen.when(5_000, () => seen.last?.newValue === 2, 'the set');
  assert.deepEqual(seen.rows(), [
    [undefined, 1, 1, 0, false],
    [1, 2, 2, 0, false],
  ]);
});
