/** When to try again: exponential with full jitter, as an immutable value. Path: a failed attempt -> [backoff] -> reconnect unit, feed retry. */
import type { Random } from '../clock.js';

export interface BackoffOptions {
  /** Ceiling of the first delay that isn't immediate, ms. */
  readonly baseMs: number;
  readonly factor: number;
  /** Ceiling of every delay, ms. */
  readonly capMs: number;
  /** 1 = full jitter (uniform from 0 to the ceiling), 0.1 = within 10 % below it, 0 = none. */
  readonly jitter: number;
  /** The first retry comes within this time, ms: what failed together does not return together. */
  readonly spreadMs: number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  /** Failures in a row so far. */
  readonly attempt: number;

  constructor(options: BackoffOptions, attempt = 0) {
    this.#options = options;
    this.attempt = attempt;
  }

  /** Ms until the next try. */
  delayMs(random: Random): number {
    const { baseMs, factor, capMs, jitter, spreadMs } = this.#options;
    if (this.attempt === 0) return spreadMs * random.next();
    const ceiling = Math.min(capMs, baseMs * factor ** (this.attempt - 1));
    return ceiling * (1 - jitter * random.next());
  }

  /** After one more failure. */
  next(): Backoff {
    return new Backoff(this.#options, this.attempt + 1);
  }

  /** After a success that lasted. */
  reset(): Backoff {
    return this.attempt === 0 ? this : new Backoff(this.#options);
  }
}
