/**
 * Bytes to request messages. Path: HTTP/2 -> [request reader] -> handlers. A large request is read in parts, and others have their turn between:
 * decoding 4 MB of small entries takes half a second and more.
 */
import { InvalidArgumentError } from '../../shared/errors.js';
import { MAX_ENTRIES, putOwn } from '../../shared/values/metadata.js';
import type { PackedFields } from '../../shared/wire/message-parts.js';
import { partsOf } from '../../shared/wire/message-parts.js';
import type { Method } from '../../shared/wire/services.js';
import type { WorkBudget } from '../work-turns.js';

/** A message that clients send, and the call that it belongs to. */
export interface ReadableMessage<Request> extends Pick<Method<Request, unknown>, 'name' | 'decodeRequest'> {
  /** Of a message of columns: one of 4 MB of small numbers takes 0.3 s at once. */
  readonly packed?: PackedFields;
}

/** A request that is no message at all: a status everywhere, because nothing of it was understood. */
export class UnreadableError extends InvalidArgumentError {}

/** @throws UnreadableError */
export function decode<Request>(method: ReadableMessage<Request>, bytes: Uint8Array): Request {
  try {
    return method.decodeRequest(bytes);
  } catch (cause) {
    throw new UnreadableError(`the request of ${method.name} cannot be read: send what proto/bridge.proto says`, {
      cause,
    });
  }
}

export function isLarge(bytes: Uint8Array): boolean {
  return bytes.length > LARGE_BYTES;
}

/** The parts of a large request, each a message of some of its fields. @throws UnreadableError */
export async function decodeInTurns<Request>(
  method: ReadableMessage<Request>,
  bytes: Uint8Array,
  work: WorkBudget,
): Promise<Request[]> {
  const parts: Request[] = [];
  for (const part of partsOf(bytes, BYTES_A_PART, method.packed)) {
    parts.push(decode(method, part));
    const rest = work.spend(STEPS_A_PART);
    if (rest !== undefined) await rest;
  }
  return parts;
}

/** One message of all parts, but for COLLECTIONS: those stay where they are. @throws InvalidArgumentError for a map of too many entries */
export async function mergeParts<Request extends object>(
  parts: readonly Request[],
  work: WorkBudget,
): Promise<Request> {
  const merged: Record<string, unknown> = {};
  for (const part of parts) {
    for (const [field, value] of Object.entries(part)) {
      if (COLLECTIONS.has(field)) continue;
      if (isMap(value)) merged[field] = mergeMaps(field, merged[field] as Map | undefined, value);
      else merged[field] = value;
    }
    const rest = work.spend(STEPS_A_PART);
    if (rest !== undefined) await rest;
  }
  return merged as Request;
}

type Map = Record<string, unknown>;

/** Into the first, whose owner this is. @throws InvalidArgumentError */
function mergeMaps(field: string, into: Map | undefined, more: Map): Map {
  if (into === undefined) return more;
  for (const key of Object.keys(more)) putOwn(into, key, more[key]);
  if (Object.keys(into).length > MAX_ENTRIES) {
    throw new InvalidArgumentError(`${field} has more than ${MAX_ENTRIES} entries: give fewer`);
  }
  return into;
}

/** Messages within are of classes of their own. */
function isMap(value: unknown): value is Map {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** What requests have many of. Whoever handles these looks at them part by part. */
const COLLECTIONS = new Set(['updates', 'binaryUpdates', 'variableIdentifiers']);

const LARGE_BYTES = 64 * 1024;
const BYTES_A_PART = 16 * 1024;
/** Always a look at the clock: a part may take a millisecond. */
const STEPS_A_PART = 128;
