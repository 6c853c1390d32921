/** What is asked of a request before it is whole: spoken in bare HTTP/2, because no gRPC client stops in the middle. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { connect, constants } from 'node:http2';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { METHODS, methodPath, SERVICE_NAMES } from '../../src/shared/wire/services.js';
import { within } from '../support/deadline.js';
import { PlainClient } from './plain-client.js';

async function connected(server: BridgeServer): Promise<ClientHttp2Session & AsyncDisposable> {
  const session = connect(`http://127.0.0.1:${server.port}`, { maxSessionMemory: 100 });
  await within(5_000, once(session, 'connect'), 'a connection');
  const dispose = async (): Promise<void> => session.destroy();
  return Object.assign(session, { [Symbol.asyncDispose]: dispose });
}

/** A request that says it has `claimed` bytes, and sends `sent` of them and no end. */
function unfinished(
  session: ClientHttp2Session,
  claimed: number,
  sent: number,
  headers: Record<string, string> = {},
  method = 'SetVariable',
): ClientHttp2Stream {
  const stream = session.request(
    {
      ':method': 'POST',
      ':path': methodPath(SERVICE_NAMES[0], method),
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    },
    { endStream: false },
  );
  const head = Buffer.alloc(5);
  head.writeUInt32BE(claimed, 1);
  stream.write(head);
  stream.write(Buffer.alloc(sent));
  stream.on('error', () => undefined);
  stream.resume();
  return stream;
}

/** Resolves when what was written is on its way. */
async function sent(stream: ClientHttp2Stream): Promise<void> {
  await within(5_000, new Promise<void>((resolve) => stream.write(Buffer.alloc(1), () => resolve())), 'a write');
}

/** The status that the server ended it with; resolves when the stream is closed, so that nothing of it is kept. */
async function endOf(stream: ClientHttp2Stream): Promise<{ code: number; error: string }> {
  const answered = once(stream, 'response');
  const closed = once(stream, 'close');
  const [headers] = await within(5_000, answered, 'an answer');
  await within(5_000, closed, 'the end of the stream');
  return { code: Number(headers['grpc-status']), error: String(headers['bridge-error']) };
}

test('requests without a token are refused on their headers, and none of what they send is kept', async () => {
  await using server = await startBridgeServer({ port: 0, tokens: ['secret'] });
  await using session = await connected(server);
  const ends = Array.from({ length: 60 }, () => endOf(unfinished(session, 4_000_000, 200_000)));
  for (const end of await Promise.all(ends))
    assert.deepEqual(end, { code: status.UNAUTHENTICATED, error: 'UNAUTHENTICATED' });
  for (const method of ['WatchVariables', 'Ping']) {
    assert.equal((await endOf(unfinished(session, 100, 0, {}, method))).code, status.UNAUTHENTICATED);
  }
});

test('a request that does not come whole in time is ended, and one that does is answered', async () => {
  await using server = await startBridgeServer({ port: 0, requestTimeoutMs: 200 });
  await using session = await connected(server);
  const end = await endOf(unfinished(session, 1_000, 10));
  assert.deepEqual(end, { code: status.DEADLINE_EXCEEDED, error: 'DEADLINE_EXCEEDED' });
  assert.equal((await endOf(unfinished(session, 1_000, 10, {}, 'WatchVariables'))).code, status.DEADLINE_EXCEEDED);
  const client = new PlainClient(server.port);
  assert.equal((await client.call('Ping', { message: 'x' })).message, 'pong: x');
  client.close();
});

test('unfinished requests of a connection have a share; what goes beyond is refused, and what ends gives its bytes back', async () => {
  const options = { port: 0, maxConnectionRequestBytes: 1_000_000, maxRequestBytes: 1_500_000 };
  await using server = await startBridgeServer(options);
  await using session = await connected(server);
  const kept = unfinished(session, 4_000_000, 900_000);
  await sent(kept);
  assert.deepEqual(await endOf(unfinished(session, 4_000_000, 200_000)), {
    code: status.RESOURCE_EXHAUSTED,
    error: 'QUOTA_EXCEEDED',
  });
  await using second = await connected(server);
  await sent(unfinished(second, 4_000_000, 400_000));
  assert.equal((await endOf(unfinished(second, 4_000_000, 200_000))).code, status.RESOURCE_EXHAUSTED);
  // Small ones of others have room.
  const client = new PlainClient(server.port);
  await client.initSession();
  kept.close(constants.NGHTTP2_CANCEL);
  await within(5_000, once(kept, 'close'), 'the end of the stream');
  await client.register('fan', 'x', {
    type: 'string',
    initialValue: { value: Buffer.from(JSON.stringify('x'.repeat(800_000))) },
  });
  client.close();
});

test('a request that is refused by its last bytes is not carried out', async () => {
  await using server = await startBridgeServer({ port: 0, maxConnectionRequestBytes: 50_000 });
  const client = new PlainClient(server.port);
  await client.initSession();
  const bytes = METHODS.RegisterVariable.encodeRequest({
    sessionId: 's',
    name: 'large',
    type: 'string',
    initialValue: { value: Buffer.from(JSON.stringify('x'.repeat(60_000))) },
  });
  await assert.rejects(client.raw('RegisterVariable', bytes), { code: status.RESOURCE_EXHAUSTED });
  assert.deepEqual((await client.call('ListVariables', { sessionId: 's' })).variables ?? [], []);
  client.close();
});
