/**
 * Finds out why grpc-js has no connection, which it says to nobody: a connection of its own, looked at and ended.
 * Path: channel pool -> [connect probe] -> connect failure. A diagnosis: nothing that is done depends on it.
 * Slow: it ends when its time is up. Closed: every socket of it is destroyed.
 */
import type { Socket } from 'node:net';
import { connect, isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { connect as connectTls } from 'node:tls';
import { Deadlines, deadlineOf } from '../../shared/deadlines.js';
import { UnavailableError } from '../../shared/errors.js';
import type { TlsConfig } from '../../shared/port/commands.js';
import { systemClock } from '../../shared/system-clock.js';
import type { Finding, Stage } from '../connection/connect-failure.js';
import { leavesTlsOpen, sentenceOfFailure } from '../connection/connect-failure.js';

/** The error to throw for a connection that does not stand. Takes at most `timeoutMs`. */
export async function explainFailure(
  endpoint: string,
  tls: TlsConfig | undefined,
  timeoutMs: number,
): Promise<UnavailableError> {
  const deadlines = new Deadlines();
  const untilMs = systemClock.nowMs() + timeoutMs;
  try {
    const own = await meet(endpoint, tls, deadlines, untilMs);
    const isTls = tls !== undefined;
    const other = leavesTlsOpen(own.finding)
      ? (await meet(endpoint, isTls ? undefined : ANY_CERTIFICATE, deadlines, untilMs)).finding
      : undefined;
    const hasCertificate = tls?.cert !== undefined;
    const sentence = sentenceOfFailure({ endpoint, isTls, hasCertificate, own: own.finding, other });
    return new UnavailableError(sentence, { cause: own.cause });
  } finally {
    deadlines.close();
  }
}

interface Meeting {
  readonly finding: Finding;
  readonly cause: Error | undefined;
}

function meet(
  endpoint: string,
  tls: TlsConfig | ConnectionOptions | undefined,
  deadlines: Deadlines,
  untilMs: number,
): Promise<Meeting> {
  return new Promise((resolve) => {
    let stage: Stage = 'connect';
    let said = Buffer.alloc(0);
    const socket = open(endpoint, tls);
    const deadline = deadlineOf(() => end({ kind: 'silent', stage }));
    const end = (finding: Finding, cause?: Error): void => {
      deadlines.cancel(deadline);
      socket.destroy();
      resolve({ finding, cause: cause ?? causeOf(finding) });
    };
    const greet = (): void => {
      stage = 'greeting';
      socket.write(PREFACE);
    };
    deadlines.schedule(deadline, untilMs);
    socket.on('connect', tls === undefined ? greet : () => (stage = 'tls'));
    socket.on('secureConnect', greet);
    socket.on('data', (bytes: Buffer) => {
      said = Buffer.concat([said, bytes]);
      const finding = findingOf(said);
      if (finding !== undefined) end(finding);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => end(findingOfError(error, stage), plainCause(error)));
    socket.on('close', () => end({ kind: 'closed', stage }));
  });
}

function open(endpoint: string, tls: TlsConfig | ConnectionOptions | undefined): Socket {
  const address = addressOf(endpoint);
  if (tls === undefined) return connect(address);
  const name = 'host' in address && isIP(address.host) === 0 ? { servername: address.host.replace(/\.$/, '') } : {};
  return connectTls({ ...tls, ...address, ...name, ALPNProtocols: ['h2'] });
}

function addressOf(endpoint: string): { host: string; port: number } | { path: string } {
  if (endpoint.startsWith('unix:')) return { path: endpoint.replace(/^unix:(?:\/\/(?=\/))?/, '') };
  const colon = endpoint.lastIndexOf(':');
  return { host: endpoint.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(endpoint.slice(colon + 1)) };
}

/** Undefined while too little has come. */
function findingOf(said: Buffer): Finding | undefined {
  if (said.length < FRAME_HEADER_BYTES) return undefined;
  if (said[3] === SETTINGS || said[3] === GOAWAY) return { kind: 'http2' };
  if (said[0] === TLS_ALERT || said[0] === TLS_HANDSHAKE) return { kind: 'other', says: 'tls' };
  return { kind: 'other', says: said.toString('latin1', 0, 5) === 'HTTP/' ? 'http1' : 'unknown' };
}

function findingOfError(error: NodeJS.ErrnoException, stage: Stage): Finding {
  const names = (error as { readonly cert?: { readonly subjectaltname?: string } }).cert?.subjectaltname;
  return {
    kind: 'error',
    stage,
    code: String(error.code ?? 'UNKNOWN'),
    ...(names === undefined ? {} : { certificateNames: names.slice(0, SHOWN_CHARACTERS) }),
  };
}

/** Where no socket failed there is no error of Node's either. */
function causeOf(finding: Finding): Error | undefined {
  switch (finding.kind) {
    case 'closed':
      return Object.assign(new Error('the other end closed the connection without a word'), { code: 'ECONNRESET' });
    case 'silent':
      return Object.assign(new Error('the other end said nothing in time'), { code: 'ETIMEDOUT' });
    case 'other':
      return Object.assign(new Error(`the other end does not greet in HTTP/2 but in ${SAYS[finding.says]}`), {
        code: 'EPROTO',
      });
    default:
      return undefined;
  }
}

/** Of several addresses the first: the error of all of them says nothing. */
function plainCause(error: NodeJS.ErrnoException): Error {
  return error instanceof AggregateError && error.errors[0] instanceof Error ? error.errors[0] : error;
}

const SAYS = { tls: 'TLS', http1: 'HTTP/1.1', unknown: 'another protocol' } as const;

/** Only whether it speaks TLS is asked. */
const ANY_CERTIFICATE: ConnectionOptions = { rejectUnauthorized: false };

/** What an HTTP/2 client says first, and empty SETTINGS. */
const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

const FRAME_HEADER_BYTES = 9;
const SETTINGS = 4;
const GOAWAY = 7;
const TLS_ALERT = 0x15;
const TLS_HANDSHAKE = 0x16;
const SHOWN_CHARACTERS = 200;
