/** The ten types of a variable and their TypeScript faces: what a caller may give (inputs) and what everybody gets (values). */
import { InvalidTypeError, InvalidValueError } from '../errors.js';
import { describeValue } from './describe-value.js';

export const VARIABLE_TYPES = [
  'float',
  'integer',
  'string',
  'boolean',
  'choice',
  'module',
  'embedding',
  'tensor',
  'map',
  'list',
] as const;

export type VariableType = (typeof VARIABLE_TYPES)[number];

/** @throws InvalidTypeError naming the ten types */
export function parseVariableType(text: string): VariableType {
  if (isVariableType(text)) return text;
  throw new InvalidTypeError(`type ${describeValue(text)} is unknown: give one of ${VARIABLE_TYPES.join(', ')}`);
}

function isVariableType(text: string): text is VariableType {
  return (VARIABLE_TYPES as readonly string[]).includes(text);
}

/** NaN and the infinities included. */
export type FloatValue = number;

/** A number while it is safe, a bigint beyond 2^53 - 1: no digit is ever lost. */
export type IntegerValue = number | bigint;

/** Shared by everyone who holds the value: copy it before writing into it. */
export type Embedding = Float32Array | Float64Array;

/** `data` in row-major order, as many as `shape` multiplied; shared like an embedding. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
}

/** What JSON can say. Integers beyond 2^53 - 1 are bigints; no NaN, no infinity. */
export type JsonValue = null | boolean | number | bigint | string | JsonList | JsonMap;
export type JsonList = readonly JsonValue[];
export interface JsonMap {
  readonly [key: string]: JsonValue;
}

/** The binary payload of an embedding or tensor in a form that isn't ours, such as a pickle: carried as it came, never interpreted. */
export class OpaqueBinary {
  /** The JSON text that came with the bytes and says what they are. */
  readonly header: string;
  readonly bytes: Uint8Array;

  constructor(header: string, bytes: Uint8Array) {
    this.header = header;
    this.bytes = bytes;
    Object.freeze(this);
  }
}

interface ValueOfType {
  readonly float: FloatValue;
  readonly integer: IntegerValue;
  readonly string: string;
  readonly boolean: boolean;
  readonly choice: string;
  readonly module: string;
  readonly embedding: Embedding | OpaqueBinary;
  readonly tensor: Tensor | OpaqueBinary;
  readonly map: JsonMap;
  readonly list: JsonList;
}

/** What a variable of that type holds. Maps and lists are frozen through and through. */
export type ValueOf<T extends VariableType> = ValueOfType[T];
export type VariableValue = ValueOf<VariableType>;

export type NestedNumbers = number | readonly NestedNumbers[];

/** `data` flat, or nested as deep as `shape` is long. */
export interface TensorInput {
  readonly shape: readonly number[];
  readonly data: NestedNumbers | Float32Array | Float64Array;
}

interface InputOfType extends Omit<ValueOfType, 'embedding' | 'tensor'> {
  readonly embedding: Embedding | readonly number[] | OpaqueBinary;
  readonly tensor: TensorInput | OpaqueBinary;
}

/** What may be given to set a variable of that type; it is checked and copied, never converted. */
export type InputOf<T extends VariableType> = InputOfType[T];
export type VariableInput = InputOf<VariableType>;

/** Throws the sentence `variable "fan": "high" is not a float: give a number`. */
export function refuseValue(type: VariableType, input: unknown, subject: string): never {
  const article = /^[aeiou]/.test(type) ? 'an' : 'a';
  throw new InvalidValueError(`${subject}: ${describeValue(input)} is not ${article} ${type}: give ${REMEDIES[type]}`);
}

const REMEDIES: Readonly<Record<VariableType, string>> = {
  float: 'a number',
  integer: 'a whole number or a bigint',
  string: 'a string',
  boolean: 'true or false',
  choice: 'one of its choices as a string',
  module: "a module's name as a string",
  embedding: 'a list of numbers, a Float32Array or a Float64Array',
  tensor: '{ shape, data }',
  map: 'a plain object',
  list: 'an array',
};
