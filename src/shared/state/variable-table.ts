/**
 * Names, ids, atomic batches, listing: all variables of one session. Path: handlers or LocalState -> [variable table] -> variable, history.
 * Every call either does the whole of what it says and returns the changes, or throws and has changed nothing.
 * Full: `maxVariables` refuses another with QuotaExceededError.
 */
import {
  BridgeError,
  InvalidArgumentError,
  QuotaExceededError,
  VariablesNotFoundError,
  VersionNotFoundError,
} from '../errors.js';
import { compileWildcard } from '../values/identifier.js';
import { EMPTY_METADATA } from '../values/metadata.js';
import type { VariableValue } from '../values/variable-type.js';
import { bytesOfVersion, registrationBytes, versionBytes } from './held-bytes.js';
import { History } from './history.js';
import type {
  Accepted,
  AcceptedRegistration,
  Asked,
  Assignment,
  Decision,
  Deletion,
  OperationResult,
  Registration,
  Setter,
  TableOperation,
} from './operation.js';
import { acceptRegistration, OTHER_REFUSED } from './operation.js';
import type { TableLimits } from './table-bytes.js';
import { TableBytes } from './table-bytes.js';
import type { Change, DecidedChange, DeletedReason, Variable } from './variable.js';
import { acceptValue, alreadyRegistered, changesNothing, checkExpectedVersion } from './variable.js';
import type { PackedVariable } from './variable-index.js';
import { VariableIndex } from './variable-index.js';
import type { VersionedValue } from './versioned-value.js';

export interface SetResult {
  readonly version: number;
  /** Undefined when the value was equal: nobody is told. */
  readonly change: Change | undefined;
}

export interface BatchResult {
  readonly versions: Map<string, number>;
  readonly refused: Map<string, BridgeError>;
  readonly changes: readonly Change[];
}

export interface TableOptions extends TableLimits {
  readonly maxVariables: number;
  readonly newId: () => string;
  /** The timestamp of what is committed at `nowMs`. Default: the same number. */
  readonly timestampAt?: ((nowMs: number) => number) | undefined;
}

/** What was said of a variable when it was registered, in another life of the table. */
export type KeptRegistration = Omit<AcceptedRegistration, 'kind' | 'value' | 'source'> & {
  readonly place: number;
  readonly createdAt: number;
};

/** A variable of another life of the table that is read when somebody asks for it. */
export interface KeptVariable extends PackedVariable {
  /** One more version, if it is newer than those that it has. False: it takes no more until it is read. */
  add(version: VersionedValue): boolean;
  read(): { readonly registration: KeptRegistration; readonly versions: readonly VersionedValue[] };
}

export class VariableTable {
  readonly #index = new VariableIndex<KeptVariable>((kept) => this.#unpack(kept));
  readonly #options: TableOptions;
  readonly #timestampAt: (nowMs: number) => number;
  readonly #bytes: TableBytes;
  /** When a timestamp of those that are packed was, by the table's clock. */
  #keptAtMs: (timestamp: number) => number = Number;
  #revision = 0;
  #decidedRevision = 0;
  #removals = 0;
  /** Registered, and not kept yet. */
  readonly #arriving = new Map<string, Variable>();
  /** Variables whose deletion is not kept yet. */
  #leaving = 0;

  constructor(options: TableOptions) {
    this.#options = options;
    this.#bytes = new TableBytes(options, () => this.#index.variables());
    this.#timestampAt = options.timestampAt ?? ((nowMs) => nowMs);
  }

  /** Changes kept so far; an atomic batch is one. */
  get revision(): number {
    return this.#revision;
  }

  /** Of the last change that was decided. */
  get decidedRevision(): number {
    return this.#decidedRevision;
  }

  get size(): number {
    return this.#index.size;
  }

  /** Variables that have gone: who keeps some for later looks again when this has risen. */
  get removals(): number {
    return this.#removals;
  }

  get historyBytes(): number {
    return this.#bytes.histories.bytes;
  }

  /** Of everything: registrations, present values and those before them. */
  get heldBytes(): number {
    return this.#bytes.held;
  }

  variables(): IterableIterator<Variable> {
    return this.#index.variables();
  }

