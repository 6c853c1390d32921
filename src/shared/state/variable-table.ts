/**
 * Names, ids, atomic batches, listing: all variables of one session. Path: handlers or LocalState -> [variable table] -> decisions
 * (what becomes of it), then variable, history (it is applied).
 * Every call either does the whole of what it says and returns the changes, or throws and has changed nothing.
 * Full: `maxVariables` refuses another with QuotaExceededError.
 */
import { type BridgeError, VariablesNotFoundError, VersionNotFoundError } from '../errors.js';
import { compileWildcard } from '../values/identifier.js';
import { type DecisionOptions, Decisions, NO_CHANGES, nameOnce, refusal } from './decisions.js';
import { versionBytes } from './held-bytes.js';
import type { Accepted, Asked, Assignment, Decision, OperationResult, Registration, Setter } from './operation.js';
import { acceptRegistration, OTHER_REFUSED } from './operation.js';
import { type RegistrationFacts, variableOf } from './registered-variable.js';
import type { TableLimits } from './table-bytes.js';
import { TableBytes } from './table-bytes.js';
import type { Change, DecidedChange, DeletedReason, Variable } from './variable.js';
import { acceptValue } from './variable.js';
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

export interface TableOptions extends TableLimits, DecisionOptions {}

/** What was said of a variable when it was registered, in another life of the table. */
export type KeptRegistration = RegistrationFacts & {
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
  readonly #bytes: TableBytes;
  readonly #decisions: Decisions;
  /** When a timestamp of those that are packed was, by the table's clock. */
  #keptAtMs: (timestamp: number) => number = Number;
  #revision = 0;
  #removals = 0;

  constructor(options: TableOptions) {
    this.#options = options;
    this.#bytes = new TableBytes(options, () => this.#index.variables());
    this.#decisions = new Decisions(this.#index, this.#bytes, options);
  }

  /** Changes kept so far; an atomic batch is one. */
  get revision(): number {
    return this.#revision;
  }

  /** Of the last change that was decided. */
  get decidedRevision(): number {
    return this.#decisions.revision;
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
    return this.#applied(this.#decisions.decideRegistration(acceptRegistration(registration), nowMs), nowMs);
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
    const change = this.#decisions.decideSet(accepted, setter, nowMs);
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
    return this.#applied(
      this.#decisions.decideDeletion({ kind: 'delete', identifier, variable, reason }, nowMs),
      nowMs,
    );
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
  decide(asked: Asked): Decision {
    return this.#decisions.decide(asked);
  }

  /** Of sets that shall be made together and of which others were refused: what would refuse these too. Decides nothing. */
  refuseAll(operations: readonly Accepted[]): readonly BridgeError[] {
    return this.#decisions.refuseAll(operations);
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
    this.#decisions.undo(changes, this.#revision);
  }

  /** A change that was kept by an earlier life of this table. */
  replay(change: DecidedChange, nowMs: number): void {
    this.#decisions.repeat(change);
    this.apply(change, nowMs);
  }

  /** The variable of a registration, not in the table yet. */
  variableOf(
    registration: RegistrationFacts,
    current: VersionedValue,
    place: number,
    createdAt: number = current.timestamp,
    id: string = registration.id,
  ): Variable {
    return variableOf(this.#bytes.histories, registration, current, place, createdAt, id);
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
    this.#decisions.skipTo(this.#revision);
  }

  #applyRegistration(variable: Variable): void {
    this.#decisions.handleArrived(variable);
    this.#bytes.applyRegistration(variable);
    this.#index.add(variable);
  }

  #applyDeletion({ variable }: DecidedChange): void {
    this.#index.remove(variable);
    variable.isGone = true;
    this.#decisions.handleLeft();
    this.#removals += 1;
    this.#bytes.applyDeletion(variable);
    variable.history.clear();
    this.#bytes.tell();
  }
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

/** What it will take about, by what it is read from. */
function packedBytes({ packedBytes: bytes }: KeptVariable): number {
  return 2 * bytes + BYTES_AROUND_PACKED;
}

const BYTES_AROUND_PACKED = 100;
