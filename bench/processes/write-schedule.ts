/**
 * When which set is due, decided before the start: an open loop. Set k goes to variable k modulo the variables.
 * What falls due in one millisecond has that millisecond as its time, and a set that is late keeps it: a stall cannot hide.
 */

export interface WritePlan {
  readonly startUs: number;
  /** Between bursts. */
  readonly setsPerSecond: number;
  readonly sets: number;
  readonly variables: number;
  readonly burst?: Burst | undefined;
  /** Sets of one call at most, where values are large. Default MAX_BATCH. */
  readonly maxBatch?: number | undefined;
}

/** For `lengthMs` at the end of every `everyMs`, `factor` times as many sets. */
export interface Burst {
  readonly everyMs: number;
  readonly lengthMs: number;
  readonly factor: number;
}

/** Sets `first` to `first + count - 1`, all of different variables: one call. */
export interface SetBatch {
  readonly first: number;
  readonly count: number;
}

/** Over whole periods. */
export function meanSetsPerSecond({ setsPerSecond, burst }: Pick<WritePlan, 'setsPerSecond' | 'burst'>): number {
  if (burst === undefined) return setsPerSecond;
  return setsPerSecond * (1 + ((burst.factor - 1) * burst.lengthMs) / burst.everyMs);
}

export class WriteSchedule {
  readonly #plan: WritePlan;
  readonly #largestBatch: number;
  #next = 0;

  /** @throws RangeError when one variable would be set more than once in a millisecond: the second value would be the first again */
  constructor(plan: WritePlan) {
    const peak = plan.setsPerSecond * (plan.burst?.factor ?? 1);
    if (peak > plan.variables * 1_000) {
      throw new RangeError(
        `${peak} sets a second on ${plan.variables} variables are more than one a millisecond and variable: take fewer, or more variables`,
      );
    }
    this.#plan = plan;
    this.#largestBatch = Math.min(plan.maxBatch ?? MAX_BATCH, plan.variables);
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
    return this.#plan.startUs + Math.floor(this.#offsetMs(set)) * 1_000;
  }

  /** What is due by now, in order. */
  takeDue(nowUs: number): SetBatch[] {
    const batches: SetBatch[] = [];
    while (!this.isDone && this.nextAtUs <= nowUs) {
      const first = this.#next;
      while (!this.isDone && this.#next - first < this.#largestBatch && this.nextAtUs <= nowUs) this.#next += 1;
      batches.push({ first, count: this.#next - first });
    }
    return batches;
  }

  #offsetMs(set: number): number {
    const { setsPerSecond, burst } = this.#plan;
    if (burst === undefined) return (set * 1_000) / setsPerSecond;
    const { everyMs, lengthMs, factor } = burst;
    const calmMs = everyMs - lengthMs;
    const calmSets = (setsPerSecond * calmMs) / 1_000;
    const periodSets = calmSets + (setsPerSecond * factor * lengthMs) / 1_000;
    const period = Math.floor(set / periodSets);
    const rest = set - period * periodSets;
    const restMs =
      rest < calmSets
        ? (rest * 1_000) / setsPerSecond
        : calmMs + ((rest - calmSets) * 1_000) / (setsPerSecond * factor);
    return period * everyMs + restMs;
  }
}

/** Sets of one call: of 80 bytes each, they fit into the half of the room that an HTTP/2 connection has from the start. */
export const MAX_BATCH = 400;
