/** A service that is busy with something else: 5 ms of work every 20 ms, as a request that it answers would make it. */
import { nowUs } from './monotonic-clock.js';
import type { Interval } from './usage.js';

export class MainThreadWork {
  readonly #interval: Interval;
  readonly #timer: NodeJS.Timeout;
  #workedUs = 0;

  constructor(interval: Interval) {
    this.#interval = interval;
    this.#timer = setInterval(() => this.#work(), PERIOD_MS);
  }

  /** Time worked in the interval, us. */
  stop(): number {
    clearInterval(this.#timer);
    return this.#workedUs;
  }

  #work(): void {
    const startedUs = nowUs();
    while (nowUs() - startedUs < WORK_US) {
      // Working.
    }
    const { fromUs, toUs } = this.#interval;
    this.#workedUs += Math.max(0, Math.min(nowUs(), toUs) - Math.max(startedUs, fromUs));
  }
}

const PERIOD_MS = 20;
const WORK_US = 5_000;