  /** Those that have a time to live. */
  *expiring(): IterableIterator<Variable> {
    for (const variable of this.#index.unpacked()) if (variable.ttlMs > 0) yield variable;
  }

  /** Lets go of versions before the present ones, of up to `most` variables. */
  letGoOfHistory(most: number): void {
    this.#bytes.letGoOfHistory(most);
  }

  /** The first variable registered behind a place, by `Variable.place`; 0 begins. For lists that are told in pieces. */
  after(place: number): Variable | undefined {
    return this.#index.after(place);
  }

  /** The variable of a place. */
  at(place: number): Variable | undefined {
    return this.#index.at(place);
  }

  /** By name first, then by id. */
  find(identifier: string): Variable | undefined {
    return this.#index.find(identifier);
  }

  /** By its id alone: for an id that is known to be one, since another variable may be named like it. */
  findById(id: string): Variable | undefined {
    return this.#index.findById(id);
  }

  /** @throws VariablesNotFoundError */
  require(identifier: string): Variable {
    const variable = this.find(identifier);
    if (variable === undefined) throw VariablesNotFoundError.of([identifier]);
    return variable;
  }

  list(pattern?: string): Variable[] {
    if (pattern === undefined || pattern === '' || pattern === '*') return [...this.variables()];
    const matches = compileWildcard(pattern);
    return [...this.variables()].filter((variable) => matches(variable.name));
  }

  // --- decided and applied at once, where nothing keeps it

  /** @throws InvalidNameError, InvalidTypeError, InvalidConstraintError, InvalidValueError, ConstraintViolationError, AlreadyExistsError, QuotaExceededError */
  register(registration: Registration, nowMs: number): Change {
    return this.#applied(this.#decideRegistration(acceptRegistration(registration), nowMs), nowMs);
  }

  /** @throws VariablesNotFoundError, InvalidValueError, ConstraintViolationError, VersionConflictError, QuotaExceededError */
  set(assignment: Assignment, setter: Setter, nowMs: number): SetResult {
    return this.commit(this.accept(assignment), setter, nowMs);
  }

  /** Looks at a value without setting it. What is accepted may be committed later. @throws VariablesNotFoundError, InvalidValueError, ConstraintViolationError */
  accept({ identifier, input, expectedVersion }: Assignment): Accepted {
    const variable = this.require(identifier);
    return { kind: 'set', identifier, variable, value: acceptValue(variable, input), expectedVersion };
  }

  /** @throws VariablesNotFoundError when it went since, VersionConflictError, InvalidArgumentError at the last version, QuotaExceededError */
  commit(accepted: Accepted, setter: Setter, nowMs: number): SetResult {
    const change = this.#decideSet(accepted, setter, nowMs);
    if (change === undefined) return { version: accepted.variable.decided.version, change: undefined };
    return { version: change.current.version, change: this.#applied(change, nowMs) };
  }

  /**
   * Sets several, each identifier once. Atomic: all or none, under one revision. Otherwise what can be set is, and `refused` names the rest.
   * @throws QuotaExceededError when there is no room for an atomic batch
   */
  update(assignments: readonly Assignment[], atomic: boolean, setter: Setter, nowMs: number): BatchResult {
    const accepted: Accepted[] = [];
    const refused = new Map<string, BridgeError>();
    const named = new Map<number, string>();
    for (const assignment of assignments) {
      try {
        if (atomic) nameOnce(named, this.require(assignment.identifier), assignment.identifier);
        accepted.push(this.accept(assignment));
      } catch (error) {
        refused.set(assignment.identifier, refusal(error));
      }
    }
    return this.commitSeveral(accepted, refused, atomic, setter, nowMs);
  }

  /** As `update`, of what was accepted and refused before. */
  commitSeveral(
    accepted: readonly Accepted[],
    refused: Map<string, BridgeError>,
    isAtomic: boolean,
    setter: Setter,
    nowMs: number,
  ): BatchResult {
    const { results, changes }: Decision =
      isAtomic && refused.size > 0
        ? { results: this.refuseAll(accepted), changes: NO_CHANGES }
        : this.decide({ operations: accepted, isAtomic, setter, nowMs });
    for (const change of changes) this.apply(change, nowMs);
    const versions = new Map<string, number>();
    for (const [place, { identifier }] of accepted.entries()) {
      noteResult(identifier, results[place]!, versions, refused);
    }
    return { versions, refused, changes };
  }

  /** Sets the value of an earlier version again, as a new version. @throws VariablesNotFoundError, VersionNotFoundError */
  rollback(identifier: string, version: number, setter: Setter, nowMs: number): SetResult & { variable: Variable } {
    const accepted = this.acceptRollback(identifier, version);
    return { ...this.commit(accepted, setter, nowMs), variable: accepted.variable };
  }

  /** @throws VariablesNotFoundError, VersionNotFoundError */
  acceptRollback(identifier: string, version: number): Accepted {
    const variable = this.require(identifier);
    const entry = variable.history.find(version);
    if (entry === undefined) {
      const kept = variable.history.last(variable.history.length);
      throw new VersionNotFoundError(
        `variable "${variable.name}" has no version ${version} in its history: it holds ${kept[0]!.version} to ${variable.current.version}`,
      );
    }
    // It was accepted when it was set, and constraints stay.
    return { kind: 'set', identifier, variable, value: entry.value, expectedVersion: undefined };
  }

  /** @throws VariablesNotFoundError */
  delete(identifier: string, reason: DeletedReason, nowMs: number): Change {
    const variable = this.require(identifier);
    return this.#applied(this.#decideDeletion({ kind: 'delete', identifier, variable, reason }, nowMs), nowMs);
  }

  #applied(change: DecidedChange, nowMs: number): Change {
    this.apply(change, nowMs);
    return change;
  }

  // --- decided now, and applied when it is kept

  /**
   * What becomes of it, by what was decided before, kept or not. What it changes is ahead until `apply` or `undo`.
   * @throws QuotaExceededError when there is no room for an atomic group
   */
  decide({ operations, isAtomic, setter, nowMs }: Asked): Decision {
    if (isAtomic) return this.#decideAll(operations as readonly Accepted[], setter, nowMs);
    if (operations.length === 1) return this.#decideAlone(operations[0]!, setter, nowMs);
    const results: OperationResult[] = [];
    const changes: DecidedChange[] = [];
    for (const operation of operations) {
      try {
        const change = this.#decideOne(operation, setter, nowMs);
        if (change !== undefined) changes.push(change);
        // An equal set says the version that it is equal to.
        results.push(change === undefined ? (operation as Accepted).variable.decided.version : change.current.version);
      } catch (error) {
        results.push(refusal(error));
      }
    }
    return { results, changes };
  }

  /** Of sets that shall be made together and of which others were refused: what would refuse these too. Decides nothing. */
  refuseAll(operations: readonly Accepted[]): readonly BridgeError[] {
    const named = new Map<number, string>();
    return operations.map((operation) => {
      try {
        nameOnce(named, operation.variable, operation.identifier);
        this.#isChange(operation);
        return OTHER_REFUSED;
      } catch (error) {
        return refusal(error);
      }
    });
  }

  /** What was decided is kept. In the order in which it was decided. */
  apply(change: DecidedChange, nowMs: number): void {
    const { variable, current } = change;
    this.#revision = current.revision;
    if (change.reason !== undefined) {
      this.#applyDeletion(change);
      return;
    }
    if (change.previous === undefined) this.#applyRegistration(variable);
    this.#bytes.applyVersion(change);
    variable.current = current;
    variable.history.push(current, this.#options.history, nowMs, change.bytes);
    this.#bytes.handleVersion();
  }

  /** Nothing of what is ahead was kept: all of it, in any order. */
  undo(changes: Iterable<DecidedChange>): void {
    for (const { variable } of changes) {
      variable.decided = variable.current;
      variable.decidedBytes = variable.history.newestBytes;
      variable.isLeaving = false;
    }
    this.#arriving.clear();
    this.#leaving = 0;
    this.#bytes.undo();
    this.#decidedRevision = this.#revision;
  }

  /** A change that was kept by an earlier life of this table. */
  replay(change: DecidedChange, nowMs: number): void {
    const { variable, current, bytes, reason } = change;
    if (reason !== undefined) {
      variable.isLeaving = true;
      this.#leaving += 1;
      this.#bytes.decideDeletion(variable);
    } else {
      if (change.previous === undefined) {
        this.#arriving.set(variable.name, variable);
        this.#bytes.decideRegistration(registrationBytes(variable));
      }
      this.#bytes.decideVersion(variable, bytes);
      variable.decided = current;
      variable.decidedBytes = bytes;
    }
    this.#decidedRevision = current.revision;
    this.apply(change, nowMs);
  }

  /** The variable of a registration, not in the table yet. */
  variableOf(
    registration: Omit<AcceptedRegistration, 'kind' | 'value' | 'source'>,
    current: VersionedValue,
    place: number,
    createdAt: number = current.timestamp,
    id: string = registration.id,
  ): Variable {
    const { name, type, constraints, metadata, description, ttlMs, firstVersion } = registration;
    return {
      id,
      name,
      type,
      constraints,
      metadata,
      description,
      ttlMs,
      createdAt,
      place,
      firstVersion,
      history: new History(this.#bytes.histories),
      current,
      decided: current,
      decidedBytes: 0,
      isLeaving: false,
      listeners: undefined,
      isGone: false,
    };
  }

  /** A variable with its versions, oldest first, as another life of this table had it. `atMs`: of a timestamp, by the table's clock. */
  restore(
    registration: KeptRegistration,
    versions: readonly VersionedValue[],
    atMs: (timestamp: number) => number,
  ): Variable {
    const variable = this.#restored(registration, versions, atMs);
    this.#index.add(variable);
    this.skipTo(variable.current.revision);
    return variable;
  }

  /** The same, read when it is asked for, or when `unpackSome` comes to it. It has no time to live; `skipTo` says its revision. Until then its bytes are a guess. */
  restorePacked(kept: KeptVariable, atMs: (timestamp: number) => number): void {
    this.#keptAtMs = atMs;
    this.#index.add(kept);
    this.#bytes.restorePacked(packedBytes(kept));
  }

  /** What `restorePacked` has put at a place, where nobody has asked for it yet. */
  packedAt(place: number): KeptVariable | undefined {
    return this.#index.packedAt(place);
  }

  /** Reads some of those that nobody has asked for, of so many bytes; whether there are more. */
  unpackSome(maxBytes: number): boolean {
    return this.#index.unpackSome(maxBytes);
  }

  #unpack(kept: KeptVariable): Variable {
    const { registration, versions } = kept.read();
    const variable = this.#restored(registration, versions, this.#keptAtMs);
    this.#bytes.restorePacked(-packedBytes(kept));
    return variable;
  }

  #restored(
    registration: KeptRegistration,
    versions: readonly VersionedValue[],
    atMs: (timestamp: number) => number,
  ): Variable {
    const variable = this.variableOf(registration, versions.at(-1)!, registration.place, registration.createdAt);
    for (const version of versions) variable.history.push(version, this.#options.history, atMs(version.timestamp));
    variable.decidedBytes = variable.history.newestBytes;
    this.#bytes.restore(variable);
    return variable;
  }

  /**
   * The version right before those that a variable has, as another life of this table had it. Nothing, where it is another one, or where the
   * limits leave no room for it. False: there is none for any other.
   */
  restoreBefore(variable: Variable, version: VersionedValue, atMs: number): boolean {
    const bytes = versionBytes(version);
    if (!this.#bytes.hasRoomFor(bytes)) return false;
    const hasRoom = variable.history.pushBefore(version, this.#options.history, atMs, bytes);
    this.#bytes.tell();
    return hasRoom;
  }

  /** No variable that comes is of a place up to there: one that went was. */
  skipPlacesTo(place: number): void {
    this.#index.skipPlacesTo(place);
  }

  /** Nothing has happened up to there that is not in the table. */
  skipTo(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    this.#decidedRevision = this.#revision;
  }

  /** The hot path: an array that grows has room for many. */
  #decideAlone(operation: TableOperation, setter: Setter, nowMs: number): Decision {
    try {
      const change = this.#decideOne(operation, setter, nowMs);
      if (change !== undefined) return { results: [change.current.version], changes: [change] };
      return { results: [(operation as Accepted).variable.decided.version], changes: NO_CHANGES };
    } catch (error) {
      return { results: [refusal(error)], changes: NO_CHANGES };
    }
  }

  #decideOne(operation: TableOperation, setter: Setter, nowMs: number): DecidedChange | undefined {
    switch (operation.kind) {
      case 'set':
        return this.#decideSet(operation, setter, nowMs);
      case 'register':
        return this.#decideRegistration(operation, nowMs);
      case 'delete':
        return this.#decideDeletion(operation, nowMs);
      default:
        return operation satisfies never;
    }
  }

  /** Undefined: it is equal. */
  #decideSet(accepted: Accepted, setter: Setter, nowMs: number): DecidedChange | undefined {
    if (!this.#isChange(accepted)) return undefined;
    const { variable, value } = accepted;
    const bytes = bytesOfVersion(value, setter.custom, setter.source);
    this.#bytes.checkRoom(bytes - variable.decidedBytes, variable.name);
    return this.#decided(variable, value, setter, nowMs, this.#decidedRevision + 1, bytes);
  }

  #decideAll(operations: readonly Accepted[], setter: Setter, nowMs: number): Decision {
    const named = hasTwins(operations) ? new Map<number, string>() : undefined;
    const results: OperationResult[] = [];
    /** Of the version that each makes; 0 where it is equal. */
    const sizes: number[] = [];
    let first: Variable | undefined;
    let more = 0;
    let isRefused = false;
    for (const operation of operations) {
      let result: OperationResult = OTHER_REFUSED;
      let bytes = 0;
      try {
        const { identifier, variable, value } = operation;
        if (named !== undefined) nameOnce(named, variable, identifier);
        if (this.#isChange(operation)) {
          first ??= variable;
          bytes = bytesOfVersion(value, setter.custom, setter.source);
          more += bytes - variable.decidedBytes;
        }
      } catch (error) {
        result = refusal(error);
        isRefused = true;
      }
      results.push(result);
      sizes.push(bytes);
    }
    if (isRefused) return { results, changes: NO_CHANGES };
    if (first !== undefined) this.#bytes.checkRoom(more, first.name);
    const revision = this.#decidedRevision + 1;
    const changes: DecidedChange[] = [];
    for (let place = 0; place < operations.length; place += 1) {
      const { variable, value } = operations[place]!;
      const bytes = sizes[place]!;
      if (bytes > 0) changes.push(this.#decided(variable, value, setter, nowMs, revision, bytes));
      results[place] = variable.decided.version;
    }
    return { results, changes };
  }

  /** @throws VariablesNotFoundError, VersionConflictError, InvalidArgumentError */
  #isChange({ identifier, variable, value, expectedVersion }: Accepted): boolean {
    if (variable.isGone || variable.isLeaving) throw VariablesNotFoundError.of([identifier]);
    checkExpectedVersion(variable, expectedVersion);
    return !changesNothing(variable, value);
  }

  /** `bytes`: of the version that it makes. */
  #decided(
    variable: Variable,
    value: VariableValue,
    setter: Setter,
    nowMs: number,
    revision: number,
    bytes: number,
  ): DecidedChange {
    const previous = variable.decided;
    const current: VersionedValue = {
      version: previous.version + 1,
      value,
      timestamp: this.#timestampAt(nowMs),
      source: setter.source,
      custom: setter.custom,
      revision,
    };
    this.#decidedRevision = revision;
    this.#bytes.decideVersion(variable, bytes);
    variable.decided = current;
    variable.decidedBytes = bytes;
    return { variable, previous, current, reason: undefined, bytes };
  }

