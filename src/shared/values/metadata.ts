/** The setter's own map of strings. Every key is ordinary, `__proto__` and `constructor` too. */
import { InvalidArgumentError, InvalidValueError } from '../errors.js';
import { describeValue } from './describe-value.js';
import { isPlainMap } from './plain-map.js';
import { isWellFormed } from './utf8.js';

export type Metadata = Readonly<Record<string, string>>;

export const EMPTY_METADATA: Metadata = Object.freeze({});

/** Of a map: servers take no more. */
export const MAX_ENTRIES = 16_384;

/** Key of a setter's metadata that names who set; it becomes the update's `source`. */
export const SOURCE_KEY = 'source';

/** Sets an own property whatever its name: plain assignment of `__proto__` would change the prototype instead. */
export function putOwn<T>(record: Record<string, T>, key: string, value: T): void {
  if (key === '__proto__') {
    Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    record[key] = value;
  }
}

/** A frozen copy. @throws InvalidArgumentError for too many entries; InvalidValueError when it is no plain map, or something in it is not a string that UTF-8 can say */
export function copyMetadata(input: Readonly<Record<string, unknown>> | undefined, subject: string): Metadata {
  if (input === undefined || input === null) return EMPTY_METADATA;
  try {
    if (typeof input === 'object' && isPlainMap(input)) return copyEntries(input, subject);
  } catch (cause) {
    if (cause instanceof InvalidValueError || cause instanceof InvalidArgumentError) throw cause;
    throw new InvalidValueError(`${subject}: the metadata cannot be read, because a getter or a proxy throws`, {
      cause,
    });
  }
  const kind = typeof input === 'object' ? describeValue(input) : typeof input;
  throw new InvalidValueError(`${subject}: metadata is a map of strings, not ${kind}`);
}

function copyEntries(input: Readonly<Record<string, unknown>>, subject: string): Metadata {
  const keys = Object.keys(input);
  if (keys.length === 0) return EMPTY_METADATA;
  if (keys.length > MAX_ENTRIES) {
    throw new InvalidArgumentError(`${subject}: metadata has ${keys.length} entries: give at most ${MAX_ENTRIES}`);
  }
  const copy: Record<string, string> = {};
  for (const key of keys) {
    const value = input[key];
    if (typeof value !== 'string') {
      throw new InvalidValueError(`${subject}: metadata "${key}" is ${typeof value}, not a string: convert it first`);
    }
    if (!isWellFormed(key) || !isWellFormed(value)) {
      throw new InvalidValueError(
        `${subject}: metadata ${describeValue(key)} holds half of a surrogate pair, which UTF-8 cannot say`,
      );
    }
    putOwn(copy, key, value);
  }
  return Object.freeze(copy);
}

/** The map without one key; the same object when the key is not in it. */
export function withoutKeys(metadata: Metadata, keys: readonly string[]): Metadata {
  if (!keys.some((key) => Object.hasOwn(metadata, key))) return metadata;
  const rest: Record<string, string> = {};
  for (const key of Object.keys(metadata)) if (!keys.includes(key)) putOwn(rest, key, metadata[key]!);
  return Object.keys(rest).length === 0 ? EMPTY_METADATA : Object.freeze(rest);
}

export function ownValue(metadata: Metadata, key: string): string | undefined {
  return Object.hasOwn(metadata, key) ? metadata[key] : undefined;
}
