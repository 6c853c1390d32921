/**
 * How much of a turn of the event loop watchers have used. Path: main turns -> [turn budget] -> turn line, watch turns.
 * Off (0) it reads no clock. A single call that takes longer is not cut: nothing can.
 */
export class TurnBudget {
  readonly isOn: boolean;
  readonly #limitMs: number;
  readonly #nowMs: () => number;
  #sinceMs = 0;
  #usedMs = 0;
  /** Nobody is called any more before the loop has gone round. */
  isUsedUp = false;

  /** `limitMs`: of one turn; 0 = no limit. */
  constructor(limitMs: number, nowMs: () => number) {
    this.isOn = limitMs > 0;
    this.#limitMs = limitMs;
    this.#nowMs = nowMs;
  }

  /** Something was used in this turn. */
  get isTouched(): boolean {
    return this.#usedMs > 0;
  }

  /** Watchers are about to be called. */
  begin(): void {
    if (this.isOn) this.#sinceMs = this.#nowMs();
  }

  /** One was called. Returns whether that was all for this turn. */
  spend(): boolean {
    if (!this.isOn) return false;
    const nowMs = this.#nowMs();
    this.#usedMs += nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    this.isUsedUp = this.#usedMs >= this.#limitMs;
    return this.isUsedUp;
  }

  /** The loop has gone round. */
  renew(): void {
    this.#usedMs = 0;
    this.isUsedUp = false;
  }
}
