/**
 * One session of a server: its variables as they are kept, their expiry, who watches it. Path: session store -> [session] -> engine, and back:
 * engine -> [session] -> observer manager. Every call asks for the whole of what it says, or throws and has changed nothing. Full: the engine
 * refuses. Closed: the store has forgotten it.
 */
import { UnknownOutcomeError } from '../shared/errors.js';
import { metadataBytes } from '../shared/state/held-bytes.js';
import type {
  Accepted,
  AcceptedRegistration,
  Assignment,
  OperationResult,
  Registration,
  Setter,
  TableOperation,
} from '../shared/state/operation.js';
import { acceptDecoded, acceptRegistration, NO_SETTER, tooManyAtOnce } from '../shared/state/operation.js';
import type { WholeBudget } from '../shared/state/table-bytes.js';
import type { Change, DeletedReason, Variable } from '../shared/state/variable.js';
import type { VariableTable } from '../shared/state/variable-table.js';
import type { DeadlineSchedule } from '../shared/timer-wheel.js';
import type { Metadata } from '../shared/values/metadata.js';
import { EMPTY_METADATA } from '../shared/values/metadata.js';
import type { VariableValue } from '../shared/values/variable-type.js';
import type { Commit, Engine, Follower, Following, Kept, NewSession, SetPlace } from './engine/engine.js';
import { mapKept } from './engine/engine.js';
import type { WindowRecord } from './engine/records.js';
import { NamesUnderWay } from './names-under-way.js';
import { VariableExpiries } from './variable-expiries.js';
import type { LeftWindows } from './watch/left-windows.js';
import { SetWindows } from './watch/set-windows.js';
import type { WorkBudget } from './work-turns.js';

export interface SessionOptions {
  readonly id: string;
  readonly engine: Engine;
  readonly deadlines: DeadlineSchedule;
  readonly newVariableId: () => string;
  readonly maxAtomicVariables: number;
  /** Of all sessions. */
  readonly leftWindows: LeftWindows;
  readonly whole?: WholeBudget | undefined;
  /** Tells whoever observes, in order. */
  readonly tell: (sessionId: string, changes: readonly Change[]) => void;
  /** Another server has ended it. */
  readonly handleOver?: ((session: Session, nowMs: number) => void) | undefined;
  readonly handleGeneration?: ((session: Session) => void) | undefined;
}

export class Session implements Follower {
  readonly id: string;
  /** When somebody called last. */
  usedAtMs = 0;
  /** When the other servers were told last that it is used. */
  touchedAtMs = Number.NEGATIVE_INFINITY;
  readonly #engine: Engine;
  readonly #newVariableId: () => string;
  readonly #maxAtomicVariables: number;
  readonly #tellObservers: SessionOptions['tell'];
  readonly #handleOver: SessionOptions['handleOver'];
  readonly #handleGeneration: SessionOptions['handleGeneration'];
  #following!: Following;
  #table!: VariableTable;
  readonly #expiries: VariableExpiries;
  readonly #namesUnderWay = new NamesUnderWay();
  #toldRevision = 0;
  #isAbandoned = false;
  readonly #whole: WholeBudget | undefined;
  /** Of the session itself, its metadata and what it remembers of deleted variables, as the whole was told. */
  #besideBytes = 0;
  #goneBytes = 0;
  /** What became of the sets of its links. */
  readonly setWindows: SetWindows;
  /** Watch streams of each connection. */
  readonly #watches = new Map<string, number>();

