/**
 * An engine of one process: variable tables decide, and a journal keeps, if there is one. Path: session -> [local engine] -> variable table ->
 * commit queue -> journal, then back to the table and the session. Without a journal what is decided is kept: a set is one call. With one the
 * table is ahead only in what it decides; what anybody can read is kept. Closed: what is under way is kept and answered first.
 */
import { EngineUnavailableError, SessionNotFoundError, StorageFullError } from '../../shared/errors.js';
import type { TableOperation } from '../../shared/state/operation.js';
import type { DecidedChange } from '../../shared/state/variable.js';
import { CommitQueue } from './commit-queue.js';
import type {
  Engine,
  EngineHealth,
  EngineHost,
  EngineStats,
  Follower,
  Following,
  Group,
  Kept,
  Life,
  NewSession,
  Outcome,
} from './engine.js';
import { opened } from './engine.js';
import { BEHIND_MS, HistoryReader } from './history-reader.js';
import type { Journal } from './journal.js';
import { JournalPast } from './journal-past.js';
import { byHostClock, loadSessions } from './load-sessions.js';
import { LocalSession } from './local-session.js';
import { openWhenThere } from './open-when-there.js';
import type { GroupHost, GroupParts } from './pending-group.js';
import { PendingGroup } from './pending-group.js';
import { SnapshotRounds } from './snapshot-rounds.js';

export interface LocalEngineOptions {
  /** Between two snapshots, by which the log is cut, ms. Default 5,000. */
  readonly snapshotEveryMs?: number | undefined;
}

