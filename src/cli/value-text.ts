/** Values as text: JSON that keeps every digit, or plain words for people. Path: value -> [value text] -> output. */
import { jsonText } from '../shared/values/json.js';
import { elementsText, isFloatArray } from '../shared/values/numeric-array.js';
import type { JsonValue, VariableValue } from '../shared/values/variable-type.js';
import { OpaqueBinary } from '../shared/values/variable-type.js';

/** What the command line prints as JSON. Undefined is null, and left out of an object. */
export type Printable = VariableValue | JsonValue | undefined | readonly Printable[] | PrintableMap;
export interface PrintableMap {
  readonly [key: string]: Printable;
}

/** Integers with all their digits, NaN and the infinities as strings, embeddings as lists, tensors as {shape, data}, foreign payloads as {header, base64}. */
export function jsonOf(value: Printable): string {
  if (value === undefined || value === null) return 'null';
  if (typeof value !== 'object') return jsonText(value);
  if (isFloatArray(value)) return elementsText(value);
  if (value instanceof OpaqueBinary) return jsonOf({ header: value.header, base64: base64Of(value.bytes) });
  if (Array.isArray(value)) return `[${value.map(jsonOf).join(',')}]`;
  const entries = Object.entries(value as PrintableMap).filter(([, one]) => one !== undefined);
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${jsonOf(one)}`).join(',')}}`;
}

/** What `set` reads back as it is. A text stands for itself where a terminal shows it as it is, NaN and the infinities do; anything else is JSON. */
export function plainOf(value: VariableValue): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (typeof value === 'string' && PLAIN_TEXT.test(value)) return value;
  // JSON leaves these as they are, and a terminal would obey them or break the line.
  return jsonOf(value).replace(
    /[\p{Cc}\u2028\u2029]/gu,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** No control character, which a terminal would obey, and no quote or space that would get lost at its ends. */
const PLAIN_TEXT = /^(?!["\s])[^\p{Cc}\u2028\u2029]+(?<!\s)$/u;
