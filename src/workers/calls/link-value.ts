/**
 * A set's value as the link carries it, which does not say of which type its variable is. Path: changes -> [link value] -> set queue.
 * What the declared type would take for something else, or refuse in words of its own, is none: it goes by a call, which asks for the type.
 */
import { InvalidValueError } from '../../shared/errors.js';
import { type ArrayType, writeBinary } from '../../shared/values/binary-array.js';
import { stringifyJson } from '../../shared/values/json.js';
import { floatNamed } from '../../shared/values/number-text.js';
import { elementsOf, isFloatArray, isShape } from '../../shared/values/numeric-array.js';
import { encodeUtf8, isWellFormed, utf8Length } from '../../shared/values/utf8.js';
import type { Embedding } from '../../shared/values/variable-type.js';
import type { LinkSet, LinkValue, PayloadValue } from '../../shared/wire/link-set-writer.js';

/** Undefined: by a call. `input` is what the port made of a caller's value. */
export function linkValueOf(input: unknown): LinkValue | undefined {
  switch (typeof input) {
    case 'number':
    case 'boolean':
      return input;
    case 'string':
      return isWellFormed(input) ? input : undefined;
    case 'object':
      return input === null ? undefined : payloadOf(input);
    default:
      return undefined;
  }
}

/** About how many bytes of a message the set takes, not fewer. */
export function bytesOfSet({ identifier, value, source, metadata }: LinkSet): number {
  let characters = identifier.length + source.length;
  for (const key of Object.keys(metadata)) characters += key.length + metadata[key]!.length;
  return BYTES_AROUND_A_SET + BYTES_A_CHARACTER * characters + bytesOfValue(value);
}

function bytesOfValue(value: LinkValue): number {
  switch (typeof value) {
    case 'string':
      return value.length <= SHORT_TEXT ? BYTES_A_CHARACTER * value.length : utf8Length(value);
    case 'object':
      return value.payload.length + (value.binary?.length ?? 0);
    default:
      return 0;
  }
}

function payloadOf(input: object): PayloadValue | undefined {
  if (isFloatArray(input)) return binaryOf('embedding', [input.length], input);
  if (Array.isArray(input)) return isReadAsGiven(input) ? jsonOf(input) : undefined;
  if (!Object.hasOwn(input, 'shape') || !Object.hasOwn(input, 'data')) return jsonOf(input);
  // A tensor, or a map with these keys.
  const { shape, data, ...others } = input as { readonly shape: unknown; readonly data: unknown };
  const isTensor = isFloatArray(data) && isShape(shape) && Object.keys(others).length === 0;
  return isTensor ? binaryOf('tensor', shape, data) : undefined;
}

/** Of a list of numbers: a list says the same as an embedding, unless JSON would say a number by what is none. */
function isReadAsGiven(list: readonly unknown[]): boolean {
  const odd = list.find((element) => typeof element !== 'number');
  return odd === undefined || (typeof odd !== 'bigint' && floatNamed(odd) === undefined);
}

function jsonOf(input: object): PayloadValue | undefined {
  try {
    return { payload: encodeUtf8(stringifyJson(input)), binary: undefined };
  } catch (error) {
    if (error instanceof InvalidValueError) return undefined;
    throw error;
  }
}

function binaryOf(meant: ArrayType, shape: readonly number[], elements: Embedding): PayloadValue | undefined {
  if (elementsOf(shape) !== elements.length) return undefined;
  const { header, bytes } = writeBinary(shape, elements, meant);
  return { payload: encodeUtf8(header), binary: bytes };
}

/** Of UTF-8, for a unit of UTF-16. */
const BYTES_A_CHARACTER = 3;
/** Of those that are longer it counts how many bytes they are. */
const SHORT_TEXT = 1_000;
/** Columns of a number, a kind, a target; keys and lengths. */
const BYTES_AROUND_A_SET = 24;
