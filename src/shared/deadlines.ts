/**
 * All deadlines of one thread or server behind one timer. Path: streams, sessions, rate limits -> [deadlines] -> their `handleDeadline`.
 * Met up to one slot late, never early. Owner: whoever made it. Closed: nothing fires any more.
 */
import { clearTimeout, queueMicrotask, setTimeout } from './platform-timers.js';
import { systemClock } from './system-clock.js';
import type { Deadline, DeadlineSchedule } from './timer-wheel.js';
import { TimerWheel } from './timer-wheel.js';

export interface DeadlinesOptions {
  /** Precision, ms. Default 10. */
  readonly slotMs?: number;
  /** Whether a deadline keeps the process alive. Default true. */
  readonly keepsProcessAlive?: boolean;
  /** Told what a deadline throws; the others are met all the same. Default: it is thrown, uncaught, from a turn of its own. */
  readonly onError?: (error: unknown) => void;
}

export class Deadlines implements DeadlineSchedule {
  readonly #wheel: TimerWheel<Deadline>;
  readonly #slotMs: number;
  readonly #keepsProcessAlive: boolean;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor({ slotMs = 10, keepsProcessAlive = true, onError = throwLater }: DeadlinesOptions = {}) {
    this.#slotMs = slotMs;
    this.#wheel = new TimerWheel(slotMs, SLOTS);
    this.#keepsProcessAlive = keepsProcessAlive;
    this.#onError = onError;
  }

  get size(): number {
    return this.#wheel.size;
  }

  schedule(deadline: Deadline, dueAtMs: number): void {
    if (this.#isClosed) return;
    this.#wheel.schedule(deadline, dueAtMs);
    // Armed for the end of its slot, and only when that is sooner: scheduling must not look through the wheel.
    const slotEndMs = Math.ceil(dueAtMs / this.#slotMs) * this.#slotMs;
    if (slotEndMs < this.#timerAtMs) this.#arm(slotEndMs);
  }

  cancel(deadline: Deadline): void {
    this.#wheel.cancel(deadline);
  }

  /** Resolves after so many ms; never when they are closed meanwhile. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) =>
      this.schedule(
        deadlineOf(() => resolve()),
        systemClock.nowMs() + ms,
      ),
    );
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(atMs: number): void {
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    const delayMs = Math.min(Math.max(atMs - systemClock.nowMs(), 1), LONGEST_TIMEOUT_MS);
    this.#timer = setTimeout(() => this.#handleTimer(), delayMs);
    if (!this.#keepsProcessAlive) this.#timer.unref();
  }

  #handleTimer(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = systemClock.nowMs();
    this.#wheel.advance(nowMs, (deadline) => {
      try {
        deadline.handleDeadline(nowMs)?.catch(this.#onError);
      } catch (error) {
        this.#onError(error);
      }
    });
    if (this.#isClosed) return;
    const wakeAtMs = this.#wheel.wakeAt(nowMs);
    if (wakeAtMs !== undefined && wakeAtMs < this.#timerAtMs) this.#arm(wakeAtMs);
  }
}

/** A deadline that calls a function; embed `Deadline` instead where there are thousands. */
export function deadlineOf(handleDeadline: (nowMs: number) => void | Promise<void>): Deadline {
  return { dueAtMs: 0, wheelSlot: -1, wheelPlace: 0, handleDeadline };
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

const SLOTS = 1_024;
/** A setTimeout of 2^31 ms and more fires at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;
