/** What this server says of itself in response headers: which life of its state this is, and what a client may do to it. */
import { Metadata } from '@grpc/grpc-js';
import { EPOCH_HEADER, KEEPALIVE_HEADER, MAX_MESSAGE_HEADER, SESSION_TTL_HEADER } from '../../shared/wire/status.js';
import type { ServerOptions } from '../server-options.js';

/** Node's HTTP/2 server minds no ping, so clients of ours may find dead connections fast. */
const PERMITTED_PING_MS = 10_000;

export function serverHeader({ epoch, maxMessageBytes, sessionTtlMs }: ServerOptions): Metadata {
  const header = new Metadata();
  header.set(EPOCH_HEADER, epoch);
  header.set(KEEPALIVE_HEADER, String(PERMITTED_PING_MS));
  header.set(MAX_MESSAGE_HEADER, String(maxMessageBytes));
  header.set(SESSION_TTL_HEADER, String(sessionTtlMs));
  return header;
}
