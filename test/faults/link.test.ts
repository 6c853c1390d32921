/** The link where it is not there, and where what comes on it cannot be read. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { BridgedState, UnsupportedError } from '../../src/main/index.js';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { within } from '../support/deadline.js';
import { PassingServer } from '../support/passing-server.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { TcpProxy } from '../support/tcp-proxy.js';

let server: BridgeServer;

before(async () => {
  server = await startBridgeServer({ port: 0 });
});

after(() => server.close());

describe('a server without links', () => {
  test('is watched by streams, and says so', async () => {
    await using old = await PassingServer.start(server.port);
    await using state = await BridgedState.open({
      endpoint: old.endpoint,
      sessionId: 'old',
      workers: 2,
      transport: 'auto',
    });
    assert.equal(state.capabilities.transport, 'stream');
    await state.registerVariable('a', 'integer', 0);
    const seen = new SeenUpdates();
    await state.watchVariables('a', seen.watcher, { includeInitial: true });
    await state.setVariable('a', 1);
    await seen.when(5_000, () => seen.last?.newValue === 1, 'the change');
    assert.equal(seen.missed, 0);
  });

  test('is refused where links alone are asked for', async () => {
    await using old = await PassingServer.start(server.port);
    const opening = BridgedState.open({ endpoint: old.endpoint, sessionId: 'old', workers: 1, transport: 'link' });
    await assert.rejects(within(5_000, opening, 'the refusal'), (error: unknown) => {
      assert.ok(error instanceof UnsupportedError);
      assert.match(error.message, /has no StreamLink: use transport 'auto' or 'stream'/);
      return true;
    });
  });

  test('at another endpoint takes over what a link carried, and nothing is missed', async () => {
    await using proxy = await TcpProxy.start(server.port);
    await using old = await PassingServer.start(server.port);
    await using state = await BridgedState.open({
      endpoints: [proxy.endpoint, old.endpoint],
      sessionId: 'both',
      workers: 1,
      transport: 'auto',
      reconnect: { baseMs: 10, spreadMs: 5 },
    });
    await using writer = await BridgedState.open({
      endpoint: `127.0.0.1:${server.port}`,
      sessionId: 'both',
      workers: 0,
    });
    assert.equal(state.capabilities.transport, 'link');
    await state.registerVariable('a', 'integer', 0);
    const seen = new SeenUpdates();
    await state.watchVariables('a', seen.watcher, { onState: seen.onState });
    await writer.setVariable('a', 1);
    await seen.when(5_000, () => seen.last?.newValue === 1, 'the change over the link');
    proxy.cut();
    for (let value = 2; value <= 20; value += 1) await writer.setVariable('a', value);
    await seen.when(10_000, () => seen.last?.newValue === 20, 'the changes over a stream');
    assert.deepEqual(
      seen.rows().map(([old_, value]) => [old_, value]),
      Array.from({ length: 20 }, (_, index) => [index, index + 1]),
    );
    assert.equal(seen.missed, 0);
  });
});

test('a link that says what cannot be read is given up: a watch that waits for it is told', async () => {
  await using unreadable = await UnreadableServer.start();
  const waiting = within(
    3_000,
    BridgedState.open({
      endpoint: unreadable.endpoint,
      sessionId: 's',
      workers: 1,
      transport: 'link',
      limits: { connectTimeoutMs: 500 },
    }),
    'the state',
  );
  await using state = await waiting;
  const refused = state.watchVariables('a', () => undefined);
  await assert.rejects(within(5_000, refused, 'the refusal'), { code: 'PROTOCOL' });
  assert.ok(unreadable.opened >= 2);
});

/** Has links, and says nonsense on each. */
class UnreadableServer implements AsyncDisposable {
  readonly #server = new Server();
  port = 0;
  opened = 0;

  static async start(): Promise<UnreadableServer> {
    const one = new UnreadableServer();
    const pass = <T>(bytes: T): T => bytes;
    const bytes = {
      requestSerialize: pass,
      requestDeserialize: pass,
      responseSerialize: pass,
      responseDeserialize: pass,
    };
    one.#server.addService(
      { Open: { path: '/snakepit.bridge.StreamLink/Open', requestStream: true, responseStream: true, ...bytes } },
      {
        Open: ((call: { on(name: string, handle: () => void): void; write(bytes: Buffer): void }) => {
          one.opened += 1;
          call.on('data', () => call.write(Buffer.from([0x12, 0xff])));
        }) as never,
      },
    );
    one.#server.addService(
      {
        InitializeSession: {
          ...{ path: '/snakepit.bridge.BridgeService/InitializeSession', requestStream: false, responseStream: false },
          ...bytes,
        },
      },
      // success = true
      {
        InitializeSession: ((_call: unknown, answer: (...all: unknown[]) => void) =>
          answer(null, Buffer.from([8, 1]))) as never,
      },
    );
    one.port = await new Promise<number>((resolve) => {
      one.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_error, port) => resolve(port));
    });
    return one;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}
