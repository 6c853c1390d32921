/**
 * Value <-> google.protobuf.Any and binary field, lossless both ways. Path: caller -> normalizeValue -> variable -> encodeValue -> wire -> decodeValue.
 * A value of the wrong type is refused, never converted. Scalars are the hot path: one array and one result per encode.
 */
import { assert } from '../assert.js';
import { InvalidValueError } from '../errors.js';
import { copyOpaque, isOpaqueBinary, meantBy, readBinary, writeBinary } from './binary-array.js';
import { describeValue } from './describe-value.js';
import { jsonText, parseJson, parseJsonAsDoubles } from './json.js';
import { copyJson } from './json-copy.js';
import { JsonText } from './json-text.js';
import { floatText, hasTooManyDigits, integerOf, MAX_INTEGER_DIGITS } from './number-text.js';
import {
  elementsText,
  givenElement,
  isFloatArray,
  jsonElement,
  readElementsInPieces,
  readEmbedding,
  readTensor,
} from './numeric-array.js';
import { readBoolean, readFloat, readInteger, readText } from './scalar-reader.js';
import { encodeUtf8, isWellFormed } from './utf8.js';
import type { Embedding, JsonValue, OpaqueBinary, Tensor, VariableType, VariableValue } from './variable-type.js';
import { refuseValue, VARIABLE_TYPES } from './variable-type.js';

/** A value as it travels. `binary` is undefined unless `typeUrl` ends in `.binary`. */
export interface EncodedValue {
  readonly typeUrl: string;
  readonly value: Uint8Array;
  readonly binary: Uint8Array | undefined;
}

export interface EncodeOptions {
  /** Bytes of data above which an embedding or tensor travels as binary. Default 10,240, as published clients have it; Infinity = never. */
  readonly binaryThresholdBytes?: number | undefined;
}

/** The value in its type's one form: copied, maps and lists frozen. @throws InvalidValueError beginning with `subject`, such as `variable "fan"` */
export function normalizeValue(type: VariableType, input: unknown, subject: string): VariableValue {
  switch (type) {
    case 'float':
      return typeof input === 'number' ? input : refuseValue(type, input, subject);
    case 'integer':
      return normalizeInteger(input, subject);
    case 'boolean':
      return typeof input === 'boolean' ? input : refuseValue(type, input, subject);
    case 'string':
    case 'choice':
    case 'module':
      return normalizeString(type, input, subject);
    case 'embedding':
      return normalizeOpaque(input, subject) ?? readEmbedding(input, givenElement, subject);
    case 'tensor':
      return normalizeOpaque(input, subject) ?? readTensor(input, givenElement, subject);
    case 'map':
    case 'list':
      if (input instanceof JsonText) return input as never;
      return fitting(type, input) ? (copyJson(input, subject) as VariableValue) : refuseValue(type, input, subject);
    default:
      return type satisfies never;
  }
}

/** The JSON text of a number or boolean, the hot path of an encoder that needs no array of its own for it; undefined for other types. */
export function scalarText(type: VariableType, value: VariableValue): string | undefined {
  if (type === 'float') return floatText(value as number);
  return type === 'integer' || type === 'boolean' ? String(value) : undefined;
}

/** Whether a value sent so has its payload beside its text. */
export function isSentAsBinary(type: VariableType, typeUrl: string): boolean {
  return typeUrl !== TYPE_URLS[type] && typeUrl.endsWith(BINARY_SUFFIX);
}

export function typeUrlOf(type: VariableType): string {
  return TYPE_URLS[type];
}

/** `value` is what `normalizeValue` or `decodeValue` has returned for that type. All bytes are fresh, but for those of a JsonText. */
export function encodeValue(type: VariableType, value: VariableValue, options?: EncodeOptions): EncodedValue {
  switch (type) {
    case 'float':
      assert(typeof value === 'number', 'a float is a number');
      return encoded(type, floatText(value));
    case 'integer':
      assert(typeof value === 'number' || typeof value === 'bigint', 'an integer is a number or a bigint');
      return encoded(type, String(value));
    case 'boolean':
      assert(typeof value === 'boolean', 'a boolean is true or false');
      return encoded(type, String(value));
    case 'string':
    case 'choice':
    case 'module':
      assert(typeof value === 'string', 'strings, choices and modules are strings');
      return encoded(type, JSON.stringify(value));
    case 'embedding':
    case 'tensor':
      return encodeArray(
        type,
        value as Embedding | Tensor | OpaqueBinary,
        options?.binaryThresholdBytes ?? BINARY_THRESHOLD_BYTES,
      );
    case 'map':
    case 'list':
      if (value instanceof JsonText) return { typeUrl: TYPE_URLS[type], value: value.bytes, binary: undefined };
      return encoded(type, jsonText(value as JsonValue));
    default:
      return type satisfies never;
  }
}

