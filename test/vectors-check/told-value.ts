/** A value as vectors say it: as in values.json, for every language to read. */
import type { VariableValue } from '../../src/shared/values/variable-type.js';
import { OpaqueBinary } from '../../src/shared/values/variable-type.js';

export const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** As in values.json. */
export function toldValue(value: VariableValue | undefined): unknown {
  if (value === undefined) return null;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof Float32Array) return { dtype: 'float32', data: [...value].map(toldValue) };
  if (value instanceof Float64Array) return { dtype: 'float64', data: [...value].map(toldValue) };
  if (value instanceof OpaqueBinary) return { opaque: { header: value.header, bytes: base64(value.bytes) } };
  if (typeof value === 'object' && 'data' in value && 'shape' in value) {
    return { ...(toldValue(value.data as Float32Array) as object), shape: value.shape };
  }
  return value;
}
