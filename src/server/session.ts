/**
 * One session: its variables, their expiry, who watches it. Path: session store -> [session] -> variable table -> engine.
 * Every call commits the whole of what it says, or throws and has changed nothing. Full: the table refuses. Closed: the store has forgotten it.
 */
import type { BridgeError } from '../shared/errors.js';
import { UnknownOutcomeError } from '../shared/errors.js';
import { metadataBytes, registrationBytes, versionBytes } from '../shared/state/held-bytes.js';
import type { Change, DeletedReason, Variable } from '../shared/state/variable.js';
import type {
  Accepted,
  Assignment,
  BatchResult,
  Registration,
  SetResult,
  Setter,
  TableOptions,
  WholeBudget,
} from '../shared/state/variable-table.js';
import { VariableTable } from '../shared/state/variable-table.js';
import type { Deadline, DeadlineSchedule } from '../shared/timer-wheel.js';
import type { Metadata } from '../shared/values/metadata.js';
import type { VariableValue } from '../shared/values/variable-type.js';
import type { Engine } from './engine/engine.js';
import { SetWindows } from './watch/set-windows.js';
import type { WorkBudget } from './work-turns.js';

/** The result of a commit: at once with an engine that keeps at once, else when it has kept. */
export type Kept<T> = T | Promise<T>;

/** What follows once it is kept. */
export function mapKept<T, U>(kept: Kept<T>, map: (value: T) => U): Kept<U> {
  return kept instanceof Promise ? kept.then(map) : map(kept);
}

export interface SessionOptions {
  readonly id: string;
  readonly metadata: Metadata;
  readonly createdAtMs: number;
  readonly table: TableOptions;
  readonly engine: Engine;
  readonly deadlines: DeadlineSchedule;
}

export class Session {
  readonly id: string;
  readonly metadata: Metadata;
  readonly createdAtMs: number;
  /** When somebody called last. */
  usedAtMs: number;
  readonly #table: VariableTable;
  readonly #engine: Engine;
  readonly #deadlines: DeadlineSchedule;
  readonly #expiries = new Map<Variable, Expiry>();
  /** Deleted variables by id, for watches that come back after a break. The oldest go first. */
  readonly #gone = new Map<string, Change>();
  /** The last of each name among them. */
  readonly #goneByName = new Map<string, Change>();
  /** Of the newest deletion that is not remembered. */
  #forgottenRevision = 0;
  #toldRevision = 0;
  #goneBytes = 0;
  readonly #whole: WholeBudget | undefined;
  /** Of the session itself, its metadata and what it remembers of deleted variables, as the whole was told. */
  #besideBytes = 0;
  /** What became of the sets of its links. */
  readonly setWindows: SetWindows;
  /** Watch streams of each connection. */
  readonly #watches = new Map<string, number>();

  constructor(options: SessionOptions) {
    this.id = options.id;
    this.metadata = options.metadata;
    this.createdAtMs = options.createdAtMs;
    this.usedAtMs = options.createdAtMs;
    this.#table = new VariableTable(options.table);
    this.#engine = options.engine;
    this.#deadlines = options.deadlines;
    this.setWindows = new SetWindows(options.deadlines);
    this.#whole = options.table.whole;
    this.#tell(SESSION_BYTES + 2 * this.id.length + metadataBytes(this.metadata));
  }

  /** By estimate: of everything that it holds. */
  get heldBytes(): number {
    return this.#besideBytes + this.#table.heldBytes;
  }

  get size(): number {
    return this.#table.size;
  }

  get revision(): number {
    return this.#table.revision;
  }

  /** Variables that have gone. */
  get removals(): number {
    return this.#table.removals;
  }

  get isWatched(): boolean {
    return this.#watches.size > 0;
  }

  find(identifier: string): Variable | undefined {
    return this.#table.find(identifier);
  }

  findById(id: string): Variable | undefined {
    return this.#table.findById(id);
  }

  /** @throws VariablesNotFoundError */
  require(identifier: string): Variable {
    return this.#table.require(identifier);
  }

  variables(): IterableIterator<Variable> {
    return this.#table.variables();
  }

  /** The first variable registered behind a place; 0 begins. */
  after(place: number): Variable | undefined {
    return this.#table.after(place);
  }

  /** How a variable went, for as long as that is remembered. */
  findGone(variableId: string): Change | undefined {
    return this.#gone.get(variableId);
  }

