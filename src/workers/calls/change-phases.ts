/**
 * Changes that go by calls and changes that go by the link, in the order in which they were made: those of one way wait until those of the other
 * that were made before are answered. Path: slot -> [change phases] -> name gate, or set queue. Among themselves each way keeps its own order.
 * Full: its owner asks how many wait. Closed: as changes fail, those behind them start and fail likewise.
 */
import Denque from 'denque';

export type Way = 'call' | 'link';

interface Change {
  readonly way: Way;
  start(): void;
}

export class ChangePhases {
  readonly #waiting = new Denque<Change>();
  readonly #idle: (() => void)[] = [];
  #way: Way = 'call';
  #underWay = 0;

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Starts it now or later; `handleEnd` says that it was answered. */
  push(way: Way, start: () => void): void {
    if (this.#underWay === 0) this.#way = way;
    if (this.#way !== way || this.#waiting.length > 0) {
      this.#waiting.push({ way, start });
      return;
    }
    this.#underWay += 1;
    start();
  }

  handleEnd(): void {
    this.#underWay -= 1;
    if (this.#underWay > 0) return;
    const next = this.#waiting.peekFront();
    if (next === undefined) {
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    this.#way = next.way;
    // Counted before they start: one may end at once.
    const starting: Change[] = [];
    while (this.#waiting.peekFront()?.way === this.#way) starting.push(this.#waiting.shift()!);
    this.#underWay = starting.length;
    for (const change of starting) change.start();
  }

  /** Resolves when every change that was pushed has ended. */
  whenIdle(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }
}