/**
 * `encodeValue` as JSON whatever the size, piece by piece: a million elements take 0.4 s. Undefined where there is nothing to cut: encode it.
 */
export function encodeNumbersInPieces(
  type: VariableType,
  value: VariableValue,
): Generator<undefined, EncodedValue> | undefined {
  if (type !== 'embedding' && type !== 'tensor') return undefined;
  const array = value as Embedding | Tensor | OpaqueBinary;
  if (isOpaqueBinary(array)) return undefined;
  return isFloatArray(array) ? encodePieces(type, [], array) : encodePieces(type, array.shape, array.data);
}

function* encodePieces(
  type: 'embedding' | 'tensor',
  shape: readonly number[],
  elements: Embedding,
): Generator<undefined, EncodedValue> {
  const pieces: string[] = [];
  for (let at = 0; at < elements.length; at += ELEMENTS_A_PIECE) {
    pieces.push(elementsText(elements.subarray(at, at + ELEMENTS_A_PIECE)).slice(1, -1));
    yield;
  }
  return encoded(type, arrayText(type, shape, `[${pieces.join(',')}]`));
}

/**
 * The value that was sent for a variable of that type. What `typeUrl` names counts only by its `.binary`: readers go by the declared
 * type, so an integer fits a float variable and a list of numbers an embedding. Nothing of `sent` is kept.
 * @throws InvalidValueError for bytes that aren't UTF-8 or JSON, and JSON that isn't of the type
 */
export function decodeValue(type: VariableType, sent: EncodedValue, subject: string): VariableValue {
  if (isSentAsBinary(type, sent.typeUrl)) return decodeBinary(type, sent, subject);
  switch (type) {
    case 'float':
      return readFloat(sent.value, subject);
    case 'integer':
      return readInteger(sent.value, subject);
    case 'boolean':
      return readBoolean(sent.value, subject);
    case 'embedding':
      return readEmbedding(parseJsonAsDoubles(readText(sent.value, subject), subject), jsonElement, subject);
    case 'tensor':
      return readTensor(parseJsonAsDoubles(readText(sent.value, subject), subject), jsonElement, subject);
    default: {
      const value = parseJson(readText(sent.value, subject), subject);
      return fitting(type, value) ? (value as VariableValue) : refuseValue(type, value, subject);
    }
  }
}

/** `decodeValue` of a JSON text that `JsonCheck` has found good, piece by piece; a tensor of nested lists in one. @throws InvalidValueError */
export function* decodeNumbersInPieces(
  type: 'embedding' | 'tensor',
  checked: Uint8Array,
  subject: string,
): Generator<undefined, Embedding | Tensor> {
  const text = readText(checked, subject);
  yield;
  if (type === 'embedding') {
    return yield* readElementsInPieces(text.slice(text.indexOf('[') + 1, text.lastIndexOf(']')).trim(), subject);
  }
  const [, shape, data] = FLAT_TENSOR.exec(text) ?? [];
  if (shape === undefined || data === undefined) return readTensor(JSON.parse(text), jsonElement, subject);
  const elements = yield* readElementsInPieces(data.trim(), subject);
  return readTensor({ shape: JSON.parse(shape), data: elements }, jsonElement, subject);
}

/** Bytes that a value takes in memory, roughly; always the same for the same value. For limits, such as the history's. */
export function valueBytes(value: VariableValue | null): number {
  switch (typeof value) {
    case 'string':
      return STRING_BYTES + 2 * value.length;
    case 'bigint':
      // Two hexadecimal digits a byte; unlike decimal ones they take linear time.
      return SLOT_BYTES + (value.toString(16).length >> 1);
    case 'object':
      return value === null ? SLOT_BYTES : objectBytes(value);
    default:
      return SLOT_BYTES;
  }
}

function normalizeInteger(input: unknown, subject: string): number | bigint {
  if (typeof input === 'bigint') {
    if (!hasTooManyDigits(input)) return integerOf(input);
    throw new InvalidValueError(
      `${subject}: the bigint has more than ${MAX_INTEGER_DIGITS} digits: give a string variable the digits`,
    );
  }
  // Adding 0 makes 0 of -0: an integer has one zero.
  if (Number.isSafeInteger(input)) return (input as number) + 0;
  if (!Number.isInteger(input)) return refuseValue('integer', input, subject);
  throw new InvalidValueError(
    `${subject}: ${describeValue(input)} is beyond 2^53 - 1, where a number has lost digits: give a bigint`,
  );
}

function normalizeString(type: VariableType, input: unknown, subject: string): string {
  if (typeof input !== 'string') return refuseValue(type, input, subject);
  if (isWellFormed(input)) return input;
  throw new InvalidValueError(
    `${subject}: the text holds half of a surrogate pair, which UTF-8 cannot say: give well-formed text`,
  );
}

