/** How long something took: quantiles of the last 1,024; sum, count and buckets of all. Path: commit queue -> [durations] -> metrics. Pure. */
import type { Quantiles } from './engine.js';

export class Durations {
  readonly #last = new Float64Array(KEPT);
  readonly #buckets = BUCKETS_MS.map(() => 0);
  #count = 0;
  #sum = 0;

  add(ms: number): void {
    this.#last[this.#count % KEPT] = ms;
    this.#count += 1;
    this.#sum += ms;
    for (let place = BUCKETS_MS.length - 1; place >= 0 && ms <= BUCKETS_MS[place]!; place -= 1)
      this.#buckets[place]! += 1;
  }

  read(): Quantiles {
    const sorted = this.#last.slice(0, Math.min(KEPT, this.#count)).sort();
    const at = (quantile: number): number => sorted[Math.floor(quantile * (sorted.length - 1))] ?? 0;
    const atMost = BUCKETS_MS.map((ms, place) => ({ ms, count: this.#buckets[place]! }));
    return { p50: at(0.5), p99: at(0.99), sum: this.#sum, count: this.#count, atMost };
  }
}

const KEPT = 1_024;
/** From a commit in memory to a disk that hangs. */
const BUCKETS_MS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000];
