/**
 * Large embeddings and tensors in the binary field: little-endian floats and a JSON header. Path: value codec <-> [binary array].
 * Bytes in a form that isn't ours, such as a pickle, are carried as they came and never interpreted.
 */
import { InvalidValueError } from '../errors.js';
import { parseJson } from './json.js';
import { elementsOf, isByteArray, isFloat32Array, isShape, shapeText } from './numeric-array.js';
import type { Embedding, JsonValue, Tensor } from './variable-type.js';
import { OpaqueBinary } from './variable-type.js';

export interface BinaryForm {
  readonly header: string;
  readonly bytes: Uint8Array;
}

/** Types whose values travel so. */
export type ArrayType = 'embedding' | 'tensor';

/** The bytes are a copy. `meant`: said to a reader who shall take it for nothing else. */
export function writeBinary(shape: readonly number[], elements: Embedding, meant?: ArrayType): BinaryForm {
  const dtype: Dtype = isFloat32Array(elements) ? 'float32' : 'float64';
  const bytes = new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength).slice();
  if (!IS_LITTLE_ENDIAN) swapBytes(bytes, WIDTHS[dtype]);
  const said = meant === undefined ? '' : `,"type":"${meant}"`;
  return { header: `{"dtype":"${dtype}","shape":[${shape.join(',')}]${said}}`, bytes };
}

/** What a sender who knows no type has said that it is; undefined of any other. */
export function meantBy(header: string, subject: string): ArrayType | undefined {
  const read = parseJson(header, `${subject}: binary header`);
  const meant = isMap(read) ? read.type : undefined;
  return meant === 'embedding' || meant === 'tensor' ? meant : undefined;
}

/** @throws InvalidValueError when the bytes are not what the header claims */
export function readBinary(
  type: ArrayType,
  header: string,
  bytes: Uint8Array,
  subject: string,
): Embedding | Tensor | OpaqueBinary {
  const claim = readClaim(parseJson(header, `${subject}: binary header`));
  if (claim === undefined) return copyOpaque(header, bytes, subject);
  const { dtype, shape } = claim;
  if (!isShape(shape) || elementsOf(shape) * WIDTHS[dtype] !== bytes.length) {
    if (isPickle(bytes)) return copyOpaque(header, bytes, subject);
    throw new InvalidValueError(
      `${subject}: ${bytes.length} bytes are not ${dtype} of shape ${shapeText(shape)}: send them little-endian without gaps, or say another "binary_format" in the header`,
    );
  }
  if (type === 'embedding' && shape.length !== 1) {
    throw new InvalidValueError(
      `${subject}: an embedding of shape ${shapeText(shape)} came: send one axis, or register a tensor`,
    );
  }
  const elements = readElements(dtype, bytes);
  return type === 'embedding' ? elements : Object.freeze({ shape: Object.freeze([...shape]), data: elements });
}

/** The shape that a binary of whatever form claims to have, or undefined. */
export function claimedShape(binary: OpaqueBinary): readonly number[] | undefined {
  const header = parseJson(binary.header);
  const shape = isMap(header) ? header.shape : undefined;
  return isShape(shape) ? shape : undefined;
}

/** Also what structured clone has made of one: the same fields without the class. */
export function isOpaqueBinary(input: unknown): input is OpaqueBinary {
  if (typeof input !== 'object' || input === null || ArrayBuffer.isView(input)) return false;
  const { header, bytes } = input as { header?: unknown; bytes?: unknown };
  return typeof header === 'string' && isByteArray(bytes);
}

/** A copy. @throws InvalidValueError when there is nothing in it, or its header isn't JSON */
export function copyOpaque(header: string, bytes: Uint8Array, subject: string): OpaqueBinary {
  if (bytes.length === 0)
    throw new InvalidValueError(`${subject}: the binary field is empty: send the bytes that the header tells of`);
  parseJson(header, `${subject}: binary header`);
  // Not bytes.slice(): a Buffer's slice shares its memory.
  return new OpaqueBinary(header, new Uint8Array(bytes));
}

type Dtype = keyof typeof WIDTHS;

/** What a header in our form says; undefined for another form. */
function readClaim(header: JsonValue): { dtype: Dtype; shape: JsonValue } | undefined {
  if (!isMap(header)) return undefined;
  const { dtype, shape, binary_format: form } = header;
  if ((dtype !== 'float32' && dtype !== 'float64') || !Array.isArray(shape) || (form !== undefined && form !== null))
    return undefined;
  return { dtype, shape };
}

function isMap(header: JsonValue): header is { readonly [key: string]: JsonValue } {
  return typeof header === 'object' && header !== null && !Array.isArray(header);
}

// Fresh memory: the bytes are a view into a receive buffer, seldom aligned, and everything of it would be kept.
function readElements(dtype: Dtype, bytes: Uint8Array): Embedding {
  const own = new Uint8Array(bytes);
  if (!IS_LITTLE_ENDIAN) swapBytes(own, WIDTHS[dtype]);
  return dtype === 'float32' ? new Float32Array(own.buffer) : new Float64Array(own.buffer);
}

/** A pickle of protocol 2 to 5 begins with the PROTO opcode and its number. */
function isPickle(bytes: Uint8Array): boolean {
  return bytes[0] === 0x80 && bytes[1] !== undefined && bytes[1] >= 2 && bytes[1] <= 5;
}

function swapBytes(bytes: Uint8Array, width: number): void {
  for (let start = 0; start < bytes.length; start += width) bytes.subarray(start, start + width).reverse();
}

const WIDTHS = { float32: 4, float64: 8 } as const;

const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
