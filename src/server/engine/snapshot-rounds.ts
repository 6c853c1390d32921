/**
 * Writes what has changed into the snapshot, every few seconds and a little at a time, so that the log stays short. Path: local engine ->
 * [snapshot rounds] -> journal. Slow: the next round begins later. A portion that fails is written again in the next round. Closed: no further one.
 */

import { clearTimeout, setTimeout } from '../../shared/platform-timers.js';
import { MIN_KEPT_VERSIONS } from '../../shared/state/history.js';
import type { Variable } from '../../shared/state/variable.js';
import type { EngineHost } from './engine.js';
import { BEHIND_MS } from './history-reader.js';
import type { Journal, SnapshotPortion } from './journal.js';
import type { DirtyVariables, LocalSession } from './local-session.js';
import type { GoneRecord, VariableRecord } from './records.js';
import { registrationRecordOf } from './records.js';

interface Progress {
  /** Of the last append that is kept. */
  readonly place: () => number;
  /** The highest that a session has had. */
  readonly lastNumber: () => number;
  /** The highest of a session that was ended. */
  readonly endedRevision: () => number;
}

export class SnapshotRounds {
  readonly #journal: Journal;
  readonly #sessions: ReadonlyMap<string, LocalSession>;
  readonly #progress: Progress;
  readonly #host: EngineHost;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #coveredTo = 0;
  /** Changes since a round began: a start would replay them. */
  #behind = 0;
  #beganAtMs: number;
  #isClosed = false;

  constructor(
    journal: Journal,
    sessions: ReadonlyMap<string, LocalSession>,
    progress: Progress,
    host: EngineHost,
    everyMs: number,
  ) {
    this.#journal = journal;
    this.#sessions = sessions;
    this.#progress = progress;
    this.#host = host;
    this.#everyMs = everyMs;
    this.#behind = journal.stats.changes;
    this.#beganAtMs = host.nowMs();
    // What this start has replayed is not replayed again; the server listens first.
    this.#schedule(this.#behind > SOME_CHANGES ? BEHIND_MS : everyMs);
  }

  /** Some were kept. */
  handleKept(changes: number): void {
    const before = this.#behind;
    this.#behind += changes;
    if (before <= MANY_CHANGES && this.#behind > MANY_CHANGES) this.#schedule();
  }

  /**
   * Before anybody is served: a server that is killed sooner than it comes to a snapshot, again and again, would read a longer log at each start.
   * A round that fails is tried again in time.
   */
  async shortenLog(): Promise<void> {
    if (this.#journal.stats.changes <= TOO_MANY_CHANGES) return;
    clearTimeout(this.#timer);
    this.#round = this.#runOrWarn();
    await this.#round;
    this.#round = undefined;
    this.#schedule();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  /** The next, once none is under way. */
  #schedule(everyMs = this.#behind > MANY_CHANGES ? Math.min(this.#everyMs, SOON_MS) : this.#everyMs): void {
    if (this.#isClosed || this.#round !== undefined) return;
    clearTimeout(this.#timer);
    const inMs = Math.max(0, this.#beganAtMs + everyMs - this.#host.nowMs());
    this.#timer = setTimeout(() => {
      this.#round = this.#runOrWarn().finally(() => {
        this.#round = undefined;
        this.#schedule();
      });
    }, inMs);
    this.#timer.unref();
  }

  #runOrWarn(): Promise<void> {
    return this.#run().catch((error: unknown) =>
      this.#host.logger.warn({ error }, 'a snapshot failed and is tried again'),
    );
  }

  async #run(): Promise<void> {
    this.#beganAtMs = this.#host.nowMs();
    this.#behind = 0;
    const coveredTo = this.#progress.place();
    if (coveredTo === this.#coveredTo) {
      await this.#cut(coveredTo);
      return;
    }
    for (const session of [...this.#sessions.values()]) {
      // As it is now: what comes meanwhile is in the log behind it.
      const { revision } = session.table;
      const { forgottenRevision } = session.gone;
      const windows = session.follower?.windows() ?? session.windows;
      const dirty = session.takeDirty();
      try {
        await this.#write(session, dirty);
        if (this.#isClosed) return;
        await this.#journal.snapshot({
          ...NOTHING,
          sessions: [{ session: session.number, revision, forgottenRevision, windows }],
        });
      } catch (error) {
        session.putBack(dirty);
        throw error;
      }
    }
    if (this.#isClosed) return;
    await this.#cut(coveredTo);
    this.#coveredTo = coveredTo;
  }

  #cut(coveredTo: number): Promise<void> {
    const { lastNumber, endedRevision } = this.#progress;
    return this.#journal.cut(coveredTo, this.#host.table.history.maxAgeMs, lastNumber(), endedRevision());
  }

  /** What is written is not dirty any more. */
  async #write(session: LocalSession, dirty: DirtyVariables): Promise<void> {
    let portion = new Portion();
    // What is left of a round when the server is killed is replayed at the next start: many are not written a few at a time.
    const enough = Math.max(PORTION_BYTES, (dirty.size * BYTES_A_ROW) / MANY_PORTIONS);
    for (const [place, known] of dirty) {
      const variable = known ?? session.table.at(place);
      // Where it went since, it is in the next round.
      if (variable === undefined) dirty.delete(place);
      else portion.add(session, variable);
      if (portion.bytes < enough) continue;
      await this.#journal.snapshot(portion);
      for (const { place } of portion.taken) dirty.delete(place);
      portion = new Portion();
      if (this.#isClosed) return;
    }
    if (portion.taken.length === 0) return;
    await this.#journal.snapshot(portion);
    for (const { place } of portion.taken) dirty.delete(place);
  }
}

class Portion implements SnapshotPortion {
  readonly variables: VariableRecord[] = [];
  readonly gone: GoneRecord[] = [];
  readonly removed: { session: number; place: number }[] = [];
  readonly sessions = [];
  readonly taken: Variable[] = [];
  bytes = 0;

  add({ number: session, gone }: LocalSession, variable: Variable): void {
    this.taken.push(variable);
    this.bytes += BYTES_A_ROW;
    if (!variable.isGone) {
      const versions = variable.history.last(MIN_KEPT_VERSIONS);
      this.variables.push({ session, registration: registrationRecordOf(variable), versions });
      this.bytes += versions.length * (variable.decidedBytes - BYTES_AROUND_A_VERSION);
      return;
    }
    this.removed.push({ session, place: variable.place });
    const change = gone.find(variable.id);
    if (change?.reason === undefined) return;
    const { reason, current: version } = change;
    this.gone.push({ session, registration: registrationRecordOf(variable), reason, version });
  }
}

/** In the log of a start: the first round begins as soon as it can. */
const SOME_CHANGES = 2_000;
/** Since a round began, some 0.1 s of a start: the next one comes sooner. More often would be paid by every set. */
const MANY_CHANGES = 10_000;
/** From the beginning of one to that of the next. */
const SOON_MS = 1_000;
/** In the log of a start: a round ends before anybody is served. Some 64 MB, which take a start about 5 s to read. */
const TOO_MANY_CHANGES = 500_000;
const NOTHING: SnapshotPortion = { variables: [], gone: [], removed: [], sessions: [] };
/** Larger ones make whoever sets meanwhile wait: measured, they are what makes the tail. */
const PORTION_BYTES = 20_000;
const MANY_PORTIONS = 100;
const BYTES_A_ROW = 200;
/** Of the estimate for a version, what is not written. */
const BYTES_AROUND_A_VERSION = 100;
