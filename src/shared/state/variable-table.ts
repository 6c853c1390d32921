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
import { bytesOfVersion, registrationBytes } from './held-bytes.js';
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
  readonly identifier: string;
  readonly variable: Variable;
  readonly value: VariableValue;
  readonly expectedVersion: number | undefined;
}

/** Bytes of several tables and of what is beside them. */
export interface WholeBudget {
  readonly maxBytes: number;
  bytes: number;
  /** Lets go of histories, whosesoever, until there is room for `more` bytes or there are none. */
  relieve(more: number): void;
}

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
  /** Bytes of registrations and present values that it takes; with histories it may hold as much. Default: no limit. */
  readonly maxBytes?: number | undefined;
  /** Of all tables together. */
  readonly whole?: WholeBudget | undefined;
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
  readonly #maxBytes: number;
  /** Of registrations, and of present values: what no eviction takes away. */
  #liveBytes = 0;
  /** Of registrations. */
  #registeredBytes = 0;
  /** What the whole was told. */
  #toldBytes = 0;
  #evicting: Iterator<Variable> | undefined;
  #revision = 0;
  #removals = 0;

  constructor(options: TableOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? Number.POSITIVE_INFINITY;
    this.#timestampAt = options.timestampAt ?? ((nowMs) => nowMs);
  }

  /** Changes committed so far; an atomic batch is one. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Variables that have gone: who keeps some for later looks again when this has risen. */
  get removals(): number {
    return this.#removals;
  }

  get historyBytes(): number {
    return this.#budget.bytes;
  }

  /** Of everything: registrations, present values and those before them. */
  get heldBytes(): number {
    return this.#registeredBytes + this.#budget.bytes;
  }

  variables(): IterableIterator<Variable> {
    return this.#byName.values();
  }

  /** Lets go of versions before the present ones, of up to `most` variables. */
  letGoOfHistory(most: number): void {
    this.#evict(most, true);
    this.#tell();
  }

  /** The first variable registered behind a place, by `Variable.place`; 0 begins. For lists that are told in pieces. */
  after(place: number): Variable | undefined {
    return this.#order.after(place);
  }

  /** By name first, then by id. */
  find(identifier: string): Variable | undefined {
    return this.#byName.get(identifier) ?? this.#byId.get(identifier);
  }

  /** By its id alone: for an id that is known to be one, since another variable may be named like it. */
  findById(id: string): Variable | undefined {
    return this.#byId.get(id);
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
    checkConstraints(type, constraints, value, subject, registration.isMatched);
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
    const timestamp = this.#timestampAt(nowMs);
    const current: VersionedValue = {
      version,
      value,
      timestamp,
      source: registration.source ?? '',
      custom: EMPTY_METADATA,
      revision: this.#revision + 1,
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
      listeners: undefined,
      isGone: false,
    };
    const bytes = registrationBytes(variable);
    const valueBytes = bytesOfVersion(value, current.custom, current.source);
    this.#checkRoom(bytes + valueBytes, name);
    this.#revision += 1;
    this.#registeredBytes += bytes;
    this.#liveBytes += bytes + valueBytes;
    this.#byName.set(name, variable);
    this.#byId.set(variable.id, variable);
    this.#order.add(variable);
    this.#remember(variable, current, nowMs, valueBytes);
    return { variable, previous: undefined, current, reason: undefined };
  }

  /** @throws VariablesNotFoundError, InvalidValueError, ConstraintViolationError, VersionConflictError, QuotaExceededError */
  set(assignment: Assignment, setter: Setter, nowMs: number): SetResult {
    return this.commit(this.accept(assignment), setter, nowMs);
  }

  /** Looks at a value without setting it. What is accepted may be committed later. @throws VariablesNotFoundError, InvalidValueError, ConstraintViolationError */
  accept({ identifier, input, expectedVersion }: Assignment): Accepted {
    const variable = this.require(identifier);
    return { identifier, variable, value: acceptValue(variable, input), expectedVersion };
  }

  /** As `accept`, of a value that is in its type's form already; `isMatched` as `checkConstraints` takes it. @throws ConstraintViolationError */
  acceptDecoded(
    identifier: string,
    variable: Variable,
    value: VariableValue,
    expectedVersion?: number,
    isMatched?: boolean,
  ): Accepted {
    checkConstraints(variable.type, variable.constraints, value, `variable "${variable.name}"`, isMatched);
    return { identifier, variable, value, expectedVersion };
  }

  /** @throws VariablesNotFoundError when it went since, VersionConflictError, InvalidArgumentError at the last version, QuotaExceededError */
  commit(accepted: Accepted, setter: Setter, nowMs: number): SetResult {
    const { variable, value } = accepted;
    if (!this.#isChange(accepted)) return { version: variable.current.version, change: undefined };
    const bytes = bytesOfVersion(value, setter.custom, setter.source);
    this.#checkRoom(bytes - variable.history.newestBytes, variable.name);
    const change = this.#commit(variable, value, setter, nowMs, this.#revision + 1, bytes);
    return { version: change.current.version, change };
  }

  /**
   * Sets several, each identifier once. Atomic: all or none, under one revision. Otherwise what can be set is, and `refused` names the rest.
   * @throws QuotaExceededError when there is no room for an atomic batch
   */
  update(assignments: readonly Assignment[], atomic: boolean, setter: Setter, nowMs: number): BatchResult {
    const accepted: Accepted[] = [];
    const refused = new Map<string, BridgeError>();
    const named = new Map<Variable, string>();
    for (const assignment of assignments) {
      try {
        if (atomic) nameOnce(named, this.require(assignment.identifier), assignment.identifier);
        accepted.push(this.accept(assignment));
      } catch (error) {
        refuse(refused, assignment.identifier, error);
      }
    }
    return this.commitSeveral(accepted, refused, atomic, setter, nowMs);
  }

  /** As `update`, of what was accepted and refused before. */
  commitSeveral(
    accepted: readonly Accepted[],
    refused: Map<string, BridgeError>,
    atomic: boolean,
    setter: Setter,
    nowMs: number,
  ): BatchResult {
    if (atomic) return this.#commitAll(accepted, refused, setter, nowMs);
    const result: BatchResult = { versions: new Map(), refused, changes: [] };
    for (const one of accepted) {
      try {
        const { version, change } = this.commit(one, setter, nowMs);
        result.versions.set(one.identifier, version);
        if (change !== undefined) result.changes.push(change);
      } catch (error) {
        refuse(refused, one.identifier, error);
      }
    }
    return result;
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
    // It was accepted when it was set, and constraints stay.
    const accepted: Accepted = { identifier, variable, value: entry.value, expectedVersion: undefined };
    const result = this.commit(accepted, setter, nowMs);
    return { ...result, variable };
  }

  /** @throws VariablesNotFoundError */
  delete(identifier: string, reason: DeletedReason, nowMs: number): Change {
    const variable = this.require(identifier);
    this.#byName.delete(variable.name);
    this.#byId.delete(variable.id);
    variable.isGone = true;
    this.#removals += 1;
    this.#order.remove(variable);
    this.#revision += 1;
    const { current: last } = variable;
    const timestamp = this.#timestampAt(nowMs);
    const current: VersionedValue = { ...last, version: last.version + 1, timestamp, revision: this.#revision };
    const bytes = registrationBytes(variable);
    this.#registeredBytes -= bytes;
    this.#liveBytes -= bytes + variable.history.newestBytes;
    variable.history.clear();
    this.#tell();
    return { variable, previous: last, current, reason };
  }

  #commitAll(
    accepted: readonly Accepted[],
    refused: Map<string, BridgeError>,
    setter: Setter,
    nowMs: number,
  ): BatchResult {
    const result: BatchResult = { versions: new Map(), refused, changes: [] };
    const changing: Accepted[] = [];
    const sizes: number[] = [];
    const named = new Map<Variable, string>();
    let more = 0;
    for (const one of accepted) {
      const { identifier, variable, value } = one;
      try {
        nameOnce(named, variable, identifier);
        if (!this.#isChange(one)) continue;
        changing.push(one);
        const bytes = bytesOfVersion(value, setter.custom, setter.source);
        sizes.push(bytes);
        more += bytes - variable.history.newestBytes;
      } catch (error) {
        // What was refused before says why.
        if (!refused.has(identifier)) refuse(refused, identifier, error);
      }
    }
    if (refused.size > 0) return result;
    if (changing.length > 0) this.#checkRoom(more, changing[0]!.variable.name);
    const revision = this.#revision + 1;
    changing.forEach(({ variable, value }, index) => {
      result.changes.push(this.#commit(variable, value, setter, nowMs, revision, sizes[index]!));
    });
    for (const { identifier, variable } of accepted) result.versions.set(identifier, variable.current.version);
    return result;
  }

  /** @throws VariablesNotFoundError, VersionConflictError, InvalidArgumentError */
  #isChange({ identifier, variable, value, expectedVersion }: Accepted): boolean {
    if (variable.isGone) throw VariablesNotFoundError.of([identifier]);
    checkExpectedVersion(variable, expectedVersion);
    return !changesNothing(variable, value);
  }

  /** @throws QuotaExceededError */
  #checkRoom(more: number, name: string): void {
    if (more <= 0) return;
    if (this.#liveBytes + more > this.#maxBytes) {
      throw new QuotaExceededError(
        `variable "${name}": ${more} bytes more, and the session holds ${this.#liveBytes} of its ${this.#maxBytes}: delete some, or raise maxSessionBytes`,
      );
    }
    const { whole } = this.#options;
    if (whole === undefined || whole.bytes + more <= whole.maxBytes) return;
    this.#tell();
    whole.relieve(more);
    if (whole.bytes + more <= whole.maxBytes) return;
    throw new QuotaExceededError(
      `variable "${name}": ${more} bytes more, and the server holds ${whole.bytes} of its ${whole.maxBytes}: delete some, or raise maxTotalBytes`,
    );
  }

  /** Tells the whole what this table holds. */
  #tell(): void {
    const { whole } = this.#options;
    if (whole === undefined) return;
    const bytes = this.heldBytes;
    whole.bytes += bytes - this.#toldBytes;
    this.#toldBytes = bytes;
  }

  /** `bytes`: of the version that it makes. */
  #commit(
    variable: Variable,
    value: VariableValue,
    setter: Setter,
    nowMs: number,
    revision: number,
    bytes: number,
  ): Change {
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
    this.#liveBytes += bytes - variable.history.newestBytes;
    variable.current = current;
    this.#remember(variable, current, nowMs, bytes);
    return { variable, previous, current, reason: undefined };
  }

  #remember(variable: Variable, entry: VersionedValue, nowMs: number, bytes: number): void {
    variable.history.push(entry, this.#options.history, nowMs, bytes);
    // The one that grew has let go of all it may; the others take turns until the session is within its bytes.
    // A few turns a version: with many variables at their last 16 versions a whole round would be paid by every set.
    if (this.#budget.bytes > this.#options.history.maxSessionBytes || this.heldBytes > this.#maxBytes) {
      this.#evict(EVICTIONS_A_VERSION, false);
    }
    this.#tell();
  }

  #evict(most: number, toPresent: boolean): void {
    const { history } = this.#options;
    for (let turns = most; turns > 0; turns -= 1) {
      const isFull = toPresent || this.heldBytes > this.#maxBytes;
      if (!isFull && this.#budget.bytes <= history.maxSessionBytes) return;
      this.#evicting ??= this.#byName.values();
      const next = this.#evicting.next();
      if (next.done === true) {
        this.#evicting = undefined;
        if (toPresent) return;
      } else if (isFull) next.value.history.shrinkToPresent();
      else next.value.history.shrink(history);
    }
  }
}

/** @throws InvalidArgumentError when a batch names a variable a second time, by its name or its id */
function nameOnce(named: Map<Variable, string>, variable: Variable, identifier: string): void {
  const twin = named.get(variable);
  if (twin !== undefined) {
    throw new InvalidArgumentError(
      `variable "${variable.name}" is twice in one atomic batch, as "${twin}" and "${identifier}": name it once`,
    );
  }
  named.set(variable, identifier);
}

/** Our errors are the answer to one of several; any other is a mistake of ours. */
function refuse(refused: Map<string, BridgeError>, identifier: string, error: unknown): void {
  if (!(error instanceof BridgeError)) throw error;
  refused.set(identifier, error);
}

/** Histories looked at for each new version while the session is over its bytes: with many variables at their last 16 nothing may be found. */
const EVICTIONS_A_VERSION = 8;
