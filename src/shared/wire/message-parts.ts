/**
 * A large message cut between its fields, so that it is read in pieces: what follows one another in protobuf is merged by who reads it. Path: HTTP/2 -> [message parts] -> handlers.
 * Decoding 4 MB of small entries takes half a second and more; a part takes a few milliseconds, and others have their turn between.
 */

/** Parts of at most `bytesAPart`, unless one field is larger alone. What cannot be read is in the last part, whose reader says so. */
export function partsOf(message: Uint8Array, bytesAPart: number): Uint8Array[] {
  if (message.length <= bytesAPart) return [message];
  const parts: Uint8Array[] = [];
  let start = 0;
  let at = 0;
  while (at < message.length) {
    const end = endOfField(message, at);
    if (end > message.length) break;
    if (end - start > bytesAPart && at > start) {
      parts.push(message.subarray(start, at));
      start = at;
    }
    at = end;
  }
  if (start < message.length) parts.push(message.subarray(start));
  return parts;
}

/** Beyond the message for what is cut off or no field. */
function endOfField(message: Uint8Array, start: number): number {
  const key = endOfVarint(message, start);
  switch (message[start]! & 7) {
    case VARINT:
      return endOfVarint(message, key);
    case FIXED_64:
      return key + 8;
    case LENGTH_DELIMITED: {
      const end = endOfVarint(message, key);
      return end > message.length ? end : end + varintAt(message, key, end);
    }
    case FIXED_32:
      return key + 4;
    default:
      // Groups, which nobody sends.
      return Number.POSITIVE_INFINITY;
  }
}

function endOfVarint(message: Uint8Array, start: number): number {
  let at = start;
  while (at < message.length && message[at]! > LAST_OF_VARINT) at += 1;
  return at < message.length ? at + 1 : Number.POSITIVE_INFINITY;
}

function varintAt(message: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = end - 1; at >= start; at -= 1) value = value * 128 + (message[at]! & LAST_OF_VARINT);
  return value;
}

const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;
const LAST_OF_VARINT = 0x7f;
