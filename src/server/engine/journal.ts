/**
 * What a local engine keeps its commits in: a log that is replayed at a start, and slow snapshots so that it need not be long. Path: local engine
 * -> [journal] -> a disk. It decides nothing. Slow: the engine gathers meanwhile. Full: StorageFullError, and nothing of it is kept.
 */
import type { PackedVariable } from '../../shared/state/variable-index.js';
import type { EngineHealth, Life, Quantiles } from './engine.js';
import type {
  CommitRecord,
  GoneRecord,
  SessionRecord,
  VariableRecord,
  VersionRecord,
  WindowRecord,
} from './records.js';

export interface Journal {
  /** As the engine is called then. */
  readonly name: string;
  /** Asked again where it was full. @throws EngineInUseError, EngineFormatError, EngineUnavailableError, StorageFullError */
  open(asked: { readonly epoch: string | undefined }): Promise<Life>;
  /**
   * What a server needs before it serves anybody: snapshots, then the commits that no finished snapshot covers, each in its order. Resolves with
   * the last place, and with the highest number of a session and the highest revision of one that was ended, as `cut` was told them.
   */
  load(handle: (kept: Loaded) => void): Promise<{
    readonly place: number;
    readonly lastNumber: number;
    readonly endedRevision?: number | undefined;
  }>;
  /**
   * Commits before a place, the last of them first, some at a time: older versions of what `load` has told. Resolves with the place to go on before;
   * undefined where there are no more. Left out by a journal whose `load` tells every commit.
   */
  loadBefore?(place: number, handle: (commit: CommitRecord) => void): Promise<number | undefined>;
  /**
   * Resolves when all of it is kept, under one place, which is one more than the last. @throws StorageFullError and EngineUnavailableError when
   * nothing of it is; anything else: ask `lastPlace`. A session begins at the revision of the commit that begins it, and remembers nothing before.
   */
  append(commits: readonly CommitRecord[], atMs: number): Promise<void>;
  /** Of the last append that is kept; waits, as long as it takes, until that can be said. */
  lastPlace(): Promise<number>;
  /** Some of a snapshot. Not kept where it fails: it is said again. */
  snapshot(portion: SnapshotPortion): Promise<void>;
  /**
   * A whole snapshot covers all up to a place: `load` need not tell it again. What of it is older than `keepMs` need not be kept. `lastNumber`:
   * the highest that a session has had; `endedRevision`: the highest of a session that was ended.
   */
  cut(coveredTo: number, keepMs: number, lastNumber: number, endedRevision: number): Promise<void>;
  /** A whole copy of what is kept now, beside it: its path. */
  readonly backup?: (() => Promise<string>) | undefined;
  readonly health: EngineHealth['state'];
  readonly stats: JournalStats;
  /** Told when its health has changed by itself. */
  onHealth: ((state: EngineHealth['state'], cause: unknown) => void) | undefined;
  /** What was appended is kept first. */
  close(): Promise<void>;
}

export type Loaded =
  | {
      readonly kind: 'session';
      readonly session: SessionRecord;
      readonly revision: number;
      readonly forgottenRevision: number;
    }
  | { readonly kind: 'variable'; readonly variable: VariableRecord }
  /** The same, read when it is needed. It has no time to live. */
  | { readonly kind: 'packed'; readonly session: number; readonly variable: PackedRecord }
  | { readonly kind: 'gone'; readonly gone: GoneRecord }
  | { readonly kind: 'window'; readonly session: number; readonly window: WindowRecord }
  | { readonly kind: 'commit'; readonly place: number; readonly commit: CommitRecord };

export interface PackedRecord extends PackedVariable {
  /** One more version, if it is newer than those that it has. False: it takes no more until it is read. */
  add(version: VersionRecord): boolean;
  /** @throws EngineFormatError */
  read(): Pick<VariableRecord, 'registration' | 'versions'>;
}

export interface SnapshotPortion {
  readonly variables: readonly VariableRecord[];
  readonly gone: readonly GoneRecord[];
  /** Places of variables that are no more. */
  readonly removed: readonly { readonly session: number; readonly place: number }[];
  readonly sessions: readonly {
    readonly session: number;
    readonly revision: number;
    readonly forgottenRevision: number;
    readonly windows: readonly WindowRecord[];
  }[];
}

export interface JournalStats {
  readonly syncMs: Quantiles;
  readonly bytes: number;
  readonly changes: number;
}
