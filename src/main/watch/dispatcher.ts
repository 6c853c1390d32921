/**
 * Update -> filter -> rate limit -> watcher: order, isolation, counters. Path: slot client or LocalState -> [dispatcher] -> watch.
 * Slow: it runs on the embedding thread, and while it runs credits are used up and the worker's rings fill. Closed: a stopped watch is never called again.
 */

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
import { InternalError, WatcherError } from '../../shared/errors.js';
import { followRejection, sentenceOf } from '../../shared/thrown.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import type { DispatchedCall, DispatchedWatch, Told, WatchedVariable } from './dispatched-watch.js';
import { absorbHeld, GO, type RateLimit } from './rate-limit.js';
import type { UpdateMetadata } from './watcher.js';

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
