/** The handle of a watch, and what stands behind it. Path: dispatcher -> [watch] -> your callback. Closed: after `stop()` resolves nothing of it is called. */

import { AsyncResource } from 'node:async_hooks';
import type { Deadlines } from '../../shared/deadlines.js';
import type { Condition } from '../../shared/delivery/condition.js';
import type { BridgeError } from '../../shared/errors.js';
import { AbortedError, BufferOverflowError, ClosedError, errorToWire, InternalError } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import type { WatchOptions } from '../../shared/options.js';
import type { StreamStateName } from '../../shared/port/stream-states.js';
import { SmallMap } from '../../shared/small-map.js';
import { systemClock } from '../../shared/system-clock.js';
import { callUser, sentenceOf } from '../../shared/thrown.js';
import type { Deadline } from '../../shared/timer-wheel.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import type { Watch } from '../state-provider.js';
import { CallGate, type LastTold } from './call-gate.js';
import type { ChangeBatch, DispatchedCall, DispatchedWatch, Turns, WatchedVariable } from './dispatched-watch.js';
import { callHeld, releaseDue, tellBatch } from './dispatcher.js';
import { Milestone } from './milestone.js';
import { type Ended, followOwner } from './owner.js';
import { isLimited, RateLimit } from './rate-limit.js';
import { WatchStats } from './watch-stats.js';
import type { BatchWatcher, Watcher } from './watcher.js';

/** One of the two, by `batch` of the watch's options. */
export type AnyWatcher = Watcher | BatchWatcher;

/** What a provider does for its watches. */
export interface WatchBackend {
  readonly deadlines: Deadlines;
  readonly logger: Logger;
  readonly sessionId: string;
  /** Conditions are asked in workers, not by the dispatcher. */
  readonly asksConditions: boolean;
  /** The watch holds back calls, or collects them, until the updates that came together have all been seen. */
  releaseAtTurnEnd(run: WatchRun): void;
  add(run: WatchRun, identifiers: readonly string[]): Promise<void>;
  remove(run: WatchRun, identifiers: readonly string[]): Promise<void>;
  /** The id of a variable is another than before. */
  handleIdentified(variable: WatchedVariable, formerId: string): void;
  /** A variable that a pattern had found is gone. */
  forget(run: WatchRun, variable: WatchedVariable): void;
  stop(run: WatchRun): Promise<void>;
  /** Of watches whose updates come by a port. */
  readonly turns: Turns | undefined;
  /** Time has come for what the watch holds back: it is told, by `releaseHeld`, when there is time for that. */
  tellDue(run: WatchRun, nowMs: number): void;
  /** When the source of this watch was last heard, ms, as deadlines count them. */
  lastWordAtMs(run: WatchRun): number;
}

/** Where a watch that takes the place of another one's begins. */
export interface WatchOrigin {
  /** Of whoever registered the first of them. */
  readonly context: AsyncResource;
  /** By identifier; none for a variable that is not there yet. */
  readonly positions: ReadonlyMap<string, WatchPosition>;
}

/** The version of a variable that its watcher has seen, or will have seen, without this watch. */
export interface WatchPosition {
  readonly name: string;
  readonly variableId: string;
  readonly epoch: string;
  readonly version: number;
  readonly value: VariableValue;
}

/** A watch from the inside. Owner: the provider's registry, until it is over. */
export class WatchRun implements DispatchedWatch, Deadline {
  readonly ref: string;
  readonly sessionId: string;
  readonly watcher: Watcher;
  readonly batch: ChangeBatch | undefined;
  readonly turns: Turns | undefined;
  readonly options: WatchOptions;
  /** Instead of identifiers: its variables are those that have been found so far. */
  readonly patterns: readonly string[];
  readonly stats = new WatchStats();
  readonly filter: DispatchedWatch['filter'];
  readonly condition: Condition | undefined;
  readonly hasCondition: boolean;
  readonly limit: RateLimit<WatchedVariable, DispatchedCall> | undefined;
  readonly verifies: boolean;
  readonly clock = systemClock;
  /** Made where the watch is asked for; entering it costs 10 ns a call. */
  readonly context: AsyncResource;
  filterPromises = false;
  /** What another watch does before it, until `takeOver`. */
  readonly origin: WatchOrigin | undefined;
  gate: CallGate | undefined;
  /** Ms, as deadlines count them. */
  readonly createdAt = systemClock.nowMs();
  readonly variables = new SmallMap<string, WatchedVariable>();
  /** As its maker holds it. Owner: the watch set. */
  handle!: Watch;
  /** Of the wheel that releases held calls. */
  dueAtMs = 0;
  wheelSlot = -1;
  wheelPlace = 0;
  state: StreamStateName = 'connecting';
  isStopped = false;
  /** Told when the watch is over, with the error if it failed. */
  onOver: ((error: BridgeError | undefined) => void) | undefined;
  /** Why it failed, when it did. */
  error: BridgeError | undefined;
  readonly #backend: WatchBackend;
  readonly #onRemoved: (run: WatchRun) => void;
  #unfollow: (() => void)[] | undefined;
  #isRetired = false;
  #stopping: Promise<void> | undefined;
  /** It ended by itself while its gate was closed. */
  #endAtGate: { readonly error: BridgeError | undefined } | undefined;
  /** Its signal or owner, when that has ended it. */
  #endedBy: Ended | undefined;
  readonly #ready = new Milestone();
  readonly #synced = new Milestone();

