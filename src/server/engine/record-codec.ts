/**
 * Records <-> bytes, in protobuf's way of writing fields: a reader skips what it does not know, so that a field is added and never changed.
 * Path: sqlite journal -> [record codec] -> rows of a file, and back at a start, out of many rows side by side: a start waits for it. Pure.
 */
import protobuf from 'protobufjs/minimal.js';
import type { DeletedReason } from '../../shared/state/variable.js';
import type { VersionedValue } from '../../shared/state/versioned-value.js';
import { NO_CONSTRAINTS, parseConstraints } from '../../shared/values/constraint.js';
import { constraintsToJson } from '../../shared/values/constraint-text.js';
import { jsonTextOf } from '../../shared/values/json-text.js';
import type { Metadata } from '../../shared/values/metadata.js';
import { EMPTY_METADATA, putOwn } from '../../shared/values/metadata.js';
import { decodeValue, encodeValue, typeUrlOf } from '../../shared/values/value-codec.js';
import type { VariableType, VariableValue } from '../../shared/values/variable-type.js';
import type {
  ChangeRecord,
  CommitRecord,
  GoneRecord,
  PlacedOutcome,
  RegistrationRecord,
  SessionRecord,
  VariableRecord,
  WindowRecord,
} from './records.js';

type Writer = protobuf.Writer;
type Reader = protobuf.Reader;

export function encodeCommits(commits: readonly CommitRecord[]): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const commit of commits) writeCommit(writer.uint32(tag(1, BYTES)).fork(), commit).ldelim();
  return writer.finish();
}

/** Where records are read from: one for many, each from its `pos` up to a place. */
export type RecordReader = Reader;

export function recordReader(bytes: Uint8Array): RecordReader {
  return protobuf.Reader.create(bytes);
}

export function decodeCommits(reader: RecordReader, to: number = reader.len): CommitRecord[] {
  const commits: CommitRecord[] = [];
  while (reader.pos < to) {
    const key = reader.uint32();
    if (key >>> 3 === 1) commits.push(readCommit(reader, endOf(reader)));
    else reader.skipType(key & 7);
  }
  return commits;
}

export function encodeVariable({ registration, versions }: VariableRecord): Uint8Array {
  const writer = protobuf.Writer.create();
  writeRegistration(writer.uint32(tag(1, BYTES)).fork(), registration).ldelim();
  for (const version of versions)
    writeVersion(writer.uint32(tag(2, BYTES)).fork(), registration.type, version).ldelim();
  return writer.finish();
}

export function decodeVariable(session: number, reader: RecordReader, to: number = reader.len): VariableRecord {
  let registration: RegistrationRecord | undefined;
  const versions: VersionedValue[] = [];
  while (reader.pos < to) {
    const key = reader.uint32();
    if (key >>> 3 === 1) registration = readRegistration(reader, endOf(reader));
    else if (key >>> 3 === 2) versions.push(readVersion(reader, endOf(reader), registration!.type));
    else reader.skipType(key & 7);
  }
  return { session, registration: registration!, versions };
}

/** By what a variable is found in lists, without what else its record says. Undefined: it has a time to live, so that it has to be read at once. */
export function peekVariable(reader: RecordReader, to: number): Pick<RegistrationRecord, 'name' | 'place'> | undefined {
  let name = '';
  let place = 0;
  for (const end = registrationEnd(reader); reader.pos < end; ) {
    const key = reader.uint32();
    if (key >>> 3 === 2) name = reader.string();
    else if (key >>> 3 === 4) place = reader.uint32();
    else if (key >>> 3 === 7) return undefined;
    else reader.skipType(key & 7);
  }
  reader.pos = to;
  return { name, place };
}

/** The id of the variable whose record begins there. */
export function peekId(reader: RecordReader): string {
  for (const end = registrationEnd(reader); reader.pos < end; ) {
    const key = reader.uint32();
    if (key >>> 3 === 1) return reader.string();
    reader.skipType(key & 7);
  }
  return '';
}

/** It comes first. */
function registrationEnd(reader: RecordReader): number {
  reader.uint32();
  return endOf(reader);
}

export function encodeGone({ registration, reason, version }: GoneRecord): Uint8Array {
  const writer = protobuf.Writer.create();
  writeRegistration(writer.uint32(tag(1, BYTES)).fork(), registration).ldelim();
  writeVersion(writer.uint32(tag(2, BYTES)).fork(), registration.type, version).ldelim();
  writer.uint32(tag(3, BYTES)).string(reason);
  return writer.finish();
}

