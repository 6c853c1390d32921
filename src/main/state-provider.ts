/** The one API: LocalState in process, BridgedState over a worker pool, and whatever passes the suite of `bridged-state/testing`. */
import type { BatchWatchOptionsInput, WatchOptionsInput } from '../shared/options.js';
import type { StreamStateName } from '../shared/port/stream-states.js';
import type { ExportedState } from '../shared/state/exported-state.js';
import type { Constraints, ConstraintsInput } from '../shared/values/constraint.js';
import type { Metadata } from '../shared/values/metadata.js';
import type { VariableInput, VariableType, VariableValue } from '../shared/values/variable-type.js';
import type { LatencyMs } from './watch/watch-stats.js';
import type { BatchWatcher, VariableChange, Watcher } from './watch/watcher.js';

export interface RegisterOptions {
  /** What values have to meet; an object, or the JSON text of one. */
  readonly constraints?: ConstraintsInput | string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly description?: string;
  /** Ms after its last set until the variable expires. Default 0 = never. */
  readonly ttlMs?: number;
}

export interface SetOptions {
  /** The setter's own map; watchers find it under `metadata.custom`. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Who sets; watchers find it in `metadata.source`. */
  readonly source?: string;
  /** Sets only when the variable is at this version; 0 or nothing = whatever it is at. */
  readonly expectedVersion?: number;
}

export interface UpdateOptions {
  /** All or none, under one revision. Default false: what can be set is. */
  readonly atomic?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly source?: string;
}

export interface VariableInfo {
  readonly id: string;
  readonly name: string;
  readonly type: VariableType;
  readonly value: VariableValue;
  readonly version: number;
  readonly constraints: Constraints;
  readonly metadata: Metadata;
  readonly description: string;
  readonly ttlMs: number;
  /** Ms since 1970, the server's clock. */
  readonly lastUpdatedAt: number;
}

export interface HistoryEntry {
  readonly version: number;
  readonly value: VariableValue;
  /** Ms since 1970, the server's clock. */
  readonly timestamp: number;
  readonly source: string;
  readonly custom: Metadata;
}

export type WatchState = StreamStateName;

/** A running watch. */
export interface Watch extends AsyncDisposable {
  /** Names it to `unwatchVariables` and in `listWatchers`. */
  readonly ref: string;
  /** Of a pattern: the names that it has found so far and that are not gone. */
  readonly identifiers: readonly string[];
  readonly state: WatchState;
  /** Resolves when the server has registered the watch; rejects when it ends before. */
  readonly ready: Promise<void>;
  /** Resolves when everything up to the registration has been delivered; a new promise after each break. */
  readonly synced: Promise<void>;
  /** Ms since the server was last heard on what carries this watch: its link, whatever that told, or its stream. A link says it four times a second at most. */
  readonly freshnessMs: number;
  /** Ends it. No watcher call happens after this resolves. */
  stop(): Promise<void>;
  /** Watches more variables. @throws VariablesNotFoundError naming every unknown one, and then none is added; InvalidArgumentError for a watch of a pattern */
  add(identifiers: Identifiers): Promise<void>;
  /** Watches these no longer; with the last one the watch ends. Those that it doesn't watch are ignored. */
  remove(identifiers: Identifiers): Promise<void>;
}

export interface WatcherInfo {
  readonly ref: string;
  readonly identifiers: readonly string[];
  /** Empty for a watch of names. */
  readonly patterns: readonly string[];
  /** False when its owner is gone and its end is under way. */
  readonly alive: boolean;
  readonly state: WatchState;
  /** The worker that its updates come from; the first of several; -1 in process. */
  readonly workerId: number;
  /** What carries it now; the first of several. */
  readonly transport: 'local' | 'stream' | 'link';
  /** Ms since 1970. */
  readonly createdAt: number;
  readonly stats: {
    readonly updatesReceived: number;
    readonly updatesDelivered: number;
    readonly updatesFiltered: number;
    /** Replaced by newer ones while debounced, throttled or conflated, as the watch asked. */
    readonly updatesRateLimited: number;
    readonly updatesMissed: number;
    readonly errors: number;
    readonly reconnects: number;
    /** Turns at whose end updates of it still waited, because the watchers told before had used up `maxMainMs`. */
    readonly yields: number;
    readonly buffered: number;
    readonly uptimeMs: number;
    /** Ms since 1970; undefined before the first. */
    readonly lastUpdateAt: number | undefined;
    /** From set to watcher, by the server's clock; undefined before the first. */
    readonly latencyMs: LatencyMs | undefined;
  };
}

export interface Capabilities {
  readonly transport: 'local' | 'stream' | 'link';
  /** A watch resumes from its last version after a break. */
  readonly resume: boolean;
  /** `missing: 'wait'` is registered at the server. */
  readonly waitForMissing: boolean;
  /** Conditions are asked off the main thread. */
  readonly conditionsOffMainThread: boolean;
}

export type Identifiers = string | readonly string[];

/** What fits: variables that are there, and each that is registered later. `*` stands for any characters, `?` for one. */
export interface PatternTarget {
  /** 1 to 100 of them, of at most 512 characters. */
  readonly pattern: string | readonly string[];
}