  /** How the last variable of that name went. */
  findGoneByName(name: string): Change | undefined {
    return this.#goneByName.get(name);
  }

  /** Those that are remembered, in the order in which they went. */
  gone(): IterableIterator<Change> {
    return this.#gone.values();
  }

  /** Whoever has everything up to this revision can be told what went since. */
  remembersSince(revision: number): boolean {
    return revision >= this.#forgottenRevision && revision <= this.#table.revision;
  }

  /** Every change up to this revision has been told to whoever observes it. */
  get toldRevision(): number {
    return this.#toldRevision;
  }

  register(registration: Registration, nowMs: number): Kept<Variable> {
    const change = this.#table.register(registration, nowMs);
    const { variable } = change;
    if (variable.ttlMs > 0) this.#expiries.set(variable, new Expiry(this, variable, this.#deadlines, nowMs));
    return this.#keep(variable, [change]);
  }

  set(assignment: Assignment, setter: Setter, nowMs: number): Kept<SetResult> {
    const result = this.#table.set(assignment, setter, nowMs);
    this.#renew(assignment.identifier, nowMs);
    return result.change === undefined ? result : this.#keep(result, [result.change]);
  }

  /** Looks at a decoded value without setting it. @throws ConstraintViolationError */
  acceptDecoded(
    identifier: string,
    variable: Variable,
    value: VariableValue,
    expectedVersion?: number,
    isMatched?: boolean,
  ): Accepted {
    return this.#table.acceptDecoded(identifier, variable, value, expectedVersion, isMatched);
  }

  commit(accepted: Accepted, setter: Setter, nowMs: number): Kept<SetResult> {
    const result = this.#table.commit(accepted, setter, nowMs);
    this.#renew(accepted.identifier, nowMs);
    return result.change === undefined ? result : this.#keep(result, [result.change]);
  }

  update(assignments: readonly Assignment[], atomic: boolean, setter: Setter, nowMs: number): Kept<BatchResult> {
    return this.#keepBatch(this.#table.update(assignments, atomic, setter, nowMs), nowMs);
  }

  /** As `update`, of what was accepted and refused before. */
  commitSeveral(
    accepted: readonly Accepted[],
    refused: Map<string, BridgeError>,
    atomic: boolean,
    setter: Setter,
    nowMs: number,
  ): Kept<BatchResult> {
    return this.#keepBatch(this.#table.commitSeveral(accepted, refused, atomic, setter, nowMs), nowMs);
  }

  #keepBatch(result: BatchResult, nowMs: number): Kept<BatchResult> {
    if (this.#expiries.size > 0) for (const identifier of result.versions.keys()) this.#renew(identifier, nowMs);
    return result.changes.length === 0 ? result : this.#keep(result, result.changes);
  }

  rollback(identifier: string, version: number, setter: Setter, nowMs: number): Kept<Variable> {
    const { variable, change } = this.#table.rollback(identifier, version, setter, nowMs);
    this.#renew(identifier, nowMs);
    return change === undefined ? variable : this.#keep(variable, [change]);
  }

  delete(identifier: string, reason: DeletedReason, nowMs: number): Kept<Change> {
    const change = this.#remove(identifier, reason, nowMs);
    return this.#keep(change, [change]);
  }

