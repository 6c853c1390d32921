/** Ending watches by message. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { until, within } from '../support/deadline.js';
import { newValue, PlainClient } from './plain-client.js';

let server: BridgeServer;
let client: PlainClient;

before(async () => {
  server = await startBridgeServer({ port: 0 });
  client = new PlainClient(server.port);
  await client.initSession();
  await client.register('fan', 0);
});

after(async () => {
  client.close();
  await server.close();
});

const watch = (token: string, from = client) =>
  from.watch({ sessionId: 's', variableIdentifiers: ['fan'], options: { watch_token: token } });

test('1,500 unwatches on one connection leave the other watches alive: as cancels, 1,000 would end it', async () => {
  const streams = Array.from({ length: 1_550 }, (_, index) => watch(`t${index}`));
  await Promise.all(streams.map((stream) => stream.ready()));
  assert.equal(server.metrics().observers, 1_550);
  const ended = streams.slice(0, 1_500);
  await Promise.all(
    ended.map(async (_, index) => {
      const { success } = await client.call('UnwatchVariables', { sessionId: 's', watchToken: `t${index}` });
      assert.equal(success, true);
    }),
  );
  const ends = await Promise.all(ended.map((stream) => stream.end()));
  assert.deepEqual(new Set(ends.map(({ code }) => code)), new Set([status.OK]));
  assert.deepEqual([server.metrics().observers, server.metrics().streams], [50, 50]);

  await client.set('fan', 1);
  const updates = await Promise.all(streams.slice(1_500).map((stream) => stream.next()));
  assert.deepEqual(new Set(updates.map(newValue)), new Set([1]));
  for (let index = 1_500; index < 1_550; index += 1) {
    await client.call('UnwatchVariables', { sessionId: 's', watchToken: `t${index}` });
  }
});

test('a token that names no watch is said so in the answer', async () => {
  for (const watchToken of ['nothing', '']) {
    const { response, errorCode } = await client.answer('UnwatchVariables', { sessionId: 's', watchToken });
    assert.equal(response.success ?? false, false);
    assert.equal(errorCode, 'WATCH_NOT_FOUND');
  }
});

test('a token belongs to its session', async () => {
  await client.call('InitializeSession', { sessionId: 'other' });
  const stream = watch('mine');
  await stream.ready();
  const { errorCode } = await client.answer('UnwatchVariables', { sessionId: 'other', watchToken: 'mine' });
  assert.equal(errorCode, 'WATCH_NOT_FOUND');
  await client.call('UnwatchVariables', { sessionId: 's', watchToken: 'mine' });
  assert.equal((await stream.end()).code, status.OK);
});

test('a watch that came back on another connection has the token; the end of its elder does not take it away', async () => {
  const other = new PlainClient(server.port);
  const elder = watch('again', other);
  await elder.ready();
  const stream = watch('again');
  await stream.ready();
  elder.call.cancel();
  await until(5_000, () => server.metrics().streams === 1, 'one stream');
  assert.equal((await client.call('UnwatchVariables', { sessionId: 's', watchToken: 'again' })).success, true);
  assert.equal((await stream.end()).code, status.OK);
  other.close();
});

test('what was set before the unwatch still arrives', async () => {
  const stream = watch('late');
  await stream.ready();
  const [version] = await Promise.all([
    client.set('fan', 5),
    client.call('UnwatchVariables', { sessionId: 's', watchToken: 'late' }),
  ]);
  assert.equal((await stream.next()).variable?.version, version);
  assert.equal((await stream.end()).code, status.OK);
});

test('cancelling watches in a mass unregisters every one, once', async () => {
  // HTTP/2 cuts a connection after about 1,000 cancels: here it does, and it must not matter to the server.
  const other = new PlainClient(server.port);
  const streams = Array.from({ length: 1_500 }, () => watch('', other));
  await Promise.all(streams.map((stream) => stream.ready()));
  assert.equal(server.metrics().observers, 1_500);
  for (const stream of streams) stream.call.cancel();
  await until(10_000, () => server.metrics().streams === 0, 'no stream');
  assert.equal(server.metrics().observers, 0);
  other.close();
  assert.equal((await within(5_000, client.call('Ping', { message: 'still here' }))).message, 'pong: still here');
});
