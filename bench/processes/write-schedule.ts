/**
 * When which set is due, decided before the start: an open loop. Set k goes to variable k modulo the variables.
 * What falls due in one millisecond has that millisecond as its time, and a set that is late keeps it: a stall cannot hide.
 */

export interface WritePlan {
  readonly startUs: number;
  readonly setsPerSecond: number;
  readonly sets: number;
  readonly variables: number;
}

/** Sets `first` to `first + count - 1`, all of different variables: one call. */
export interface SetBatch {
  readonly first: number;
  readonly count: number;
}

export class WriteSchedule {
  readonly #plan: WritePlan;
  #next = 0;

  /** @throws RangeError when one variable would be set more than once in a millisecond: the second value would be the first again */
  constructor(plan: WritePlan) {
    if (plan.setsPerSecond > plan.variables * 1_000) {
      throw new RangeError(
        `${plan.setsPerSecond} sets a second on ${plan.variables} variables are more than one a millisecond and variable: take fewer, or more variables`,
      );
    }
    this.#plan = plan;
  }

  get isDone(): boolean {
    return this.#next >= this.#plan.sets;
  }

  /** When the next set is due, us. */
  get nextAtUs(): number {
    return this.scheduledAtUs(this.#next);
  }

  variableOf(set: number): number {
    return set % this.#plan.variables;
  }

  scheduledAtUs(set: number): number {
    return this.#plan.startUs + Math.floor((set * 1_000) / this.#plan.setsPerSecond) * 1_000;
  }

  /** What is due by now, in order. */
  takeDue(nowUs: number): SetBatch[] {
    const batches: SetBatch[] = [];
    const largest = Math.min(MAX_BATCH, this.#plan.variables);
    while (!this.isDone && this.nextAtUs <= nowUs) {
      const first = this.#next;
      while (!this.isDone && this.#next - first < largest && this.nextAtUs <= nowUs) this.#next += 1;
      batches.push({ first, count: this.#next - first });
    }
    return batches;
  }
}

/** Sets of one call: of 80 bytes each, they fit into the room that an HTTP/2 stream has from the start. */
export const MAX_BATCH = 500;
