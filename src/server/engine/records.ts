/**
 * State as it leaves the process: ids and plain data, no object that lives here. Path: local engine -> [records] -> journal, and back at a start.
 * Pure. Fields are added, never changed: a file of an older server is read by a newer one.
 */
import type { Change, DeletedReason, Variable } from '../../shared/state/variable.js';
import type { VersionedValue } from '../../shared/state/versioned-value.js';
import type { Constraints } from '../../shared/values/constraint.js';
import type { Metadata } from '../../shared/values/metadata.js';
import type { VariableType } from '../../shared/values/variable-type.js';

/** One version of a variable: plain data as it is. */
export type VersionRecord = VersionedValue;

/** What was said when it was registered. */
export interface RegistrationRecord {
  readonly id: string;
  readonly name: string;
  readonly type: VariableType;
  readonly constraints: Constraints;
  readonly metadata: Metadata;
  readonly description: string;
  readonly ttlMs: number;
  readonly createdAt: number;
  readonly place: number;
  readonly firstVersion: number;
}

/** A variable with its last versions, oldest first, the present one last. */
export interface VariableRecord {
  readonly session: number;
  readonly registration: RegistrationRecord;
  readonly versions: readonly VersionRecord[];
}

/** A deleted variable that is remembered: the version that it went with. */
export interface GoneRecord {
  readonly session: number;
  readonly registration: RegistrationRecord;
  readonly reason: DeletedReason;
  readonly version: VersionRecord;
}

export interface ChangeRecord {
  /** Of the variable in its session. */
  readonly place: number;
  /** Of the variable: a reader of the log alone knows no other way to read the value. */
  readonly type: VariableType;
  readonly version: VersionRecord;
  /** Of the change that made the variable. */
  readonly registration: RegistrationRecord | undefined;
  /** Of the change by which it went. */
  readonly reason: DeletedReason | undefined;
}

export interface SessionRecord {
  readonly sessionId: string;
  readonly session: number;
  readonly metadata: Metadata;
  /** Ms since 1970. */
  readonly createdAt: number;
}

/** What became of sets of one link. Those up to `from` are answered, or forgotten. */
export interface WindowRecord {
  readonly link: string;
  readonly from: number;
  /** Of an engine that several servers share: some sets behind this one were lost, though those behind them are there. */
  readonly lostBehind?: number | undefined;
  readonly outcomes: readonly PlacedOutcome[];
}

/** What is kept together. */
export interface CommitRecord {
  readonly sessionId: string;
  /** Of this life of the session: another of its id has another one. */
  readonly session: number;
  /** The session begins with it. */
  readonly begins: SessionRecord | undefined;
  /** The session is no more. */
  readonly isEnd: boolean;
  readonly before: number;
  readonly revision: number;
  readonly changes: readonly ChangeRecord[];
  /** Outcomes of sets of one link, that of these changes among them. */
  readonly window: WindowRecord | undefined;
}

export function registrationRecordOf(variable: Variable): RegistrationRecord {
  const { id, name, type, constraints, metadata, description, ttlMs, createdAt, place, firstVersion } = variable;
  return { id, name, type, constraints, metadata, description, ttlMs, createdAt, place, firstVersion };
}

export function changeRecordOf({ variable, previous, current, reason }: Change): ChangeRecord {
  return {
    place: variable.place,
    type: variable.type,
    version: current,
    registration: previous === undefined ? registrationRecordOf(variable) : undefined,
    reason,
  };
}

/** What a client is told of one of its sets. */
export interface PlacedOutcome {
  readonly sequence: number;
  /** 0 where it was refused. */
  readonly version: number;
  readonly code: string;
  readonly message: string;
}
