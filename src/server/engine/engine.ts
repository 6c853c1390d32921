/**
 * What decides, keeps and tells the state: the server's only way to it. A set is acknowledged and told to watches when it is kept, never before.
 * Path: session -> [engine] -> session (what was kept) -> observer manager. Slow: what is asked meanwhile is kept together. Full: refused, and
 * nothing was done. Closed: what is under way is answered first.
 */
import { EngineUnavailableError } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import type { Asked, OperationResult } from '../../shared/state/operation.js';
import type { Change } from '../../shared/state/variable.js';
import type { TableOptions, VariableTable } from '../../shared/state/variable-table.js';
import type { Metadata } from '../../shared/values/metadata.js';
import type { GoneVariables } from './gone-variables.js';
import type { PlacedOutcome, WindowRecord } from './records.js';

/** At once with an engine that keeps at once, else when it has kept. */
export type Kept<T> = T | Promise<T>;

/** What follows once it is kept. */
export function mapKept<T, U>(kept: Kept<T>, map: (value: T) => U): Kept<U> {
  return kept instanceof Promise ? kept.then(map) : map(kept);
}

export interface Engine extends AsyncDisposable {
  /** As `--engine` calls it: `memory`, `sqlite`. */
  readonly name: string;
  /** Other servers commit too. */
  readonly isShared: boolean;
  /** What it is asked is kept when the call returns. */
  readonly isImmediate: boolean;
  /** Once, before anything else. @throws EngineUnavailableError, EngineInUseError, EngineFormatError, StorageFullError, each with its remedy */
  open(host: EngineHost): Promise<Life>;
  /** Sessions that were kept before it was opened: their server follows each. One that is shared names none. */
  readonly sessionIds: Iterable<string>;
  /**
   * A session as it is kept, and every later commit of it, in order and without a hole, until released. With `create` it is made when it is
   * not there. One follower a session and process.
   */
  follow(sessionId: string, follower: Follower, create?: NewSession): Kept<Following | undefined>;
  /**
   * Settles when it is kept and its follower in this process was told, in the order of the calls. @throws, or rejects with, QuotaExceededError
   * when an atomic group has no room or too much waits, SessionNotFoundError, StorageFullError and EngineUnavailableError (not done),
   * UnknownOutcomeError (it may be done)
   */
  commit(group: Group): Kept<Outcome>;
  /** Not lower than any revision that was acknowledged before the call, by whichever server. */
  head(sessionId: string): Kept<number>;
  /** When all that was asked before is kept, or refused; undefined: now. */
  whenKept(sessionId: string): Promise<void> | undefined;
  /**
   * Of an engine that serves before all earlier versions are in its tables: when those of a session are; undefined: now. Until then a history may begin
   * later than what is kept of it, without a hole.
   */
  whenHistoryIsRead?(sessionId: string): Promise<void> | undefined;
  /**
   * Of an engine that is shared: the same, and what was acknowledged before the call, by whichever server, is known here: for whoever would refuse
   * what is not. Rejects with EngineUnavailableError where that cannot be said in time.
   */
  whenKnown?(sessionId: string): Promise<void>;
  /**
   * Of an engine that is shared: what became of a link's last sets, whichever server made them. Undefined: it is not known, or not known any more.
   * Those up to `answered` that a server has still to make are not made from here on. Others give what they know to `follow`.
   */
  openWindow?(sessionId: string, link: string, answered: number): Promise<WindowRecord | undefined>;
  /**
   * Of an engine whose state outlives its only server: a link begins that it knows nothing of. Settles when that is kept: the next server knows then that
   * the first set of the link, sent and not answered, was not made. Rejects as `commit` does.
   */
  beginWindow?(sessionId: string, link: string, answered: number, nowMs: number): Promise<void> | undefined;
  /** Used: keeps idle sessions alive at every server. */
  touch(sessionIds: readonly string[]): void;
  /** Of an engine that is shared: ms since a server last touched it, or changed it. */
  idleMs?(sessionId: string): Promise<number>;
  /** Of an engine that is shared: where clients reach the servers that live, those first that shall serve the session. */
  serversOf?(sessionId: string): readonly string[];
  readonly health: EngineHealth;
  /** A whole copy of what is kept now, beside it: its path. Undefined where nothing is to be copied. @throws StorageFullError, EngineUnavailableError */
  readonly backup?: (() => Promise<string>) | undefined;
  readonly stats: EngineStats;
  close(): Promise<void>;
}

/** What the server gives to its engine. */
export interface EngineHost {
  /** Of each session's table. */
  readonly table: TableOptions;
  /** By a clock that nobody sets. */
  readonly nowMs: () => number;
  /** Names the life of a state that begins with this server; undefined: the engine finds a name. */
  readonly epoch: string | undefined;
  readonly newEpoch: () => string;
  readonly logger: Logger;
  /**
   * Until it is aborted `open` waits for what passes by itself, says why by `handleHealth`, and has it in `health`. Undefined: `open` rejects.
   */
  readonly waiting?: AbortSignal | undefined;
  handleHealth(health: EngineHealth): void;
  /** `serversOf` says something else now. */
  handleServers?(): void;
  /** Something of a session that was told is lost: it begins anew from what there is, in another generation. */
  handleFork?(sessionId: string): void;
  /** Another server has made a session: this one may follow it. */
  handleSession?(sessionId: string): void;
}

/** Of the state. */
export interface Life {
  /** Ids, versions and revisions can be compared within it. */
  readonly epoch: string;
  /** Rises whenever something that was told may not have been kept: 0 for a state that has lost nothing. Of an engine that is shared each session has its own. */
  readonly generation: number;
}

