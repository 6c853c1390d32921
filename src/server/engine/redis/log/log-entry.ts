/** One commit in a bucket's log, and a session as it is read whole. Path: redis -> [log entry] -> session replica. Pure. */
import { ProtocolError } from '../../../../shared/errors.js';
import type { DeletedReason } from '../../../../shared/state/variable.js';
import { Lineage } from '../format/lineage.js';

export interface LoggedCommit {
  readonly sessionId: string;
  /** Of which life of the session: another of its id has another one. */
  readonly life: number;
  readonly begins: boolean;
  readonly ends: boolean;
  readonly before: number;
  readonly revision: number;
  /** Ms since 1970, by Redis' clock. */
  readonly timestamp: number;
  readonly generation: number;
  readonly changes: readonly LoggedChange[];
}

export type LoggedChange =
  | {
      readonly kind: 'set';
      readonly id: string;
      readonly version: number;
      readonly revision: number;
      readonly payload: Buffer;
    }
  | {
      readonly kind: 'register';
      readonly id: string;
      readonly version: number;
      readonly revision: number;
      readonly registration: Buffer;
      readonly payload: Buffer;
    }
  | {
      readonly kind: 'delete';
      readonly id: string;
      readonly version: number;
      readonly revision: number;
      readonly reason: DeletedReason;
    };

/** Of the fields of a stream's entry. @throws ProtocolError */
export function readLogEntry(fields: readonly Buffer[]): LoggedCommit {
  const byName = new Map<string, Buffer>();
  for (let index = 0; index + 1 < fields.length; index += 2) byName.set(fields[index]!.toString(), fields[index + 1]!);
  const session = byName.get('s');
  const header = byName.get('h');
  if (session === undefined || header === undefined || header.length < 33)
    throw new ProtocolError('an entry of a log in Redis is none of ours');
  const flags = header[0]!;
  return {
    sessionId: session.toString(),
    begins: (flags & 1) !== 0,
    ends: (flags & 2) !== 0,
    before: header.readDoubleBE(1),
    revision: header.readDoubleBE(9),
    timestamp: header.readDoubleBE(17),
    life: header.readDoubleBE(25),
    // Of an older server it says none.
    generation: header.length < 41 ? 0 : header.readDoubleBE(33),
    changes: readChanges(byName.get('c') ?? Buffer.alloc(0)),
  };
}

function readChanges(bytes: Buffer): LoggedChange[] {
  const changes: LoggedChange[] = [];
  let at = 0;
  const short = (): Buffer => {
    const size = bytes.readUInt16BE(at);
    at += 2 + size;
    return bytes.subarray(at - size, at);
  };
  const long = (): Buffer => {
    const size = bytes.readUInt32BE(at);
    at += 4 + size;
    return bytes.subarray(at - size, at);
  };
  while (at < bytes.length) {
    const kind = bytes[at];
    at += 1;
    const id = short().toString();
    const version = bytes.readDoubleBE(at);
    const revision = bytes.readDoubleBE(at + 8);
    at += 16;
    if (kind === 0) changes.push({ kind: 'set', id, version, revision, payload: long() });
    else if (kind === 1) {
      const registration = long();
      changes.push({ kind: 'register', id, version, revision, registration, payload: long() });
    } else changes.push({ kind: 'delete', id, version, revision, reason: short().toString() as DeletedReason });
  }
  return changes;
}

export interface KeptVersion {
  readonly version: number;
  readonly revision: number;
  readonly timestamp: number;
  readonly payload: Buffer;
}

export interface KeptVariable {
  readonly id: string;
  /** The session's revision at registration: rises with each. */
  readonly place: number;
  readonly createdAt: number;
  readonly registration: Buffer;
  /** The present one last, those before it without a hole. */
  readonly versions: readonly KeptVersion[];
}

/** One that was deleted. */
export interface KeptGone {
  readonly version: number;
  readonly revision: number;
  readonly reason: DeletedReason;
  readonly registration: Buffer;
  readonly place: number;
  readonly createdAt: number;
  readonly id: string;
  /** The last that it had. */
  readonly last: KeptVersion;
}

