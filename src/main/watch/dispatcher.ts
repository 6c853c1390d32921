/**
 * Update -> filter -> rate limit -> watcher: order, isolation, counters. Path: slot client or LocalState -> [dispatcher] -> watch.
 * Slow: it runs on the embedding thread, and while it runs credits are used up and the worker's rings fill. Closed: a stopped watch is never called again.
 */

import type { Clock } from '../../shared/clock.js';
import type { Condition } from '../../shared/delivery/condition.js';
import { meets } from '../../shared/delivery/condition.js';
import type { Update } from '../../shared/delivery/update.js';
import {
  BASELINE,
  DELETED_MASK,
  HAS_OLD,
  INITIAL,
  MORE,
  RESYNC,
  reasonOfFlags,
  UpdateRecord,
} from '../../shared/delivery/update.js';
import { type BridgeError, InternalError, WatcherError } from '../../shared/errors.js';
import type { CellReader } from '../../shared/port/value-cells.js';
import type { DeletedReason } from '../../shared/state/variable.js';
import { followRejection, sentenceOf } from '../../shared/thrown.js';
import type { Metadata } from '../../shared/values/metadata.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import type { CallGate } from './call-gate.js';
import type { HeldCall } from './rate-limit.js';
import { absorbHeld, GO, type RateLimit } from './rate-limit.js';
import type { WatchStats } from './watch-stats.js';

/** What is known of an update beside its values. */
export interface UpdateMetadata {
  /** Who set it, as the setter said; '' when it said nothing. */
  readonly source: string;
  /** Ms since 1970, the server's clock. */
  readonly timestamp: number;
  readonly version: number;
  /** The value at registration, asked for by `includeInitial`. */
  readonly initial: boolean;
  /** Versions of this variable skipped right before this one; exact. */
  readonly missed: number;
  /** The present value after a break that could not be replayed, or the first of a new epoch. */
  readonly resync: boolean;
  /** Why the variable is gone; the new value is then undefined. */
  readonly deleted: DeletedReason | undefined;
  /** The session's revision; rises over all its variables. */
  readonly revision: number;
  readonly sessionId: string;
  readonly variableId: string;
  /** Ms since 1970, this machine's clock, when this process first saw it. */
  readonly receivedAt: number;
  /** The setter's own map. */
  readonly custom: Metadata;
}

/** Called with the identifier that the watch was made with. A promise it returns is not waited for; its failure goes to `onError`. */
export type Watcher = (
  identifier: string,
  oldValue: VariableValue | undefined,
  newValue: VariableValue | undefined,
  metadata: UpdateMetadata,
) => unknown;

/** One call of a watcher, as data. */
export interface VariableChange {
  readonly identifier: string;
  readonly oldValue: VariableValue | undefined;
  readonly newValue: VariableValue | undefined;
  readonly metadata: UpdateMetadata;
}

/** Called once a turn with the changes that came together, in their order; the array is the watcher's own. Its promise is treated as a Watcher's. */
export type BatchWatcher = (changes: readonly VariableChange[]) => unknown;

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
  readonly gate: CallGate | undefined;
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
type Told = Pick<Update, 'version' | 'timestamp' | 'receivedAt' | 'revision' | 'flags' | 'source' | 'custom'>;

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

/** A variable that its watch has seen nothing of yet. */
export function watchedVariable(watch: DispatchedWatch, identifier: string): WatchedVariable {
  return {
    handle: 0,
    cells: undefined,
    identifier,
    watch,
    group: undefined,
    variableId: '',
    name: '',
    epoch: '',
    lastVersion: 0,
    lastValue: undefined,
    missed: 0,
    isGone: false,
  };
}

let lastEpoch = '';

/** One string for all that are in it: each message brings a copy a variable. */
function sharedEpoch(epoch: string): string {
  if (epoch !== lastEpoch) lastEpoch = epoch;
  return lastEpoch;
}

