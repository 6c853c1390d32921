/** When one feed that was refused for now is opened again, while its connection stands. Path: connection -> [feed retry] -> carrier. */
import type { Random } from '../../shared/clock.js';
import type { BridgeConfig } from '../../shared/port/commands.js';
import { Backoff } from '../../shared/resilience/backoff.js';
import type { Deadline } from '../../shared/timer-wheel.js';

export class FeedRetry implements Deadline {
  dueAtMs = 0;
  wheelSlot = -1;
  wheelPlace = 0;
  readonly #limits: BridgeConfig['reconnect'];
  readonly #onDue: () => void;
  #backoff: Backoff;

  constructor(limits: BridgeConfig['reconnect'], onDue: () => void) {
    this.#limits = limits;
    this.#onDue = onDue;
    this.#backoff = new Backoff(limits);
  }

  /** Failures since the last time that lasted. */
  get failures(): number {
    return this.#backoff.attempt;
  }

  /** When to try again; undefined when `maxAttempts` is used up. `liveForMs`: how long the stream that ended had been registered. */
  handleFailure(nowMs: number, liveForMs: number, random: Random): number | undefined {
    if (liveForMs >= this.#limits.resetAfterMs) this.#backoff = this.#backoff.reset();
    const { maxAttempts } = this.#limits;
    if (maxAttempts > 0 && this.#backoff.attempt >= maxAttempts) return undefined;
    const atMs = nowMs + this.#backoff.delayMs(random);
    this.#backoff = this.#backoff.next();
    return atMs;
  }

  handleDeadline(): void {
    this.#onDue();
  }
}