  /**
   * Deletes every variable, in turns that are left to others by `work`; how many there were. The store forgets the session before.
   * With the last of them it gives back what it held.
   */
  async end(nowMs: number, work: WorkBudget): Promise<number> {
    let count = 0;
    let changes: Change[] = [];
    const keeping: Kept<unknown>[] = [];
    for (let next = this.#table.after(0); next !== undefined; next = this.#table.after(next.place)) {
      changes.push(this.#remove(next.name, 'session-ended', nowMs));
      count += 1;
      const rest = work.spend(STEPS_A_DELETION);
      if (rest === undefined) continue;
      keeping.push(this.#keep(undefined, changes));
      changes = [];
      await rest;
    }
    if (changes.length > 0) keeping.push(this.#keep(undefined, changes));
    this.#gone.clear();
    this.#goneByName.clear();
    this.setWindows.close();
    this.#tell(-this.#besideBytes);
    await Promise.all(keeping);
    return count;
  }

  /** Lets go of versions before the present ones, of up to `most` variables. */
  letGoOfHistory(most: number): void {
    this.#table.letGoOfHistory(most);
  }

  addWatch(connection: string): void {
    this.#watches.set(connection, (this.#watches.get(connection) ?? 0) + 1);
  }

  removeWatch(connection: string, nowMs: number): void {
    const left = (this.#watches.get(connection) ?? 0) - 1;
    if (left > 0) this.#watches.set(connection, left);
    else this.#watches.delete(connection);
    this.usedAtMs = nowMs;
  }

  isWatchedByOthers(connection: string): boolean {
    return this.#watches.size > (this.#watches.has(connection) ? 1 : 0);
  }

  #remove(identifier: string, reason: DeletedReason, nowMs: number): Change {
    const change = this.#table.delete(identifier, reason, nowMs);
    const { variable } = change;
    this.#expiries.get(variable)?.cancel();
    this.#expiries.delete(variable);
    this.#rememberGone(change);
    return change;
  }

  #rememberGone(change: Change): void {
    if (change.reason === 'session-ended') return;
    const before = this.#goneBytes;
    this.#gone.set(change.variable.id, change);
    this.#goneByName.set(change.variable.name, change);
    this.#goneBytes += goneBytes(change);
    for (const [id, oldest] of this.#gone) {
      if (this.#gone.size <= MAX_GONE && this.#goneBytes <= MAX_GONE_BYTES) break;
      this.#gone.delete(id);
      if (this.#goneByName.get(oldest.variable.name) === oldest) this.#goneByName.delete(oldest.variable.name);
      this.#forgottenRevision = oldest.current.revision;
      this.#goneBytes -= goneBytes(oldest);
    }
    this.#tell(this.#goneBytes - before);
  }

  #tell(moreBytes: number): void {
    this.#besideBytes += moreBytes;
    if (this.#whole !== undefined) this.#whole.bytes += moreBytes;
  }

  #renew(identifier: string, nowMs: number): void {
    if (this.#expiries.size === 0) return;
    const variable = this.#table.find(identifier);
    if (variable !== undefined) this.#expiries.get(variable)?.renew(nowMs);
  }

  #keep<T>(result: T, changes: readonly Change[]): Kept<T> {
    const { revision } = changes.at(-1)!.current;
    const keeping = this.#engine.commit({ sessionId: this.id, changes });
    if (keeping === undefined) {
      this.#toldRevision = revision;
      return result;
    }
    const told = (): void => {
      this.#toldRevision = Math.max(this.#toldRevision, revision);
    };
    return whenKept(keeping.then(told), result);
  }
}

async function whenKept<T>(keeping: Promise<void>, result: T): Promise<T> {
  try {
    await keeping;
  } catch (cause) {
    throw new UnknownOutcomeError(
      'the engine did not say that it kept the change: read the variable before setting again',
      {
        cause,
      },
    );
  }
  return result;
}

/** Ends a variable ttlMs after its last set. Moved only when it is due: a set writes one number. */
class Expiry implements Deadline {
  dueAtMs = 0;
  wheelSlot = -1;
  wheelPlace = 0;
  readonly #session: Session;
  readonly #variable: Variable;
  readonly #deadlines: DeadlineSchedule;
  #expiresAtMs: number;

  constructor(session: Session, variable: Variable, deadlines: DeadlineSchedule, nowMs: number) {
    this.#session = session;
    this.#variable = variable;
    this.#deadlines = deadlines;
    this.#expiresAtMs = nowMs + variable.ttlMs;
    deadlines.schedule(this, this.#expiresAtMs);
  }

  renew(nowMs: number): void {
    this.#expiresAtMs = nowMs + this.#variable.ttlMs;
  }

  cancel(): void {
    this.#deadlines.cancel(this);
  }

  async handleDeadline(nowMs: number): Promise<void> {
    if (nowMs < this.#expiresAtMs) this.#deadlines.schedule(this, this.#expiresAtMs);
    // By name: an id could be the name of another.
    else await this.#session.delete(this.#variable.name, 'expired', nowMs);
  }
}

function goneBytes(change: Change): number {
  return registrationBytes(change.variable) + versionBytes(change.current);
}

/** Of an empty one: its maps. */
const SESSION_BYTES = 1_000;
const STEPS_A_DELETION = 2;

/** Deleted variables remembered by a session; an older one's watch is told of its deletion without value and reason. */
const MAX_GONE = 1_024;
const MAX_GONE_BYTES = 1024 * 1024;
