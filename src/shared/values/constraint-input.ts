/** What a caller or the wire gives as constraints: which keys a type knows, and that each is of its kind. Path: registration -> [constraint input] -> constraint. */
import { InvalidConstraintError, InvalidValueError } from '../errors.js';
import { describeValue } from './describe-value.js';
import { parseJson } from './json.js';
import { copyJson } from './json-copy.js';
import { putOwn } from './metadata.js';
import { MAX_TENSOR_AXES } from './numeric-array.js';
import { isPlainMap } from './plain-map.js';
import type { JsonMap, JsonValue, VariableType } from './variable-type.js';

export type ConstraintKey =
  | 'min'
  | 'max'
  | 'min_length'
  | 'max_length'
  | 'pattern'
  | 'enum'
  | 'choices'
  | 'allowed_modules'
  | 'namespace'
  | 'dimensions'
  | 'shape';

/** From JSON text or an object; keys that the type doesn't know are kept as they are, those that set no limit left out. @throws InvalidConstraintError */
export function readConstraintInput(type: VariableType, input: unknown, subject: string): JsonMap {
  const given = readGiven(input, subject);
  const parsed: Record<string, JsonValue> = {};
  for (const key of Object.keys(given)) {
    const value = given[key]!;
    const known = KEYS_OF_TYPE[type].find((ofType) => ofType === key);
    if (known !== undefined) {
      const kind = KINDS[known];
      if (setsNoLimit(kind, value)) continue;
      if (!kind.is(value)) {
        throw new InvalidConstraintError(
          `${subject}: constraint ${key} is ${describeValue(value)}: give ${kind.words}`,
        );
      }
      if (type === 'float' && !Number.isFinite(Number(value))) {
        throw new InvalidConstraintError(
          `${subject}: constraint ${key} is ${describeValue(value)}, beyond what a float can hold: leave it out`,
        );
      }
    }
    putOwn(parsed, key, value);
  }
  return Object.freeze(parsed);
}

export function knowsConstraint(type: VariableType, key: ConstraintKey): boolean {
  return KEYS_OF_TYPE[type].includes(key);
}

/** Of an axis in a shape. */
export function isAnySize(size: JsonValue): boolean {
  return size === null || size === -1;
}

function readGiven(input: unknown, subject: string): JsonMap {
  if (input === undefined || input === null || input === '') return {};
  const given = typeof input === 'string' ? readText(input, subject) : readObject(input, subject);
  if (given === null) return {};
  if (typeof given === 'object' && !Array.isArray(given)) return given as JsonMap;
  throw new InvalidConstraintError(
    `${subject}: constraints are ${describeValue(given)}, not a map: give a map such as {"min": 0}`,
  );
}

function readText(text: string, subject: string): JsonValue {
  return asConstraint(() => parseJson(text, `${subject}: constraints`));
}

/** An undefined key is left out, as a caller who builds the object means it. */
function readObject(input: unknown, subject: string): JsonValue {
  return asConstraint(() => copyJson(definedOf(input, subject), `${subject}: constraints`));
}

function definedOf(input: unknown, subject: string): unknown {
  try {
    if (typeof input !== 'object' || input === null || !isPlainMap(input)) return input;
    return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  } catch (cause) {
    throw new InvalidConstraintError(`${subject}: the constraints cannot be read, because a getter or a proxy throws`, {
      cause,
    });
  }
}

function asConstraint(read: () => JsonValue): JsonValue {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof InvalidValueError) throw new InvalidConstraintError(cause.message, { cause });
    throw cause;
  }
}

/** The shape [] does: it is that of a single number. */
function setsNoLimit(kind: Kind, value: JsonValue): boolean {
  return value === null || value === '' || (kind === TEXTS && Array.isArray(value) && value.length === 0);
}

const KEYS_OF_TYPE: Readonly<Record<VariableType, readonly ConstraintKey[]>> = {
  float: ['min', 'max'],
  integer: ['min', 'max'],
  string: ['min_length', 'max_length', 'pattern', 'enum'],
  boolean: [],
  choice: ['choices'],
  module: ['choices', 'allowed_modules', 'namespace', 'pattern'],
  embedding: ['dimensions'],
  tensor: ['shape'],
  map: [],
  list: [],
};

interface Kind {
  readonly is: (value: JsonValue) => boolean;
  readonly words: string;
}

const NUMBER: Kind = { is: (value) => typeof value === 'number' || typeof value === 'bigint', words: 'a number' };
const SIZE: Kind = { is: isSize, words: 'a whole number from 0' };
const TEXT: Kind = { is: (value) => typeof value === 'string', words: 'a string' };
const TEXTS: Kind = {
  is: (value) => Array.isArray(value) && value.every((element) => typeof element === 'string'),
  words: 'a list of strings',
};
const SHAPE: Kind = {
  is: (value) =>
    Array.isArray(value) && value.length <= MAX_TENSOR_AXES && value.every((size) => isAnySize(size) || isSize(size)),
  words: `a list of up to ${MAX_TENSOR_AXES} whole numbers from 0, null or -1 for any`,
};

const KINDS: Readonly<Record<ConstraintKey, Kind>> = {
  min: NUMBER,
  max: NUMBER,
  min_length: SIZE,
  max_length: SIZE,
  pattern: TEXT,
  enum: TEXTS,
  choices: TEXTS,
  allowed_modules: TEXTS,
  namespace: TEXT,
  dimensions: SIZE,
  shape: SHAPE,
};

function isSize(value: JsonValue): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
