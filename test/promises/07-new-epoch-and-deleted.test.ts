/** A server that lost its state is told by resync, a variable that went by its reason. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { PlainClient } from '../server/plain-client.js';
import { SeenUpdates, SOON } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { sharedPool } from '../support/shared-pool.js';
import { TcpProxy } from '../support/tcp-proxy.js';

test('the first update of a new epoch says resync, and what was missed of the new life', async () => {
  let server = await ServerProcess.start();
  const { port } = server;
  const endpoint = `127.0.0.1:${port}`;
  try {
    await using proxy = await TcpProxy.start(port);
    await using state = await BridgedState.open({
      endpoint: proxy.endpoint,
      pool: await sharedPool(1),
      verify: true,
      ...SOON,
    });
    await state.registerVariable('fan', 'integer', 1);
    const seen = new SeenUpdates();
    const { onError, onState } = seen;
    const watch = await state.watchVariables('fan', seen.watcher, { onError, onState });
    await state.setVariable('fan', 2);
    await seen.when(5_000, () => seen.all.length === 1, 'the update before the kill');

    // Cut until the new life is further than the old one was.
    proxy.cut();
    await server.kill();
    await seen.when(5_000, () => seen.states.includes('backoff'), 'the watch in backoff');
    server = await ServerProcess.start({ port });
    await using other = await BridgedState.open({ endpoint, workers: 0 });
    await other.registerVariable('fan', 'integer', 10);
    for (const value of [11, 12, 13]) await other.setVariable('fan', value);
    proxy.mend();

    await seen.when(15_000, () => seen.last?.newValue === 13, 'the value of the new life');
    await other.setVariable('fan', 14);
    await seen.when(5_000, () => seen.last?.newValue === 14, 'the update after it');
    assert.deepEqual(seen.rows(), [
      [1, 2, 2, 0, false],
      [2, 13, 4, 3, true],
      [13, 14, 5, 0, false],
    ]);
    assert.equal(watch.state, 'live');
    assert.deepEqual(seen.errors, []);
  } finally {
    await server.close();
  }
});

test('of several variables, each begins its new life when it comes back, and the others go on without a gap', async () => {
  let server = await ServerProcess.start();
  const { port } = server;
  const endpoint = `127.0.0.1:${port}`;
  try {
    await using proxy = await TcpProxy.start(port);
    await using state = await BridgedState.open({
      endpoint: proxy.endpoint,
      pool: await sharedPool(1),
      verify: true,
      ...SOON,
    });
    await state.registerVariable('fan', 'integer', 1);
    await state.registerVariable('lamp', 'integer', 1);
    const seen = new SeenUpdates();
    const { onError, onState } = seen;
    await state.watchVariables(['fan', 'lamp'], seen.watcher, { onError, onState });
    await state.setVariable('fan', 2);
    await state.setVariable('lamp', 2);
    await seen.when(5_000, () => seen.all.length === 2, 'the updates before the kill');

    await server.kill();
    server = await ServerProcess.start({ port });
    await using other = await BridgedState.open({ endpoint, workers: 0 });
    await other.registerVariable('fan', 'integer', 10);
    await seen.when(15_000, () => seen.last?.newValue === 10, 'the first of the new life');
    proxy.cut();
    await seen.when(5_000, () => seen.states.at(-1) === 'backoff', 'the watch in backoff');
    await other.registerVariable('lamp', 'integer', 20);
    for (const value of [21, 22]) await other.setVariable('lamp', value);
    await other.setVariable('fan', 11);
    proxy.mend();

    await seen.when(15_000, () => seen.last?.newValue === 11, 'what came during the cut');
    assert.deepEqual(seen.rows().slice(2), [
      [2, 10, 1, 0, true],
      [2, 20, 1, 0, true],
      [20, 21, 2, 0, false],
      [21, 22, 3, 0, false],
      [10, 11, 2, 0, false],
    ]);
    assert.deepEqual(seen.errors, []);
  } finally {
    await server.close();
  }
});

describe('a variable that goes', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start();
  });
  after(() => server.close());

  test('is told as deleted, and the watch ends with the last one', async () => {
    await using state = await BridgedState.open({
      endpoint: `127.0.0.1:${server.port}`,
      pool: await sharedPool(1),
      verify: true,
    });
    await state.registerVariable('one', 'integer', 1);
    await state.registerVariable('two', 'integer', 2);
    const seen = new SeenUpdates();
    const { onError, onState } = seen;
    const watch = await state.watchVariables(['one', 'two'], seen.watcher, { onError, onState });

    await state.deleteVariable('one');
    await seen.when(5_000, () => seen.all.length === 1, 'the end of the first');
    assert.equal(watch.state, 'live', 'the other one is still there');
    await state.deleteVariable('two');

    await seen.when(5_000, () => watch.state === 'stopped', 'the end of the watch');
    assert.deepEqual(
      seen.all.map(({ identifier, oldValue, newValue, metadata }) => [
        identifier,
        oldValue,
        newValue,
        metadata.deleted,
        metadata.missed,
      ]),
      [
        ['one', 1, undefined, 'deleted', 0],
        ['two', 2, undefined, 'deleted', 0],
      ],
    );
    assert.deepEqual(await state.listWatchers(), []);
    assert.deepEqual(seen.errors, []);
  });

  test('is told as expired when its time since the last set has passed', async () => {
    await using state = await BridgedState.open({
      endpoint: `127.0.0.1:${server.port}`,
      pool: await sharedPool(1),
      verify: true,
    });
    await state.registerVariable('short', 'integer', 1, { ttlMs: 400 });
    const seen = new SeenUpdates();
    const { onError, onState } = seen;
    const watch = await state.watchVariables('short', seen.watcher, { onError, onState });
    await state.setVariable('short', 2);

    await seen.when(10_000, () => watch.state === 'stopped', 'the end of the watch');

    assert.deepEqual(
      seen.all.map(({ newValue, metadata }) => [newValue, metadata.deleted]),
      [
        [2, undefined],
        [undefined, 'expired'],
      ],
    );
    assert.deepEqual(seen.errors, []);
  });

  test('is told as session-ended when somebody ends its session by force', async () => {
    const sessionId = 'ended';
    await using state = await BridgedState.open({
      endpoint: `127.0.0.1:${server.port}`,
      sessionId,
      pool: await sharedPool(1),
    });
    await state.registerVariable('fan', 'integer', 1);
    const seen = new SeenUpdates();
    const { onError, onState } = seen;
    const watch = await state.watchVariables('fan', seen.watcher, { onError, onState });
    const client = new PlainClient(server.port);

    await client.call('CleanupSession', { sessionId, force: true });

    await seen.when(10_000, () => watch.state === 'stopped', 'the end of the watch');
    assert.deepEqual(
      seen.all.map(({ oldValue, newValue, metadata }) => [oldValue, newValue, metadata.deleted]),
      [[1, undefined, 'session-ended']],
    );
    assert.deepEqual(seen.errors, []);
    client.close();
  });
});
