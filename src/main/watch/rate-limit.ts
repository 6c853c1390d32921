/**
 * Debounce, throttle and conflation of one watch: which update is held, and for how long. Path: dispatcher -> [rate limit] -> watcher.
 * Full: one held update a variable. What a newer one replaces is counted as rate-limited, not as missed: the watch asked for it.
 */
import { INITIAL, RESYNC } from '../../shared/delivery/update.js';
import type { HeapEntry } from './due-heap.js';
import { DueHeap } from './due-heap.js';

export interface RateLimits {
  readonly debounceMs: number;
  readonly maxWaitMs: number;
  readonly throttleMs: number;
  readonly conflate: boolean;
}

/** A call that may have to wait. The newest values, and the old value that the watcher saw last. */
export interface HeldCall<V> {
  readonly variable: V;
  missed: number;
  flags: number;
  /** Kept from the first update held: that is where the watcher is. */
  oldValue: unknown;
}

interface Held<V, C extends HeldCall<V>> extends HeapEntry {
  call: C;
  readonly firstAtMs: number;
  /** Counts up: what was held first is called first. */
  readonly place: number;
}

export const isLimited = (limits: RateLimits): boolean =>
  limits.debounceMs > 0 || limits.throttleMs > 0 || limits.conflate;

export class RateLimit<V, C extends HeldCall<V>> {
  readonly #limits: RateLimits;
  readonly #held = new Map<V, Held<V, C>>();
  readonly #due = new DueHeap<Held<V, C>>();
  #nextPlace = 0;
  readonly #calledAtMs = new Map<V, number>();

  constructor(limits: RateLimits) {
    this.#limits = limits;
  }

  /** Updates held back now. */
  get size(): number {
    return this.#held.size;
  }

  /** Holds the call, or says that it may go at once. Returns how many updates it replaced (0 or 1), or GO. */
  offer(call: C, nowMs: number): number {
    const { debounceMs, maxWaitMs, throttleMs, conflate } = this.#limits;
    const held = this.#held.get(call.variable);
    const calledAtMs = this.#calledAtMs.get(call.variable);
    const firstAtMs = held?.firstAtMs ?? nowMs;
    let dueAtMs = debounceMs > 0 ? nowMs + debounceMs : nowMs;
    if (debounceMs > 0 && maxWaitMs > 0) dueAtMs = Math.min(dueAtMs, firstAtMs + maxWaitMs);
    if (throttleMs > 0 && calledAtMs !== undefined) dueAtMs = Math.max(dueAtMs, calledAtMs + throttleMs);
    if (dueAtMs <= nowMs && !conflate && held === undefined) {
      this.#called(call.variable, nowMs);
      return GO;
    }
    if (held === undefined) {
      const first: Held<V, C> = { call, firstAtMs, place: this.#nextPlace, dueAtMs: 0, heapPlace: -1 };
      this.#nextPlace += 1;
      this.#held.set(call.variable, first);
      this.#due.schedule(first, dueAtMs);
      return 0;
    }
    absorbHeld(call, held.call);
    held.call = call;
    this.#due.schedule(held, dueAtMs);
    return 1;
  }

  /** Takes what is due, in the order that it was first held; what was only conflated is due when its turn is over. */
  takeDue(nowMs: number): C[] {
    const due: Held<V, C>[] = [];
    for (let held = this.#due.first; held !== undefined && held.dueAtMs <= nowMs; held = this.#due.first) {
      const { variable } = held.call;
      this.#due.remove(held);
      this.#held.delete(variable);
      this.#called(variable, nowMs);
      due.push(held);
    }
    return due.sort((a, b) => a.place - b.place).map(({ call }) => call);
  }

  /** Takes what is held of one variable, due or not: something follows that cannot wait, or nobody wants it any more. */
  take(variable: V): C | undefined {
    const held = this.#held.get(variable);
    this.#calledAtMs.delete(variable);
    if (held === undefined) return undefined;
    this.#held.delete(variable);
    this.#due.remove(held);
    return held.call;
  }

  /** When the first of the held calls is due, ms, or undefined. */
  wakeAtMs(): number | undefined {
    return this.#due.first?.dueAtMs;
  }

  #called(variable: V, nowMs: number): void {
    if (this.#limits.throttleMs > 0) this.#calledAtMs.set(variable, nowMs);
  }
}

export const GO = -1;

/** The newer call speaks for the held one. */
export function absorbHeld<V>(newer: HeldCall<V>, held: HeldCall<V>): void {
  newer.missed += held.missed;
  newer.oldValue = held.oldValue;
  newer.flags |= held.flags & (INITIAL | RESYNC);
}
