/**
 * What may be asked of a session's variables: its forms, and what is looked at before anybody decides. Path: handlers or LocalState -> [operation]
 * -> variable table. Pure: whoever accepts needs no variable but the one that it names.
 */
import { BatchRefusedError, type BridgeError, QuotaExceededError } from '../errors.js';
import type { Constraints, ConstraintsInput } from '../values/constraint.js';
import { checkConstraints, parseConstraints } from '../values/constraint.js';
import { checkName } from '../values/identifier.js';
import type { Metadata } from '../values/metadata.js';
import { EMPTY_METADATA } from '../values/metadata.js';
import { normalizeValue } from '../values/value-codec.js';
import type { VariableType, VariableValue } from '../values/variable-type.js';
import { parseVariableType } from '../values/variable-type.js';
import { checkFirstVersion, checkTtlMs } from './registration-numbers.js';
import type { DecidedChange, DeletedReason, Variable } from './variable.js';

export interface Registration {
  readonly name: string;
  readonly type: string;
  readonly initial: unknown;
  /** Whether `initial` matches the pattern of the constraints, where that is known. */
  readonly isMatched?: boolean | undefined;
  readonly constraints?: string | ConstraintsInput | Constraints | undefined;
  readonly metadata?: Metadata | undefined;
  readonly description?: string | undefined;
  readonly ttlMs?: number | undefined;
  readonly source?: string | undefined;
  /** First version, up to 2^52; 1 unless a state is imported. */
  readonly version?: number | undefined;
}

export interface Assignment {
  readonly identifier: string;
  readonly input: unknown;
  readonly expectedVersion?: number | undefined;
}

/** Who sets, and the setter's own map. */
export interface Setter {
  readonly source: string;
  readonly custom: Metadata;
}

export const NO_SETTER: Setter = { source: '', custom: EMPTY_METADATA };

/** A value that its variable takes. */
export interface Accepted {
  readonly kind: 'set';
  /** As the setter calls it. */
  readonly identifier: string;
  readonly variable: Variable;
  readonly value: VariableValue;
  readonly expectedVersion: number | undefined;
}

/** A registration that makes a variable, if its name is free. */
export interface AcceptedRegistration {
  readonly kind: 'register';
  /** '': the table gives it one. */
  readonly id: string;
  readonly name: string;
  readonly type: VariableType;
  readonly constraints: Constraints;
  readonly metadata: Metadata;
  readonly description: string;
  readonly ttlMs: number;
  readonly firstVersion: number;
  readonly value: VariableValue;
  readonly source: string;
}

export interface Deletion {
  readonly kind: 'delete';
  readonly identifier: string;
  readonly variable: Variable;
  readonly reason: DeletedReason;
}

export type TableOperation = Accepted | AcceptedRegistration | Deletion;

/** What one caller asks at once. */
export interface Asked {
  readonly operations: readonly TableOperation[];
  /** All or none, under one revision. */
  readonly isAtomic: boolean;
  readonly setter: Setter;
  readonly nowMs: number;
}

/** By place: the version that it is at then, or why it was refused. */
export type OperationResult = number | BridgeError;

/** What became of what was asked, before it is kept. */
export interface Decision {
  readonly results: readonly OperationResult[];
  /** In order. None: everything is as it was. */
  readonly changes: readonly DecidedChange[];
}

/** Of those of an atomic group that are not to blame for its refusal. */
export const OTHER_REFUSED = new BatchRefusedError('another of its batch was refused');

/** More than `maxAtomicVariables`. */
export function tooManyAtOnce(variables: number, most: number): QuotaExceededError {
  return new QuotaExceededError(
    `an atomic batch of ${variables} variables, which everybody would wait for: give at most ${most}, or raise maxAtomicVariables`,
  );
}

/** @throws InvalidNameError, InvalidTypeError, InvalidConstraintError, InvalidValueError, ConstraintViolationError, InvalidArgumentError */
export function acceptRegistration(registration: Registration, id = ''): AcceptedRegistration {
  const { name } = registration;
  checkName(name);
  const subject = `variable "${name}"`;
  const type: VariableType = parseVariableType(registration.type);
  const constraints: Constraints = parseConstraints(type, registration.constraints, subject);
  const value = normalizeValue(type, registration.initial, subject);
  checkConstraints(type, constraints, value, subject, registration.isMatched);
  const ttlMs = registration.ttlMs ?? 0;
  checkTtlMs(ttlMs, subject);
  const firstVersion = registration.version ?? 1;
  checkFirstVersion(firstVersion, subject);
  return {
    kind: 'register',
    id,
    name,
    type,
    constraints,
    metadata: registration.metadata ?? EMPTY_METADATA,
    description: registration.description ?? '',
    ttlMs,
    firstVersion,
    value,
    source: registration.source ?? '',
  };
}

/** As it was accepted, of a value that is in its type's form already; `isMatched` as `checkConstraints` takes it. @throws ConstraintViolationError */
export function acceptDecoded(
  identifier: string,
  variable: Variable,
  value: VariableValue,
  expectedVersion?: number,
  isMatched?: boolean,
): Accepted {
  checkConstraints(variable.type, variable.constraints, value, `variable "${variable.name}"`, isMatched);
  return { kind: 'set', identifier, variable, value, expectedVersion };
}
