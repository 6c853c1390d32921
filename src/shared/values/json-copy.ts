/** A frozen copy of what a caller gave as JSON value, with a sentence that names the place of what JSON cannot say. Path: caller -> [json copy] -> value codec. */
import { InvalidValueError } from '../errors.js';
import { describeValue } from './describe-value.js';
import { putOwn } from './metadata.js';
import { hasTooManyDigits, integerOf, MAX_INTEGER_DIGITS } from './number-text.js';
import { isWellFormed } from './utf8.js';
import type { JsonValue } from './variable-type.js';

/** Lists and maps inside each other; deeper ones are refused, in texts too. */
export const MAX_JSON_DEPTH = 100;

/** Keys and indexes from the value down. */
export type JsonPath = (string | number)[];

/** @throws InvalidValueError for NaN, infinities, undefined, functions, symbols, class instances, cycles, lone surrogates and more than 100 levels */
export function copyJson(input: unknown, subject: string): JsonValue {
  return copyAt(input, subject, [], input);
}

/** Throws the sentence `variable "m": .a[3].b is …`. */
export function refuseAt(subject: string, path: JsonPath, refusal: string): never {
  const place = path.map((key) => (typeof key === 'number' ? `[${key}]` : keyText(key))).join('');
  const shown = place.length > SHOWN_CHARACTERS ? `…${place.slice(-SHOWN_CHARACTERS)}` : place;
  throw new InvalidValueError(`${subject}: ${shown === '' ? 'the value' : shown} ${refusal}`);
}

function copyAt(input: unknown, subject: string, path: JsonPath, root: unknown): JsonValue {
  switch (typeof input) {
    case 'string':
      if (!isWellFormed(input))
        refuseAt(subject, path, 'holds half of a surrogate pair, which UTF-8 cannot say: give well-formed text');
      return input;
    case 'boolean':
      return input;
    case 'number':
      if (!Number.isFinite(input))
        refuseAt(subject, path, `is ${input}, which JSON cannot say: leave it out or write it as a string`);
      return input;
    case 'bigint':
      if (hasTooManyDigits(input))
        refuseAt(subject, path, `has more than ${MAX_INTEGER_DIGITS} digits: write it as a string`);
      return integerOf(input);
    case 'object':
      if (input === null) return null;
      if (path.length >= MAX_JSON_DEPTH) refuseDepth(subject, path, root);
      if (Array.isArray(input)) return copyList(input, subject, path, root);
      if (isPlainObject(input)) return copyMap(input, subject, path, root);
      break;
    default:
  }
  refuseAt(
    subject,
    path,
    `is ${describeValue(input)}, which JSON cannot say: give plain maps, lists, strings, numbers, booleans and null`,
  );
}

function copyList(list: readonly unknown[], subject: string, path: JsonPath, root: unknown): JsonValue {
  const copy: JsonValue[] = [];
  for (let index = 0; index < list.length; index += 1) {
    path.push(index);
    copy.push(copyAt(list[index], subject, path, root));
    path.pop();
  }
  return Object.freeze(copy);
}

function copyMap(map: Readonly<Record<string, unknown>>, subject: string, path: JsonPath, root: unknown): JsonValue {
  const copy: Record<string, JsonValue> = {};
  for (const key of Object.keys(map)) {
    path.push(key);
    if (!isWellFormed(key)) refuseAt(subject, path, 'is a key with half of a surrogate pair, which UTF-8 cannot say');
    putOwn(copy, key, copyAt(map[key], subject, path, root));
    path.pop();
  }
  if (Object.getOwnPropertySymbols(map).length > 0) refuseAt(subject, path, 'has symbols as keys: give strings');
  return Object.freeze(copy);
}

/** Of any realm: in a vm context, as test runners use them, `Object.prototype` is another one. */
function isPlainObject(input: object): input is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(input);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

// A cycle always ends here, so that values without one pay nothing for looking.
function refuseDepth(subject: string, path: JsonPath, root: unknown): never {
  const seen = new Set<unknown>();
  let inner = root;
  for (let level = 0; level < path.length; level += 1) {
    if (seen.has(inner))
      refuseAt(subject, path.slice(0, level), 'contains itself, which JSON cannot say: break the cycle');
    seen.add(inner);
    inner = (inner as Record<string | number, unknown>)[path[level]!];
  }
  refuseAt(subject, [], `nests deeper than ${MAX_JSON_DEPTH} levels: make it flatter`);
}

function keyText(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/** Of a place in a sentence; the end of it tells more than the beginning. */
const SHOWN_CHARACTERS = 200;
