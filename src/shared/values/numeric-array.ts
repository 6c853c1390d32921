/**
 * Embeddings and tensors: checked, flattened and copied to typed arrays of their own. Path: caller or JSON -> [numeric array] -> value codec.
 * An embedding may be empty: published servers accept `[]`, and a `dimensions` constraint refuses it where it matters.
 */
import { InvalidValueError } from '../errors.js';
import { describeValue } from './describe-value.js';
import { floatNamed, floatText } from './number-text.js';
import type { Embedding, Tensor } from './variable-type.js';

/** Axes of a tensor: what NumPy could hold for most of its life. More are refused. */
export const MAX_TENSOR_AXES = 32;

/** An element as a number, or undefined when it is none. */
type ReadElement = (element: unknown) => number | undefined;

/** Elements as a program gives them: numbers only, NaN and the infinities among them. */
export const givenElement: ReadElement = (element) => (typeof element === 'number' ? element : undefined);

/** Elements as JSON gives them: what it cannot say is a string. A literal such as 1e999 is none. */
export const jsonElement: ReadElement = (element) =>
  typeof element === 'number' && Number.isFinite(element) ? element : floatNamed(element);

/** A copy: a typed array keeps its kind, a list becomes a Float64Array. @throws InvalidValueError */
export function readEmbedding(input: unknown, readElement: ReadElement, subject: string): Embedding {
  if (isFloatArray(input)) return copyFloats(input);
  if (Array.isArray(input)) return readElements(input, readElement, subject);
  throw new InvalidValueError(
    `${subject}: ${describeValue(input)} is not an embedding: give a list of numbers, a Float32Array or a Float64Array`,
  );
}

/** A frozen copy whose data is flat. @throws InvalidValueError also when the data does not fill the shape exactly */
export function readTensor(input: unknown, readElement: ReadElement, subject: string): Tensor {
  const { shape, data } = (typeof input === 'object' && input !== null ? input : {}) as {
    shape?: unknown;
    data?: unknown;
  };
  if (shape === undefined || data === undefined) {
    throw new InvalidValueError(`${subject}: ${describeValue(input)} is not a tensor: give { shape, data }`);
  }
  if (!isShape(shape)) {
    throw new InvalidValueError(
      `${subject}: the shape ${shapeText(shape)} is not a shape: give up to ${MAX_TENSOR_AXES} whole numbers from 0`,
    );
  }
  const flat = readTensorData(data, shape, readElement, subject);
  if (flat.length !== elementsOf(shape)) {
    throw new InvalidValueError(
      `${subject}: ${flat.length} elements do not fill the shape ${shapeText(shape)}, which holds ${elementsOf(shape)}: give as many as the shape says`,
    );
  }
  return Object.freeze({ shape: Object.freeze([...shape]), data: flat });
}

/**
 * What stands between the brackets of a list that is good JSON, read piece by piece: 2 million elements take 60 ms. @throws InvalidValueError
 */
export function* readElementsInPieces(text: string, subject: string): Generator<undefined, Float64Array> {
  const pieces: Float64Array[] = [];
  let length = 0;
  for (let at = 0; at < text.length; yield) {
    const comma = text.indexOf(',', at + CHARACTERS_A_PIECE);
    const end = comma < 0 ? text.length : comma;
    const piece = readElements(listOf(text.slice(at, end), length, subject), jsonElement, subject, length);
    pieces.push(piece);
    length += piece.length;
    at = end + 1;
  }
  const elements = new Float64Array(length);
  let at = 0;
  for (const piece of pieces) {
    elements.set(piece, at);
    at += piece.length;
  }
  return elements;
}

/** No text that stands for a number has a comma: what is no list by itself was cut within a list or a text. */
function listOf(elements: string, first: number, subject: string): unknown[] {
  try {
    return JSON.parse(`[${elements}]`) as unknown[];
  } catch {
    throw new InvalidValueError(`${subject}: an element from ${first} on is not a number: give numbers`);
  }
}

