/** What is refused for good is told at once, what is refused for now returns by itself, and nothing stands in the way of others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgedState, type BridgeError, WorkerPool } from '../../src/main/index.js';
import type { BridgeServerOptions } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { PlainClient } from '../server/plain-client.js';
import { until, within } from '../support/deadline.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { sharedPool } from '../support/shared-pool.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  within(
    5_000,
    promise.then(
      () => 'resolved',
      (error: BridgeError) => error.code,
    ),
    'an outcome',
  );

async function started(options: BridgeServerOptions = {}) {
  const server = await startBridgeServer({ port: 0, ...options });
  return { server, endpoint: `127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server.close() };
}

test('a watch above maxStreams is refused at once, and one that was live comes back when there is room', async () => {
  await using running = await started({ maxStreams: 2 });
  await using proxy = await TcpProxy.start(running.server.port);
  await using state = await BridgedState.open({ endpoint: proxy.endpoint, pool: await sharedPool(1) });
  await using other = await BridgedState.open({ endpoint: running.endpoint, pool: await sharedPool(1) });
  for (const name of ['a', 'b', 'c']) await state.registerVariable(name, 'integer', 0);
  await state.watchVariables('a', () => undefined);
  const seen = new SeenUpdates();
  await state.watchVariables('b', seen.watcher, { onState: seen.onState });
  assert.equal(await codeOf(state.watchVariables('c', () => undefined)), 'QUOTA_EXCEEDED');
  proxy.cut();
  await seen.when(5_000, () => seen.states.includes('backoff'), 'the break');
  const usurper = await other.watchVariables('c', () => undefined);
  proxy.mend();
  // One of the two is refused for now, until this one leaves.
  await usurper.stop();
  await seen.when(10_000, () => seen.states.at(-1) === 'live', 'its return');
  await other.setVariable('b', 1);
  await seen.when(5_000, () => seen.last?.newValue === 1, 'its change');
});

test('a token that was withdrawn fails watches and calls at once, and disturbs no other state of the pool', async () => {
  await using running = await started({ tokens: ['good', 'other'] });
  const { port } = running.server;
  await using proxy = await TcpProxy.start(port);
  await using pool = await WorkerPool.open({ workers: 1 });
  await using state = await BridgedState.open({ endpoint: proxy.endpoint, pool, token: 'good' });
  await state.registerVariable('a', 'integer', 0);
  const seen = new SeenUpdates();
  await state.watchVariables('a', seen.watcher, { onState: seen.onState, onError: seen.onError });
  proxy.cut();
  await running.server.close();
  await using again = await startBridgeServer({ port, tokens: ['other'] });
  proxy.mend();
  await seen.when(10_000, () => seen.states.at(-1) === 'failed', 'the end of the watch');
  assert.equal((seen.errors[0] as BridgeError).code, 'UNAUTHENTICATED');
  assert.equal(await codeOf(state.watchVariables('a', () => undefined)), 'UNAUTHENTICATED');
  await using fresh = await BridgedState.open({ endpoint: `127.0.0.1:${again.port}`, pool, token: 'other' });
  await fresh.registerVariable('a', 'integer', 0);
  await within(
    2_000,
    fresh.watchVariables('a', () => undefined),
    'a watch beside it',
  );
});

test('a watch in a session that has ended joins it again by itself', async () => {
  await using running = await started();
  await using state = await BridgedState.open({
    endpoint: running.endpoint,
    sessionId: 'short',
    pool: await sharedPool(1),
  });
  const client = new PlainClient(running.server.port);
  try {
    await client.call('CleanupSession', { sessionId: 'short', force: true });
  } finally {
    client.close();
  }
  await within(
    5_000,
    state.watchVariables('a', () => undefined, { missing: 'wait' }),
    'a watch',
  );
  assert.equal(running.server.metrics().sessions, 1);
});

test('the session of an idle state lives on, one that nobody keeps ends', async () => {
  await using running = await started({ sessionTtlMs: 300 });
  await using state = await BridgedState.open({
    endpoint: running.endpoint,
    sessionId: 'kept',
    pool: await sharedPool(1),
  });
  await state.registerVariable('a', 'integer', 7);
  const client = new PlainClient(running.server.port);
  try {
    for (let round = 0; round < 3; round += 1) {
      await client.call('InitializeSession', { sessionId: 'left' });
      await until(5_000, () => running.server.metrics().sessions === 1, 'the end of the session that nobody keeps');
    }
  } finally {
    client.close();
  }
  assert.equal(await state.getVariable('a'), 7);
});

test('an update larger than the client takes ends the watch with its reason instead of a loop of returns', async () => {
  await using running = await started();
  await using small = await BridgedState.open({
    endpoint: running.endpoint,
    pool: await sharedPool(1),
    limits: { maxMessageBytes: 65_536 },
  });
  await using large = await BridgedState.open({ endpoint: running.endpoint, pool: await sharedPool(1) });
  await large.registerVariable('text', 'string', 'short');
  await large.registerVariable('number', 'integer', 0);
  const seen = new SeenUpdates();
  await small.watchVariables('text', seen.watcher, { onError: seen.onError, onState: seen.onState });
  const neighbour = new SeenUpdates();
  await small.watchVariables('number', neighbour.watcher);
  await large.setVariable('text', 'x'.repeat(100_000));
  await seen.when(5_000, () => seen.states.includes('failed'), 'the end of the watch');
  assert.deepEqual(
    seen.errors.map((error) => (error as BridgeError).code),
    ['MESSAGE_TOO_LARGE'],
  );
  await large.setVariable('number', 1);
  await neighbour.when(5_000, () => neighbour.last?.newValue === 1, 'the neighbour’s change');
});

test('a request whose names do not fit a message is refused before it travels, and others open beside it', async () => {
  await using running = await started();
  await using state = await BridgedState.open({
    endpoint: running.endpoint,
    pool: await sharedPool(1),
    limits: { maxMessageBytes: 16_384 },
  });
  await state.registerVariable('a', 'integer', 0);
  const names = Array.from({ length: 2_000 }, (_, number) => `variable-number-${number}`);
  assert.equal(await codeOf(state.watchVariables(names, () => undefined, { missing: 'wait' })), 'MESSAGE_TOO_LARGE');
  assert.equal(await codeOf(state.watchVariables('a', () => undefined)), 'resolved');
});