export function decodeGone(session: number, reader: RecordReader, to: number = reader.len): GoneRecord {
  let registration: RegistrationRecord | undefined;
  let version: VersionedValue | undefined;
  let reason = 'deleted';
  read(reader, to, (field) => {
    if (field === 1) registration = readRegistration(reader, endOf(reader));
    else if (field === 2) version = readVersion(reader, endOf(reader), registration!.type);
    else if (field === 3) reason = reader.string();
    else return false;
    return true;
  });
  return { session, registration: registration!, reason: reason as DeletedReason, version: version! };
}

export function encodeWindow(window: WindowRecord): Uint8Array {
  const writer = protobuf.Writer.create();
  writeWindow(writer, window);
  return writer.finish();
}

export function encodeSession({ sessionId, metadata, createdAt }: SessionRecord): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32(tag(1, BYTES)).string(sessionId);
  writer.uint32(tag(2, DOUBLE)).double(createdAt);
  writeMap(writer, 3, metadata);
  return writer.finish();
}

export function decodeSession(session: number, reader: RecordReader, to: number = reader.len): SessionRecord {
  let sessionId = '';
  let createdAt = 0;
  const metadata = new MapReader();
  read(reader, to, (field) => {
    if (field === 1) sessionId = reader.string();
    else if (field === 2) createdAt = reader.double();
    else if (field === 3) metadata.add(reader.string());
    else return false;
    return true;
  });
  return { sessionId, session, metadata: metadata.map, createdAt };
}

function writeCommit(
  writer: Writer,
  { sessionId, session, begins, isEnd, before, revision, changes, window }: CommitRecord,
): Writer {
  writer.uint32(tag(1, BYTES)).string(sessionId);
  writer.uint32(tag(2, DOUBLE)).double(session);
  writer.uint32(tag(3, DOUBLE)).double(before);
  writer.uint32(tag(4, DOUBLE)).double(revision);
  for (const change of changes) writeChange(writer.uint32(tag(5, BYTES)).fork(), change).ldelim();
  if (window !== undefined) writeWindow(writer.uint32(tag(6, BYTES)).fork(), window).ldelim();
  if (begins !== undefined) writer.uint32(tag(7, BYTES)).bytes(encodeSession(begins));
  if (isEnd) writer.uint32(tag(8, VARINT)).bool(true);
  return writer;
}

function readCommit(reader: Reader, to: number): CommitRecord {
  let sessionId = '';
  let session = 0;
  let before = 0;
  let revision = 0;
  let isEnd = false;
  let window: WindowRecord | undefined;
  let begins: SessionRecord | undefined;
  const changes: ChangeRecord[] = [];
  while (reader.pos < to) {
    const key = reader.uint32();
    switch (key >>> 3) {
      case 1:
        sessionId = reader.string();
        break;
      case 2:
        session = reader.double();
        break;
      case 3:
        before = reader.double();
        break;
      case 4:
        revision = reader.double();
        break;
      case 5:
        changes.push(readChange(reader, endOf(reader)));
        break;
      case 6:
        window = decodeWindow(reader, endOf(reader));
        break;
      case 7:
        begins = decodeSession(session, reader, endOf(reader));
        break;
      case 8:
        isEnd = reader.bool();
        break;
      default:
        reader.skipType(key & 7);
    }
  }
  return { sessionId, session, begins, isEnd, before, revision, changes, window };
}

function writeChange(writer: Writer, { place, type, version, registration, reason }: ChangeRecord): Writer {
  writer.uint32(tag(1, VARINT)).uint32(place);
  writer.uint32(tag(2, VARINT)).uint32(TYPES.indexOf(type));
  writeVersion(writer.uint32(tag(3, BYTES)).fork(), type, version).ldelim();
  if (registration !== undefined) writeRegistration(writer.uint32(tag(4, BYTES)).fork(), registration).ldelim();
  if (reason !== undefined) writer.uint32(tag(5, BYTES)).string(reason);
  return writer;
}

function readChange(reader: Reader, to: number): ChangeRecord {
  let place = 0;
  let type: VariableType = 'float';
  let version: VersionedValue | undefined;
  let registration: RegistrationRecord | undefined;
  let reason: DeletedReason | undefined;
  while (reader.pos < to) {
    const key = reader.uint32();
    switch (key >>> 3) {
      case 1:
        place = reader.uint32();
        break;
      case 2:
        type = TYPES[reader.uint32()]!;
        break;
      case 3:
        version = readVersion(reader, endOf(reader), type);
        break;
      case 4:
        registration = readRegistration(reader, endOf(reader));
        break;
      case 5:
        reason = reader.string() as DeletedReason;
        break;
      default:
        reader.skipType(key & 7);
    }
  }
  return { place, type, version: version!, registration, reason };
}

