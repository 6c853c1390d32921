/**
 * Update -> filter -> rate limit -> watcher: order, isolation, counters. Path: slot client or LocalState -> [dispatcher] -> watch.
 * Slow: it runs on the embedding thread, and while it runs credits are used up and the worker's rings fill. Closed: a stopped watch is never called again.
 */
import type { Condition } from '../../shared/delivery/condition.js';
import { meets } from '../../shared/delivery/condition.js';
import { BASELINE, DELETED_MASK, HAS_OLD, INITIAL, RESYNC, reasonOfFlags } from '../../shared/delivery/update.js';
import { type BridgeError, InternalError, WatcherError } from '../../shared/errors.js';
import type { DeletedReason } from '../../shared/state/variable.js';
import type { Metadata } from '../../shared/values/metadata.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import type { HeldCall } from './rate-limit.js';
import { GO, type RateLimit } from './rate-limit.js';
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

/** What the dispatcher has to know of a watch. Owner: watch.ts. */
export interface DispatchedWatch {
  readonly ref: string;
  readonly sessionId: string;
  readonly watcher: Watcher;
  readonly filter: ((oldValue: VariableValue | undefined, newValue: VariableValue) => boolean) | undefined;
  /** Asked here only where no worker asks it. */
  readonly condition: Condition | undefined;
  readonly limit: RateLimit<WatchedVariable, DispatchedCall> | undefined;
  readonly stats: WatchStats;
  readonly verifies: boolean;
  readonly isStopped: boolean;
  handleError(error: BridgeError): void;
  /** Some of its calls are held; `RateLimit.wakeAtMs` says until when. */
  handleHeld(): void;
}

/** One variable of one watch, and where that watch is with it. */
export interface WatchedVariable {
  readonly handle: number;
  readonly identifier: string;
  readonly watch: DispatchedWatch;
  variableId: string;
  epoch: string;
  lastVersion: number;
  lastValue: VariableValue | undefined;
  /** Versions skipped right before filtered ones: the next call tells. */
  missed: number;
  isGone: boolean;
}

export interface DispatchedCall extends HeldCall<WatchedVariable> {
  readonly version: number;
  readonly newValue: VariableValue | undefined;
  oldValue: VariableValue | undefined;
  readonly timestamp: number;
  readonly receivedAt: number;
  readonly revision: number;
  readonly source: string;
  readonly custom: Metadata;
}

export class Dispatcher {
  /** By handle, counted from the first of ours. */
  readonly #variables: (WatchedVariable | undefined)[] = [];
  /** Handles that nothing is addressed to any more. */
  readonly #free: number[] = [];
  readonly #firstHandle: number;

  /** `firstHandle`: where this state's range of handles begins. */
  constructor(firstHandle = 0) {
    this.#firstHandle = firstHandle;
  }

  allot(watch: DispatchedWatch, identifier: string): WatchedVariable {
    const handle = this.#free.pop() ?? this.#firstHandle + this.#variables.length;
    const variable: WatchedVariable = {
      handle,
      identifier,
      watch,
      variableId: '',
      epoch: '',
      lastVersion: 0,
      lastValue: undefined,
      missed: 0,
      isGone: false,
    };
    this.#variables[handle - this.#firstHandle] = variable;
    return variable;
  }

  /** Only when no update can come for it any more: the handle goes to another variable. */
  release(variable: WatchedVariable): void {
    if (this.find(variable.handle) !== variable) return;
    this.#variables[variable.handle - this.#firstHandle] = undefined;
    this.#free.push(variable.handle);
  }

  find(handle: number): WatchedVariable | undefined {
    return this.#variables[handle - this.#firstHandle];
  }

