/** An update is for the watch and the variable that it was made for, whoever shares a pool and whatever was stopped meanwhile. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import { blockBehindTurn } from '../support/block.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { sharedPool } from '../support/shared-pool.js';

let server: ServerProcess;
let endpoint: string;

before(async () => {
  server = await ServerProcess.start();
  endpoint = `127.0.0.1:${server.port}`;
});

after(() => server.close());

/** A watch whose updates fill the lane and wait in its worker's ring, while this thread stands still. */
async function withBacklog(session: string) {
  const pool = await WorkerPool.open({ workers: 1, credits: 64 });
  const state = await BridgedState.open({ endpoint, sessionId: session, pool });
  const writer = await BridgedState.open({ endpoint, sessionId: session, pool: await sharedPool(1) });
  for (const name of ['busy', 'quiet']) await writer.registerVariable(name, 'integer', 0);
  const fill = async () => {
    const sets = [];
    // Its own worker makes them while this thread stands still.
    for (let value = 1; value <= 600; value += 1) sets.push(writer.setVariable('busy', value));
    await blockBehindTurn(1_000);
    return Promise.all(sets);
  };
  return {
    pool,
    state,
    writer,
    fill,
    [Symbol.asyncDispose]: async () => {
      await state.close();
      await writer.close();
      await pool.close();
    },
  };
}

test('stopping a watch of one state leaves the watch of another state of the same pool alone', async () => {
  await using pool = await WorkerPool.open({ workers: 1 });
  const open = () => BridgedState.open({ endpoint, sessionId: 'shared', pool });
  await using one = await open();
  await using two = await open();
  for (const name of ['a', 'b']) await one.registerVariable(name, 'integer', 0);
  const first = await one.watchVariables('a', () => undefined);
  const seen = new SeenUpdates();
  await two.watchVariables('b', seen.watcher);
  await two.setVariable('b', 1);
  await seen.when(5_000, () => seen.last?.newValue === 1, 'the first change');
  await first.stop();
  await two.setVariable('b', 2);
  await seen.when(5_000, () => seen.last?.newValue === 2, 'the change after the other watch was stopped');
  const [info] = await two.listWatchers();
  assert.equal(info?.stats.updatesReceived, 2);
  assert.deepEqual(await one.listWatchers(), []);
});

test('a watch that begins where another was stopped is not called with what waited for that one', async () => {
  await using backlog = await withBacklog('stopped');
  const { state, fill } = backlog;
  const stopped = await state.watchVariables('busy', () => undefined, { bufferLimit: 20_000 });
  const filled = fill();
  await stopped.stop();
  const seen = new SeenUpdates();
  const quiet = await state.watchVariables('quiet', seen.watcher);
  await filled;
  await quiet.synced;
  await state.setVariable('quiet', 7);
  await seen.when(5_000, () => seen.all.length > 0, 'its own change');
  assert.deepEqual(
    seen.all.map(({ newValue }) => newValue),
    [7],
  );
});

test('a variable that is removed and another that is added get nothing of each other', async () => {
  await using backlog = await withBacklog('removed');
  const { state, writer, fill } = backlog;
  await writer.registerVariable('third', 'integer', 0);
  const seen = new SeenUpdates();
  const watch = await state.watchVariables(['busy', 'third'], seen.watcher, { bufferLimit: 20_000 });
  const filled = fill();
  await watch.remove('busy');
  seen.all.length = 0;
  await watch.add('quiet');
  await filled;
  await watch.synced;
  await state.setVariable('quiet', 9);
  await seen.when(5_000, () => seen.all.length > 0, 'the change of the added variable');
  assert.deepEqual(
    seen.all.map(({ identifier, newValue }) => [identifier, newValue]),
    [['quiet', 9]],
  );
});

test('sets of one variable, by name and by id in turn and none awaited, are made in their order', async () => {
  await using state = await BridgedState.open({ endpoint, sessionId: 'order', pool: await sharedPool(1) });
  const id = await state.registerVariable('fan', 'integer', 0);
  await using other = await BridgedState.open({ endpoint, sessionId: 'order', pool: await sharedPool(1) });
  const versions = await Promise.all(
    Array.from({ length: 60 }, (_, place) => other.setVariable(place % 2 === 0 ? 'fan' : id, place + 1)),
  );
  assert.deepEqual(
    versions,
    Array.from({ length: 60 }, (_, place) => place + 2),
  );
  assert.equal(await state.getVariable('fan'), 60);
});

test('a variable named as the id of another keeps its own values, also when the watch resumes', async () => {
  await using state = await BridgedState.open({ endpoint, sessionId: 'names', pool: await sharedPool(1) });
  const id = await state.registerVariable('fan', 'integer', 1);
  await state.registerVariable(id, 'integer', 100);
  const seen = new SeenUpdates();
  const watch = await state.watchVariables(['fan', id], seen.watcher, { includeInitial: true });
  await watch.synced;
  await state.setVariable('fan', 2);
  await state.setVariable(id, 200);
  await state.deleteVariable('fan');
  await seen.when(5_000, () => seen.last?.metadata.deleted !== undefined, 'the deletion');
  const valuesOf = (name: string) =>
    seen.all.filter(({ identifier }) => identifier === name).map(({ newValue }) => newValue);
  assert.deepEqual(valuesOf('fan'), [1, 2, undefined]);
  assert.deepEqual(valuesOf(id), [100, 200]);
});

test('a variable that another client registers anew as another type has the history of what it is now', async () => {
  await using state = await BridgedState.open({ endpoint, sessionId: 'types', pool: await sharedPool(1) });
  await using other = await BridgedState.open({ endpoint, sessionId: 'types', pool: await sharedPool(1) });
  await state.registerVariable('fan', 'embedding', [1, 2]);
  assert.equal((await state.history('fan')).length, 1);
  for (const [type, value] of [
    ['list', [3, 4]],
    ['string', 'off'],
  ] as const) {
    await other.deleteVariable('fan');
    await other.registerVariable('fan', type, value);
    assert.deepEqual(
      (await state.history('fan')).map((entry) => entry.value),
      [value],
    );
  }
});
