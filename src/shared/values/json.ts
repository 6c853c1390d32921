/**
 * JSON that loses nothing: every digit of an integer, the sign of zero, keys such as `__proto__`. Path: value codec, constraints <-> [json].
 * What is read is frozen, because values are shared by all who watch them.
 */
import { InvalidValueError } from '../errors.js';
import { describeValue } from './describe-value.js';
import { copyJson } from './json-copy.js';
import { readLosslessJson } from './json-reader.js';
import { floatText, MAX_INTEGER_DIGITS } from './number-text.js';
import type { JsonPath } from './plain-copy.js';
import { MAX_JSON_DEPTH, refusalAt } from './plain-copy.js';
import { isWellFormed } from './utf8.js';
import type { JsonValue } from './variable-type.js';

/**
 * The value that the text says, frozen through and through. Integers beyond 2^53 - 1 become bigints; of duplicate keys the last counts.
 * @throws InvalidValueError for text that isn't JSON, nests deeper than 100 levels, has a number of more than 4,300 digits, or says what UTF-8 or a float cannot hold
 */
export function parseJson(text: string, subject = 'JSON text'): JsonValue {
  const hasLongIntegers = scanJson(text, subject);
  const value = parseText(text, subject, hasLongIntegers ? readLosslessJson : JSON.parse);
  freezeJson(value, subject);
  return value;
}

/** The same, with infinities where a number is too large for a double, and not frozen. */
export function parseLosslessJson(text: string, subject: string): unknown {
  return parseText(text, subject, scanJson(text, subject) ? readLosslessJson : JSON.parse);
}

/** The same with every number a double, and not frozen: for embeddings and tensors, whose lists are copied to typed arrays anyway. */
export function parseJsonAsDoubles(text: string, subject: string): unknown {
  scanJson(text, subject);
  return parseText(text, subject, JSON.parse);
}

/** @throws InvalidValueError naming the place, such as `.a[3].b`, of what JSON cannot say */
export function stringifyJson(value: unknown, subject = 'value'): string {
  return jsonText(copyJson(value, subject));
}

/** The text of a value that `parseJson` or `copyJson` has made. */
export function jsonText(value: JsonValue): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      return doubleText(value);
    case 'object':
      break;
    default:
      return String(value);
  }
  if (value === null) return 'null';
  return isList(value) ? listText(value) : mapText(value);
}

/** Freezes fresh JSON in place: what a parser made, or structured clone, which thaws. @throws InvalidValueError as `parseJson` does */
export function freezeJson(value: JsonValue, subject = 'value'): void {
  freezeAt(value, subject, []);
}

function freezeAt(value: JsonValue, subject: string, path: JsonPath): void {
  if (typeof value === 'string') {
    if (!isWellFormed(value)) throw refusalAt(subject, path, 'holds half of a surrogate pair: escape both halves');
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value))
      throw refusalAt(subject, path, 'is too large for a double: give it fewer digits or as a string');
  } else if (typeof value === 'object' && value !== null) {
    if (isList(value)) {
      for (let index = 0; index < value.length; index += 1) {
        path.push(index);
        freezeAt(value[index]!, subject, path);
        path.pop();
      }
    } else {
      for (const key of Object.keys(value)) {
        path.push(key);
        if (!isWellFormed(key))
          throw refusalAt(subject, path, 'is a key with half of a surrogate pair: escape both halves');
        freezeAt(value[key]!, subject, path);
        path.pop();
      }
    }
    Object.freeze(value);
  }
}

function parseText(text: string, subject: string, parse: (text: string) => unknown): JsonValue {
  try {
    return parse(text) as JsonValue;
  } catch (cause) {
    throw invalidJson(text, subject, cause);
  }
}

export function invalidJson(text: string, subject: string, cause?: unknown): InvalidValueError {
  return new InvalidValueError(`${subject}: ${describeValue(text)} is not valid JSON: send JSON text`, { cause });
}

export function tooManyDigits(subject: string): InvalidValueError {
  return new InvalidValueError(`${subject}: a number has more than ${MAX_INTEGER_DIGITS} digits: send it as a string`);
}

export function tooDeep(subject: string): InvalidValueError {
  return new InvalidValueError(`${subject}: the JSON nests deeper than ${MAX_JSON_DEPTH} levels: make it flatter`);
}

/**
 * Whether an integer of 16 or more digits stands in the text, which JSON.parse would round. Looks before anything is built:
 * 4 MB of `[` would become 4 million lists, and BigInt takes quadratic time.
 */
function scanJson(text: string, subject: string): boolean {
  let start = 0;
  while (text.charCodeAt(start) <= SPACE) start += 1;
  // One string, or no JSON: nothing in it nests or is rounded.
  if (text.charCodeAt(start) === QUOTE) return false;
  let depth = 0;
  let digits = 0;
  let isInFraction = false;
  let hasLongIntegers = false;
  for (let index = start; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code >= ZERO && code <= NINE) {
      digits += 1;
      if (digits > EXACT_DIGITS && !isInFraction) hasLongIntegers = true;
      if (digits > MAX_INTEGER_DIGITS && !isInFraction) {
        throw tooManyDigits(subject);
      }
      continue;
    }
    digits = 0;
    isInFraction = code === POINT;
    if (code === QUOTE) index = endOfString(text, index);
    else if (code === OPEN_LIST || code === OPEN_MAP) depth += 1;
    else if (code === CLOSE_LIST || code === CLOSE_MAP) depth -= 1;
    if (depth > MAX_JSON_DEPTH) {
      throw tooDeep(subject);
    }
  }
  return hasLongIntegers;
}

/** Where the string that begins at `start` ends, or the text. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let escapes = end;
    while (text.charCodeAt(escapes - 1) === BACKSLASH) escapes -= 1;
    if ((end - escapes) % 2 === 0) return end;
  }
  return text.length;
}

/** -0 keeps its sign, and an integer beyond 2^53 - 1 a point: without it the next reader would take it for a bigint. */
function doubleText(value: number): string {
  const text = floatText(value);
  return Number.isInteger(value) && !Number.isSafeInteger(value) && !text.includes('e') ? `${text}.0` : text;
}

function listText(list: readonly JsonValue[]): string {
  let text = '[';
  for (let index = 0; index < list.length; index += 1) {
    if (index > 0) text += ',';
    text += jsonText(list[index]!);
  }
  return `${text}]`;
}

function mapText(map: { readonly [key: string]: JsonValue }): string {
  let text = '{';
  for (const key of Object.keys(map)) {
    if (text.length > 1) text += ',';
    text += `${JSON.stringify(key)}:${jsonText(map[key]!)}`;
  }
  return `${text}}`;
}

// Array.isArray does not narrow a readonly list out of a union.
function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value);
}

const SPACE = 0x20;
const QUOTE = 0x22;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;

/** Every integer of so many digits is below 2^53, so JSON.parse reads it exactly. */
const EXACT_DIGITS = 15;