export interface KeptSession {
  readonly life: number;
  /** Of the newest deletion that is not remembered. */
  readonly forgotten: number;
  readonly lineage: Lineage;
  /** Of its bucket. */
  readonly generation: number;
  /** In the order in which they went. */
  readonly gone: readonly KeptGone[];
  readonly revision: number;
  readonly metadata: string;
  readonly createdAt: number;
  /** When it was read, by Redis' clock, ms since 1970. */
  readonly readAt: number;
  /** In the order of their registration. */
  readonly variables: readonly KeptVariable[];
}

/** What the script that reads a session answers; undefined where it is not there. @throws ProtocolError */
export function readSession(reply: unknown): KeptSession | undefined {
  if (reply === null || reply === undefined) return undefined;
  try {
    return keptSession(reply);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new ProtocolError('a value of a session in Redis is cut short', { cause });
  }
}

function keptSession(reply: unknown): KeptSession {
  const [about, registrations, versions, gone] = reply as readonly Buffer[][];
  if (about === undefined || registrations === undefined || versions === undefined || gone === undefined) {
    throw new ProtocolError('a session in Redis is none of ours');
  }
  const [revision, metadata, createdAt, life, forgotten, lineage, generation, readAt] = about;
  const byField = new Map<string, Buffer>();
  for (let index = 0; index + 1 < versions.length; index += 2)
    byField.set(versions[index]!.toString(), versions[index + 1]!);
  const variables: KeptVariable[] = [];
  for (let index = 0; index + 1 < registrations.length; index += 2) {
    const id = registrations[index]!.toString();
    const kept = registrations[index + 1]!;
    const present = byField.get(id);
    if (present === undefined) throw new ProtocolError(`variable ${id} has no version in Redis`);
    variables.push({
      id,
      place: kept.readDoubleBE(0),
      createdAt: kept.readDoubleBE(8),
      registration: registrationOf(kept).registration,
      versions: versionsOf(id, readRecord(present), byField),
    });
  }
  return {
    ...{
      revision: Number(revision?.toString()),
      metadata: metadata?.toString() ?? '',
      createdAt: Number(createdAt?.toString()),
      readAt: Number(readAt?.toString()),
    },
    ...{ life: Number(life?.toString()), forgotten: Number(forgotten?.toString()), gone: gone.map(readGone) },
    ...{ lineage: new Lineage(lineage?.toString() ?? ''), generation: Number(generation?.toString() ?? 0) },
    variables: variables.sort((a, b) => a.place - b.place),
  };
}

/** The ring has the last sixteen, and nothing older than the first hole counts. */
function versionsOf(id: string, present: KeptVersion, byField: ReadonlyMap<string, Buffer>): KeptVersion[] {
  const versions = [present];
  for (let version = present.version - 1; version > present.version - RING; version -= 1) {
    const kept = byField.get(`${id}:${((version % RING) + RING) % RING}`);
    if (kept === undefined) break;
    const record = readRecord(kept);
    if (record.version !== version) break;
    versions.push(record);
  }
  return versions.reverse();
}

function readGone(bytes: Buffer): KeptGone {
  const reasonTo = 18 + bytes.readUInt16BE(16);
  const registrationTo = reasonTo + 4 + bytes.readUInt32BE(reasonTo);
  const kept = bytes.subarray(reasonTo + 4, registrationTo);
  return {
    ...{ version: bytes.readDoubleBE(0), revision: bytes.readDoubleBE(8) },
    ...{
      reason: bytes.subarray(18, reasonTo).toString() as DeletedReason,
      place: kept.readDoubleBE(0),
      createdAt: kept.readDoubleBE(8),
    },
    ...registrationOf(kept),
    last: readRecord(bytes.subarray(registrationTo + 4)),
  };
}

/** Place, ms since 1970 and name are the script's, then id and what was said. */
function registrationOf(kept: Buffer): { readonly id: string; readonly registration: Buffer } {
  const nameTo = 20 + kept.readUInt32BE(16);
  const idTo = nameTo + 2 + kept.readUInt16BE(nameTo);
  return { id: kept.subarray(nameTo + 2, idTo).toString(), registration: kept.subarray(idTo) };
}

function readRecord(bytes: Buffer): KeptVersion {
  return {
    version: bytes.readDoubleBE(0),
    revision: bytes.readDoubleBE(8),
    timestamp: bytes.readDoubleBE(16),
    payload: bytes.subarray(36 + bytes.readUInt32BE(32)),
  };
}

/** Versions of a variable that Redis keeps. */
const RING = 16;
