/**
 * What this server has of a session in Redis: the table that everything is read from, one commit behind another. Path: bucket log -> [session replica]
 * -> variable table, its follower. Pure. A hole in the log: `isBehind`, and the engine reads the session anew.
 */
import { bytesOfVersion } from '../../../../shared/state/held-bytes.js';
import type { HistoryLimits } from '../../../../shared/state/history.js';
import type { Change, DecidedChange, DeletedReason, Variable } from '../../../../shared/state/variable.js';
import type { TableOptions } from '../../../../shared/state/variable-table.js';
import { VariableTable } from '../../../../shared/state/variable-table.js';
import type { VersionedValue } from '../../../../shared/state/versioned-value.js';
import type { Metadata } from '../../../../shared/values/metadata.js';
import type { Commit, Follower, Following } from '../../engine.js';
import { GoneVariables } from '../../gone-variables.js';
import type { WindowRecord } from '../../records.js';
import type { Lineage } from '../format/lineage.js';
import { decodePayload, decodeRegistration } from '../format/payload.js';
import type { KeptGone, KeptSession, KeptVersion, LoggedChange, LoggedCommit } from '../log/log-entry.js';

export class SessionReplica implements Following {
  readonly id: string;
  readonly life: number;
  readonly metadata: Metadata;
  readonly createdAtMs: number;
  readonly table: VariableTable;
  readonly gone = new GoneVariables();
  /** Redis has them, for whichever server is asked. */
  readonly windows: readonly WindowRecord[] = [];
  readonly keepsWindows = true;
  follower: Follower | undefined;
  /** What was asked last here: settles when that is kept and told, or refused. */
  tail: Promise<unknown> | undefined;
  /** This server asked for its end. */
  isEnding = false;
  /** It is no more in Redis. */
  isOver = false;
  /** Redis may have versions before those of its histories, if they were made since: ms since 1970, by its clock. Infinity: it has none. */
  #lacksSince = Number.POSITIVE_INFINITY;
  #generation: number;
  #lineage: Lineage;
  readonly #atMs: (timestamp: number) => number;
  readonly #history: HistoryLimits;
  readonly #waiting: { readonly revision: number; readonly then: () => void }[] = [];

