/**
 * What happened in one life: what was set and acknowledged, and what each watch was told, in order. Path: program -> [history] -> judge.
 * Data only: a life fills it in, tests of the judge make it up. Times are ms since 1970, comparable over threads of one machine.
 */
import type { Tag } from './value-tag.js';

export interface History {
  readonly sessions: readonly SessionRecord[];
  readonly registrations: RegistrationRecord[];
  readonly deletions: DeletionRecord[];
  readonly sets: SetRecord[];
  readonly watches: WatchRecord[];
  /** When a server began that knew nothing of what was before, or a session that was ended. */
  readonly epochs: EpochRecord[];
  readonly ends: EndRecord[];
  readonly rollbacks: RollbackRecord[];
  readonly faults: FaultRecord[];
  /** Of servers that were killed. */
  readonly restarts: RestartRecord[];
  /** Calls that failed, of any kind. */
  readonly rejections: RejectionRecord[];
  /** What nobody may ever see: an unhandled rejection, a promise that does not settle, a stream left over. */
  readonly troubles: TroubleRecord[];
  /** Faults were injected: some calls may fail. */
  readonly hasFaults: boolean;
  /** The state outlives its servers. */
  readonly isDurable: boolean;
  /** And the life is so gentle that no watch can miss a change, or be told `resync` but by a new life. */
  readonly isGapless: boolean;
  /** How long a set of a state may take, ms. */
  readonly callTimeoutMs: number;
  /** Sessions end that nobody uses for less than a second: on a busy machine any may. */
  readonly mayExpire: boolean;
  /** Equal ones, that every state knows. */
  readonly servers: number;
  /** How things were when nothing was under way any more; undefined when the life did not come that far. */
  quiet: QuietRecord | undefined;
}

export interface SessionRecord {
  readonly sessionId: string;
  readonly variables: readonly VariableRecord[];
}

export interface VariableRecord {
  readonly name: string;
  /** One of those that are only ever set all together, atomically. */
  readonly isLeg: boolean;
}

export interface RegistrationRecord {
  readonly tag: Tag;
  readonly startMs: number;
  endMs: number | undefined;
  id: string | undefined;
  error: string | undefined;
}

export interface DeletionRecord {
  readonly session: number;
  readonly variable: number;
  readonly startMs: number;
  endMs: number | undefined;
  error: string | undefined;
}

export interface SetRecord {
  readonly tag: Tag;
  /** Which state made the call; its calls are recorded in their order. */
  readonly setter: string;
  readonly startMs: number;
  /** Its value was sent before: it may change nothing, and appear at two versions. */
  readonly isRepeat: boolean;
  readonly expectedVersion: number | undefined;
  /** It keeps its place among the others of its setter whatever breaks; else it is a call of its own, which may come to a server behind them. */
  readonly isByLink: boolean;
  endMs: number | undefined;
  /** Acknowledged. */
  version: number | undefined;
  error: string | undefined;
}

export interface EpochRecord {
  readonly atMs: number;
  /** Of this one alone. */
  readonly session?: number;
}

/** Of a session: somebody asked for it, or nobody used it for too long. */
export interface EndRecord {
  readonly session: number;
  readonly startMs: number;
  endMs: number | undefined;
  /** Undefined where nobody knows: its answer was lost, or it may have been used. */
  isEnded: boolean | undefined;
}

/** A new version that has the value of an older one. */
export interface RollbackRecord {
  readonly session: number;
  readonly variable: number;
  readonly version: number;
}

export interface FaultRecord {
  readonly kind:
    | 'cut'
    | 'stall'
    | 'silence'
    | 'delay'
    | 'pause-server'
    | 'kill-server'
    | 'cut-engine'
    | 'kill-engine'
    | 'fill-engine'
    | 'fail-over';
  /** A server's place, or what they share. */
  readonly at: number | 'engine';
  readonly startMs: number;
  /** When it was whole again. */
  endMs: number | undefined;
}

export interface RestartRecord {
  readonly server: number;
  readonly epochBefore: string;
  readonly epoch: string;
  /** From the start of the process until it listened. */
  readonly tookMs: number;
}

export interface RejectionRecord {
  readonly call: string;
  readonly code: string;
  readonly message: string;
  readonly isKnown: boolean;
}

