/**
 * The turns in which watches of a LocalState are told. Path: local watches -> ring -> [local turns] -> dispatcher -> watcher.
 * What was set is told behind the set, in a microtask; what watchers cause in a later turn of the event loop. Slow: what a turn has no time for stays
 * in its watch's ring. Closed: a watch that stops leaves the line.
 */
import { DELETED_MASK, UpdateRecord } from '../../shared/delivery/update.js';
import type { RingEntry, UpdateRing } from '../../shared/delivery/update-ring.js';
import type { BridgeError } from '../../shared/errors.js';
import { queueMicrotask, setImmediate } from '../../shared/platform-timers.js';
import type { Variable } from '../../shared/state/variable.js';
import type { VersionedValue } from '../../shared/state/versioned-value.js';
import { systemClock } from '../../shared/system-clock.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import type { WatchedVariable } from './dispatched-watch.js';
import { deliver } from './dispatcher.js';
import { MainTurns } from './main-turns.js';
import type { LineItem } from './turn-line.js';
import type { WatchRun } from './watch.js';

/** A variable of a watch, and the one of the table that it observes: not the one that has its name later. */
export interface LocalVariable extends WatchedVariable {
  variable: Variable | undefined;
}

/** One change on its way to one watch. */
export interface LocalEntry extends RingEntry {
  readonly key: LocalVariable;
  readonly value: VariableValue;
  old: VariableValue | undefined;
  readonly entry: VersionedValue;
}

export interface Observation extends LineItem {
  readonly run: WatchRun;
  readonly ring: UpdateRing<LocalEntry>;
  /** Values at registration that have not been told yet: they come first. */
  initial: LocalEntry[];
  /** Whether a name fits one of its patterns; undefined for a watch of names. */
  readonly fits: ((name: string) => boolean) | undefined;
  /** Variables that are neither deleted, as far as was told, nor removed; without end for a watch of patterns. */
  left: number;
  /** All that waits is told in one go: it is one array, or one atomic whole, or only held back for now. */
  readonly isWhole: boolean;
  /** It is told that it is in step when what waits has been told. */
  owesSynced: boolean;
  /** Why it ends when what waits has been told. */
  failure: BridgeError | undefined;
}

export class LocalTurns {
  readonly #main: MainTurns<Observation>;
  readonly #onTurnEnd: (nowMs: number) => void;
  readonly #update = new UpdateRecord();
  /** Of the flush, ms. */
  #nowMs = 0;
  #isFlushScheduled = false;
  #isFlushing = false;
  #flushesThisTurn = 0;

  /** `onTurnEnd`: those that waited have been told. */
  constructor(maxMainMs: number, onTurnEnd: (nowMs: number) => void) {
    this.#onTurnEnd = onTurnEnd;
    this.#main = new MainTurns<Observation>(
      maxMainMs,
      (observation) => this.#serve(observation),
      () => this.#flush(),
    );
  }

  /** Something to wait for, when a loop of awaited sets has kept the event loop from turning for long. */
  turnIfBusy(): Promise<void> | undefined {
    if (this.#flushesThisTurn < FLUSHES_A_TURN) return undefined;
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** It has something to tell. */
  enter(observation: Observation): void {
    this.#main.line.enter(observation);
    // The next turn comes by itself.
    if (this.#isFlushScheduled || this.#main.budget.isUsedUp) return;
    this.#isFlushScheduled = true;
    // What watchers cause comes in a later turn: a watcher that sets must not keep the loop from everything else.
    // One that sets after an await, and a loop of awaited sets, neither: after so many flushes they wait for a turn too.
    if (this.#isFlushing || this.#flushesThisTurn >= FLUSHES_A_TURN) setImmediate(() => this.#flush());
    else queueMicrotask(() => this.#flush());
  }

  leave(observation: Observation): void {
    this.#main.line.leave(observation);
  }

  /** Turns that ended while it waited. */
  yieldsOf(observation: Observation): number {
    return this.#main.line.yieldsOf(observation);
  }

  /** All that it has, whatever time that takes: its watch moves elsewhere. */
  tellNow(observation: Observation): void {
    this.#nowMs = systemClock.nowMs();
    this.#tell(observation, false);
  }

  /** Time has come for what a rate limit holds. */
  tellDue(observation: Observation, nowMs: number): void {
    if (this.#main.budget.isUsedUp) {
      this.#main.line.enter(observation);
      return;
    }
    this.#main.begin();
    observation.run.releaseHeld(nowMs);
    this.#main.spend();
  }

  /** One entry, wherever it stands: a baseline, which is told to nobody. */
  deliver({ key, entry, missed, filtered, flags, old }: LocalEntry, nowMs: number): void {
    const update = this.#update;
    update.version = entry.version;
    update.value = entry.value;
    update.old = old;
    update.timestamp = entry.timestamp;
    update.receivedAt = nowMs;
    update.revision = entry.revision;
    update.missed = missed;
    update.filtered = filtered;
    update.flags = flags;
    update.source = entry.source;
    update.custom = entry.custom;
    deliver(key, update, nowMs);
  }

  #flush(): void {
    this.#isFlushScheduled = false;
    if (this.#main.budget.isUsedUp) return;
    this.#isFlushing = true;
    if (this.#flushesThisTurn === 0) setImmediate(() => (this.#flushesThisTurn = 0));
    this.#flushesThisTurn += 1;
    this.#nowMs = systemClock.nowMs();
    this.#main.run();
    this.#onTurnEnd(this.#nowMs);
    this.#isFlushing = false;
  }

  #serve(observation: Observation): boolean {
    const { run, isWhole } = observation;
    if (!this.#tell(observation, !isWhole)) return true;
    if (isWhole) {
      run.releaseHeld(this.#nowMs);
      this.#main.spend();
    }
    if (observation.owesSynced) {
      observation.owesSynced = false;
      run.handleSynced();
    }
    return false;
  }

  /** What is there now: a watcher that sets its own variable gets that in a later turn. False when the turn's time was used up before all was told. */
  #tell(observation: Observation, mayBeCut: boolean): boolean {
    const { run, ring, initial, failure } = observation;
    let left = ring.size;
    observation.initial = [];
    for (let place = 0; place < initial.length; place += 1) {
      if (run.isStopped) return true;
      this.deliver(initial[place]!, this.#nowMs);
      if (!mayBeCut || !this.#main.spend()) continue;
      const rest = initial.slice(place + 1);
      if (rest.length + left === 0) break;
      observation.initial = [...rest, ...observation.initial];
      return run.isStopped;
    }
    for (; left > 0 && !run.isStopped; left -= 1) {
      const entry = ring.take();
      if (entry === undefined) break;
      const wasGone = entry.key.isGone;
      this.deliver(entry, this.#nowMs);
      if (!wasGone && (entry.flags & DELETED_MASK) !== 0) observation.left -= 1;
      if (mayBeCut && this.#main.spend() && left > 1) return run.isStopped;
    }
    if (failure !== undefined) run.handleEnded(failure);
    else if (observation.left === 0) run.handleEnded(undefined);
    return true;
  }
}

/** Flushes in microtasks, which nothing else comes between, before the loop goes round. */
const FLUSHES_A_TURN = 1_000;
