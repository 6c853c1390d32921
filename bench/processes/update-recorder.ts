/**
 * Judges every update that a watcher is called with: how late it was, and whether it is the version that had to come.
 * The same for each client under measurement. Cost per update: one clock reading and one histogram entry, about 0.1 us.
 */
import type { RecordableHistogram } from 'node:perf_hooks';
import { createHistogram } from 'node:perf_hooks';
import type { Interval } from './usage.js';

/** The part of a run that counts. */
export interface RecordedPart extends Interval {
  /** First set that counts; those before it warm up. */
  readonly firstSet: number;
}

export interface Recording {
  /** Of the sets that count. */
  readonly delivered: number;
  readonly missed: number;
  /** Of the whole run. */
  readonly deliveredInAll: number;
  readonly missedInAll: number;
  /** Versions that were skipped without a word. */
  readonly lost: number;
  /** Updates whose version was not above the one before. */
  readonly disordered: number;
  /** Watcher calls between `fromUs` and `toUs`. */
  readonly callsInTime: number;
  /** When the last update that counts was delivered, us; undefined when none was. */
  readonly lastAtUs: number | undefined;
  /** Undefined when nothing was delivered. */
  readonly latencyMs: Latency | undefined;
}

export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** At each of CURVE_PERCENTILES. */
  readonly curve: readonly number[];
}

export class UpdateRecorder {
  readonly #now: () => number;
  readonly #variables: number;
  readonly #histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: HIGHEST_NS, figures: 3 });
  /** By watch; every variable is registered at version 1. */
  readonly #versions: Float64Array;
  #part: RecordedPart = { fromUs: Number.POSITIVE_INFINITY, toUs: Number.POSITIVE_INFINITY, firstSet: 0 };
  #delivered = 0;
  #missed = 0;
  #deliveredInAll = 0;
  #missedInAll = 0;
  #lost = 0;
  #disordered = 0;
  #callsInTime = 0;
  #lastAtUs: number | undefined;

  constructor(watches: number, variables: number, nowUs: () => number) {
    this.#now = nowUs;
    this.#variables = variables;
    this.#versions = new Float64Array(watches).fill(1);
  }

  /** Updates delivered or counted as missed so far. */
  get accounted(): number {
    return this.#deliveredInAll + this.#missedInAll;
  }

  /** Says which part counts; before the first set. */
  begin(part: RecordedPart): void {
    this.#part = part;
  }

  handleUpdate(watch: number, scheduledUs: number, version: number, missed: number): void {
    const nowUs = this.#now();
    const last = this.#versions[watch]!;
    this.#deliveredInAll += 1;
    if (version !== last + 1 || missed !== 0) this.#judge(watch, last, version, missed);
    this.#versions[watch] = version;
    const { fromUs, toUs } = this.#part;
    if (nowUs >= fromUs && nowUs < toUs) this.#callsInTime += 1;
    if (scheduledUs < fromUs) return;
    this.#delivered += 1;
    this.#lastAtUs = nowUs;
    this.#histogram.record(Math.min(HIGHEST_NS, Math.max(1, Math.round((nowUs - scheduledUs) * 1_000))));
  }

  read(): Recording {
    return {
      delivered: this.#delivered,
      missed: this.#missed,
      deliveredInAll: this.#deliveredInAll,
      missedInAll: this.#missedInAll,
      lost: this.#lost,
      disordered: this.#disordered,
      callsInTime: this.#callsInTime,
      lastAtUs: this.#lastAtUs,
      latencyMs: this.#delivered === 0 ? undefined : readLatency(this.#histogram),
    };
  }

  #judge(watch: number, last: number, version: number, missed: number): void {
    if (version <= last) {
      this.#disordered += 1;
      return;
    }
    this.#missedInAll += missed;
    this.#lost += Math.max(0, version - last - 1 - missed);
    // Version v is that of the variable's set v - 2, counted from 0: so we know which of the missed ones count.
    const variable = watch % this.#variables;
    for (let skipped = version - missed; skipped < version; skipped += 1) {
      if ((skipped - 2) * this.#variables + variable >= this.#part.firstSet) this.#missed += 1;
    }
  }
}

export function readLatency(histogram: RecordableHistogram): Latency {
  const ms = (percentile: number) => histogram.percentile(percentile) / 1e6;
  return {
    p50: ms(50),
    p90: ms(90),
    p99: ms(99),
    p999: ms(99.9),
    max: histogram.max / 1e6,
    curve: CURVE_PERCENTILES.map(ms),
  };
}

/** Where the plots of latency by percentile have their points. */
export const CURVE_PERCENTILES = [25, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.99] as const;

/** A minute: longer ones count as that. */
const HIGHEST_NS = 60e9;