  constructor(
    ref: string,
    watcher: AnyWatcher,
    patterns: readonly string[],
    options: WatchOptions,
    backend: WatchBackend,
    onRemoved: (run: WatchRun) => void,
    verifies: boolean,
    origin?: WatchOrigin,
  ) {
    this.ref = ref;
    this.origin = origin;
    this.context = origin?.context ?? new AsyncResource('BRIDGED_STATE_WATCH');
    this.gate = origin === undefined ? undefined : new CallGate(options.bufferLimit, options.overflow);
    this.sessionId = backend.sessionId;
    this.watcher = options.batch ? ignore : (watcher as Watcher);
    this.patterns = patterns;
    this.batch = options.batch ? { watcher: watcher as BatchWatcher, changes: [] } : undefined;
    // An owner that only its watch holds could never be collected; without one many watches share their options.
    const { owner } = options;
    this.options = owner === undefined ? options : { ...options, owner: undefined };
    this.#backend = backend;
    this.turns = backend.turns;
    this.#onRemoved = onRemoved;
    const { filter } = options;
    this.filter = typeof filter === 'function' ? filter : undefined;
    this.hasCondition = typeof filter === 'object';
    this.condition = typeof filter === 'object' && backend.asksConditions ? filter : undefined;
    this.limit = isLimited(options) ? new RateLimit(options) : undefined;
    this.verifies = verifies || options.verify;
    this.#follow([options.signal, owner]);
  }