function normalizeOpaque(input: unknown, subject: string): OpaqueBinary | undefined {
  return isOpaqueBinary(input) ? copyOpaque(input.header, input.bytes, subject) : undefined;
}

function encoded(type: VariableType, text: string): EncodedValue {
  return { typeUrl: TYPE_URLS[type], value: encodeUtf8(text), binary: undefined };
}

function encodeArray(
  type: 'embedding' | 'tensor',
  value: Embedding | Tensor | OpaqueBinary,
  thresholdBytes: number,
): EncodedValue {
  if (isOpaqueBinary(value)) {
    return {
      typeUrl: `${TYPE_URLS[type]}${BINARY_SUFFIX}`,
      value: encodeUtf8(value.header),
      binary: new Uint8Array(value.bytes),
    };
  }
  const elements = isFloatArray(value) ? value : value.data;
  const shape = isFloatArray(value) ? [value.length] : value.shape;
  if (elements.byteLength > thresholdBytes) {
    const { header, bytes } = writeBinary(shape, elements);
    return { typeUrl: `${TYPE_URLS[type]}${BINARY_SUFFIX}`, value: encodeUtf8(header), binary: bytes };
  }
  return encoded(type, arrayText(type, shape, elementsText(elements)));
}

function arrayText(type: 'embedding' | 'tensor', shape: readonly number[], elements: string): string {
  return type === 'embedding' ? elements : `{"shape":[${shape.join(',')}],"data":${elements}}`;
}

function decodeBinary(type: VariableType, sent: EncodedValue, subject: string): VariableValue {
  const header = readText(sent.value, subject);
  const bytes = sent.binary ?? NO_BYTES;
  const meant = meantBy(header, subject);
  // Refused, in the words for what was given.
  if (meant !== undefined && meant !== type)
    return normalizeValue(type, readBinary(meant, header, bytes, subject), subject);
  if (type !== 'embedding' && type !== 'tensor') {
    throw new InvalidValueError(
      `${subject}: a ${type} does not travel as binary, which "${sent.typeUrl}" says: send its JSON`,
    );
  }
  const value = readBinary(type, header, bytes, subject);
  return meant === undefined || bytes.length > BINARY_THRESHOLD_BYTES ? value : asReadFromJson(value);
}

/** One that is small travels as JSON elsewhere, of doubles: it is the same by either way. */
function asReadFromJson(value: Embedding | Tensor | OpaqueBinary): Embedding | Tensor | OpaqueBinary {
  if (isOpaqueBinary(value)) return value;
  if (isFloatArray(value)) return Float64Array.from(value);
  return Object.freeze({ shape: value.shape, data: Float64Array.from(value.data) });
}

/** For the types whose JSON is their value. */
function fitting(type: VariableType, value: unknown): boolean {
  switch (type) {
    case 'map':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'list':
      return Array.isArray(value);
    default:
      return typeof value === 'string';
  }
}

function objectBytes(value: Exclude<VariableValue, string | number | bigint | boolean>): number {
  if (isFloatArray(value)) return OBJECT_BYTES + value.byteLength;
  if (isOpaqueBinary(value)) return OBJECT_BYTES + 2 * value.header.length + value.bytes.length;
  if (value instanceof JsonText) return OBJECT_BYTES + value.bytes.length;
  let bytes = OBJECT_BYTES;
  if (Array.isArray(value)) {
    for (const element of value) bytes += SLOT_BYTES + valueBytes(element);
  } else {
    for (const [key, element] of Object.entries(value)) bytes += STRING_BYTES + 2 * key.length + valueBytes(element);
  }
  return bytes;
}

const TYPE_URL_PREFIX = 'type.googleapis.com/snakepit.';
const BINARY_SUFFIX = '.binary';
const TYPE_URLS = Object.fromEntries(VARIABLE_TYPES.map((type) => [type, `${TYPE_URL_PREFIX}${type}`])) as Record<
  VariableType,
  string
>;

/** What published clients take; 1,280 doubles. */
const BINARY_THRESHOLD_BYTES = 10_240;
const NO_BYTES = new Uint8Array(0);
/** As our encoder and published ones write it. */
const FLAT_TENSOR = /^\s*\{\s*"shape"\s*:\s*(\[[^[\]{}"]*\])\s*,\s*"data"\s*:\s*\[([^[\]{}]*)\]\s*\}\s*$/;
/** Less than a millisecond's work. */
const ELEMENTS_A_PIECE = 2_048;

// V8 on 64 bits, rounded up: a slot or boxed number, a string's head, an object or typed array with its head and slack.
const SLOT_BYTES = 16;
const STRING_BYTES = 24;
const OBJECT_BYTES = 64;
