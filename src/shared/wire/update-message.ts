/**
 * VariableUpdate, both ways. Path: update encoder -> [encode] -> HTTP/2 -> [decode] -> stream carrier.
 * Written once per change however many streams it goes to. Both ends by hand: a watch needs a third of the fields, and what the
 * generated code allocates is worth avoiding at 100,000 a second (bench/micro: update-message).
 */
import protobuf from 'protobufjs/minimal.js';
import { InvalidTypeError } from '../errors.js';
import type { Change, Variable } from '../state/variable.js';
import type { VersionedValue } from '../state/versioned-value.js';
import { constraintsToJson } from '../values/constraint-text.js';
import type { Metadata } from '../values/metadata.js';
import { EMPTY_METADATA, putOwn } from '../values/metadata.js';
import { readText as textOfBytes } from '../values/scalar-reader.js';
import type { EncodedValue } from '../values/value-codec.js';
import { decodeValue, encodeValue, normalizeValue, scalarText, typeUrlOf } from '../values/value-codec.js';
import type { VariableType, VariableValue } from '../values/variable-type.js';
import { VARIABLE_TYPES } from '../values/variable-type.js';
import { isOfLaterGeneration } from './epoch-text.js';
import { snakepit } from './gen/bridge.js';
import { MessageWriter } from './message-writer.js';
import { sourceToWire, timestampToWire } from './messages.js';
import { eraOf, wireEpoch, wireVersion } from './wire-version.js';

export type UpdateType = 'initial_value' | 'value_change' | 'heartbeat' | 'deleted' | 'resync' | 'synced';

/** Old values above this many bytes stay at home: a client that watches knows them. */
export const MAX_OLD_VALUE_BYTES = 64 * 1024;

/** The present value, for a watch that begins or resumes. */
export function encodeSnapshot(
  variable: Variable,
  type: 'initial_value' | 'resync',
  epoch: string,
  missed = 0,
): Uint8Array {
  const { current } = variable;
  writeUpdate(variable, current, type);
  WRITER.count(9, missed);
  WRITER.text(10, wireEpoch(epoch, current.version));
  WRITER.count(11, current.revision);
  return WRITER.finish();
}

/** A change. `includeOld` puts the previous value in, for clients that don't keep it. */
export function encodeChange(change: Change, epoch: string, includeOld: boolean): Uint8Array {
  const { variable, previous, current, reason } = change;
  // A version that no longer fits 32 bits begins a new epoch on the wire.
  const isNewEra = previous !== undefined && eraOf(previous.version) !== eraOf(current.version);
  writeUpdate(variable, current, reason !== undefined ? 'deleted' : isNewEra ? 'resync' : 'value_change');
  if (includeOld && previous !== undefined) writeOldValue(encodeValue(variable.type, previous.value));
  // Later eras and generations are said with every change: who missed the first of one would take its versions for those of another.
  if (eraOf(current.version) > 0 || isOfLaterGeneration(epoch)) WRITER.text(10, wireEpoch(epoch, current.version));
  WRITER.count(11, current.revision);
  WRITER.text(12, reason ?? '');
  return WRITER.finish();
}

const WRITER = new MessageWriter();

/** The fields of a VariableUpdate that every one with a variable has. */
function writeUpdate(variable: Variable, current: VersionedValue, type: UpdateType): void {
  const timestamp = timestampToWire(current.timestamp);
  WRITER.text(1, variable.id);
  const inner = WRITER.open(2);
  WRITER.text(1, variable.id);
  WRITER.text(2, variable.name);
  WRITER.text(3, variable.type);
  const binary = writeValue(4, variable.type, current.value);
  WRITER.text(5, constraintsToJson(variable.constraints));
  writeMap(6, variable.metadata);
  WRITER.count(7, sourceToWire(current.source));
  writeTimestamp(8, timestamp);
  WRITER.count(9, wireVersion(current.version));
  if (binary !== undefined) WRITER.bytes(12, binary);
  WRITER.text(13, variable.description);
  WRITER.count(14, variable.ttlMs);
  WRITER.close(inner);
  WRITER.text(3, current.source);
  writeMap(4, current.custom);
  writeTimestamp(5, timestamp);
  WRITER.text(6, type);
}

/** Returns the bytes that travel beside it. */
function writeValue(field: number, type: VariableType, value: VariableValue): Uint8Array | undefined {
  const text = scalarText(type, value);
  if (text === undefined) {
    const encoded = encodeValue(type, value);
    writeAny(field, encoded);
    return encoded.binary;
  }
  const start = WRITER.open(field);
  WRITER.text(1, typeUrlOf(type));
  WRITER.text(2, text);
  WRITER.close(start);
  return undefined;
}

