/** How the gRPC server gets its port, and what is said when it cannot. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server } from '@grpc/grpc-js';
import { ServerCredentials } from '@grpc/grpc-js';
import { UnavailableError } from '../shared/errors.js';
import { checkTlsTexts } from '../shared/tls-texts.js';
import type { ServerOptions } from './server-options.js';

/** The port that it listens on. @throws UnavailableError; InvalidOptionsError for a certificate that is none */
export async function listenForCalls(server: Server, options: ServerOptions): Promise<number> {
  // Asked first, because grpc-js writes to stderr when it cannot have a port, and says no more than that.
  const credentials = await tryToListen(options);
  const address = addressOf(options);
  try {
    return await new Promise((resolve, reject) => {
      server.bindAsync(address, credentials, (cause, bound) => (cause === null ? resolve(bound) : reject(cause)));
    });
  } catch (cause) {
    throw cannotListen(options, cause);
  }
}

/** Whether it could, now: the port is free again when it resolves. @throws as `listenForCalls` does */
export async function tryToListen(options: ListenOptions): Promise<ServerCredentials> {
  const credentials = credentialsOf(options);
  const probe = createServer();
  probe.listen(options.port, options.host);
  try {
    await once(probe, 'listening');
  } catch (cause) {
    throw cannotListen(options, cause);
  }
  probe.close();
  await once(probe, 'close');
  return credentials;
}

type ListenOptions = Pick<ServerOptions, 'host' | 'port' | 'tls'>;

function addressOf({ host, port }: ListenOptions): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function cannotListen(options: ListenOptions, cause: unknown): UnavailableError {
  return new UnavailableError(`the server cannot listen on ${addressOf(options)}: ${problemOf(cause)}`, { cause });
}

function credentialsOf({ tls }: ListenOptions): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  // grpc-js reads them only when it listens, and would say it of the address.
  checkTlsTexts(tls, 'startBridgeServer');
  const pair = { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) };
  return ServerCredentials.createSsl(tls.ca === undefined ? null : Buffer.from(tls.ca), [pair], tls.ca !== undefined);
}

function problemOf(cause: unknown): string {
  const { code, message } = cause as { readonly code?: string; readonly message?: string };
  switch (code) {
    case 'EADDRINUSE':
      return 'the port is in use: stop what uses it, or give another port (0 picks one)';
    case 'EACCES':
      return 'the port is not allowed: give one from 1,024 on (0 picks one)';
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'this machine has no such address: give one of its own, 127.0.0.1 or 0.0.0.0';
    default:
      return `${message ?? code}: give another host or port`;
  }
}