export interface NewSession {
  readonly metadata: Metadata;
  readonly createdAtMs: number;
}

/** What a server has of a session. The engine keeps it up to date; nobody else writes it. */
export interface Following {
  readonly metadata: Metadata;
  /** By the host's clock. */
  readonly createdAtMs: number;
  readonly table: VariableTable;
  readonly gone: GoneVariables;
  /** What became of the sets of links, from before this life of the server. */
  readonly windows: readonly WindowRecord[];
  /** Whether its outcomes of sets have to be told with each group. */
  readonly keepsWindows: boolean;
  /** Of what is told from now on. */
  readonly generation: number;
  /** Up to which revision what was told in a generation is kept: infinity where all of it is, -1 where nobody knows. */
  sharedUpTo(generation: number): number;
  release(): void;
}

export interface Follower {
  /** All of it is in the table. */
  handleCommit(commit: Commit): void;
  /** What becomes of it from now on is of another generation; all that it was told is kept. */
  handleGeneration?(): void;
  /** What became of the sets of its links, as far as they are told and not answered. */
  windows(): readonly WindowRecord[];
  /** Another server has ended it. */
  handleOver?(nowMs: number): void;
}

export interface Group extends Asked {
  readonly sessionId: string;
  /** Undefined: of no link that sends again. */
  readonly once?: SetPlace | undefined;
  /** The session is no more when this is kept. */
  readonly isEnd?: boolean | undefined;
}

/** Where a group stands among the sets of its link. */
export interface SetPlace {
  readonly link: string;
  /** Of its first set. */
  readonly sequence: number;
  /** Up to there its client has the outcomes. */
  readonly answered: number;
  /** Of sets before it that were refused without asking the engine: each is said once. */
  readonly before: readonly PlacedOutcome[];
  /** The last set of its link that is known to be made, asked when it is written: where an engine has not kept that one, it was lost. Left out: the one before it. */
  readonly done?: (() => number) | undefined;
}

export interface Outcome {
  /** Of the last change that it made, or of the session when it made none. */
  readonly revision: number;
  readonly results: readonly OperationResult[];
}

/** What was kept together: all of it, or none. */
export interface Commit {
  readonly sessionId: string;
  /** When it was asked for, by the host's clock. */
  readonly nowMs: number;
  /** Of the session, right before it. */
  readonly before: number;
  readonly revision: number;
  /**
   * In the order in which they were decided; those of an atomic group share a revision. The value of a map or list whose JSON has more than
   * 64 KB is an object whose `bytes` are that text, in UTF-8.
   */
  readonly changes: readonly Change[];
}

/** `full`: refuses what would need room. `lost`: does not know what is kept, or cannot be reached. */
export interface EngineHealth {
  readonly state: 'ready' | 'full' | 'lost';
  readonly sinceMs: number;
  readonly cause: unknown;
}

/** What an engine has from `open` on. @throws EngineUnavailableError */
export function opened<T>(part: T | undefined): T {
  if (part === undefined) throw new EngineUnavailableError('the engine is not open: call open first');
  return part;
}

/** As logs and `/readyz` say it. */
export function sayHealth(state: EngineHealth['state'], cause: unknown): string {
  return cause instanceof Error ? `${state}: ${cause.message}` : state;
}

/** Counts since it was opened where the name says a past deed, else at this moment. */
export interface EngineStats {
  /** Groups that were asked and are not kept. */
  readonly waiting: number;
  /** Transactions, each with everything that had come until then. */
  readonly transactions: number;
  /** Changes kept. */
  readonly changes: number;
  /** From the call to kept, ms, of the last transactions: undefined with an engine that keeps at once. */
  readonly commitMs: Quantiles | undefined;
  /** The engine's own part of it: written, and on disk. */
  readonly syncMs: Quantiles | undefined;
  readonly bytes: number;
  /** Changes that would be read again after a restart now. */
  readonly journalChanges: number;
  /** Of an engine that is shared. */
  readonly shared?: SharedStats | undefined;
}

/** How this server stands to what all servers over one engine have committed. Counts since it was opened, but for the first two and the last. */
export interface SharedStats {
  /** From what a call of this server was answered to known here by the log, ms: how far it is behind. */
  readonly tailMs: Quantiles;
  /** Revisions that calls of this server were answered and the log has not brought yet, of the session that is furthest behind. */
  readonly tailRevisions: number;
  /** Calls that were meant for a process that is not the primary any more. */
  readonly fenced: number;
  /** Times that another primary was found, each of a bucket of sessions. */
  readonly takeovers: number;
  /** Sessions of which something was lost that this server had told: their watches are told `resync`. */
  readonly forks: number;
  /** Sessions of which somebody had deleted or spoilt something there that could be made good. */
  readonly mends: number;
  /** Sets that a client sent again, and that had been made. */
  readonly windowHits: number;
  /** Of a cluster, now: those that share the sessions, by their addresses. */
  readonly primaries: readonly PrimaryStats[];
}

export interface PrimaryStats {
  readonly name: string;
  /** It answers, as a primary. */
  readonly isReady: boolean;
  /** Of the buckets there, since it is one of them. */
  readonly takeovers: number;
}

/** How long something took, ms: `p50` and `p99` of the last, the others of all since it was opened. */
export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly sum: number;
  readonly count: number;
  /** How many took `ms` or less, by rising `ms`: the buckets of a histogram. */
  readonly atMost: readonly { readonly ms: number; readonly count: number }[];
}
