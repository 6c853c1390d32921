/**
 * Changes that go by calls and changes that go by the link, in the order in which they were made: those of one way wait until it is known what
 * became of those of the other that were made before. Path: changes -> [change phases] -> name gate, or set queue. Among themselves each way keeps
 * its own order. Full: its owner asks how many wait. Closed: as changes end, those behind them start.
 */
import Denque from 'denque';

export type Way = 'call' | 'link';

export interface PhasedChange {
  readonly way: Way;
  /** Never before that of a change that was pushed earlier, ms. */
  readonly deadlineMs: number;
  /** It is its turn: it ends by `handleEnd`. */
  start(): void;
  /** Its time was up before its turn: it has none, and does not end. */
  handleTooLate(): void;
}

export class ChangePhases {
  readonly #waiting = new Denque<PhasedChange>();
  #way: Way = 'call';
  #underWay = 0;

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Of the one that waits longest, ms; undefined when none does. */
  get nextDeadlineMs(): number | undefined {
    return this.#waiting.peekFront()?.deadlineMs;
  }

  /** Starts it now or later. */
  push(change: PhasedChange): void {
    if (this.#underWay === 0) this.#way = change.way;
    if (this.#way !== change.way || this.#waiting.length > 0) {
      this.#waiting.push(change);
      return;
    }
    this.#underWay += 1;
    change.start();
  }

  /** It is made, or will not be. */
  handleEnd(): void {
    this.#underWay -= 1;
    const next = this.#waiting.peekFront();
    if (this.#underWay > 0 || next === undefined) return;
    this.#way = next.way;
    // Counted before they start: one may end at once.
    const starting: PhasedChange[] = [];
    while (this.#waiting.peekFront()?.way === this.#way) starting.push(this.#waiting.shift()!);
    this.#underWay = starting.length;
    for (const change of starting) change.start();
  }

  handleDeadline(nowMs: number): void {
    while ((this.nextDeadlineMs ?? Number.POSITIVE_INFINITY) <= nowMs) this.#waiting.shift()!.handleTooLate();
  }
}