function writeOldValue(encoded: EncodedValue): void {
  if (encoded.value.length + (encoded.binary?.length ?? 0) > MAX_OLD_VALUE_BYTES) return;
  writeAny(7, encoded);
  if (encoded.binary !== undefined) WRITER.bytes(8, encoded.binary);
}

function writeAny(field: number, { typeUrl, value }: EncodedValue): void {
  const start = WRITER.open(field);
  WRITER.text(1, typeUrl);
  WRITER.bytes(2, value);
  WRITER.close(start);
}

function writeTimestamp(field: number, { seconds, nanos }: { seconds: number; nanos: number }): void {
  const start = WRITER.open(field);
  WRITER.count(1, seconds);
  WRITER.count(2, nanos);
  WRITER.close(start);
}

function writeMap(field: number, map: Metadata): void {
  if (map === EMPTY_METADATA) return;
  for (const key of Object.keys(map)) {
    const start = WRITER.open(field);
    WRITER.fullText(1, key);
    WRITER.fullText(2, map[key]!);
    WRITER.close(start);
  }
}

export function concatBytes(bytes: Uint8Array, tail: Uint8Array): Uint8Array {
  const whole = new Uint8Array(bytes.length + tail.length);
  whole.set(bytes);
  whole.set(tail, bytes.length);
  return whole;
}

/** `missed` as bytes that are put behind an update encoded without it: fields of a protobuf message may come in any order. */
export function encodeMissedTail(missed: number): Uint8Array {
  return protobuf.Writer.create().uint32(72).int64(missed).finish();
}

/** `more` as bytes, put behind in the same way. */
export const MORE_TAIL: Uint8Array = protobuf.Writer.create().uint32(104).bool(true).finish();

/** `identifiers` as bytes, put behind in the same way: each stream has its own. */
export function encodeIdentifiersTail(identifiers: readonly string[]): Uint8Array {
  for (const identifier of identifiers) WRITER.fullText(14, identifier);
  return WRITER.finish();
}

export function encodeMark(
  type: 'heartbeat' | 'synced',
  timestamp: number,
  revision: number,
  epoch: string,
): Uint8Array {
  return snakepit.bridge.VariableUpdate.encode({
    updateType: type,
    timestamp: timestampToWire(timestamp),
    revision,
    epoch,
  }).finish();
}

/** An update as a watch needs it. The value is decoded by `updateValue` when somebody wants it. */
export class UpdateMessage {
  updateType = '';
  variableId = '';
  name = '';
  version = 0;
  timestamp = 0;
  missed = 0;
  revision = 0;
  epoch = '';
  reason = '';
  more = false;
  /** Identifiers of the request that mean the variable and are not its name. */
  identifiers: readonly string[] = NO_IDENTIFIERS;
  source = '';
  custom: Metadata = EMPTY_METADATA;
  /** Declared type; '' when the message carries no variable. */
  type = '';
  typeUrl = '';
  value: Uint8Array = NO_BYTES;
  binary: Uint8Array | undefined = undefined;
  /** Over a link: the value itself, or `value` as its plain text. */
  decoded: number | boolean | undefined = undefined;
  isText = false;
  /** Over a link, where a condition kept it out: the value before it, of the same type. */
  before: UpdateMessage | undefined = undefined;

  /** As new, but for what every update of a link says. */
  reset(): this {
    this.epoch = '';
    this.reason = '';
    this.identifiers = NO_IDENTIFIERS;
    this.typeUrl = '';
    this.value = NO_BYTES;
    this.binary = undefined;
    this.decoded = undefined;
    this.isText = false;
    this.before = undefined;
    return this;
  }
}

/** Names that the next message of a stream is likely to carry: those of its last. */
export interface ExpectedNames {
  readonly variableId: string;
  readonly name: string;
}

/** @throws RangeError or TypeError of protobufjs when the bytes are no VariableUpdate */
export function decodeUpdate(bytes: Uint8Array, expected: ExpectedNames = NO_NAMES): UpdateMessage {
  const reader = protobuf.Reader.create(bytes);
  const update = new UpdateMessage();
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        update.variableId = readText(reader, expected.variableId);
        break;
      case 18:
        readVariable(reader, reader.uint32() + reader.pos, update, expected);
        break;
      case 26:
        update.source = lastSource = readText(reader, lastSource);
        break;
      case 34:
        if (update.custom === EMPTY_METADATA) update.custom = {};
        readMapEntry(reader, reader.uint32() + reader.pos, update.custom as Record<string, string>);
        break;
      case 42:
        update.timestamp = readTimestamp(reader, reader.uint32() + reader.pos);
        break;
      case 50:
        update.updateType = lastUpdateType = readText(reader, lastUpdateType);
        break;
      case 72:
        update.missed = readLong(reader);
        break;
      case 82:
        update.epoch = lastEpoch = readText(reader, lastEpoch);
        break;
      case 88:
        update.revision = readLong(reader);
        break;
      case 98:
        update.reason = reader.string();
        break;
      case 104:
        update.more = reader.bool();
        break;
      case 114:
        update.identifiers = [...update.identifiers, reader.string()];
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
  return update;
}

