/**
 * The turns of one state's watchers on the main thread: who is told in this one, and the next one when its time is used up.
 * Path: local watches, watch turns -> [main turns] -> turn line. Slow: watchers that use up `maxMainMs` wait for the event loop to go round,
 * with all that they wait for in bounded rings. Closed: what waits has left the line with its watches.
 */
import { performanceNowMs, setImmediate } from '../../shared/platform-timers.js';
import { TurnBudget } from './turn-budget.js';
import { type LineItem, TurnLine } from './turn-line.js';

export class MainTurns<T extends LineItem> {
  readonly budget: TurnBudget;
  readonly line: TurnLine<T>;
  readonly #onTurn: () => void;
  #isTurnAwaited = false;

  /** `serve`: tells what an item has, and returns whether something is left. `onTurn`: time has come to `run` again. */
  constructor(maxMainMs: number, serve: (item: T) => boolean, onTurn: () => void) {
    const budget = new TurnBudget(maxMainMs, performanceNowMs);
    this.budget = budget;
    this.line = new TurnLine<T>({
      get isUsedUp() {
        return budget.isUsedUp;
      },
      serve,
    });
    this.#onTurn = onTurn;
  }

  /** Calls of watchers follow, outside `run`. */
  begin(): void {
    this.budget.begin();
  }

  /** A watcher was called. Returns whether that was all for this turn. */
  spend(): boolean {
    if (!this.budget.isOn) return false;
    const isUsedUp = this.budget.spend();
    if (this.budget.isTouched && !this.#isTurnAwaited) {
      this.#isTurnAwaited = true;
      setImmediate(this.#handleTurn);
    }
    return isUsedUp;
  }

  /** Tells those that wait, unless they have to wait for the next turn. */
  run(): void {
    if (this.budget.isUsedUp || this.line.isEmpty) return;
    this.begin();
    this.line.run();
  }

  readonly #handleTurn = (): void => {
    this.#isTurnAwaited = false;
    this.budget.renew();
    if (!this.line.isEmpty) this.#onTurn();
  };
}