/** Calls the watcher, or counts why not. `nowMs`: when the updates of this turn were taken. */
export function deliver(variable: WatchedVariable, update: Update, nowMs: number): void {
  const { watch } = variable;
  if (watch.isStopped || variable.isGone) return;
  const { stats } = watch;
  const { version, value, missed, filtered, flags } = update;
  if (watch.verifies) checkBooks(variable, update);
  const isInitial = (flags & INITIAL) !== 0;
  const isDeleted = (flags & DELETED_MASK) !== 0;
  const oldValue = isInitial ? undefined : (flags & HAS_OLD) !== 0 ? update.old : variable.lastValue;
  // The position moves before the call: a watcher may set, stop or throw.
  variable.lastVersion = version;
  variable.lastValue = isDeleted ? undefined : value;
  variable.isGone = isDeleted;
  if (update.lineage !== undefined) {
    const formerId = variable.variableId;
    variable.epoch = sharedEpoch(update.lineage.epoch);
    variable.variableId = update.lineage.variableId;
    variable.name = update.lineage.name ?? '';
    watch.handleIdentified(variable, formerId);
  }
  // Told with each update, so that it outlives the worker that kept them out.
  // Nothing most often: to add what was read from the lane would make a number object of each counter.
  if (filtered > 0) stats.filtered += filtered;
  if (missed > 0) stats.missed += missed;
  if ((flags & BASELINE) !== 0) {
    if (missed > 0) variable.missed += missed;
    return;
  }
  stats.lastUpdateAt = nowMs;
  if ((flags & (INITIAL | RESYNC | DELETED_MASK)) === 0 && !isWanted(watch, oldValue, value as VariableValue)) {
    stats.filtered += 1;
    variable.missed += missed;
    return;
  }
  const newValue = isDeleted ? undefined : value;
  const missedInAll = missed + variable.missed;
  variable.missed = 0;
  if (watch.limit === undefined)
    callWatcher(variable, variable.variableId, oldValue, newValue, missedInAll, update, nowMs);
  else {
    const call: DispatchedCall = {
      variable,
      variableId: variable.variableId,
      version,
      newValue,
      oldValue,
      timestamp: update.timestamp,
      receivedAt: update.receivedAt,
      revision: update.revision,
      missed: missedInAll,
      flags,
      source: update.source,
      custom: update.custom,
    };
    offer(watch, watch.limit, call, isInitial || isDeleted, nowMs);
  }
  if (isDeleted) watch.handleGone(variable);
}

/** An update from a port: one of an atomic group waits for the last of its group. */
export function deliverInGroup(variable: WatchedVariable, update: Update, nowMs: number): void {
  const { group } = variable;
  const isFollowed = (update.flags & MORE) !== 0;
  if (group === undefined || (!isFollowed && group.length === 0)) {
    take(variable, update, nowMs);
    return;
  }
  group.push({ variable, update: new UpdateRecord().assign(update) });
  if (isFollowed) return;
  for (const waiting of group.splice(0)) take(waiting.variable, waiting.update, nowMs);
}

function take(variable: WatchedVariable, update: Update, nowMs: number): void {
  const { turns } = variable.watch;
  if (turns === undefined || turns.isPlain) deliver(variable, update, nowMs);
  else turns.offer(variable, update, nowMs);
}

/** The turn is over, or time has passed: calls what the watch held back and is due now, and tells its batch. */
export function releaseDue(watch: DispatchedWatch, nowMs: number): void {
  if (watch.limit !== undefined) for (const call of watch.limit.takeDue(nowMs)) callHeld(call, nowMs);
  tellBatch(watch);
}

/** In one call, what the watch has collected in this turn. */
export function tellBatch(watch: DispatchedWatch): void {
  const { batch } = watch;
  if (batch === undefined || batch.changes.length === 0) return;
  const { changes } = batch;
  // Before the call: what it causes belongs to a later one.
  batch.changes = [];
  if (watch.isStopped) return;
  watch.stats.delivered += changes.length;
  try {
    const result = watch.context.runInAsyncScope(batch.watcher, undefined, changes);
    if (result !== undefined) followRejection(result, (cause) => report(watch, 'watcher', cause));
  } catch (cause) {
    report(watch, 'watcher', cause);
  }
}

function isWanted(watch: DispatchedWatch, oldValue: VariableValue | undefined, value: VariableValue): boolean {
  if (watch.condition !== undefined && !meets(watch.condition, oldValue, value)) return false;
  if (watch.filter === undefined) return true;
  try {
    const isWanted: unknown = watch.context.runInAsyncScope(watch.filter, undefined, oldValue, value);
    if (typeof isWanted === 'boolean') return isWanted;
    if (followRejection(isWanted, (cause) => report(watch, 'filter', cause))) handleAsyncFilter(watch);
    return Boolean(isWanted);
  } catch (cause) {
    // A filter that fails must not hide an update.
    report(watch, 'filter', cause);
    return true;
  }
}