export interface TroubleRecord {
  readonly kind:
    | 'unsettled'
    | 'unanswered'
    | 'unhandled'
    | 'logged-error'
    | 'left-over'
    | 'stuck'
    | 'stale-peek'
    | 'moved';
  readonly what: string;
}

export interface WatchRecord {
  readonly label: string;
  /** Which state it is of, and the place of that state's session. */
  readonly state: string;
  readonly session: number;
  readonly traits: WatchTraits;
  /** What the watch was made with. */
  readonly firstIdentifiers: readonly string[];
  /** The variable that each identifier was meant for, also of those added later. */
  readonly identifiers: Map<string, number>;
  readonly startMs: number;
  /** When its promise resolved. */
  readyMs: number | undefined;
  readonly entries: WatchEntry[];
  /** How many of them there were at the quiet point. */
  quietEntries: number | undefined;
}

/** What of its options the judge has to know. */
export interface WatchTraits {
  readonly form: 'callback' | 'iterator';
  readonly includeInitial: boolean;
  readonly filter: 'none' | 'function' | 'condition';
  /** Of a condition: `{ gt }`, over the packed number. */
  readonly above: number | undefined;
  readonly isRateLimited: boolean;
  readonly waitsForMissing: boolean;
  /** It watches what fits this, and the variables are those that may. */
  readonly pattern: string | undefined;
  readonly overflow: 'conflate' | 'drop-oldest' | 'error';
  readonly isAtomic: boolean;
  /** All its variables travel on one stream: its revisions have one order. */
  readonly isOneStream: boolean;
  readonly staleAfterMs: number;
}

export type WatchEntry =
  | CallEntry
  | FilterEntry
  | { readonly kind: 'state'; readonly state: string; readonly atMs: number; readonly turn: number }
  | { readonly kind: 'error'; readonly code: string; readonly message: string; readonly turn: number }
  | {
      readonly kind: 'adding' | 'added' | 'removing' | 'removed';
      readonly identifiers: readonly string[];
      readonly atMs: number;
      readonly turn: number;
    }
  | { readonly kind: 'stopping' | 'stopped'; readonly turn: number };

export interface CallEntry {
  readonly kind: 'call';
  readonly identifier: string;
  readonly old: Tag | undefined;
  readonly now: Tag | undefined;
  /** There was a value, and it was none of ours. */
  readonly isForeign: boolean;
  readonly version: number;
  readonly missed: number;
  readonly initial: boolean;
  readonly resync: boolean;
  readonly deleted: string | undefined;
  readonly revision: number;
  readonly sessionId: string;
  readonly variableId: string;
  /** Counted by the recorder: calls of one turn of the event loop have the same. */
  readonly turn: number;
}

export interface FilterEntry {
  readonly kind: 'filter';
  readonly old: Tag | undefined;
  readonly now: Tag | undefined;
  readonly passes: boolean;
  readonly turn: number;
}

export interface QuietRecord {
  readonly atMs: number;
  /** What the server holds. */
  readonly variables: readonly PresentVariable[];
  readonly watchers: readonly PresentWatch[];
}

export interface PresentVariable {
  readonly session: number;
  readonly variable: number;
  readonly id: string;
  readonly version: number;
  readonly tag: Tag;
  readonly isNumber: boolean;
  /** Versions kept, oldest first. */
  readonly kept: readonly { readonly version: number; readonly tag: Tag }[];
}

/** What `listWatchers` says of a watch that is not over. */
export interface PresentWatch {
  readonly label: string;
  readonly state: string;
  readonly delivered: number;
  readonly filtered: number;
  readonly rateLimited: number;
  readonly missed: number;
  readonly buffered: number;
}

export function emptyHistory(
  sessions: readonly SessionRecord[],
  house: Pick<History, 'hasFaults' | 'isDurable' | 'isGapless' | 'callTimeoutMs' | 'mayExpire' | 'servers'>,
): History {
  return {
    sessions,
    registrations: [],
    deletions: [],
    sets: [],
    watches: [],
    epochs: [],
    ends: [],
    rollbacks: [],
    faults: [],
    restarts: [],
    rejections: [],
    troubles: [],
    ...house,
    quiet: undefined,
  };
}