function writeRegistration(writer: Writer, registration: RegistrationRecord): Writer {
  const { id, name, type, constraints, metadata, description, ttlMs, createdAt, place, firstVersion } = registration;
  writer.uint32(tag(1, BYTES)).string(id);
  writer.uint32(tag(2, BYTES)).string(name);
  writer.uint32(tag(3, VARINT)).uint32(TYPES.indexOf(type));
  writer.uint32(tag(4, VARINT)).uint32(place);
  writer.uint32(tag(5, DOUBLE)).double(createdAt);
  if (firstVersion !== 1) writer.uint32(tag(6, DOUBLE)).double(firstVersion);
  if (ttlMs !== 0) writer.uint32(tag(7, DOUBLE)).double(ttlMs);
  if (description !== '') writer.uint32(tag(8, BYTES)).string(description);
  const text = constraintsToJson(constraints);
  if (text !== '') writer.uint32(tag(9, BYTES)).string(text);
  writeMap(writer, 10, metadata);
  return writer;
}

function readRegistration(reader: Reader, to: number): RegistrationRecord {
  let id = '';
  let name = '';
  let type: VariableType = 'float';
  let place = 0;
  let createdAt = 0;
  let firstVersion = 1;
  let ttlMs = 0;
  let description = '';
  let constraints = '';
  let metadata: MapReader | undefined;
  while (reader.pos < to) {
    const key = reader.uint32();
    switch (key >>> 3) {
      case 1:
        id = reader.string();
        break;
      case 2:
        name = reader.string();
        break;
      case 3:
        type = TYPES[reader.uint32()]!;
        break;
      case 4:
        place = reader.uint32();
        break;
      case 5:
        createdAt = reader.double();
        break;
      case 6:
        firstVersion = reader.double();
        break;
      case 7:
        ttlMs = reader.double();
        break;
      case 8:
        description = reader.string();
        break;
      case 9:
        constraints = reader.string();
        break;
      case 10:
        metadata ??= new MapReader();
        metadata.add(reader.string());
        break;
      default:
        reader.skipType(key & 7);
    }
  }
  return {
    id,
    name,
    type,
    metadata: metadata?.map ?? EMPTY_METADATA,
    description,
    ttlMs,
    createdAt,
    place,
    firstVersion,
    constraints: constraints === '' ? NO_CONSTRAINTS : parseConstraints(type, constraints, `variable "${name}"`),
  };
}

function writeVersion(writer: Writer, type: VariableType, version: VersionedValue): Writer {
  writer.uint32(tag(1, DOUBLE)).double(version.version);
  writer.uint32(tag(2, DOUBLE)).double(version.revision);
  writer.uint32(tag(3, DOUBLE)).double(version.timestamp);
  if (version.source !== '') writer.uint32(tag(4, BYTES)).string(version.source);
  if (version.custom !== EMPTY_METADATA) writeMap(writer, 5, version.custom);
  writeValue(writer, type, version.value);
  return writer;
}

function readVersion(reader: Reader, to: number, type: VariableType): VersionedValue {
  let version = 0;
  let revision = 0;
  let timestamp = 0;
  let source = '';
  let value: VariableValue | undefined;
  let custom: MapReader | undefined;
  let json: Uint8Array = NO_BYTES;
  let binary: Uint8Array | undefined;
  while (reader.pos < to) {
    const key = reader.uint32();
    switch (key >>> 3) {
      case 1:
        version = reader.double();
        break;
      case 2:
        revision = reader.double();
        break;
      case 3:
        timestamp = reader.double();
        break;
      case 4:
        source = reader.string();
        break;
      case 5:
        custom ??= new MapReader();
        custom.add(reader.string());
        break;
      case 6:
        value = reader.double();
        break;
      case 7:
        value = reader.string();
        break;
      case 8:
        json = reader.bytes();
        break;
      case 9:
        binary = reader.bytes();
        break;
      default:
        reader.skipType(key & 7);
    }
  }
  value ??= valueFrom(type, json, binary);
  return { version, value, timestamp, source, custom: custom?.map ?? EMPTY_METADATA, revision };
}

