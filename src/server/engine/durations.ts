/** How long the last of something took: quantiles of the last 1,024, sum and count of all. Path: commit queue -> [durations] -> metrics. Pure. */
import type { Quantiles } from './engine.js';

export class Durations {
  readonly #last = new Float64Array(KEPT);
  #count = 0;
  #sum = 0;

  add(ms: number): void {
    this.#last[this.#count % KEPT] = ms;
    this.#count += 1;
    this.#sum += ms;
  }

  read(): Quantiles {
    const sorted = this.#last.slice(0, Math.min(KEPT, this.#count)).sort();
    const at = (quantile: number): number => sorted[Math.floor(quantile * (sorted.length - 1))] ?? 0;
    return { p50: at(0.5), p99: at(0.99), sum: this.#sum, count: this.#count };
  }
}

const KEPT = 1_024;
