/**
 * What stands for a value where only bytes can be compared: two values of one type have the same key when, and only when, a set of one over the
 * other changes nothing. Path: value -> [equality key] -> commit script. 32 bytes at most: longer ones are hashed to 128 bits.
 */
import { createHash } from 'node:crypto';
import { isOpaqueBinary } from '../../../../shared/values/binary-array.js';
import { JsonText } from '../../../../shared/values/json-text.js';
import { isFloatArray } from '../../../../shared/values/numeric-array.js';
import type { VariableValue } from '../../../../shared/values/variable-type.js';

export function equalityKey(value: VariableValue): string | Buffer {
  if (typeof value === 'number') return numberKey(value);
  if (typeof value === 'boolean') return value ? 't' : 'f';
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'string' && value.length <= SHORT) return `"${value}`;
  const hash = createHash('sha256');
  addTo(hash, value);
  return Buffer.concat([HASHED, hash.digest().subarray(0, 16)]);
}

interface Sink {
  update(data: string | Uint8Array): unknown;
}

function addTo(sink: Sink, value: unknown): void {
  switch (typeof value) {
    case 'number':
      sink.update(`#${numberKey(value)};`);
      return;
    case 'bigint':
      sink.update(`${value}n;`);
      return;
    case 'string':
      // Its length says where it ends; UTF-16, because a lone half is a text too.
      sink.update(`"${value.length}:`);
      sink.update(Buffer.from(value, 'utf16le'));
      return;
    case 'object':
      if (value !== null) {
        addObject(sink, value);
        return;
      }
  }
  sink.update(`${String(value)};`);
}

function addObject(sink: Sink, value: object): void {
  if (value instanceof JsonText) addBytes(sink, 'J', value.bytes);
  else if (isFloatArray(value)) addBytes(sink, 'D', elementBytes(value));
  else if (ArrayBuffer.isView(value))
    addBytes(sink, 'B', new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  else if (isOpaqueBinary(value)) {
    sink.update('O');
    addTo(sink, value.header);
    addBytes(sink, 'B', value.bytes);
  } else if (Array.isArray(value)) {
    sink.update(`[${value.length}:`);
    for (const element of value) addTo(sink, element);
  } else {
    const keys = Object.keys(value).sort();
    sink.update(`{${keys.length}:`);
    for (const key of keys) {
      addTo(sink, key);
      addTo(sink, (value as Record<string, unknown>)[key]);
    }
  }
}

function addBytes(sink: Sink, kind: string, bytes: Uint8Array): void {
  sink.update(`${kind}${bytes.byteLength}:`);
  sink.update(bytes);
}

/** Of a copy in which every number is a double, every NaN the same, and no zero negative. */
function elementBytes(given: Float32Array | Float64Array): Uint8Array {
  const copy = new Float64Array(given);
  for (let index = 0; index < copy.length; index += 1) {
    const element = copy[index]!;
    if (element === 0) copy[index] = 0;
    else if (Number.isNaN(element)) copy[index] = Number.NaN;
  }
  return new Uint8Array(copy.buffer);
}

function numberKey(value: number): string {
  return String(value === 0 ? 0 : value);
}

/** Characters; a text of two bytes each is hashed as well when it is longer than the limit in bytes, which only costs room. */
const SHORT = 30;
/** No other key begins with it. */
const HASHED = Buffer.from('=');
