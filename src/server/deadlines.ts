/**
 * All deadlines of the server behind one timer: heartbeats, slow streams, variables and sessions that expire. Precise to 50 ms, never early.
 * Owner: the bridge server. Closed: nothing fires any more.
 */
import type { Clock } from '../shared/clock.js';
import { TimerWheel } from '../shared/timer-wheel.js';
import type { Deadline, DeadlineSchedule } from './deadline.js';

export class Deadlines implements DeadlineSchedule {
  readonly #wheel = new TimerWheel<Deadline>(SLOT_MS, SLOTS);
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #isClosed = false;

  /** `onError` is told what a deadline throws; the others are met all the same. */
  constructor(clock: Clock, onError: (error: unknown) => void) {
    this.#clock = clock;
    this.#onError = onError;
  }

  get size(): number {
    return this.#wheel.size;
  }

  schedule(entry: Deadline, dueAtMs: number): void {
    if (this.#isClosed) return;
    this.#wheel.schedule(entry, dueAtMs);
    if (dueAtMs + SLOT_MS < this.#timerAtMs) this.#arm(dueAtMs + SLOT_MS);
  }

  cancel(entry: Deadline): void {
    this.#wheel.cancel(entry);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(atMs: number): void {
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    const delayMs = Math.min(Math.max(atMs - this.#clock.nowMs(), 0), LONGEST_TIMEOUT_MS);
    this.#timer = setTimeout(() => this.#handleTimer(), delayMs);
    // The listening socket keeps the process alive, a deadline never does.
    this.#timer.unref();
  }

  #handleTimer(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.nowMs();
    this.#wheel.advance(nowMs, (entry) => {
      try {
        entry.handleDeadline(nowMs)?.catch(this.#onError);
      } catch (error) {
        this.#onError(error);
      }
    });
    if (this.#isClosed) return;
    const wakeAtMs = this.#wheel.wakeAt(nowMs);
    if (wakeAtMs !== undefined && wakeAtMs < this.#timerAtMs) this.#arm(wakeAtMs);
  }
}

const SLOT_MS = 50;
/** One round is 51 s: heartbeats of 30 s are looked at once. */
const SLOTS = 1024;
/** A setTimeout of 2^31 ms and more fires at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;