/** @throws InvalidValueError when the value isn't one of its declared type, or the type is unknown */
export function updateValue(update: UpdateMessage): VariableValue {
  const { type } = update;
  if (!isKnownType(type))
    throw new InvalidTypeError(`variable "${update.name}" has type "${type}", which this version does not know`);
  const subject = `variable "${update.name || update.variableId}"`;
  if (update.decoded !== undefined) return normalizeValue(type, update.decoded, subject);
  return update.isText
    ? normalizeValue(type, textOfBytes(update.value, subject), subject)
    : decodeValue(type, update, subject);
}

function isKnownType(type: string): type is VariableType {
  return KNOWN_TYPES.has(type);
}

function readVariable(reader: protobuf.Reader, end: number, update: UpdateMessage, expected: ExpectedNames): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        if (update.variableId === '') update.variableId = readText(reader, expected.variableId);
        else reader.skipType(2);
        break;
      case 18:
        update.name = readText(reader, expected.name);
        break;
      case 26:
        update.type = lastType = readText(reader, lastType);
        break;
      case 34:
        readAny(reader, reader.uint32() + reader.pos, update);
        break;
      case 72:
        update.version = reader.int32();
        break;
      case 98:
        update.binary = reader.bytes();
        break;
      default:
        reader.skipType(tag & 7);
    }
  }
}

function readAny(reader: protobuf.Reader, end: number, update: UpdateMessage): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 10) update.typeUrl = lastTypeUrl = readText(reader, lastTypeUrl);
    else if (tag === 18) update.value = reader.bytes();
    else reader.skipType(tag & 7);
  }
}

function readTimestamp(reader: protobuf.Reader, end: number): number {
  let seconds = 0;
  let nanos = 0;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 8) seconds = readLong(reader);
    else if (tag === 16) nanos = reader.int32();
    else reader.skipType(tag & 7);
  }
  return seconds * 1000 + nanos / 1e6;
}

function readMapEntry(reader: protobuf.Reader, end: number, map: Record<string, string>): void {
  let key = '';
  let value = '';
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 10) key = reader.string();
    else if (tag === 18) value = reader.string();
    else reader.skipType(tag & 7);
  }
  putOwn(map, key, value);
}

/** Comparing is a third of the price of decoding, and leaves no garbage: most texts of a stream are those of its last message. */
function readText(reader: protobuf.Reader, expected: string): string {
  const { buf, pos } = reader;
  const { length } = expected;
  // Longer ones have a length of more than one byte.
  if (buf[pos] !== length || length > LAST_ASCII) return reader.string();
  const start = pos + 1;
  for (let index = 0; index < length; index += 1) {
    const byte = buf[start + index]!;
    if (byte !== expected.charCodeAt(index) || byte > LAST_ASCII) return reader.string();
  }
  reader.pos = start + length;
  return expected;
}

function readLong(reader: protobuf.Reader): number {
  const { buf, pos } = reader;
  let value = 0;
  let weight = 1;
  // Up to 49 bits; more, and negative ones, are rare.
  for (let index = pos; index < pos + 7; index += 1) {
    const byte = buf[index]!;
    value += (byte & 0x7f) * weight;
    if (byte <= LAST_ASCII) {
      reader.pos = index + 1;
      return value;
    }
    weight *= 0x80;
  }
  const long = reader.int64() as unknown as { low: number; high: number } | number;
  return typeof long === 'number' ? long : (long.low >>> 0) + long.high * 2 ** 32;
}

const LAST_ASCII = 0x7f;
const NO_IDENTIFIERS: readonly string[] = [];
const NO_NAMES: ExpectedNames = { variableId: '', name: '' };
let lastSource = '';
let lastUpdateType = '';
let lastEpoch = '';
let lastType = '';
let lastTypeUrl = '';

const KNOWN_TYPES: ReadonlySet<string> = new Set(VARIABLE_TYPES);
const NO_BYTES = new Uint8Array(0);