  deliver(
    handle: number,
    version: number,
    value: VariableValue,
    timestamp: number,
    receivedAt: number,
    revision: number,
    missed: number,
    filtered: number,
    flags: number,
    source: string,
    custom: Metadata,
    old: VariableValue | undefined,
    nowMs: number,
  ): void {
    const variable = this.#variables[handle - this.#firstHandle];
    if (variable === undefined || variable.watch.isStopped || variable.isGone) return;
    const { watch } = variable;
    const { stats } = watch;
    if (watch.verifies) checkBooks(variable, version, missed, filtered, flags);
    const isInitial = (flags & INITIAL) !== 0;
    const isDeleted = (flags & DELETED_MASK) !== 0;
    const oldValue = isInitial ? undefined : (flags & HAS_OLD) !== 0 ? old : variable.lastValue;
    // The position moves before the call: a watcher may set, stop or throw.
    variable.lastVersion = version;
    variable.lastValue = isDeleted ? undefined : value;
    variable.isGone = isDeleted;
    if ((flags & BASELINE) !== 0) return;
    stats.lastUpdateAt = nowMs;
    stats.missed += missed;
    if ((flags & (INITIAL | RESYNC | DELETED_MASK)) === 0 && !this.#isWanted(watch, oldValue, value)) {
      stats.filtered += 1;
      variable.missed += missed;
      return;
    }
    const newValue = isDeleted ? undefined : value;
    const missedInAll = missed + variable.missed;
    variable.missed = 0;
    if (watch.limit === undefined) {
      this.#call(
        variable,
        version,
        oldValue,
        newValue,
        timestamp,
        receivedAt,
        revision,
        missedInAll,
        flags,
        source,
        custom,
        nowMs,
      );
      return;
    }
    const call: DispatchedCall = {
      variable,
      version,
      newValue,
      oldValue,
      timestamp,
      receivedAt,
      revision,
      missed: missedInAll,
      flags,
      source,
      custom,
    };
    this.#limit(watch, watch.limit, call, isInitial || isDeleted, nowMs);
  }

  /** Calls what the watch held back and is due now. */
  releaseDue(watch: DispatchedWatch, nowMs: number): void {
    if (watch.limit === undefined) return;
    for (const call of watch.limit.takeDue(nowMs)) this.#callHeld(call, nowMs);
  }

  #isWanted(watch: DispatchedWatch, oldValue: VariableValue | undefined, value: VariableValue): boolean {
    if (watch.condition !== undefined && !meets(watch.condition, oldValue, value)) return false;
    if (watch.filter === undefined) return true;
    try {
      return Boolean(watch.filter(oldValue, value));
    } catch (cause) {
      // A filter that fails must not hide an update.
      this.#report(watch, 'filter', cause);
      return true;
    }
  }

  #limit(
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
        call.missed += held.missed;
        call.oldValue = held.oldValue;
      }
      this.#callHeld(call, nowMs);
      return;
    }
    const replaced = limit.offer(call, nowMs);
    if (replaced === GO) {
      this.#callHeld(call, nowMs);
      return;
    }
    watch.stats.rateLimited += replaced;
    watch.handleHeld();
  }

  #callHeld(call: DispatchedCall, nowMs: number): void {
    this.#call(
      call.variable,
      call.version,
      call.oldValue,
      call.newValue,
      call.timestamp,
      call.receivedAt,
      call.revision,
      call.missed,
      call.flags,
      call.source,
      call.custom,
      nowMs,
    );
  }

  #call(
    variable: WatchedVariable,
    version: number,
    oldValue: VariableValue | undefined,
    newValue: VariableValue | undefined,
    timestamp: number,
    receivedAt: number,
    revision: number,
    missed: number,
    flags: number,
    source: string,
    custom: Metadata,
    nowMs: number,
  ): void {
    const { watch } = variable;
    if (watch.isStopped) return;
    watch.stats.delivered += 1;
    if ((flags & INITIAL) === 0) watch.stats.recordLatency(nowMs - timestamp);
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
      variableId: variable.variableId,
      receivedAt,
      custom,
    };
    try {
      const result = watch.watcher(variable.identifier, oldValue, newValue, metadata);
      if (result instanceof Promise) result.catch((cause: unknown) => this.#report(watch, 'watcher', cause));
    } catch (cause) {
      this.#report(watch, 'watcher', cause);
    }
  }

  #report(watch: DispatchedWatch, what: string, cause: unknown): void {
    watch.stats.errors += 1;
    const sentence = cause instanceof Error ? cause.message : String(cause);
    watch.handleError(new WatcherError(`the ${what} of ${watch.ref} threw: ${sentence}`, { cause }));
  }
}

/** Versions since the last one = delivered + filtered + missed, or the books are wrong and we say so. */
function checkBooks(variable: WatchedVariable, version: number, missed: number, filtered: number, flags: number): void {
  if (variable.lastVersion === 0 || (flags & (INITIAL | BASELINE | RESYNC)) !== 0) return;
  if (version === variable.lastVersion + 1 + missed + filtered) return;
  variable.watch.stats.errors += 1;
  variable.watch.handleError(
    new InternalError(
      `the books of ${variable.watch.ref} do not balance for "${variable.identifier}": version ${version} after ${variable.lastVersion} with ${missed} missed and ${filtered} filtered`,
    ),
  );
}