  get identifiers(): string[] {
    return [...this.variables.keys()];
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Why it was not registered, when its signal or owner has ended it before. */
  get aborted(): AbortedError | undefined {
    if (this.#endedBy === undefined || this.#ready.isReached) return undefined;
    const { what, cause } = this.#endedBy;
    return new AbortedError(`the watch's ${what} was over before the watch was registered`, { cause });
  }

  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  handleReady(): void {
    this.#ready.handleReached();
  }

  handleState(state: StreamStateName): void {
    if (state === this.state || this.isStopped) return;
    tellBatch(this);
    if (this.isStopped) return;
    this.state = state;
    // After a break it catches up again, and says so again.
    if (state !== 'live' && state !== 'stale') this.#synced.reset();
    if (this.gate === undefined) this.#tell('onState', this.options.onState, [state]);
  }

  handleSynced(): void {
    // What it says has been delivered is told first.
    tellBatch(this);
    if (this.isStopped) return;
    this.#synced.handleReached();
    if (this.gate === undefined) this.#tell('onSynced', this.options.onSynced, []);
  }

  handleError(error: BridgeError): void {
    const { onError } = this.options;
    if (onError === undefined) {
      this.#warn(error, error.message);
      return;
    }
    this.#call(onError, [error], (cause) => this.#warn(cause, 'onError threw'));
  }

  /** One of a pattern leaves: its name may come back as another variable. */
  handleGone(variable: WatchedVariable): void {
    if (this.patterns.length === 0) return;
    if (this.variables.get(variable.identifier) === variable) this.variables.delete(variable.identifier);
    this.#backend.forget(this, variable);
  }

  handleHeld(): void {
    const wakeAtMs = this.limit?.wakeAtMs();
    if (wakeAtMs === undefined) return;
    const { debounceMs, throttleMs } = this.options;
    if (debounceMs === 0 && throttleMs === 0) this.#backend.releaseAtTurnEnd(this);
    else if (this.wheelSlot < 0 || this.dueAtMs !== wakeAtMs) this.#backend.deadlines.schedule(this, wakeAtMs);
  }

  handleIdentified(variable: WatchedVariable, formerId: string): void {
    this.#backend.handleIdentified(variable, formerId);
  }

  handleBatchBegun(): void {
    this.#backend.releaseAtTurnEnd(this);
  }

  /** One of its variables is watched no longer: what is held of it would be told later. */
  dropHeld(variable: WatchedVariable): void {
    const { batch } = this;
    if (batch !== undefined && batch.changes.length > 0)
      batch.changes = batch.changes.filter(({ identifier }) => identifier !== variable.identifier);
    if (this.limit?.take(variable) !== undefined) this.stats.rateLimited += 1;
  }

  handleDeadline(nowMs: number): void {
    this.#backend.tellDue(this, nowMs);
  }

  /** Tells what is due by now. */
  releaseHeld(nowMs: number): void {
    releaseDue(this, nowMs);
    if (!this.isStopped) this.handleHeld();
  }

  /** It ended by itself: without an error when no variable is left. */
  handleEnded(error: BridgeError | undefined): void {
    if (this.isStopped) return;
    releaseDue(this, Number.POSITIVE_INFINITY);
    if (this.gate !== undefined) {
      // What waits behind the gate comes first.
      this.#endAtGate ??= { error };
      return;
    }
    void this.#end(error);
  }

  handleGateFull(): void {
    const { bufferLimit } = this.options;
    this.handleEnded(
      new BufferOverflowError(
        `more than ${bufferLimit} updates came while the watch moved: raise bufferLimit, or conflate`,
      ),
    );
  }

  /** The watch before this one has told all that it had: this one goes on from there. `toldState` is what it said last of itself. */
  takeOver(last: ReadonlyMap<string, LastTold>, toldState: StreamStateName): void {
    const { gate } = this;
    if (gate === undefined) return;
    this.gate = undefined;
    for (const [identifier, told] of last) {
      const variable = this.variables.get(identifier);
      if (variable === undefined) continue;
      gate.handleLastTold(variable, told);
      if (variable.lastVersion !== this.origin?.positions.get(identifier)?.version) continue;
      // Nothing has come for it: its next update chains to what the watch before has told.
      variable.lastValue = told.value;
      variable.missed += told.missed;
    }
    const nowMs = systemClock.nowMs();
    for (let call = gate.take(); call !== undefined; call = gate.take()) callHeld(call, nowMs);
    tellBatch(this);
    if (this.isStopped) return;
    if (this.state !== toldState) this.#tell('onState', this.options.onState, [this.state]);
    if (this.#synced.isReached) this.#tell('onSynced', this.options.onSynced, []);
    if (this.#endAtGate !== undefined) this.handleEnded(this.#endAtGate.error);
  }

  /** Another watch has taken its place: it ends without a word. */
  async retire(): Promise<void> {
    this.onOver = undefined;
    this.#isRetired = true;
    await this.stop();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#end(undefined);
    return this.#stopping;
  }

  /** Ends it with its signal and its owner. @throws AbortedError when one of them is over */
  #follow(ends: readonly (object | undefined)[]): void {
    try {
      for (const one of ends) {
        if (one === undefined) continue;
        this.#unfollow ??= [];
        this.#unfollow.push(
          followOwner(one, (ended) => {
            this.#endedBy = ended;
            void this.stop();
          }),
        );
      }
    } catch (error) {
      this.#followNobody();
      throw error;
    }
  }

  #followNobody(): void {
    for (const unfollow of this.#unfollow ?? []) unfollow();
    this.#unfollow = undefined;
  }

  #end(error: BridgeError | undefined): Promise<void> {
    if (this.#stopping !== undefined) return this.#stopping;
    this.error = error;
    this.state = error === undefined ? 'stopped' : 'failed';
    const { state } = this;
    // From here no watcher call happens any more.
    this.isStopped = true;
    this.#followNobody();
    this.#backend.deadlines.cancel(this);
    this.#onRemoved(this);
    const { ref } = this;
    const over = () => error ?? new ClosedError(`${ref} is over: watch again`);
    this.#ready.handleOver(() => this.aborted ?? over());
    this.#synced.handleOver(over);
    this.#stopping = this.#backend.stop(this);
    if (error !== undefined) this.handleError(error);
    if (this.gate === undefined && !this.#isRetired) this.#tell('onState', this.options.onState, [state]);
    this.onOver?.(error);
    return this.#stopping;
  }

  #tell<A extends unknown[]>(what: string, callback: ((...args: A) => unknown) | undefined, args: A): void {
    if (callback === undefined) return;
    this.#call(callback, args, (cause) => {
      this.stats.errors += 1;
      this.handleError(new InternalError(`${what} of ${this.ref} threw: ${sentenceOf(cause)}`, { cause }));
    });
  }

  /** A callback of the user, where the user registered it; `tell` hears what it throws or rejects with. */
  #call<A extends unknown[]>(callback: (...args: A) => unknown, args: A, tell: (cause: unknown) => void): void {
    callUser(() => this.context.runInAsyncScope(callback, undefined, ...args), tell);
  }

  #warn(error: unknown, sentence: string): void {
    // The user's logger; there is nobody left to tell.
    callUser(() => this.#backend.logger.warn({ watch: this.ref, error: errorToWire(error) }, sentence), ignore);
  }
}

function ignore(): void {
  // Said elsewhere.
}