  /** As the engine has it, or as it makes it. */
  static open(options: SessionOptions, nowMs: number, create?: NewSession): Kept<Session | undefined> {
    const session = new Session(options);
    const following = options.engine.follow(options.id, session, create);
    return mapKept(following, (found) => (found === undefined ? undefined : session.#begin(found, nowMs)));
  }

  private constructor(options: SessionOptions) {
    this.id = options.id;
    this.#engine = options.engine;
    this.#expiries = new VariableExpiries(options.deadlines, this);
    this.#newVariableId = options.newVariableId;
    this.#maxAtomicVariables = options.maxAtomicVariables;
    this.#tellObservers = options.tell;
    this.setWindows = new SetWindows(options.deadlines, options.leftWindows);
    this.#whole = options.whole;
    this.#handleOver = options.handleOver;
    this.#handleGeneration = options.handleGeneration;
  }

  #begin(following: Following, nowMs: number): this {
    this.#following = following;
    this.#table = following.table;
    this.#toldRevision = following.table.revision;
    this.usedAtMs = nowMs;
    for (const window of following.windows) this.setWindows.restore(window, nowMs);
    // A life begins anew with the server's: nobody could renew it while that was away.
    for (const variable of this.#table.expiring()) this.#expiries.add(variable, nowMs);
    this.#goneBytes = following.gone.bytes;
    this.#tell(SESSION_BYTES + 2 * this.id.length + metadataBytes(this.metadata) + this.#goneBytes);
    return this;
  }

  get metadata(): Metadata {
    return this.#following.metadata;
  }

  get createdAtMs(): number {
    return this.#following.createdAtMs;
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

  /** Of what it tells from now on. */
  get generation(): number {
    return this.#following.generation;
  }

  /** Up to which revision what was told in a generation is kept: infinity where all of it is, -1 where nobody knows. */
  sharedUpTo(generation: number): number {
    return this.#following.sharedUpTo(generation);
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
    return this.#following.gone.find(variableId);
  }

  /** How the first variable of that name went that went after this revision. */
  findGoneByName(name: string, revision: number): Change | undefined {
    return this.#following.gone.findByName(name, revision);
  }

  /** Those that are remembered, in the order in which they went. */
  gone(): IterableIterator<Change> {
    return this.#following.gone.all();
  }

  /** Whoever has everything up to this revision can be told what went since. */
  remembersSince(revision: number): boolean {
    return revision >= this.#following.gone.forgottenRevision && revision <= this.#table.revision;
  }

  /** Outcomes of sets are kept over the server's end. */
  get keepsWindows(): boolean {
    return this.#following.keepsWindows;
  }

  /** What became of a link's last sets, where other servers make them too: those up to `answered` not any more. */
  async openWindow(link: string, answered: number, nowMs: number): Promise<void> {
    if (this.#engine.openWindow === undefined) return;
    this.setWindows.replace(link, await this.#engine.openWindow(this.id, link, answered), nowMs);
  }

  /** A link of which there is no window: when it is kept that it has begun, or cannot be. Undefined: nothing is to be kept. */
  beginWindow(link: string, answered: number, nowMs: number): Promise<void> | undefined {
    if (!this.keepsWindows || this.setWindows.has(link) || this.#engine.beginWindow === undefined) return undefined;
    try {
      return this.#engine.beginWindow(this.id, link, answered, nowMs)?.catch(ignore);
    } catch {
      // Full: sets are told so, and watches are opened all the same.
      return undefined;
    }
  }

  /**
   * When all that was asked before is kept, or refused; undefined: now. `identifiers`: what would be refused if it is not there, which is known then
   * whichever server has registered it. Rejects with EngineUnavailableError where that cannot be said.
   */
  whenKept(identifiers: Iterable<string>): Promise<void> | undefined {
    return this.isShared && this.#lacksOne(identifiers) ? this.whenKnown() : this.#engine.whenKept(this.id);
  }

  /** When it is kept what these stand for; undefined: it is. Rejects as above. */
  whenNamesKept(identifiers: Iterable<string>): Promise<void> | undefined {
    let asked: Promise<void>[] | undefined;
    for (const identifier of identifiers) {
      // Which waits for all that was asked here, too.
      if (this.isShared && this.find(identifier) === undefined) return this.whenKnown();
      const kept = this.#namesUnderWay.whenKept(identifier);
      if (kept === undefined) continue;
      asked ??= [];
      asked.push(kept);
    }
    return asked === undefined ? undefined : Promise.all(asked).then(ignore);
  }

  /** When its histories hold all that is kept of them; undefined: now. Until then they may begin later. */
  whenHistoryIsRead(): Promise<void> | undefined {
    return this.#engine.whenHistoryIsRead?.(this.id);
  }

  /** Other servers may have told of changes that are not known here yet. */
  get isShared(): boolean {
    return this.#engine.isShared;
  }

  /** When what any server has acknowledged is known here; undefined: now. Rejects with EngineUnavailableError where that cannot be said. */
  whenKnown(): Promise<void> | undefined {
    return this.#engine.whenKnown?.(this.id);
  }

  #lacksOne(identifiers: Iterable<string>): boolean {
    for (const identifier of identifiers) if (this.find(identifier) === undefined) return true;
    return false;
  }

  /** Every change up to this revision has been told to whoever observes it. */
  get toldRevision(): number {
    return this.#toldRevision;
  }

  register(registration: Registration, nowMs: number): Kept<Variable> {
    const accepted = acceptRegistration(registration, this.#newVariableId());
    const { id } = accepted;
    const kept = this.#ask(accepted, NO_SETTER, nowMs, undefined);
    return mapKept(kept, () => {
      // It may have gone again in the meantime.
      const variable = this.#table.findById(id) ?? this.findGone(id)?.variable;
      if (variable !== undefined) return variable;
      // With all of its session, which another server has ended.
      if (!this.#isAbandoned) return this.#gone(accepted, nowMs);
      throw new UnknownOutcomeError(
        `variable "${registration.name}": some of session "${this.id}" was lost meanwhile: look whether it is there, and register it again if not`,
      );
    });
  }

  #gone(registration: AcceptedRegistration, nowMs: number): Variable {
    const { value, source, firstVersion } = registration;
    const { revision } = this.#table;
    const current = { version: firstVersion, revision, timestamp: nowMs, value, source, custom: EMPTY_METADATA };
    return this.#table.variableOf(registration, current, 0);
  }

  /** Its version then. */
  set(assignment: Assignment, setter: Setter, nowMs: number): Kept<number> {
    return this.commit(this.#table.accept(assignment), setter, nowMs);
  }

  /** Looks at a decoded value without setting it. @throws ConstraintViolationError */
  acceptDecoded(
    identifier: string,
    variable: Variable,
    value: VariableValue,
    expectedVersion?: number,
    isMatched?: boolean,
  ): Accepted {
    return acceptDecoded(identifier, variable, value, expectedVersion, isMatched);
  }

  /** Its version then. `once`: which set of which link it is. */
  commit(accepted: Accepted, setter: Setter, nowMs: number, once?: SetPlace): Kept<number> {
    const version = this.#ask(accepted, setter, nowMs, once);
    if (this.#expiries.size > 0) this.#expiries.renew(accepted.variable, nowMs);
    return version;
  }

  /** Of sets that shall be made together and of which others were refused: what would refuse these too. */
  refuseAll(accepted: readonly Accepted[]): readonly OperationResult[] {
    return this.#table.refuseAll(accepted);
  }

  /** By place. @throws QuotaExceededError when there is no room for an atomic batch, or it is too large */
  commitSeveral(
    accepted: readonly Accepted[],
    isAtomic: boolean,
    setter: Setter,
    nowMs: number,
    once?: SetPlace,
  ): Kept<readonly OperationResult[]> {
    if (isAtomic && accepted.length > this.#maxAtomicVariables) {
      throw tooManyAtOnce(accepted.length, this.#maxAtomicVariables);
    }
    const sessionId = this.id;
    const group = { sessionId, operations: accepted, isAtomic, setter, nowMs, once, isEnd: false };
    const outcome = this.#engine.commit(group);
    if (this.#expiries.size > 0) {
      for (const [place, { variable }] of accepted.entries()) {
        const isRefused = !(outcome instanceof Promise) && typeof outcome.results[place] !== 'number';
        if (!isRefused) this.#expiries.renew(variable, nowMs);
      }
    }
    return mapKept(outcome, ({ results }) => results);
  }

  rollback(identifier: string, version: number, setter: Setter, nowMs: number): Kept<Variable> {
    const accepted = this.#table.acceptRollback(identifier, version);
    return mapKept(this.commit(accepted, setter, nowMs), () => accepted.variable);
  }

  delete(identifier: string, reason: DeletedReason, nowMs: number): Kept<void> {
    const variable = this.#table.require(identifier);
    return mapKept(this.#ask({ kind: 'delete', identifier, variable, reason }, NO_SETTER, nowMs, undefined), ignore);
  }

  /** @throws BridgeError, or rejects with it, when it is refused */
  #ask(operation: TableOperation, setter: Setter, nowMs: number, once: SetPlace | undefined): Kept<number> {
    const sessionId = this.id;
    const group = { sessionId, operations: [operation], isAtomic: false, setter, nowMs, once, isEnd: false };
    const outcome = this.#engine.commit(group);
    if (!(outcome instanceof Promise)) return versionOf(outcome.results[0]!);
    if (operation.kind === 'register') this.#namesUnderWay.add(operation, outcome);
    else if (operation.kind === 'delete') this.#namesUnderWay.add(operation.variable, outcome);
    return outcome.then(({ results }) => versionOf(results[0]!));
  }

  /** All of it is in the table. */
  handleCommit({ changes, revision, nowMs }: Commit): void {
    for (const change of changes) {
      if (change.previous === undefined) this.#expiries.add(change.variable, nowMs);
      else if (change.reason !== undefined) this.#forget(change.variable);
    }
    this.#tellObservers(this.id, changes);
    this.#toldRevision = revision;
  }

  handleOver(nowMs: number): void {
    this.#handleOver?.(this, nowMs);
  }

  handleGeneration(): void {
    this.#handleGeneration?.(this);
  }

  windows(): readonly WindowRecord[] {
    return this.setWindows.records();
  }

  /** Nothing is asked of it any more once it is kept; `finishEnd` follows. */
  beginEnd(nowMs: number): Kept<void> {
    const sessionId = this.id;
    const group = {
      ...{ sessionId, operations: [], isAtomic: false, setter: NO_SETTER, nowMs, once: undefined, isEnd: true },
    };
    return mapKept(this.#engine.commit(group), ignore);
  }

  /**
   * Lets go of every variable and tells so, in turns that are left to others by `work`; how many there were. The store forgets the session
   * before. With the last of them it gives back what it held.
   */
  async finishEnd(nowMs: number, work: WorkBudget): Promise<number> {
    let count = 0;
    let changes: Change[] = [];
    for (let next = this.#table.after(0); next !== undefined; next = this.#table.after(next.place)) {
      changes.push(this.#table.delete(next.name, 'session-ended', nowMs));
      count += 1;
      const rest = work.spend(STEPS_A_DELETION);
      if (rest === undefined) continue;
      this.handleCommit({ sessionId: this.id, nowMs, before: 0, revision: this.#table.revision, changes });
      changes = [];
      await rest;
    }
    this.handleCommit({ sessionId: this.id, nowMs, before: 0, revision: this.#table.revision, changes });
    this.#following.gone.clear();
    this.setWindows.close();
    this.#following.release();
    this.#tell(-this.#besideBytes);
    return count;
  }

  /** The engine has lost some of it: another takes its place, and nobody is told by this one. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#expiries.close();
    this.setWindows.close();
    this.#tell(-this.#besideBytes);
    if (this.#whole !== undefined) this.#whole.bytes -= this.#table.heldBytes;
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

  #forget(variable: Variable): void {
    this.#expiries.forget(variable);
    const { bytes } = this.#following.gone;
    this.#tell(bytes - this.#goneBytes);
    this.#goneBytes = bytes;
  }

  #tell(moreBytes: number): void {
    this.#besideBytes += moreBytes;
    if (this.#whole !== undefined) this.#whole.bytes += moreBytes;
  }
}

/** @throws BridgeError */
function versionOf(result: OperationResult): number {
  if (typeof result === 'number') return result;
  throw result;
}

function ignore(): void {
  // What it says is known already.
}

/** Of an empty one: its maps. */
const SESSION_BYTES = 1_000;
const STEPS_A_DELETION = 2;
