/** A state that cannot connect says why: the sentence names DNS, TLS or the certificate, the cause is there, in a worker too. */
import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo, Server as NetServer, Socket } from 'node:net';
import { createServer } from 'node:net';
import { after, describe, test } from 'node:test';
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';
import { BridgedState, type BridgedStateOptions, ProtocolError, UnavailableError } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { within } from '../../src/testing/within.js';
import { Certificates } from '../support/certificates.js';

const certificates = new Certificates();
const { ca } = certificates;
const own = certificates.issue('own', 'DNS:localhost,IP:127.0.0.1');
const client = certificates.issue('client', 'DNS:client');
const stranger = new Certificates();

type Tls = BridgedStateOptions['tls'];

async function failureOf(endpoint: string, tls: Tls, workers: number): Promise<UnavailableError> {
  const opening = BridgedState.open({
    endpoint,
    workers,
    limits: { connectTimeoutMs: 3_000 },
    ...(tls ? { tls } : {}),
  });
  const failure = await within(
    opening.then(
      (state) => state.close().then(() => undefined),
      (error: unknown) => error,
    ),
    'an answer',
    10_000,
  );
  assert.ok(failure instanceof UnavailableError, String(failure));
  return failure;
}

async function starting(tls?: { cert: string; key: string; ca?: string }): Promise<string> {
  const server = await startBridgeServer({ port: 0, ...(tls === undefined ? {} : { tls }) });
  after(() => server.close());
  return `127.0.0.1:${server.port}`;
}

async function listening(server: NetServer): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Misfit {
  readonly what: string;
  readonly endpoint: () => Promise<string>;
  readonly tls?: Tls;
  readonly says: RegExp;
  /** Of the cause. */
  readonly code: RegExp;
}

/** Another program that speaks gRPC. */
async function foreignGrpc(): Promise<string> {
  const server = new GrpcServer();
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  after(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

const hangUp = (): NetServer => createServer((socket) => void socket.on('error', () => undefined).destroy());

const MISFITS: readonly Misfit[] = [
  {
    what: 'an authority that is not trusted',
    endpoint: () => starting(own),
    tls: true,
    says: /certificate of 127\.0\.0\.1:\d+ is not trusted/,
    code: /^UNABLE_TO_VERIFY_LEAF_SIGNATURE$/,
  },
  {
    what: 'another authority',
    endpoint: () => starting(own),
    tls: { ca: stranger.ca },
    says: /certificate of .* is not trusted/,
    code: /^UNABLE_TO_|_CERT/,
  },
  {
    what: 'a certificate for another name',
    endpoint: () => starting(certificates.issue('other', 'DNS:bridge.example')),
    tls: { ca },
    says: /is for another host name \(it names DNS:bridge\.example\)/,
    code: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
  },
  {
    what: 'a certificate that has expired',
    endpoint: () => starting(certificates.issue('old', 'IP:127.0.0.1', '-1')),
    tls: { ca },
    says: /certificate of .* has expired/,
    code: /^CERT_HAS_EXPIRED$/,
  },
  {
    what: 'no certificate where one is wanted',
    endpoint: () => starting({ ...own, ca }),
    tls: { ca },
    says: /wants a certificate from its clients/,
    code: /ALERT_CERTIFICATE_REQUIRED$/,
  },
  {
    what: 'a certificate of an authority that the server does not trust',
    endpoint: () => starting({ ...own, ca }),
    tls: { ca, ...stranger.issue('stranger', 'DNS:stranger') },
    says: /certificate/,
    code: /./,
  },
  {
    what: 'a plain state and a server with TLS',
    endpoint: () => starting(own),
    says: /speaks TLS, and this state does not/,
    code: /./,
  },
  {
    what: 'a state with TLS and a plain server',
    endpoint: () => starting(),
    tls: { ca },
    says: /does not speak TLS/,
    code: /^ERR_SSL_/,
  },
  {
    what: 'a name that DNS does not know',
    endpoint: async () => 'no-such-host.invalid:50051',
    says: /DNS does not (know|answer for) the name in no-such-host\.invalid:50051/,
    code: /^(ENOTFOUND|EAI_AGAIN)$/,
  },
  {
    what: 'a port where nobody listens',
    endpoint: async () => '127.0.0.1:1',
    says: /no gRPC server answers at 127\.0\.0\.1:1 \(ECONNREFUSED\)/,
    code: /^ECONNREFUSED$/,
  },
  {
    what: 'a socket that is not there',
    endpoint: async () => 'unix:/tmp/no-such-socket-of-bridged-state',
    says: /there is no socket unix:\/tmp\/no-such-socket/,
    code: /^ENOENT$/,
  },
  {
    what: 'an HTTP/1.1 server',
    endpoint: () => listening(createHttpServer((_, response) => response.end())),
    says: /answers in HTTP\/1\.1/,
    code: /^EPROTO$/,
  },
  {
    what: 'a server that hangs up',
    endpoint: () => listening(hangUp()),
    says: /ends (each|the) connection/,
    code: /^ECONNRESET$/,
  },
  {
    what: 'a server that accepts and says nothing',
    endpoint: () => listening(createServer((socket) => void socket.on('error', () => undefined).resume())),
    says: /accepts no HTTP\/2 connection within 3000 ms/,
    code: /^ETIMEDOUT$/,
  },
];

describe('a state that cannot connect says why', () => {
  for (const { what, endpoint, tls, says, code } of MISFITS) {
    test(what, async () => {
      const target = await endpoint();
      for (const workers of [0, 1]) {
        const failure = await failureOf(target, tls, workers);
        assert.match(failure.message, says);
        assert.ok(failure.message.includes(target), failure.message);
        assert.ok(failure.cause instanceof Error);
        assert.match(String((failure.cause as NodeJS.ErrnoException).code), code);
      }
    });
  }

  test('endpoints behind which is something else do not keep it from the bridge server among them', async () => {
    const http1 = await listening(createHttpServer((_, response) => response.end('hello')) as NetServer);
    const others = [http1, await listening(hangUp()), await foreignGrpc()];
    const found = await starting();
    for (const wrong of [...others.map((other) => [other]), others]) {
      for (const endpoints of [
        [...wrong, found],
        [found, ...wrong],
      ]) {
        await using state = await BridgedState.open({ endpoints, sessionId: endpoints.join(), workers: 0 });
        await state.registerVariable('a', 'integer', 1);
      }
    }
    const opening = BridgedState.open({
      endpoints: [...others].reverse(),
      workers: 0,
      limits: { connectTimeoutMs: 3_000 },
    });
    // The one that says the most.
    await assert.rejects(
      opening,
      (error: unknown) => error instanceof ProtocolError && /no bridge server/.test(error.message),
    );
  });

  test('mutual TLS, the authority with CRLF and words before it, connect', async () => {
    const endpoint = await starting({ ...own, ca });
    const text = `Subject: test ca\r\n${ca.replaceAll('\n', '\r\n')}`;
    const state = await BridgedState.open({ endpoint, workers: 1, tls: { ca: text, ...client } });
    await state.close();
  });

  test('localhost with a point at its end is connected to, plain and with TLS', async () => {
    for (const tls of [undefined, own]) {
      const endpoint = `localhost.:${(await starting(tls)).split(':')[1]}`;
      const state = await BridgedState.open({ endpoint, workers: 0, ...(tls === undefined ? {} : { tls: { ca } }) });
      await state.close();
    }
  });
});
