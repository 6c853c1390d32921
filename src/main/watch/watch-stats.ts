/** Counters and latency percentiles of one watch. Path: dispatcher -> [watch stats] -> listWatchers. 64 buckets of a factor of about 1.4, made at the first update. */

import type { Clock } from '../../shared/clock.js';

export interface LatencyMs {
  readonly p50: number;
  readonly p99: number;
}

const BUCKETS = 64;
/** Upper edge of the first bucket, ms. */
const FIRST_EDGE_MS = 0.01;
const LOG_STEP = Math.LN2 / 2;

export class WatchStats {
  delivered = 0;
  filtered = 0;
  rateLimited = 0;
  missed = 0;
  errors = 0;
  /** Ms, as deadlines count them; NaN before the first. A field that is always a number is written in place, at no allocation an update. */
  lastUpdateAt = Number.NaN;
  #buckets: Uint32Array | undefined;

  get lastUpdateAtOrUndefined(): number | undefined {
    return Number.isNaN(this.lastUpdateAt) ? undefined : this.lastUpdateAt;
  }

  /** The same by the wall clock: what listWatchers tells. */
  lastUpdateAtOn(clock: Clock): number | undefined {
    return Number.isNaN(this.lastUpdateAt) ? undefined : clock.wallAtMs(this.lastUpdateAt);
  }

  /** From the set, by the server's clock, to the watcher: an estimate where the two clocks differ. */
  recordLatency(ms: number): void {
    this.#buckets ??= new Uint32Array(BUCKETS);
    const bucket = ms <= FIRST_EDGE_MS ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(ms / FIRST_EDGE_MS) / LOG_STEP));
    this.#buckets[bucket]! += 1;
  }

  /** Upper edges of the buckets that hold the percentiles; undefined before the first update. */
  latencyMs(): LatencyMs | undefined {
    if (this.#buckets === undefined) return undefined;
    return { p50: this.#percentile(0.5), p99: this.#percentile(0.99) };
  }

  #percentile(share: number): number {
    const buckets = this.#buckets!;
    const total = buckets.reduce((sum, count) => sum + count, 0);
    let left = Math.ceil(total * share);
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      left -= buckets[bucket]!;
      if (left <= 0) return FIRST_EDGE_MS * Math.exp(bucket * LOG_STEP);
    }
    return FIRST_EDGE_MS * Math.exp((BUCKETS - 1) * LOG_STEP);
  }
}