  /** @throws AlreadyExistsError, QuotaExceededError */
  #decideRegistration(registration: AcceptedRegistration, nowMs: number): DecidedChange {
    const { name, value, source, firstVersion } = registration;
    const known = this.#index.findByName(name);
    if ((known !== undefined && !known.isLeaving) || this.#arriving.has(name)) {
      throw alreadyRegistered(name);
    }
    if (this.#index.size + this.#arriving.size - this.#leaving >= this.#options.maxVariables) {
      throw new QuotaExceededError(
        `variable "${name}": the session holds its ${this.#options.maxVariables} variables: delete some, or raise maxVariables`,
      );
    }
    const current: VersionedValue = {
      version: firstVersion,
      value,
      timestamp: this.#timestampAt(nowMs),
      source,
      custom: EMPTY_METADATA,
      revision: this.#decidedRevision + 1,
    };
    const id = registration.id === '' ? this.#options.newId() : registration.id;
    const place = this.#index.nextPlace() + this.#arriving.size;
    const variable = this.variableOf(registration, current, place, current.timestamp, id);
    const bytes = bytesOfVersion(value, current.custom, source);
    const registered = registrationBytes(variable);
    this.#bytes.checkRoom(registered + bytes, name);
    this.#decidedRevision += 1;
    this.#bytes.decideRegistration(registered);
    this.#bytes.decideVersion(variable, bytes);
    variable.decidedBytes = bytes;
    this.#arriving.set(name, variable);
    return { variable, previous: undefined, current, reason: undefined, bytes };
  }

  #applyRegistration(variable: Variable): void {
    this.#arriving.delete(variable.name);
    this.#bytes.applyRegistration(variable);
    this.#index.add(variable);
  }

  /** @throws VariablesNotFoundError */
  #decideDeletion({ identifier, variable, reason }: Deletion, nowMs: number): DecidedChange {
    if (variable.isGone || variable.isLeaving) throw VariablesNotFoundError.of([identifier]);
    const previous = variable.decided;
    this.#decidedRevision += 1;
    const current: VersionedValue = {
      ...previous,
      version: previous.version + 1,
      timestamp: this.#timestampAt(nowMs),
      revision: this.#decidedRevision,
    };
    variable.isLeaving = true;
    this.#leaving += 1;
    this.#bytes.decideDeletion(variable);
    return { variable, previous, current, reason, bytes: 0 };
  }

  #applyDeletion({ variable }: DecidedChange): void {
    this.#index.remove(variable);
    variable.isGone = true;
    this.#leaving -= 1;
    this.#removals += 1;
    this.#bytes.applyDeletion(variable);
    variable.history.clear();
    this.#bytes.tell();
  }
}

