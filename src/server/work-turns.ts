/**
 * Shares the event loop between requests that have much to do. Path: a handler's loop -> [work turns] -> its next piece, in a later turn.
 * All requests together work for TURN_MS a turn of the loop, then what is left waits in line: those that begin before those that have had
 * turns, so that a small request waits for one piece of a large one and not for all of it. Bounded by the requests that are under way.
 */

/** The world as this needs it: a clock in ms, and whatever runs a function once others had their turn. */
export interface EventLoop {
  nowMs(): number;
  later(run: () => void): void;
}

export class WorkTurns {
  readonly #loop: EventLoop;
  /** Undefined outside a turn that has worked. */
  #endsAtMs: number | undefined;
  readonly #beginning: (() => void)[] = [];
  readonly #continuing: (() => void)[] = [];

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  /** One for each request. */
  begin(): WorkBudget {
    return new WorkBudget(this);
  }

  /** Whether this turn has worked for as long as it may. */
  isOver(): boolean {
    const nowMs = this.#loop.nowMs();
    if (this.#endsAtMs !== undefined) return nowMs >= this.#endsAtMs;
    this.#endsAtMs = nowMs + TURN_MS;
    this.#loop.later(() => this.#handleNextTurn());
    return false;
  }

  wait(hadTurns: boolean): Promise<void> {
    return new Promise((resolve) => (hadTurns ? this.#continuing : this.#beginning).push(resolve));
  }

  #handleNextTurn(): void {
    this.#endsAtMs = undefined;
    const next = this.#beginning.shift() ?? this.#continuing.shift();
    if (next === undefined) return;
    // Opens the turn also for one that ends before it asks again: the next in line waits for what is scheduled here.
    this.isOver();
    next();
  }
}

/** What a loop needs of it. */
export interface Work {
  spend(steps: number): Promise<void> | undefined;
}

export class WorkBudget implements Work {
  readonly #turns: WorkTurns;
  #steps = 0;
  #hadTurns = false;

  constructor(turns: WorkTurns) {
    this.#turns = turns;
  }

  /**
   * Counts work of about a microsecond a step. Undefined: go on. Otherwise wait for it: what was read before may have changed then.
   * The clock is looked at every STEPS_A_LOOK.
   */
  spend(steps: number): Promise<void> | undefined {
    this.#steps += steps;
    if (this.#steps < STEPS_A_LOOK) return undefined;
    this.#steps = 0;
    if (!this.#turns.isOver()) return undefined;
    return this.#wait();
  }

  /** Before so many pieces that cannot be divided. Undefined: go on, they are few. Otherwise wait for it: a turn that nothing else has used. */
  ownTurn(pieces: number): Promise<void> | undefined {
    if (pieces <= FEW_PIECES) return undefined;
    this.#steps = 0;
    // Opens the turn whose end is waited for.
    this.#turns.isOver();
    return this.#wait();
  }

  #wait(): Promise<void> {
    const waited = this.#turns.wait(this.#hadTurns);
    this.#hadTurns = true;
    return waited;
  }
}

/** What the pieces come to, each of about `steps`. */
export async function inTurns<T>(pieces: Generator<undefined, T>, work: Work, steps: number): Promise<T> {
  for (;;) {
    const { done, value } = pieces.next();
    if (done === true) return value;
    const rest = work.spend(steps);
    if (rest !== undefined) await rest;
  }
}

/** Of the event loop, for all requests together. */
const TURN_MS = 5;
const STEPS_A_LOOK = 128;
/** Sets, say: a few milliseconds. */
const FEW_PIECES = 1_024;
