/**
 * Names, ids, atomic batches, listing: all variables of one session. Path: handlers or LocalState -> [variable table] -> variable, history.
 * Every call either does the whole of what it says and returns the changes, or throws and has changed nothing.
 * Full: `maxVariables` refuses another with QuotaExceededError.
 */
import {
  AlreadyExistsError,
  BridgeError,
  InvalidArgumentError,
  QuotaExceededError,
  VariablesNotFoundError,
  VersionNotFoundError,
} from '../errors.js';
import type { Constraints, ConstraintsInput } from '../values/constraint.js';
import { checkConstraints, parseConstraints } from '../values/constraint.js';
import { checkName, compileWildcard } from '../values/identifier.js';
import type { Metadata } from '../values/metadata.js';
import { EMPTY_METADATA } from '../values/metadata.js';
import { normalizeValue } from '../values/value-codec.js';
import type { VariableType, VariableValue } from '../values/variable-type.js';
import { parseVariableType } from '../values/variable-type.js';
import type { HistoryBudget, HistoryLimits } from './history.js';
import { History } from './history.js';
import { checkFirstVersion, checkTtlMs } from './registration-numbers.js';
import { RegistrationOrder } from './registration-order.js';
import type { Change, DeletedReason, Variable, VersionedValue } from './variable.js';
import { acceptValue, changesNothing, checkExpectedVersion } from './variable.js';

export interface Registration {
  readonly name: string;
  readonly type: string;
  readonly initial: unknown;
  readonly constraints?: string | ConstraintsInput | undefined;
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

export interface SetResult {
  readonly version: number;
  /** Undefined when the value was equal: nobody is told. */
  readonly change: Change | undefined;
}

export interface BatchResult {
  readonly versions: Map<string, number>;
  readonly refused: Map<string, BridgeError>;
  readonly changes: Change[];
}

export interface TableOptions {
  readonly maxVariables: number;
  readonly history: HistoryLimits;
  readonly newId: () => string;
  /** The timestamp of what is committed at `nowMs`. Default: the same number. */
  readonly timestampAt?: ((nowMs: number) => number) | undefined;
}

export class VariableTable {
  readonly #byName = new Map<string, Variable>();
  readonly #byId = new Map<string, Variable>();
  readonly #order = new RegistrationOrder();
  readonly #options: TableOptions;
  readonly #timestampAt: (nowMs: number) => number;
  readonly #budget: HistoryBudget = { bytes: 0 };
  #evicting: Iterator<Variable> | undefined;
  #revision = 0;

  constructor(options: TableOptions) {
    this.#options = options;
    this.#timestampAt = options.timestampAt ?? ((nowMs) => nowMs);
  }

  /** Changes committed so far; an atomic batch is one. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#byName.size;
  }

  get historyBytes(): number {
    return this.#budget.bytes;
  }

  variables(): IterableIterator<Variable> {
    return this.#byName.values();
  }

  /** The first variable registered behind a place, by `Variable.place`; 0 begins. For lists that are told in pieces. */
  after(place: number): Variable | undefined {
    return this.#order.after(place);
  }

  /** By name first, then by id. */
  find(identifier: string): Variable | undefined {
    return this.#byName.get(identifier) ?? this.#byId.get(identifier);
  }

  /** @throws VariablesNotFoundError */
  require(identifier: string): Variable {
    const variable = this.find(identifier);
    if (variable === undefined) throw VariablesNotFoundError.of([identifier]);
    return variable;
  }

