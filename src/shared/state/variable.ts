/** One versioned variable: a set is a change, no change, or a conflict. Path: handlers or LocalState -> variable table -> [variable] -> history. */
import { AlreadyExistsError, VersionConflictError } from '../errors.js';
import type { Members } from '../one-or-many.js';
import type { Constraints } from '../values/constraint.js';
import { checkConstraints } from '../values/constraint.js';
import type { Metadata } from '../values/metadata.js';
import { normalizeValue } from '../values/value-codec.js';
import { valuesEqual } from '../values/value-equality.js';
import type { VariableType, VariableValue } from '../values/variable-type.js';
import type { History } from './history.js';
import { checkNextVersion } from './registration-numbers.js';
import type { VersionedValue } from './versioned-value.js';

export interface Variable {
  readonly id: string;
  readonly name: string;
  readonly type: VariableType;
  readonly constraints: Constraints;
  /** The map given when it was registered. */
  readonly metadata: Metadata;
  readonly description: string;
  /** Ms after the last set until it expires; 0 = never. */
  readonly ttlMs: number;
  readonly createdAt: number;
  /** Rises with each registration of its session: where it stands in lists. */
  readonly place: number;
  /** The version that it began with: 1 unless it was imported. Nobody missed those before it. */
  readonly firstVersion: number;
  readonly history: History;
  /** What is kept, and told. */
  current: VersionedValue;
  /** What was decided last: ahead of `current` while an engine keeps it. */
  decided: VersionedValue;
  /** Bytes of what was decided last, by estimate. */
  decidedBytes: number;
  /** Its deletion was decided. */
  isLeaving: boolean;
  /** Who is told of its changes, by whoever tells them: in a map beside it each change would look for them twice, mostly past the caches. */
  listeners: Members<object>;
  /** Its table does not know it any more. */
  isGone: boolean;
}

export type DeletedReason = 'deleted' | 'expired' | 'session-ended';

/** What a commit did to one variable. `previous` is undefined when it was registered; `reason` is there when it went. */
export interface Change {
  readonly variable: Variable;
  readonly previous: VersionedValue | undefined;
  readonly current: VersionedValue;
  readonly reason: DeletedReason | undefined;
}

/** A change that was decided and is not kept yet. */
export interface DecidedChange extends Change {
  /** Of its version, by estimate; 0 of a deletion. */
  readonly bytes: number;
}

/** The value in the variable's own form. @throws InvalidValueError, ConstraintViolationError; the variable stays as it is. */
export function acceptValue(variable: Variable, input: unknown): VariableValue {
  const subject = `variable "${variable.name}"`;
  const value = normalizeValue(variable.type, input, subject);
  checkConstraints(variable.type, variable.constraints, value, subject);
  return value;
}

/** By what was decided last. @throws VersionConflictError when the variable is not at `expectedVersion`; undefined checks nothing. */
export function checkExpectedVersion(variable: Variable, expectedVersion: number | undefined): void {
  const { version } = variable.decided;
  if (expectedVersion === undefined || expectedVersion === version) return;
  throw versionConflict(variable.name, version, expectedVersion);
}

/** What is refused then, in the same words by whoever decides. */
export function versionConflict(name: string, version: number, expected: number | string): VersionConflictError {
  return new VersionConflictError(
    `variable "${name}" is at version ${version}, not ${expected}: read it again, then set`,
  );
}

export function alreadyRegistered(name: string): AlreadyExistsError {
  return new AlreadyExistsError(`variable "${name}" is already registered: set it, or delete it first`);
}

/** By what was decided last. @throws InvalidArgumentError when it would be a change and no version is left for it */
export function changesNothing(variable: Variable, value: VariableValue): boolean {
  if (valuesEqual(variable.decided.value, value)) return true;
  checkNextVersion(variable.decided.version, `variable "${variable.name}"`);
  return false;
}