export class LocalEngine implements Engine {
  readonly name: string;
  readonly isShared = false;
  readonly isImmediate: boolean;
  readonly backup: (() => Promise<string>) | undefined;
  readonly #journal: Journal | undefined;
  readonly #snapshotEveryMs: number;
  readonly #sessions = new Map<string, LocalSession>();
  #host: EngineHost | undefined;
  #life: Life | undefined;
  #queue: CommitQueue<PendingGroup> | undefined;
  #rounds: SnapshotRounds | undefined;
  #history: HistoryReader | undefined;
  #lastNumber = 0;
  /** The highest of sessions that were ended: one of the same id may be made anew, and clients say by revisions where they were. */
  #endedRevision = 0;
  #changes = 0;
  readonly #groupHost: GroupHost = {
    wallAtMs: (nowMs) => this.#open().table.timestampAt?.(nowMs) ?? nowMs,
    handleKept: (group, isAfterAll) => this.#handleKept(group, isAfterAll),
  };
  #health: EngineHealth = { state: 'ready', sinceMs: 0, cause: undefined };

  constructor(journal?: Journal, { snapshotEveryMs = 5_000 }: LocalEngineOptions = {}) {
    this.#journal = journal;
    this.#snapshotEveryMs = snapshotEveryMs;
    this.name = journal?.name ?? 'memory';
    this.isImmediate = journal === undefined;
    if (journal?.backup !== undefined) this.backup = () => journal.backup!();
  }

  get sessionIds(): Iterable<string> {
    return this.#sessions.keys();
  }

  get health(): EngineHealth {
    return this.#health;
  }

  get stats(): EngineStats {
    const queue = this.#queue;
    const kept = this.#journal?.stats;
    return {
      waiting: queue?.size ?? 0,
      transactions: queue?.transactions ?? 0,
      changes: this.#changes,
      commitMs: queue?.durations.read(),
      syncMs: kept?.syncMs,
      bytes: kept?.bytes ?? 0,
      journalChanges: kept?.changes ?? 0,
    };
  }

  async open(host: EngineHost): Promise<Life> {
    if (this.#host !== undefined) {
      throw new EngineUnavailableError('this engine is in use, or was closed: give each server an engine of its own');
    }
    this.#host = host;
    const journal = this.#journal;
    if (journal === undefined) {
      this.#life = { epoch: host.epoch ?? host.newEpoch(), generation: 0 };
      return this.#life;
    }
    const epoch = host.epoch ?? host.newEpoch();
    const life = await openWhenThere(host.waiting, {
      attempt: () => journal.open({ epoch }),
      passes: (error) => error instanceof StorageFullError,
      handleAway: (error) => this.#setHealth('full', error),
    });
    const { place, lastNumber, endedRevision } = await this.#load(journal, host, life.generation);
    this.#lastNumber = lastNumber;
    this.#endedRevision = endedRevision;
    journal.onHealth = (state, cause) => this.#setHealth(state, cause);
    this.#queue = new CommitQueue(
      journal,
      {
        nowMs: host.nowMs,
        undo: (waiting) => this.#undo(waiting),
        handleLost: (cause) => this.#setHealth('lost', cause),
        handleFound: () => this.#setHealth(journal.health, undefined),
      },
      place,
    );
    const progress = {
      place: () => this.#queue!.place,
      lastNumber: () => this.#lastNumber,
      endedRevision: () => this.#endedRevision,
    };
    this.#rounds = new SnapshotRounds(journal, this.#sessions, progress, host, this.#snapshotEveryMs);
    await this.#rounds.shortenLog();
    const reading = { logger: host.logger, atMs: byHostClock(host) };
    this.#history = new HistoryReader(new JournalPast(journal, this.#sessions.values(), place, reading), host.logger);
    if (this.#sessions.size > 0) void this.#history.read(BEHIND_MS);
    this.#life = life;
    // It may have begun on a full disk.
    this.#setHealth(journal.health, undefined);
    return life;
  }

  /** What cannot be read is let go of: another version may read it. */
  async #load(journal: Journal, host: EngineHost, generation: number): ReturnType<typeof loadSessions> {
    try {
      return await loadSessions(journal, host, generation, this.#sessions);
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  follow(sessionId: string, follower: Follower, create?: NewSession): Kept<Following | undefined> {
    const known = this.#sessions.get(sessionId);
    if (known !== undefined) {
      known.follower = follower;
      return known;
    }
    if (create === undefined) return undefined;
    this.#queue?.checkRoom();
    this.#checkFull([]);
    const { table } = this.#open();
    const isKept = this.#queue !== undefined;
    this.#lastNumber += 1;
    const { metadata, createdAtMs } = create;
    const session = new LocalSession(
      sessionId,
      this.#lastNumber,
      metadata,
      createdAtMs,
      table,
      isKept,
      this.#life!.generation,
    );
    session.follower = follower;
    session.beginAt(this.#endedRevision);
    if (!isKept) {
      this.#sessions.set(sessionId, session);
      return session;
    }
    const outcome = { revision: session.table.revision, results: [] };
    const begun = { kind: 'begin', session, changes: NOTHING, outcome, nowMs: createdAtMs, window: undefined } as const;
    return this.#keep(begun).then(() => session);
  }

  commit(group: Group): Kept<Outcome> {
    const { sessionId, nowMs } = group;
    const session = this.#sessions.get(sessionId);
    if (session === undefined || session.isEnding) throw SessionNotFoundError.of(sessionId);
    if (this.#queue !== undefined) return this.#commitLater(session, group, this.#queue);
    const { table } = session;
    if (group.isEnd) {
      session.isEnding = true;
      this.#sessions.delete(sessionId);
      this.#endedRevision = Math.max(this.#endedRevision, session.lastRevision);
      return { revision: table.revision, results: [] };
    }
    const { results, changes } = table.decide(group);
    this.#changes += changes.length;
    session.apply(changes, nowMs);
    return { revision: table.revision, results };
  }

  #commitLater(session: LocalSession, group: Group, queue: CommitQueue<PendingGroup>): Kept<Outcome> {
    const { table } = session;
    const { nowMs } = group;
    queue.checkRoom();
    if (group.isEnd) {
      session.isEnding = true;
      const outcome = { revision: session.lastRevision, results: [] };
      return this.#keep({ kind: 'end', session, changes: NOTHING, outcome, nowMs, window: undefined });
    }
    this.#checkFull(group.operations);
    const isAhead = session.waiting > 0;
    const { results, changes } = table.decide(group);
    const window = session.windowOf(group.once, results, changes.length > 0);
    const outcome: Outcome = { revision: table.decidedRevision, results };
    if (changes.length > 0) return this.#keep({ kind: 'change', session, changes, outcome, nowMs, window });
    // What it is equal to, or refused by, may not be kept yet.
    if (!isAhead || group.operations.every(isKeptNow)) return outcome;
    return session.tail!.then(() => outcome);
  }

  beginWindow(sessionId: string, link: string, answered: number, nowMs: number): Promise<void> | undefined {
    const session = this.#sessions.get(sessionId);
    if (this.#queue === undefined || session === undefined || session.isEnding) return undefined;
    this.#queue.checkRoom();
    this.#checkFull([]);
    const outcome = { revision: session.table.decidedRevision, results: [] };
    const window = { link, from: answered, outcomes: [] };
    return this.#keep({ kind: 'change', session, changes: NOTHING, outcome, nowMs, window }).then(ignore);
  }

  head(sessionId: string): number {
    return this.#sessions.get(sessionId)?.table.revision ?? 0;
  }

  whenKept(sessionId: string): Promise<void> | undefined {
    if (this.#queue === undefined) return undefined;
    const session = this.#sessions.get(sessionId);
    return session === undefined || session.waiting === 0 ? undefined : session.tail!.then(ignore, ignore);
  }

  whenHistoryIsRead(): Promise<void> | undefined {
    return this.#history?.whenRead();
  }

  touch(): void {
    // The server of a session that nobody else has knows itself when it was used.
  }

  async close(): Promise<void> {
    await this.#queue?.whenIdle();
    await this.#history?.close();
    await this.#rounds?.close();
    await this.#journal?.close();
    this.#sessions.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(): EngineHost {
    return opened(this.#host);
  }

  /** What frees room is taken all the same. @throws StorageFullError */
  #checkFull(operations: readonly TableOperation[]): void {
    if (this.#health.state !== 'full') return;
    if (operations.length > 0 && operations.every(({ kind }) => kind === 'delete')) return;
    throw new StorageFullError(
      'the disk of the server is full: nothing was done; free some of it, and it goes on by itself',
    );
  }

  #keep(parts: GroupParts): Promise<Outcome> {
    const group = new PendingGroup(this.#groupHost, parts);
    const { session } = parts;
    session.waiting += 1;
    session.tail = group.kept;
    this.#queue!.add(group);
    return group.kept;
  }

  #handleKept({ kind, session, changes, outcome, nowMs }: GroupParts, isAfterAll: boolean): void {
    this.#changes += changes.length;
    this.#rounds?.handleKept(changes.length);
    if (kind === 'begin') this.#sessions.set(session.id, session);
    else if (kind === 'end') {
      session.isEnding = true;
      this.#sessions.delete(session.id);
      this.#endedRevision = Math.max(this.#endedRevision, outcome.revision);
    } else if (isAfterAll) session.replay(changes, nowMs);
    else session.apply(changes, nowMs);
  }

  #undo(waiting: readonly PendingGroup[]): void {
    const changes = new Map<LocalSession, DecidedChange[]>();
    for (const { parts } of waiting) {
      const { session } = parts;
      if (parts.kind === 'end') session.isEnding = false;
      const undone = changes.get(session);
      if (undone === undefined) changes.set(session, [...parts.changes]);
      else for (const change of parts.changes) undone.push(change);
    }
    for (const [session, undone] of changes) session.table.undo(undone);
  }

  #setHealth(state: EngineHealth['state'], cause: unknown): void {
    if (state === this.#health.state) return;
    const host = this.#open();
    this.#health = { state, sinceMs: host.nowMs(), cause };
    host.handleHealth(this.#health);
  }
}

/** Whether what a set meets is kept, whatever is on its way. */
function isKeptNow(operation: TableOperation): boolean {
  if (operation.kind !== 'set') return false;
  const { variable } = operation;
  return variable.decided === variable.current && !variable.isLeaving;
}

function ignore(): void {
  // Said by whoever asked.
}

const NOTHING: readonly DecidedChange[] = [];
