/**
 * A large message cut between its fields, so that it is read in pieces: what follows one another in protobuf is merged by who reads it. Path: HTTP/2 -> [message parts] -> handlers.
 * Decoding 4 MB of small entries takes half a second and more; a part takes a few milliseconds, and others have their turn between.
 */

/** Fields of numbers one behind the other, by their number: 8 bytes each, or varints. Such a field is cut between its numbers. */
export type PackedFields = ReadonlyMap<number, 'varints' | 'doubles'>;

/** Parts of about `bytesAPart` at most, unless one field is larger alone. What cannot be read is in the last part, whose reader says so. */
export function partsOf(message: Uint8Array, bytesAPart: number, packed: PackedFields = NO_PACKED): Uint8Array[] {
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
    const elements = end - at > bytesAPart ? packed.get(fieldAt(message, at)) : undefined;
    if (elements !== undefined && (message[at]! & 7) === LENGTH_DELIMITED) {
      for (const part of packedParts(message, at, end, bytesAPart, elements)) parts.push(part);
      start = end;
    }
    at = end;
  }
  if (start < message.length) parts.push(message.subarray(start));
  return parts;
}

/** The field once for each piece: who reads them has all its numbers, in order. */
function* packedParts(
  message: Uint8Array,
  start: number,
  end: number,
  bytesAPart: number,
  elements: 'varints' | 'doubles',
): Generator<Uint8Array> {
  const key = message.subarray(start, endOfVarint(message, start));
  let at = endOfVarint(message, start + key.length);
  while (at < end) {
    let next = at + bytesAPart - (bytesAPart % 8);
    if (elements === 'varints') next = endOfVarint(message, next - 1);
    next = Math.min(next, end);
    const length = varintOf(next - at);
    const part = new Uint8Array(key.length + length.length + next - at);
    part.set(key);
    part.set(length, key.length);
    part.set(message.subarray(at, next), key.length + length.length);
    yield part;
    at = next;
  }
}

function fieldAt(message: Uint8Array, start: number): number {
  return Math.floor(varintAt(message, start, endOfVarint(message, start)) / 8);
}

function varintOf(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left > LAST_OF_VARINT; left = Math.floor(left / 128)) bytes.push((left % 128) | 0x80);
  bytes.push(left);
  return bytes;
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

const NO_PACKED: PackedFields = new Map();
const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;
const LAST_OF_VARINT = 0x7f;
