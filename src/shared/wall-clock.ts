/**
 * Timestamps with microseconds that follow the system's clock when somebody corrects it. Path: monotonic time -> [wall clock] -> timestamps.
 * The system's clock has whole milliseconds and jumps; the monotonic one has microseconds and never hears of a correction.
 */
export class WallClock {
  readonly #monotonicMs: () => number;
  readonly #systemMs: () => number;
  /** What the system's clock is ahead of the monotonic one. */
  #aheadMs = 0;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(monotonicMs: () => number, systemMs: () => number) {
    this.#monotonicMs = monotonicMs;
    this.#systemMs = systemMs;
  }

  /** What the wall clock says at that moment of the monotonic one. */
  at(nowMs: number): number {
    if (nowMs - this.#lookedAtMs >= LOOK_EVERY_MS) this.#look();
    return nowMs + this.#aheadMs;
  }

  #look(): void {
    const beforeMs = this.#monotonicMs();
    const systemMs = this.#systemMs() + HALF_ITS_STEP_MS;
    const afterMs = this.#monotonicMs();
    // Kept from running in between, it would take the pause for a correction.
    if (afterMs - beforeMs > LONGEST_LOOK_MS) return;
    this.#lookedAtMs = afterMs;
    const offMs = systemMs - (beforeMs + this.#aheadMs);
    if (Math.abs(offMs) > TOLERANCE_MS) this.#aheadMs += offMs;
  }
}

const LOOK_EVERY_MS = 1;
const LONGEST_LOOK_MS = 1;
/** Less is the difference of two clocks, and no correction. */
const TOLERANCE_MS = 3;
const HALF_ITS_STEP_MS = 0.5;
