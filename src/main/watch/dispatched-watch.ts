/** A watch and its variables as the dispatcher sees them. */
import type { Clock } from '../../shared/clock.js';
import type { Condition } from '../../shared/delivery/condition.js';
import type { Update } from '../../shared/delivery/update.js';
import type { BridgeError } from '../../shared/errors.js';
import type { CellReader } from '../../shared/port/value-cells.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import type { HeldCall, RateLimit } from './rate-limit.js';
import type { WatchStats } from './watch-stats.js';
import type { BatchWatcher, VariableChange, Watcher } from './watcher.js';

/** The async context of whoever registered the watch: its callbacks see that one's AsyncLocalStorage. An AsyncResource is one. */
export interface CallerContext {
  runInAsyncScope<A extends unknown[], R>(call: (...args: A) => R, thisArg: undefined, ...args: A): R;
}

/** Decides what cannot be told at once. */
export interface Turns {
  /** Everything can. */
  readonly isPlain: boolean;
  /** Delivers the update, or keeps it for later in this turn or in another. */
  offer(variable: WatchedVariable, update: Update, nowMs: number): void;
}

/** Holds the calls of a watch while another one still speaks for it. */
export interface Gate {
  /** False when it is full and may not leave anything out. */
  hold(call: DispatchedCall): boolean;
}

/** What the dispatcher has to know of a watch. Owner: watch.ts. */
export interface DispatchedWatch {
  readonly ref: string;
  readonly sessionId: string;
  readonly watcher: Watcher;
  readonly filter: ((oldValue: VariableValue | undefined, newValue: VariableValue) => boolean) | undefined;
  /** Asked here only where no worker asks it. */
  readonly condition: Condition | undefined;
  /** Asked anywhere: updates that do not meet it may not come. */
  readonly hasCondition: boolean;
  readonly limit: RateLimit<WatchedVariable, DispatchedCall> | undefined;
  readonly stats: WatchStats;
  readonly context: CallerContext;
  readonly clock: Pick<Clock, 'wallAtMs'>;
  readonly verifies: boolean;
  readonly isStopped: boolean;
  /** Closed while another watch still speaks for this one. */
  readonly gate: Gate | undefined;
  /** Of a watch whose updates come by a port. */
  readonly turns: Turns | undefined;
  /** Of a watch whose watcher gets its changes together. */
  readonly batch: ChangeBatch | undefined;
  /** The filter has returned a promise, and that was told. */
  filterPromises: boolean;
  handleError(error: BridgeError): void;
  /** The gate is full, and the watch wants no gap. */
  handleGateFull(): void;
  /** Its watcher has been told that the variable went. */
  handleGone(variable: WatchedVariable): void;
  /** Its id is another than before. */
  handleIdentified(variable: WatchedVariable, formerId: string): void;
  /** Some of its calls are held; `RateLimit.wakeAtMs` says until when. */
  handleHeld(): void;
  /** The first change of its batch is there: `releaseDue` has to be called when the turn is over. */
  handleBatchBegun(): void;
}

/** Changes that are told together, at the end of the turn in which they came. Bounded as the turn is: it never outlives it. */
export interface ChangeBatch {
  readonly watcher: BatchWatcher;
  changes: VariableChange[];
}

/** Where a watch is with a variable. */
export interface VariablePosition {
  readonly epoch: string;
  readonly variableId: string;
  readonly lastVersion: number;
  readonly lastValue: VariableValue | undefined;
  readonly isGone: boolean;
}

/** One variable of one watch, and where that watch is with it. */
export interface WatchedVariable extends VariablePosition {
  /** What updates for it are addressed to; 0 where nothing crosses a port. */
  handle: number;
  /** Where its present value is read, if its worker writes it. */
  cells: CellReader | undefined;
  readonly identifier: string;
  readonly watch: DispatchedWatch;
  /** Of a share whose updates come in atomic groups: those of a group that is not whole. */
  group: AtomicGroup | undefined;
  variableId: string;
  /** Of one that is watched by its id; '' where nobody has said it. */
  name: string;
  epoch: string;
  lastVersion: number;
  lastValue: VariableValue | undefined;
  /** Versions skipped right before filtered ones: the next call tells. */
  missed: number;
  isGone: boolean;
}

/** What a call says of its update beside the values. */
export type Told = Pick<Update, 'version' | 'timestamp' | 'receivedAt' | 'revision' | 'flags' | 'source' | 'custom'>;

/** A call that is held back: a copy of its update's facts, since those are reused. */
export interface DispatchedCall extends HeldCall<WatchedVariable>, Told {
  flags: number;
  /** Of the life that the value belongs to. */
  readonly variableId: string;
  readonly newValue: VariableValue | undefined;
  oldValue: VariableValue | undefined;
}

/** Updates of an atomic group that is not whole yet, in their order; at most as many as its worker's ring held. */
export type AtomicGroup = { readonly variable: WatchedVariable; readonly update: Update }[];