/** What a watch is asked for. */
export type WatchTarget = Identifiers | PatternTarget;

/** An iterable of one watch's changes. Leaving the loop, aborting its signal or disposing it ends the watch. */
export interface WatchIterable<T = VariableChange> extends AsyncIterableIterator<T>, AsyncDisposable {
  /**
   * Resolves when the watch is registered: a set made after that is seen, as after `await watchVariables(…)`. Rejects with what that throws, and
   * with ClosedError when the loop was left before. Whoever has it may leave its rejection alone: the first `next()` says it too.
   */
  readonly ready: Promise<void>;
}

export interface StateProvider extends AsyncDisposable {
  /**
   * Makes a variable at version 1 and returns its id.
   * @throws InvalidNameError, InvalidTypeError, InvalidValueError, InvalidConstraintError, ConstraintViolationError, AlreadyExistsError
   */
  registerVariable(
    name: string,
    type: VariableType,
    initial: VariableInput,
    options?: RegisterOptions,
  ): Promise<string>;
  /** @throws VariablesNotFoundError */
  getVariable(identifier: string): Promise<VariableValue>;
  /** By the identifiers asked for; those that are not there are left out. */
  getVariables(identifiers: Identifiers): Promise<Map<string, VariableValue>>;
  /** @throws VariablesNotFoundError */
  getVariableInfo(identifier: string): Promise<VariableInfo>;
  /** All, or those whose name fits a pattern with `*` and `?`. */
  listVariables(pattern?: string): Promise<VariableInfo[]>;
  /**
   * Resolves with the version that the variable has now; an equal value changes nothing.
   * @throws VariablesNotFoundError, InvalidValueError, ConstraintViolationError, VersionConflictError, UnknownOutcomeError when the answer was lost
   */
  setVariable(identifier: string, value: VariableInput, options?: SetOptions): Promise<number>;
  /** @throws BatchRefusedError naming each refused variable; without `atomic` the others are set */
  updateVariables(
    values: Readonly<Record<string, VariableInput>>,
    options?: UpdateOptions,
  ): Promise<Map<string, number>>;
  /** Its watchers are told `deleted`. @throws VariablesNotFoundError */
  deleteVariable(identifier: string): Promise<void>;
  /** The newest `limit` versions that are kept (default all), oldest first. @throws VariablesNotFoundError */
  history(identifier: string, options?: { readonly limit?: number }): Promise<HistoryEntry[]>;
  /** Sets an earlier version's value again, as a new version. @throws VariablesNotFoundError, VersionNotFoundError */
  rollback(identifier: string, version: number): Promise<number>;
  /** The one below with an array a turn: all changes of this watch that came together, in their order. */
  watchVariables(target: WatchTarget, watcher: BatchWatcher, options: BatchWatchOptionsInput): Promise<Watch>;
  /**
   * Resolves when the watch is registered: a set made after that is seen. A pattern needs no variable to fit it: one that is registered
   * later is told from its first version on, one that is deleted leaves the watch, and only `stop()` ends it. Over a bridge initial values may
   * be told before it resolves.
   * @throws VariablesNotFoundError naming every unknown identifier, and then none is watched; InvalidArgumentError, InvalidOptionsError, AbortedError
   */
  watchVariables(target: WatchTarget, watcher: Watcher, options?: WatchOptionsInput): Promise<Watch>;
  /** The one below with arrays: all changes that wait. */
  watch(target: WatchTarget, options: BatchWatchOptionsInput): WatchIterable<readonly VariableChange[]>;
  /**
   * The same as an iterable, with at most `bufferLimit` changes waiting. Asked for at once: in process it is registered then, over a bridge when its
   * `ready` resolves; a set that does not wait for that may come before it, and is the initial value of `includeInitial`. Why the server refused it
   * is thrown by the first `next()`, options that cannot be by this call.
   */
  watch(target: WatchTarget, options?: WatchOptionsInput): WatchIterable;
  /**
   * The present value of a number or a boolean at once, as far as this process has heard it: also while the main thread was busy and its
   * watchers have not been called. By name or id. Undefined where it is neither, also for an integer beyond 2^53, and where nobody here knows
   * the present value: LocalState knows all of its variables, a state over a bridge those that one of its watches covers while that is live
   * and has caught up. Where the server asks a watch's condition, it is the last value that the condition let through. @throws InvalidArgumentError
   */
  peek(identifier: string): number | boolean | undefined;
  /** @throws WatchNotFoundError when no running watch of this state has this ref, or is this one; InvalidArgumentError */
  unwatchVariables(refOrWatch: string | Watch): Promise<void>;
  /** Those that are running; none from the call of `close()` on. */
  listWatchers(): Promise<WatcherInfo[]>;
  readonly supportsWatching: boolean;
  readonly capabilities: Capabilities;
  exportState(): Promise<ExportedState>;
  /** Variables that are not there are made with their versions; those that are get the value. */
  importState(exported: ExportedState): Promise<void>;
  /** Ends every watch and lets go of everything. Closing twice is fine. */
  close(): Promise<void>;
}
