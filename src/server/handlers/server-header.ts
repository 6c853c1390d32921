/** What this server says of itself in response headers: which life of its state this is, and how fast a client may ping. */
import { Metadata } from '@grpc/grpc-js';
import { EPOCH_HEADER, KEEPALIVE_HEADER } from '../../shared/wire/status.js';

/** Node's HTTP/2 server minds no ping, so clients of ours may find dead connections fast. */
const PERMITTED_PING_MS = 10_000;

export function serverHeader(epoch: string): Metadata {
  const header = new Metadata();
  header.set(EPOCH_HEADER, epoch);
  header.set(KEEPALIVE_HEADER, String(PERMITTED_PING_MS));
  return header;
}
