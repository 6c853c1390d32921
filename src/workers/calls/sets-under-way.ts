/**
 * Sets that were given to the link and have not ended, and the calls that wait for those that were given to it before them: the link keeps the
 * order among its sets, and not with calls. Path: changes -> [sets under way] -> unary calls. Bounded by what its owner lets in. Closed: as sets end.
 */
import Denque from 'denque';

/** Sets with no call between them. Opaque. */
export interface Round {
  underWay: number;
  /** What waits for the end of all of them, and of all rounds before. */
  readonly calls: (() => void)[];
}

export class SetsUnderWay {
  /** The last is the one that sets begin in. */
  readonly #rounds = new Denque<Round>([{ underWay: 0, calls: [] }]);
  #waiting = 0;

  /** Calls that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** What it is in until it ends. */
  handleStart(): Round {
    const round = this.#rounds.peekBack()!;
    round.underWay += 1;
    return round;
  }

  /** It is made, or will not be. */
  handleEnd(round: Round): void {
    round.underWay -= 1;
    for (let first = this.#rounds.peekFront()!; first.underWay === 0; first = this.#rounds.peekFront()!) {
      if (first.calls.length === 0) return;
      // What it starts may wait anew.
      this.#rounds.shift();
      this.#waiting -= first.calls.length;
      for (const start of first.calls) start();
    }
  }

  /** Starts it when none of the sets is left that are under way now: at once, where none is. */
  startBehind(start: () => void): void {
    const last = this.#rounds.peekBack()!;
    const before = last.underWay > 0 ? last : this.#rounds.peekAt(-2);
    if (before === undefined) {
      start();
      return;
    }
    before.calls.push(start);
    this.#waiting += 1;
    if (before === last) this.#rounds.push({ underWay: 0, calls: [] });
  }
}