  /** `nowMs`: when it was read, by the host's clock. */
  constructor(id: string, kept: KeptSession, table: TableOptions, nowMs: number) {
    // By the clock that made the timestamps: this server's may be another by hours.
    const atMs = (timestamp: number): number => nowMs - Math.max(0, kept.readAt - timestamp);
    this.id = id;
    this.life = kept.life;
    this.#generation = kept.generation;
    this.#lineage = kept.lineage;
    this.metadata = kept.metadata === '' ? {} : (JSON.parse(kept.metadata) as Metadata);
    this.createdAtMs = atMs(kept.createdAt);
    this.table = new VariableTable(table);
    this.#history = table.history;
    this.#atMs = atMs;
    for (const { id: variableId, place, createdAt, registration, versions } of kept.variables) {
      const said = decodeRegistration(registration);
      const values = versions.map((version) => versionOf(said.type, version));
      this.table.restore({ id: variableId, ...said, place, createdAt }, values, atMs);
      this.#noteLack(versions, said.firstVersion);
    }
    this.table.skipTo(kept.revision);
    for (const gone of kept.gone) this.gone.remember(this.#goneOf(gone));
    this.gone.forgetTo(kept.forgotten);
  }

  get revision(): number {
    return this.table.revision;
  }

  get generation(): number {
    return this.#generation;
  }

  get lacksSince(): number {
    return this.#lacksSince;
  }

  /** Whoever asks looks for them. */
  takeLacksSince(): number {
    const since = this.#lacksSince;
    this.#lacksSince = Number.POSITIVE_INFINITY;
    return since;
  }

  /** A commit from before: what of it is right before what the histories have. False: there is no room for more. */
  restoreBefore({ life, changes, timestamp }: LoggedCommit): boolean {
    if (this.isOver) return false;
    if (life !== this.life) return true;
    for (let index = changes.length - 1; index >= 0; index -= 1) {
      const change = changes[index]!;
      const variable = change.kind === 'delete' ? undefined : this.table.findById(change.id);
      if (change.kind === 'delete' || variable === undefined) continue;
      const { version, revision, payload } = change;
      const { history } = variable;
      if (history.find(version) !== undefined || history.find(version + 1) === undefined) continue;
      const before = versionOf(variable.type, { version, revision, timestamp, payload });
      if (!this.table.restoreBefore(variable, before, this.#atMs(timestamp))) return false;
    }
    return true;
  }

  /** `versions`: all that there are of a variable now. */
  #noteLack(versions: readonly KeptVersion[], firstVersion: number): void {
    if (versions[0]!.version === firstVersion || versions.length >= this.#history.maxVersions) return;
    this.#lacksSince = Math.min(this.#lacksSince, versions.at(-1)!.timestamp - this.#history.maxAgeMs);
  }

  sharedUpTo(generation: number): number {
    // What another server has told of a later one than this server knows of is kept.
    if (generation >= this.#generation) return Number.POSITIVE_INFINITY;
    return Math.min(this.#lineage.sharedUpTo(generation), this.table.revision);
  }

  /** The last generation before which nothing that was told is kept for sure. */
  get beganAnewIn(): number {
    return this.#lineage.beganAnewIn;
  }

  /** Whether what is kept lacks some of what was told here. */
  hasLost({ life, revision, lineage }: Pick<KeptSession, 'life' | 'revision' | 'lineage'>): boolean {
    // One that ended begins in the same generation, or this server has heard of its end.
    if (life !== this.life) return life < this.life || lineage.sharedUpTo(this.#generation) === 0;
    return this.table.revision > Math.min(revision, lineage.sharedUpTo(this.#generation));
  }

  /** All that was told here is kept. */
  continueIn(generation: number, lineage = this.#lineage): void {
    this.#lineage = lineage;
    if (generation <= this.#generation) return;
    this.#generation = generation;
    this.follower?.handleGeneration?.();
  }

  isNext({ life, before }: LoggedCommit): boolean {
    return life === this.life && before === this.table.revision;
  }

  /** Whether something between is missing. */
  isBehind({ before }: LoggedCommit): boolean {
    return before > this.table.revision;
  }

  /** The next commit; one that is in the table already is left out. */
  apply({ changes, revision, timestamp, generation, before }: LoggedCommit, nowMs: number): void {
    if (revision > this.table.revision) {
      this.#lineage.add(generation, before);
      this.continueIn(generation);
      let made: DecidedChange[] = [];
      for (const change of changes) {
        const one = this.#changeOf(change, timestamp);
        if (one === undefined) continue;
        if (made.length > 0 && made[0]!.current.revision !== one.current.revision) {
          this.#tellMade(made, nowMs);
          made = [];
        }
        made.push(one);
        this.table.replay(one, nowMs);
        if (one.reason !== undefined) this.gone.remember(one);
      }
      if (made.length > 0) this.#tellMade(made, nowMs);
      this.table.skipTo(revision);
    }
    this.#settle();
  }

  /** All that has become another since, as one commit: versions say what was missed. */
  catchUp(kept: KeptSession, nowMs: number): void {
    this.continueIn(kept.generation, kept.lineage);
    const before = this.table.revision;
    const made: DecidedChange[] = [];
    const present = new Set(kept.variables.map(({ id }) => id));
    for (const variable of [...this.table.variables()]) {
      if (present.has(variable.id)) continue;
      const { current } = variable;
      const last = { ...current, version: current.version + 1, revision: kept.revision };
      made.push({ variable, previous: current, current: last, reason: 'deleted', bytes: 0 });
    }
    for (const { id, place, createdAt, registration, versions } of kept.variables) {
      const known = this.table.findById(id);
      const said = known ?? decodeRegistration(registration);
      const newer = versions.filter(({ version }) => known === undefined || version > known.current.version);
      // What is behind a hole begins its history anew.
      if (newer.length === versions.length) this.#noteLack(versions, said.firstVersion);
      let variable = known;
      for (const version of newer) {
        const current = versionOf(said.type, version);
        const previous = variable?.current;
        variable ??= this.table.variableOf({ id, ...said }, current, place, createdAt);
        made.push(changeOf(variable, previous, current));
      }
    }
    made.sort((a, b) => a.current.revision - b.current.revision);
    for (const change of made) {
      this.table.replay(change, nowMs);
      if (change.reason !== undefined) this.gone.remember(change);
    }
    this.table.skipTo(kept.revision);
    this.#tell({ sessionId: this.id, nowMs, before, revision: kept.revision, changes: made });
    this.#settle();
  }

  /** Another server has ended it, or this one. */
  handleOver(nowMs: number): void {
    this.isOver = true;
    this.#settle();
    if (!this.isEnding) this.follower?.handleOver?.(nowMs);
  }

  /** Redis has lost some of it: another takes its place, and nobody is told by this one. */
  abandon(): void {
    this.isOver = true;
    this.follower = undefined;
    this.#settle();
  }

  /** Revisions that were answered and are not in the table. */
  get behind(): number {
    return Math.max(0, (this.#waiting.at(-1)?.revision ?? 0) - this.table.revision);
  }

  /** `then` is called when it is in the table, and was told to whoever follows: now, or in the order of the calls. */
  whenAt(revision: number, then: () => void): void {
    if (revision <= this.table.revision || this.isOver) then();
    else this.#waiting.push({ revision, then });
  }

  release(): void {
    this.follower = undefined;
  }

  #goneOf({ id, registration, place, createdAt, last, version, revision, reason }: KeptGone): Change {
    const said = decodeRegistration(registration);
    const previous = versionOf(said.type, last);
    const variable = this.table.variableOf({ id, ...said }, previous, place, createdAt);
    variable.isGone = true;
    return { variable, previous, current: { ...previous, version, revision }, reason };
  }

  #changeOf(change: LoggedChange, timestamp: number): DecidedChange | undefined {
    const { id, version, revision } = change;
    if (change.kind === 'register') {
      const said = decodeRegistration(change.registration);
      const current = versionOf(said.type, { version, revision, timestamp, payload: change.payload });
      return changeOf(this.table.variableOf({ id, ...said }, current, revision, timestamp), undefined, current);
    }
    const variable = this.table.findById(id);
    if (variable === undefined) return undefined;
    const previous = variable.current;
    if (change.kind === 'delete') return goneOf(variable, change.reason, { ...previous, version, revision, timestamp });
    return changeOf(
      variable,
      previous,
      versionOf(variable.type, { version, revision, timestamp, payload: change.payload }),
    );
  }

  /** One commit, whatever Redis was told together. */
  #tellMade(changes: readonly DecidedChange[], nowMs: number): void {
    const { revision } = changes[0]!.current;
    this.#tell({ sessionId: this.id, nowMs, before: revision - 1, revision, changes });
  }

  #tell(commit: Commit): void {
    if (commit.changes.length > 0) this.follower?.handleCommit(commit);
  }

  #settle(): void {
    // In the order of the calls, and so of their revisions.
    const { revision } = this.table;
    let count = 0;
    while (count < this.#waiting.length && (this.isOver || this.#waiting[count]!.revision <= revision)) count += 1;
    if (count > 0) for (const { then } of this.#waiting.splice(0, count)) then();
  }
}

function versionOf(type: Variable['type'], { version, revision, timestamp, payload }: KeptVersion): VersionedValue {
  return { version, revision, timestamp, ...decodePayload(type, payload) };
}

function changeOf(variable: Variable, previous: VersionedValue | undefined, current: VersionedValue): DecidedChange {
  const bytes = bytesOfVersion(current.value, current.custom, current.source);
  return { variable, previous, current, reason: undefined, bytes };
}

function goneOf(variable: Variable, reason: DeletedReason, current: VersionedValue): DecidedChange {
  return { variable, previous: variable.current, current, reason, bytes: 0 };
}
