/**
 * How the stream of a stopped watch comes to its end without harm to the others of its connection: by message, or by a cancel when its turn comes.
 * Path: stream carrier -> [stream ending] -> cancel. HTTP/2 servers cut a connection after a burst of 1,000 cancels, then 33 a second.
 */

/** Time that a stream unwatched by message has to end before it is cancelled after all, ms. */
export const UNWATCH_GRACE_MS = 5_000;

const CANCEL_BURST = 400;
const CANCELS_PER_SECOND = 20;

/** Cancels that one connection may make. */
export class CancelBudget {
  #cancels = CANCEL_BURST;
  #refilledAtMs = 0;

  /** Whether a stream may be cancelled now without putting the connection at risk; takes one from the budget if so. */
  take(nowMs: number): boolean {
    if (this.#refilledAtMs === 0) this.#refilledAtMs = nowMs;
    this.#cancels = Math.min(CANCEL_BURST, this.#cancels + ((nowMs - this.#refilledAtMs) / 1000) * CANCELS_PER_SECOND);
    this.#refilledAtMs = nowMs;
    if (this.#cancels < 1) return false;
    this.#cancels -= 1;
    return true;
  }
}