  list(pattern?: string): Variable[] {
    if (pattern === undefined || pattern === '' || pattern === '*') return [...this.#byName.values()];
    const matches = compileWildcard(pattern);
    return [...this.#byName.values()].filter((variable) => matches(variable.name));
  }

  /** @throws InvalidNameError, InvalidTypeError, InvalidConstraintError, InvalidValueError, ConstraintViolationError, AlreadyExistsError, QuotaExceededError */
  register(registration: Registration, nowMs: number): Change {
    const { name } = registration;
    checkName(name);
    const subject = `variable "${name}"`;
    const type: VariableType = parseVariableType(registration.type);
    const constraints: Constraints = parseConstraints(type, registration.constraints, subject);
    const value = normalizeValue(type, registration.initial, subject);
    checkConstraints(type, constraints, value, subject);
    const ttlMs = registration.ttlMs ?? 0;
    checkTtlMs(ttlMs, subject);
    const version = registration.version ?? 1;
    checkFirstVersion(version, subject);
    if (this.#byName.has(name)) {
      throw new AlreadyExistsError(`${subject} is already registered: set it, or delete it first`);
    }
    if (this.#byName.size >= this.#options.maxVariables) {
      throw new QuotaExceededError(
        `${subject}: the session holds its ${this.#options.maxVariables} variables: delete some, or raise maxVariables`,
      );
    }
    this.#revision += 1;
    const timestamp = this.#timestampAt(nowMs);
    const current: VersionedValue = {
      version,
      value,
      timestamp,
      source: registration.source ?? '',
      custom: EMPTY_METADATA,
      revision: this.#revision,
    };
    const variable: Variable = {
      id: this.#options.newId(),
      name,
      type,
      constraints,
      metadata: registration.metadata ?? EMPTY_METADATA,
      description: registration.description ?? '',
      ttlMs,
      createdAt: timestamp,
      place: this.#order.nextPlace(),
      firstVersion: version,
      history: new History(this.#budget),
      current,
    };
    this.#byName.set(name, variable);
    this.#byId.set(variable.id, variable);
    this.#order.add(variable);
    this.#remember(variable, current, nowMs);
    return { variable, previous: undefined, current, reason: undefined };
  }

  /** @throws VariablesNotFoundError, InvalidValueError, ConstraintViolationError, VersionConflictError */
  set(assignment: Assignment, setter: Setter, nowMs: number): SetResult {
    const variable = this.require(assignment.identifier);
    const value = acceptValue(variable, assignment.input);
    checkExpectedVersion(variable, assignment.expectedVersion);
    if (changesNothing(variable, value)) return { version: variable.current.version, change: undefined };
    const change = this.#commit(variable, value, setter, nowMs, this.#revision + 1);
    return { version: change.current.version, change };
  }

  /**
   * Sets several. Atomic: all or none, under one revision. Otherwise what can be set is, and `refused` names the rest.
   * @throws InvalidArgumentError when an atomic batch names one variable twice
   */
  update(assignments: readonly Assignment[], atomic: boolean, setter: Setter, nowMs: number): BatchResult {
    return atomic ? this.#updateAll(assignments, setter, nowMs) : this.#updateEach(assignments, setter, nowMs);
  }

  /** Sets the value of an earlier version again, as a new version. @throws VariablesNotFoundError, VersionNotFoundError */
  rollback(identifier: string, version: number, setter: Setter, nowMs: number): SetResult & { variable: Variable } {
    const variable = this.require(identifier);
    const entry = variable.history.find(version);
    if (entry === undefined) {
      const kept = variable.history.last(variable.history.length);
      throw new VersionNotFoundError(
        `variable "${variable.name}" has no version ${version} in its history: it holds ${kept[0]!.version} to ${variable.current.version}`,
      );
    }
    const result = this.set({ identifier: variable.name, input: entry.value }, setter, nowMs);
    return { ...result, variable };
  }

  /** @throws VariablesNotFoundError */
  delete(identifier: string, reason: DeletedReason, nowMs: number): Change {
    const variable = this.require(identifier);
    this.#byName.delete(variable.name);
    this.#byId.delete(variable.id);
    this.#order.remove(variable);
    this.#revision += 1;
    const { current: last } = variable;
    const timestamp = this.#timestampAt(nowMs);
    const current: VersionedValue = { ...last, version: last.version + 1, timestamp, revision: this.#revision };
    variable.history.clear();
    return { variable, previous: last, current, reason };
  }

  #updateEach(assignments: readonly Assignment[], setter: Setter, nowMs: number): BatchResult {
    const result: BatchResult = { versions: new Map(), refused: new Map(), changes: [] };
    for (const assignment of assignments) {
      try {
        const { version, change } = this.set(assignment, setter, nowMs);
        result.versions.set(assignment.identifier, version);
        if (change !== undefined) result.changes.push(change);
      } catch (error) {
        if (!(error instanceof BridgeError)) throw error;
        result.refused.set(assignment.identifier, error);
      }
    }
    return result;
  }

  #updateAll(assignments: readonly Assignment[], setter: Setter, nowMs: number): BatchResult {
    const result: BatchResult = { versions: new Map(), refused: new Map(), changes: [] };
    const accepted: { identifier: string; variable: Variable; value: VariableValue }[] = [];
    const seen = new Map<Variable, string>();
    for (const { identifier, input, expectedVersion } of assignments) {
      try {
        const variable = this.require(identifier);
        const twin = seen.get(variable);
        if (twin !== undefined) {
          throw new InvalidArgumentError(
            `variable "${variable.name}" is twice in one atomic batch, as "${twin}" and "${identifier}": name it once`,
          );
        }
        seen.set(variable, identifier);
        const value = acceptValue(variable, input);
        checkExpectedVersion(variable, expectedVersion);
        accepted.push({ identifier, variable, value });
      } catch (error) {
        if (!(error instanceof BridgeError)) throw error;
        result.refused.set(identifier, error);
      }
    }
    if (result.refused.size > 0) return result;
    const revision = this.#revision + 1;
    for (const { identifier, variable, value } of accepted) {
      if (!changesNothing(variable, value)) {
        result.changes.push(this.#commit(variable, value, setter, nowMs, revision));
      }
      result.versions.set(identifier, variable.current.version);
    }
    return result;
  }

  #commit(variable: Variable, value: VariableValue, setter: Setter, nowMs: number, revision: number): Change {
    const previous = variable.current;
    const current: VersionedValue = {
      version: previous.version + 1,
      value,
      timestamp: this.#timestampAt(nowMs),
      source: setter.source,
      custom: setter.custom,
      revision,
    };
    this.#revision = revision;
    variable.current = current;
    this.#remember(variable, current, nowMs);
    return { variable, previous, current, reason: undefined };
  }

  #remember(variable: Variable, entry: VersionedValue, nowMs: number): void {
    variable.history.push(entry, this.#options.history, nowMs);
    // The one that grew has let go of all it may; the others take turns until the session is within its bytes.
    // A few turns a commit: with many variables at their last 16 versions a whole round would be paid by every set.
    for (
      let turns = MAX_EVICTIONS_A_COMMIT;
      this.#budget.bytes > this.#options.history.maxSessionBytes && turns > 0;
      turns -= 1
    ) {
      this.#evicting ??= this.#byName.values();
      const next = this.#evicting.next();
      if (next.done === true) this.#evicting = undefined;
      else next.value.history.shrink();
    }
  }
}

/** Histories looked at per commit while the session is over its bytes. */
const MAX_EVICTIONS_A_COMMIT = 256;
