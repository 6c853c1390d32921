/** All deadlines of one thread behind one timer. Path: stream consumer, transport, rate limit -> [deadlines] -> their `handleDeadline`. Met up to 10 ms late, never early. */
import { systemClock } from './system-clock.js';
import type { WheelEntry } from './timer-wheel.js';
import { TimerWheel } from './timer-wheel.js';

export interface Deadline extends WheelEntry {
  handleDeadline(nowMs: number): void;
}

const SLOT_MS = 10;

export class Deadlines {
  readonly #wheel = new TimerWheel<Deadline>(SLOT_MS, 1_024);
  #timer: NodeJS.Timeout | undefined;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  readonly #keepsProcessAlive: boolean;

  constructor({ keepsProcessAlive = true } = {}) {
    this.#keepsProcessAlive = keepsProcessAlive;
  }

  schedule(deadline: Deadline, atMs: number): void {
    this.#wheel.schedule(deadline, atMs);
    if (this.#timer !== undefined && atMs >= this.#wakeAtMs) return;
    this.#arm(Math.ceil(atMs / SLOT_MS) * SLOT_MS);
  }

  cancel(deadline: Deadline): void {
    this.#wheel.cancel(deadline);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(wakeAtMs: number): void {
    clearTimeout(this.#timer);
    this.#wakeAtMs = wakeAtMs;
    this.#timer = setTimeout(() => this.#wake(), Math.max(1, wakeAtMs - systemClock.nowMs()));
    if (!this.#keepsProcessAlive) this.#timer.unref();
  }

  #wake(): void {
    this.#timer = undefined;
    const nowMs = systemClock.nowMs();
    this.#wheel.advance(nowMs, (deadline) => deadline.handleDeadline(nowMs));
    const wakeAtMs = this.#wheel.wakeAt(systemClock.nowMs());
    if (wakeAtMs !== undefined && (this.#timer === undefined || wakeAtMs < this.#wakeAtMs)) this.#arm(wakeAtMs);
  }
}

/** A deadline that calls a function; embed `Deadline` instead where there are thousands. */
export function deadlineOf(handleDeadline: (nowMs: number) => void): Deadline {
  return { dueAtMs: 0, wheelSlot: -1, handleDeadline };
}
