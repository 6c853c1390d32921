/**
 * One session in an engine of this process: what is kept of it, and what is decided and not kept yet. Path: local engine -> [local session] ->
 * variable table, its follower. Pure. Closed: the engine forgets it when its end is kept.
 */
import type { OperationResult } from '../../shared/state/operation.js';
import type { DecidedChange, Variable } from '../../shared/state/variable.js';
import type { TableOptions } from '../../shared/state/variable-table.js';
import { VariableTable } from '../../shared/state/variable-table.js';
import type { Metadata } from '../../shared/values/metadata.js';
import type { Commit, Follower, Following, SetPlace } from './engine.js';
import { GoneVariables } from './gone-variables.js';
import type { PlacedOutcome, WindowRecord } from './records.js';

/** By place; undefined of one that nobody has asked for yet, which is at its place. */
export type DirtyVariables = Map<number, Variable | undefined>;

export class LocalSession implements Following {
  readonly id: string;
  /** Of this life of the session. */
  readonly number: number;
  readonly metadata: Metadata;
  readonly createdAtMs: number;
  readonly table: VariableTable;
  readonly gone = new GoneVariables();
  windows: readonly WindowRecord[] = [];
  readonly keepsWindows: boolean;
  readonly generation: number;
  follower: Follower | undefined;
  /** Its end was asked for: nothing more is decided. */
  isEnding = false;
  /** Groups that are decided and not kept. */
  waiting = 0;
  /** Settles when the last of them does. */
  tail: Promise<unknown> | undefined;
  /** What a snapshot has to write, by place, without what nobody has asked for; undefined where nothing makes snapshots. */
  #dirty: DirtyVariables | undefined;
  /** Of sets without a change, until one with a change is kept: they are kept beside it. */
  readonly #unsaid = new Map<string, PlacedOutcome[]>();

  constructor(
    id: string,
    number: number,
    metadata: Metadata,
    createdAtMs: number,
    table: TableOptions,
    isKept: boolean,
    generation: number,
  ) {
    this.id = id;
    this.number = number;
    this.metadata = metadata;
    this.createdAtMs = createdAtMs;
    this.table = new VariableTable(table);
    this.keepsWindows = isKept;
    this.generation = generation;
    if (isKept) this.#dirty = new Map();
  }

  /** Nothing of what was told up to there is of it. */
  beginAt(revision: number): void {
    this.table.skipTo(revision);
    this.gone.forgetTo(revision);
  }

  /** At most, once it is ended and all that is decided and all that it then has is gone. */
  get lastRevision(): number {
    const { revision, decidedRevision, size } = this.table;
    return decidedRevision + size + (decidedRevision - revision);
  }

  /** Where a generation ended is not kept: a state that was begun anew from a copy may lack anything. */
  sharedUpTo(generation: number): number {
    return generation === this.generation ? Number.POSITIVE_INFINITY : -1;
  }

  /** It is kept: from here on it is what everybody sees. */
  apply(changes: readonly DecidedChange[], nowMs: number): void {
    if (changes.length === 0) return;
    const { table } = this;
    const before = table.revision;
    for (let place = 0; place < changes.length; place += 1) {
      const change = changes[place]!;
      table.apply(change, nowMs);
      if (change.reason !== undefined) this.gone.remember(change);
    }
    this.#tell(before, changes, nowMs);
  }

  /** As `apply`, of what `undo` took back because nobody knew. */
  replay(changes: readonly DecidedChange[], nowMs: number): void {
    if (changes.length === 0) return;
    const before = this.table.revision;
    for (const change of changes) {
      this.table.replay(change, nowMs);
      if (change.reason !== undefined) this.gone.remember(change);
    }
    this.#tell(before, changes, nowMs);
  }

  #tell(before: number, changes: readonly DecidedChange[], nowMs: number): void {
    if (this.#dirty !== undefined) for (const { variable } of changes) this.#dirty.set(variable.place, variable);
    const commit: Commit = { sessionId: this.id, nowMs, before, revision: this.table.revision, changes };
    this.follower?.handleCommit(commit);
  }

  /** What is not in the last snapshot. The next one begins. */
  takeDirty(): DirtyVariables {
    const dirty: DirtyVariables = this.#dirty ?? new Map();
    this.#dirty = new Map();
    return dirty;
  }

  get isDirty(): boolean {
    return (this.#dirty?.size ?? 0) > 0;
  }

  /** It is not in the last snapshot as it is. */
  makeDirty(variable: Variable): void {
    this.#dirty?.set(variable.place, variable);
  }

  /** The same, of one that nobody has asked for. */
  makeDirtyAt(place: number): void {
    if (this.#dirty?.has(place) === false) this.#dirty.set(place, undefined);
  }

  /** What was taken and is not written. */
  putBack(dirty: DirtyVariables): void {
    for (const [place, variable] of dirty) {
      if (variable === undefined) this.makeDirtyAt(place);
      else this.makeDirty(variable);
    }
  }

  /** What is to be kept beside the changes of a group; undefined: nothing. Without changes it waits for some. */
  windowOf(
    place: SetPlace | undefined,
    results: readonly OperationResult[],
    hasChanges: boolean,
  ): WindowRecord | undefined {
    if (place === undefined) return undefined;
    const { link, sequence, answered, before } = place;
    const outcomes = [...(this.#unsaid.get(link) ?? []), ...before];
    for (const [index, result] of results.entries()) outcomes.push(outcomeOf(sequence + index, result));
    if (!hasChanges) {
      this.#unsaid.delete(link);
      this.#unsaid.set(link, outcomes.length > MAX_UNSAID ? outcomes.slice(-MAX_UNSAID) : outcomes);
      for (const oldest of this.#unsaid.keys()) {
        if (this.#unsaid.size <= MAX_LINKS) break;
        this.#unsaid.delete(oldest);
      }
      return undefined;
    }
    this.#unsaid.delete(link);
    return { link, from: answered, outcomes: outcomes.filter((outcome) => outcome.sequence > answered) };
  }

  release(): void {
    this.follower = undefined;
  }
}

function outcomeOf(sequence: number, result: OperationResult): PlacedOutcome {
  if (typeof result === 'number') return { sequence, version: result, code: '', message: '' };
  return { sequence, version: 0, code: result.code, message: result.message };
}

const MAX_UNSAID = 10_000;
/** Links whose last sets were all refused, or changed nothing. */
const MAX_LINKS = 1_024;
