/** Bytes of what a session holds, by estimate. Path: variable table, history -> [held bytes]. */
import type { Constraints } from '../values/constraint.js';
import { NO_CONSTRAINTS } from '../values/constraint.js';
import type { Metadata } from '../values/metadata.js';
import { EMPTY_METADATA } from '../values/metadata.js';
import { valueBytes } from '../values/value-codec.js';
import type { VariableValue } from '../values/variable-type.js';
import type { VersionedValue } from './versioned-value.js';

interface Registered {
  readonly name: string;
  readonly description: string;
  readonly metadata: Metadata;
  readonly constraints: Constraints;
}

/** Of one version. */
export function versionBytes({ value, custom, source }: VersionedValue): number {
  return bytesOfVersion(value, custom, source);
}

/** Of one version that is to be: its value, the setter's map, who sets it. */
export function bytesOfVersion(value: VariableValue, custom: Metadata, source: string): number {
  const bytes = BYTES_AROUND_A_VERSION + valueBytes(value) + metadataBytes(custom);
  // Short ones are shared or small; a long one is somebody's attempt.
  return source.length > SHORT_SOURCE ? bytes + 2 * source.length : bytes;
}

/** Of a variable but its versions. */
export function registrationBytes({ name, description, metadata, constraints }: Registered): number {
  const bytes = BYTES_AROUND_A_VARIABLE + 2 * (name.length + description.length) + metadataBytes(metadata);
  return constraints === NO_CONSTRAINTS ? bytes : bytes + valueBytes(constraints as never);
}

export function metadataBytes(metadata: Metadata): number {
  if (metadata === EMPTY_METADATA) return 0;
  let bytes = 0;
  for (const key of Object.keys(metadata)) bytes += BYTES_AROUND_AN_ENTRY + 2 * (key.length + metadata[key]!.length);
  return bytes;
}

const BYTES_AROUND_A_VERSION = 120;
const BYTES_AROUND_A_VARIABLE = 120;
const BYTES_AROUND_AN_ENTRY = 32;
const SHORT_SOURCE = 64;