/** JSON of the elements; `jsonElement` reads it back exactly. */
export function elementsText(elements: Embedding): string {
  let text = '[';
  for (let index = 0; index < elements.length; index += 1) {
    if (index > 0) text += ',';
    text += floatText(elements[index]!);
  }
  return `${text}]`;
}

export function isShape(shape: unknown): shape is readonly number[] {
  return (
    Array.isArray(shape) &&
    shape.length <= MAX_TENSOR_AXES &&
    shape.every((size) => Number.isSafeInteger(size) && size >= 0)
  );
}

/** Elements that a shape holds: 1 for the shape [] of a single number. */
export function elementsOf(shape: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, 1);
}

export function shapeText(shape: unknown): string {
  return Array.isArray(shape) && shape.length <= MAX_TENSOR_AXES
    ? `[${shape.map(describeValue).join(',')}]`
    : describeValue(shape);
}

export function isFloatArray(input: unknown): input is Embedding {
  return isFloat32Array(input) || hasTag(input, 'Float64Array');
}

export function isFloat32Array(input: unknown): input is Float32Array {
  return hasTag(input, 'Float32Array');
}

/** A Buffer is one too. */
export function isByteArray(input: unknown): input is Uint8Array {
  return hasTag(input, 'Uint8Array');
}

/** What the view shows, not the memory behind it. Not `slice`, which asks a subclass. @throws TypeError when that memory is gone */
export function copyFloats(array: Embedding): Embedding {
  return isFloat32Array(array) ? new Float32Array(array) : new Float64Array(array);
}

// By tag, because in a vm context, as test runners use them, Float32Array is another class; by the tag of the language, which nobody changes.
function hasTag(input: unknown, tag: string): boolean {
  return TAG.call(input) === tag;
}

const TAG = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Float32Array.prototype), Symbol.toStringTag)!.get as (
  this: unknown,
) => string | undefined;

/** `first`: where in the whole the list begins. */
function readElements(list: readonly unknown[], readElement: ReadElement, subject: string, first = 0): Float64Array {
  const elements = new Float64Array(list.length);
  for (let index = 0; index < list.length; index += 1) {
    elements[index] = readElement(list[index]) ?? refuseElement(list[index], first + index, subject);
  }
  return elements;
}

function readTensorData(data: unknown, shape: readonly number[], readElement: ReadElement, subject: string): Embedding {
  if (isFloatArray(data)) return copyFloats(data);
  // NumPy writes an array without axes as a bare number.
  if (!Array.isArray(data)) return readElements([data], readElement, subject);
  if (!Array.isArray(data[0])) return readElements(data, readElement, subject);
  const flat: unknown[] = [];
  flatten(data, shape, 0, flat, subject);
  return readElements(flat, readElement, subject);
}

function flatten(list: unknown, shape: readonly number[], axis: number, flat: unknown[], subject: string): void {
  const isList = Array.isArray(list);
  if (isList !== axis < shape.length || (isList && list.length !== shape[axis])) {
    const found = isList ? `a list of ${list.length}` : describeValue(list);
    throw new InvalidValueError(
      `${subject}: the nested data has ${found} on axis ${axis}, which is not what the shape ${shapeText(shape)} says: give lists as long as the shape, or flat data`,
    );
  }
  if (!isList) flat.push(list);
  else for (const inner of list) flatten(inner, shape, axis + 1, flat, subject);
}

function refuseElement(element: unknown, index: number, subject: string): never {
  if (typeof element === 'number') {
    throw new InvalidValueError(
      `${subject}: element ${index} is ${element} only because its number is too large for a double: send "${element}" if that is meant`,
    );
  }
  throw new InvalidValueError(
    `${subject}: element ${index} is ${describeValue(element)}, not a number: give numbers (in JSON "NaN", "Infinity" and "-Infinity" too)`,
  );
}

/** Less than a millisecond's work. */
const CHARACTERS_A_PIECE = 16_384;
