/** Protobuf messages <-> variables, values, metadata. Path: both ends of every call and stream -> [messages]. Nothing outside wire/ sees a protobuf type. */
import { InvalidValueError } from '../errors.js';
import type { Variable } from '../state/variable.js';
import type { VersionedValue } from '../state/versioned-value.js';
import { constraintsToJson } from '../values/constraint-text.js';
import type { Metadata } from '../values/metadata.js';
import { EMPTY_METADATA, ownValue, putOwn, SOURCE_KEY, withoutKeys } from '../values/metadata.js';
import type { EncodedValue } from '../values/value-codec.js';
import { decodeValue, encodeValue } from '../values/value-codec.js';
import type { VariableType, VariableValue } from '../values/variable-type.js';
import type { google, snakepit } from './gen/bridge.js';
import { wireVersion } from './wire-version.js';

/** A value on the wire: an Any, and its bytes where they travel beside it. */
export interface WireValue {
  readonly any: google.protobuf.IAny;
  readonly binary: Uint8Array | undefined;
}

export function valueToWire(type: VariableType, value: VariableValue): WireValue {
  const encoded = encodeValue(type, value);
  return { any: { type_url: encoded.typeUrl, value: encoded.value }, binary: encoded.binary };
}

/** @throws InvalidValueError when there is no value, or it isn't one of this type */
export function valueFromWire(
  type: VariableType,
  any: google.protobuf.IAny | null | undefined,
  binary: Uint8Array | null | undefined,
  subject: string,
): VariableValue {
  return decodeValue(type, encodedFromWire(any, binary, subject), subject);
}

function encodedFromWire(
  any: google.protobuf.IAny | null | undefined,
  binary: Uint8Array | null | undefined,
  subject: string,
): EncodedValue {
  if (any === null || any === undefined)
    throw new InvalidValueError(`${subject}: no value was sent: fill the value field`);
  return {
    typeUrl: any.type_url ?? '',
    value: any.value ?? NO_BYTES,
    binary: binary === null || binary === undefined || binary.length === 0 ? undefined : binary,
  };
}

export function timestampToWire(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  // Microseconds are what a double of ms since 1970 holds.
  return { seconds, nanos: Math.min(999_999_000, Math.round((ms - seconds * 1000) * 1000) * 1000) };
}

export function timestampFromWire(timestamp: google.protobuf.ITimestamp | null | undefined): number {
  if (timestamp === null || timestamp === undefined) return 0;
  return numberFromLong(timestamp.seconds) * 1000 + (timestamp.nanos ?? 0) / 1e6;
}

/** A 64-bit field as a number: exact up to 2^53. protobufjs decodes such a field to a Long and takes a number. */
export function numberFromLong(
  long: number | { low: number; high: number; unsigned: boolean } | null | undefined,
): number {
  if (long === null || long === undefined) return 0;
  return typeof long === 'number' ? long : (long.low >>> 0) + long.high * 2 ** 32;
}

/** Who sets, and the setter's own map. Published clients have no field for who: there the map's `source` says it, and is taken out. */
export function setterFromWire(
  metadata: Metadata | null | undefined,
  setter?: snakepit.bridge.ISetter | null,
): { source: string; custom: Metadata } {
  const map = metadata ?? EMPTY_METADATA;
  if (setter !== null && setter !== undefined) return { source: setter.source ?? '', custom: map };
  return { source: ownValue(map, SOURCE_KEY) ?? '', custom: withoutKeys(map, [SOURCE_KEY]) };
}

/** Towards a server that is not ours (`knowsSetter` false) who sets goes into the map, unless the setter uses that key. */
export function setterToWire(
  source: string,
  custom: Metadata,
  knowsSetter: boolean,
): { metadata: Record<string, string>; setter?: snakepit.bridge.ISetter } {
  if (knowsSetter) return { metadata: custom as Record<string, string>, setter: { source } };
  if (source === '' || Object.hasOwn(custom, SOURCE_KEY)) return { metadata: custom as Record<string, string> };
  const metadata: Record<string, string> = {};
  for (const key of Object.keys(custom)) putOwn(metadata, key, custom[key]!);
  metadata[SOURCE_KEY] = source;
  return { metadata };
}

/** The whole variable, as answers and initial values carry it. */
export function variableToWire(
  variable: Variable,
  current: VersionedValue = variable.current,
): snakepit.bridge.IVariable {
  const { any, binary } = valueToWire(variable.type, current.value);
  return {
    id: variable.id,
    name: variable.name,
    type: variable.type,
    value: any,
    constraintsJson: constraintsToJson(variable.constraints),
    metadata: variable.metadata as Record<string, string>,
    source: sourceToWire(current.source),
    lastUpdatedAt: timestampToWire(current.timestamp),
    version: wireVersion(current.version),
    ...(binary === undefined ? {} : { binaryValue: binary }),
    description: variable.description,
    ttlMs: variable.ttlMs,
  };
}

/** The published enum knows two languages; ours adds one. Any other source is said in words beside it. */
export function sourceToWire(source: string): number {
  if (source === 'python') return 1;
  return source === 'typescript' ? 2 : 0;
}

const NO_BYTES = new Uint8Array(0);