/** Whether a variable is there a second time. By places, sorted: a map of tens of thousands would be a fifth of what a large group takes. */
function hasTwins(operations: readonly Accepted[]): boolean {
  const places = new Float64Array(operations.length);
  for (let at = 0; at < operations.length; at += 1) places[at] = operations[at]!.variable.place;
  places.sort();
  for (let at = 1; at < places.length; at += 1) if (places[at] === places[at - 1]) return true;
  return false;
}

/** @throws InvalidArgumentError when a batch names a variable a second time, by its name or its id */
function nameOnce(named: Map<number, string>, variable: Variable, identifier: string): void {
  // By place: a hash of an object has to be made first.
  const twin = named.get(variable.place);
  if (twin !== undefined) {
    throw new InvalidArgumentError(
      `variable "${variable.name}" is twice in one atomic batch, as "${twin}" and "${identifier}": name it once`,
    );
  }
  named.set(variable.place, identifier);
}

/** Our errors are the answer to one of several; any other is a mistake of ours. */
function refusal(error: unknown): BridgeError {
  if (!(error instanceof BridgeError)) throw error;
  return error;
}

/** By identifier. What was refused before says why; what is not to blame is in neither. */
export function noteResult(
  identifier: string,
  result: OperationResult,
  versions: Map<string, number>,
  refused: Map<string, BridgeError>,
): void {
  if (typeof result === 'number') versions.set(identifier, result);
  else if (result !== OTHER_REFUSED && !refused.has(identifier)) refused.set(identifier, result);
}

const NO_CHANGES: readonly DecidedChange[] = [];

/** What it will take about, by what it is read from. */
function packedBytes({ packedBytes: bytes }: KeptVariable): number {
  return 2 * bytes + BYTES_AROUND_PACKED;
}

const BYTES_AROUND_PACKED = 100;
