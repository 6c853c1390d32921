/**
 * Why a Redis that somebody listens for does not answer: one end asks for TLS and the other does not. From the failure alone it cannot be told from a Redis
 * that is away: one end waits, or hangs up. Path: redis connection -> [wrong protocol]: a connection of its own, which is closed when it has said it.
 */
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { connect as connectByTls } from 'node:tls';
import { EngineUnavailableError } from '../../../../shared/errors.js';
import { within } from '../../../within.js';
import type { RedisNode } from './redis-address.js';

/** `shown`: as its address is said, without a password. */
interface Asked extends RedisNode {
  readonly isTls: boolean;
  readonly shown: string;
}

/** @throws EngineUnavailableError where it would answer if it were asked by the other protocol */
export async function sayWrongProtocol({ host, port, isTls, shown }: Asked, failure: unknown): Promise<void> {
  const { code } = failure as { readonly code?: unknown };
  // Where nobody is, nobody can be asked.
  if (NOBODY.has(code)) return;
  const isWrong = isTls ? await speaksPlainly(host, port) : await speaksTls(host, port);
  if (!isWrong) return;
  throw new EngineUnavailableError(
    isTls
      ? `Redis at ${shown} knows no TLS: give its address as ${shown.replace('rediss', 'redis')}`
      : `Redis at ${shown} asks for TLS: give its address as ${shown.replace('redis', 'rediss')}`,
    { cause: failure },
  );
}

function speaksTls(host: string, port: number): Promise<boolean> {
  // Nothing is said on it: whose certificate it is does not matter.
  const socket = connectByTls({ host, port, rejectUnauthorized: false });
  return said(socket, 'secureConnect', () => true);
}

function speaksPlainly(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  socket.write('PING\r\n');
  return said(socket, 'data', (bytes) => /^(\+PONG|-[A-Z]+ )/.test(String(bytes)));
}

async function said(socket: Socket, event: string, isRight: (told: unknown) => boolean): Promise<boolean> {
  let is = false;
  const over = new Promise<void>((resolve) => {
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
    socket.once(event, (told: unknown) => {
      is = isRight(told);
      resolve();
    });
  });
  await within(ASK_MS, over);
  socket.destroy();
  return is;
}

const NOBODY: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
const ASK_MS = 500;