function offer(
  watch: DispatchedWatch,
  limit: RateLimit<WatchedVariable, DispatchedCall>,
  call: DispatchedCall,
  cannotWait: boolean,
  nowMs: number,
): void {
  if (cannotWait) {
    const held = limit.take(call.variable);
    if (held !== undefined) {
      watch.stats.rateLimited += 1;
      absorbHeld(call, held);
    }
    callHeld(call, nowMs);
    return;
  }
  const replaced = limit.offer(call, nowMs);
  if (replaced === GO) {
    callHeld(call, nowMs);
    return;
  }
  watch.stats.rateLimited += replaced;
  watch.handleHeld();
}

/** What was held back by a rate limit or a gate. */
export function callHeld(call: DispatchedCall, nowMs: number): void {
  callWatcher(call.variable, call.variableId, call.oldValue, call.newValue, call.missed, call, nowMs);
}

function callWatcher(
  variable: WatchedVariable,
  variableId: string,
  oldValue: VariableValue | undefined,
  newValue: VariableValue | undefined,
  missed: number,
  told: Told,
  nowMs: number,
): void {
  const { watch, identifier } = variable;
  if (watch.isStopped) return;
  const { version, timestamp, receivedAt, revision, flags, source, custom } = told;
  if (watch.gate !== undefined) {
    const call = {
      variable,
      variableId,
      oldValue,
      newValue,
      missed,
      version,
      timestamp,
      receivedAt,
      revision,
      flags,
      source,
      custom,
    };
    if (!watch.gate.hold(call)) watch.handleGateFull();
    return;
  }
  if ((flags & INITIAL) === 0) watch.stats.recordLatency(watch.clock.wallAtMs(nowMs) - timestamp);
  const metadata: UpdateMetadata = {
    source,
    timestamp,
    version,
    initial: (flags & INITIAL) !== 0,
    missed,
    resync: (flags & RESYNC) !== 0,
    deleted: reasonOfFlags(flags),
    revision,
    sessionId: watch.sessionId,
    variableId,
    receivedAt: watch.clock.wallAtMs(receivedAt),
    custom,
  };
  const { batch } = watch;
  if (batch !== undefined) {
    batch.changes.push({ identifier, oldValue, newValue, metadata });
    if (batch.changes.length === 1) watch.handleBatchBegun();
    return;
  }
  watch.stats.delivered += 1;
  try {
    const { watcher, context } = watch;
    const result = context.runInAsyncScope(watcher, undefined, identifier, oldValue, newValue, metadata);
    if (result !== undefined) followRejection(result, (cause) => report(watch, 'watcher', cause));
  } catch (cause) {
    report(watch, 'watcher', cause);
  }
}

function report(watch: DispatchedWatch, what: string, cause: unknown): void {
  watch.stats.errors += 1;
  watch.handleError(new WatcherError(`the ${what} of ${watch.ref} threw: ${sentenceOf(cause)}`, { cause }));
}

/** A promise is true whatever it resolves to: said once, and every update let through. */
function handleAsyncFilter(watch: DispatchedWatch): void {
  if (watch.filterPromises) return;
  watch.filterPromises = true;
  watch.stats.errors += 1;
  watch.handleError(
    new WatcherError(
      `the filter of ${watch.ref} returned a promise, which is not waited for, so it lets everything through: return true or false`,
    ),
  );
}

/** Versions since the last one = delivered + filtered + missed, or the books are wrong and we say so. */
function checkBooks(variable: WatchedVariable, { version, missed, filtered, flags }: Update): void {
  if (variable.lastVersion === 0 || (flags & (INITIAL | BASELINE | RESYNC)) !== 0) return;
  if (version === variable.lastVersion + 1 + missed + filtered) return;
  variable.watch.stats.errors += 1;
  variable.watch.handleError(
    new InternalError(
      `the books of ${variable.watch.ref} do not balance for "${variable.identifier}": version ${version} after ${variable.lastVersion} with ${missed} missed and ${filtered} filtered`,
    ),
  );
}
