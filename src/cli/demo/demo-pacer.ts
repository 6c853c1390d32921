/**
 * Which sets are due: open loop, whatever became of the earlier ones, so that a stall shows as lateness and cannot hide.
 * What falls due in the same millisecond is due together. Decides only; the writer has the clock.
 */

export interface DueSets {
  /** The moment they were scheduled for, on the clock that `startUs` was taken from. */
  readonly scheduledUs: number;
  /** Number of the first one, counted from 0 over the run. */
  readonly first: number;
  readonly count: number;
}

export class DemoPacer {
  readonly #startUs: number;
  readonly #setsPerTick: number;
  #tick = 0;
  #taken = 0;

  /** `rate`: sets a second. */
  constructor(startUs: number, rate: number) {
    this.#startUs = startUs;
    this.#setsPerTick = rate / TICKS_PER_SECOND;
  }

  /** When the next millisecond begins. */
  get nextUs(): number {
    return this.#startUs + this.#tick * TICK_US;
  }

  /** The oldest ones that are due and were not taken, or undefined. */
  take(nowUs: number): DueSets | undefined {
    while (this.nextUs <= nowUs) {
      const scheduledUs = this.nextUs;
      const first = this.#taken;
      this.#tick += 1;
      this.#taken = Math.floor(this.#tick * this.#setsPerTick + ROUNDING);
      if (this.#taken > first) return { scheduledUs, first, count: this.#taken - first };
    }
    return undefined;
  }
}

const TICKS_PER_SECOND = 1_000;
const TICK_US = 1_000_000 / TICKS_PER_SECOND;
/** 0.29 * 100 is 28.999999999999996. */
const ROUNDING = 1e-6;
