/**
 * How large the request of a watch is, and how large it becomes when the watch resumes: names, then names and the last version of each.
 * Path: bridged watches, resume request -> [request size] -> carrier.
 * What does not fit one message is split over several streams, so that coming back is never larger than setting out was allowed to be.
 */
import { utf8Length } from '../values/utf8.js';

/** Session, options, epoch. */
const BYTES_AROUND_A_REQUEST = 2_048;
/** Key and length of a repeated text. */
const BYTES_AROUND_A_NAME = 4;
/** An entry of `resume`: a server's id, a version, the keys around both. */
const BYTES_OF_A_VERSION = 48;

/** By estimate, not below what is sent. */
export function bytesToOpen(identifiers: readonly string[]): number {
  return identifiers.reduce((sum, name) => sum + utf8Length(name) + BYTES_AROUND_A_NAME, BYTES_AROUND_A_REQUEST);
}

export function bytesToResume(identifiers: readonly string[]): number {
  return bytesToOpen(identifiers) + identifiers.length * BYTES_OF_A_VERSION;
}

/** Parts whose resume requests fit `maxBytes` each; one identifier is a part in any case. Each part is given as the places of its identifiers. */
export function partsThatResume(identifiers: readonly string[], maxBytes: number): number[][] {
  const parts: number[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const [place, name] of identifiers.entries()) {
    const own = utf8Length(name) + BYTES_AROUND_A_NAME + BYTES_OF_A_VERSION;
    if (bytes + own > maxBytes) {
      parts.push([]);
      bytes = BYTES_AROUND_A_REQUEST;
    }
    parts.at(-1)!.push(place);
    bytes += own;
  }
  return parts;
}