function writeValue(writer: Writer, type: VariableType, value: VariableValue): void {
  // Exact, with NaN and both zeros.
  if (type === 'float' || (type === 'integer' && typeof value === 'number'))
    writer.uint32(tag(6, DOUBLE)).double(value as number);
  else if (type === 'string' || type === 'choice' || type === 'module') {
    writer.uint32(tag(7, BYTES)).string(value as string);
  } else {
    // As binary whatever the size: JSON would not say of which kind the elements are.
    const { value: json, binary } = encodeValue(type, value, { binaryThresholdBytes: 0 });
    writer.uint32(tag(8, BYTES)).bytes(json);
    if (binary !== undefined) writer.uint32(tag(9, BYTES)).bytes(binary);
  }
}

function valueFrom(type: VariableType, json: Uint8Array, binary: Uint8Array | undefined): VariableValue {
  // As it came: a server builds no large map. Of its own: what it was read from holds other rows.
  if ((type === 'map' || type === 'list') && json.length > LARGE_TEXT) return jsonTextOf(Uint8Array.from(json));
  const typeUrl = binary === undefined ? typeUrlOf(type) : `${typeUrlOf(type)}.binary`;
  return decodeValue(type, { typeUrl, value: json, binary }, 'what was kept');
}

function writeWindow(writer: Writer, { link, from, outcomes }: WindowRecord): Writer {
  writer.uint32(tag(1, BYTES)).string(link);
  writer.uint32(tag(2, DOUBLE)).double(from);
  for (const { sequence, version, code, message } of outcomes) {
    writer.uint32(tag(3, BYTES)).fork();
    writer.uint32(tag(1, DOUBLE)).double(sequence);
    if (version !== 0) writer.uint32(tag(2, DOUBLE)).double(version);
    if (code !== '') writer.uint32(tag(3, BYTES)).string(code);
    if (message !== '') writer.uint32(tag(4, BYTES)).string(message);
    writer.ldelim();
  }
  return writer;
}

export function decodeWindow(reader: RecordReader, to: number = reader.len): WindowRecord {
  const outcomes: PlacedOutcome[] = [];
  let link = '';
  let from = 0;
  read(reader, to, (field) => {
    if (field === 1) link = reader.string();
    else if (field === 2) from = reader.double();
    else if (field === 3) outcomes.push(readOutcome(reader, endOf(reader)));
    else return false;
    return true;
  });
  return { link, from, outcomes };
}

function readOutcome(reader: Reader, to: number): PlacedOutcome {
  let sequence = 0;
  let version = 0;
  let code = '';
  let message = '';
  read(reader, to, (field) => {
    if (field === 1) sequence = reader.double();
    else if (field === 2) version = reader.double();
    else if (field === 3) code = reader.string();
    else if (field === 4) message = reader.string();
    else return false;
    return true;
  });
  return { sequence, version, code, message };
}

/** Keys and values in turn. */
function writeMap(writer: Writer, field: number, map: Metadata): void {
  for (const key of Object.keys(map)) {
    writer.uint32(tag(field, BYTES)).string(key);
    writer.uint32(tag(field, BYTES)).string(map[key]!);
  }
}

class MapReader {
  #map: Record<string, string> | undefined;
  #key: string | undefined;

  get map(): Metadata {
    return this.#map ?? EMPTY_METADATA;
  }

  add(text: string): void {
    if (this.#key === undefined) {
      this.#key = text;
      return;
    }
    this.#map ??= {};
    putOwn(this.#map, this.#key, text);
    this.#key = undefined;
  }
}

/** `take` reads the field's value and says so; what it does not know is skipped. */
function read(reader: Reader, to: number, take: (field: number) => boolean): void {
  while (reader.pos < to) {
    const key = reader.uint32();
    if (!take(key >>> 3)) reader.skipType(key & 7);
  }
}

/** Of the part that its length stands before. */
function endOf(reader: Reader): number {
  const length = reader.uint32();
  return reader.pos + length;
}

function tag(field: number, wireType: number): number {
  return (field << 3) | wireType;
}

const VARINT = 0;
const DOUBLE = 1;
const BYTES = 2;
const NO_BYTES = new Uint8Array(0);
/** By place: more are added at the end. */
const TYPES: readonly VariableType[] = [
  ...(['float', 'integer', 'string', 'boolean', 'choice', 'module', 'embedding', 'tensor', 'map', 'list'] as const),
];
/** From there on the server keeps texts (value reader). */
const LARGE_TEXT = 64 * 1024;
