/**
 * Items by threshold, in order: those below, above or between are found in O(log n + found), one is added or removed in O(log n + CHUNK).
 * Path: condition index -> [sorted thresholds]. Numbers and bigints, or texts: all of one instance must compare with each other.
 */

/** What one search has cost. */
export interface StepCount {
  steps: number;
}

interface Chunk<T, I> {
  readonly thresholds: T[];
  readonly items: I[];
}

export class SortedThresholds<T extends number | bigint | string, I> {
  readonly #count: StepCount;
  /** None is empty. */
  readonly #chunks: Chunk<T, I>[] = [];

  constructor(count: StepCount) {
    this.#count = count;
  }

  add(threshold: T, item: I): void {
    const at = Math.min(this.#chunkOf(threshold, false), this.#chunks.length - 1);
    if (at < 0) {
      this.#chunks.push({ thresholds: [threshold], items: [item] });
      return;
    }
    const chunk = this.#chunks[at]!;
    const place = this.#placeIn(chunk, threshold, false);
    chunk.thresholds.splice(place, 0, threshold);
    chunk.items.splice(place, 0, item);
    if (chunk.items.length <= MOST_IN_A_CHUNK) return;
    const half = MOST_IN_A_CHUNK / 2;
    this.#chunks.splice(at + 1, 0, { thresholds: chunk.thresholds.splice(half), items: chunk.items.splice(half) });
  }

  remove(threshold: T, item: I): void {
    let at = this.#chunkOf(threshold, false);
    for (; at < this.#chunks.length; at += 1) {
      const chunk = this.#chunks[at]!;
      const place = chunk.items.indexOf(item);
      if (place >= 0) {
        chunk.thresholds.splice(place, 1);
        chunk.items.splice(place, 1);
        if (chunk.items.length === 0) this.#chunks.splice(at, 1);
        return;
      }
      if (chunk.thresholds[0]! > threshold) return;
    }
  }

  /** Puts into `found` all with threshold < limit, or <= limit. */
  below(limit: T, isIncluded: boolean, found: I[]): void {
    for (const { thresholds, items } of this.#chunks) {
      for (let place = 0; place < items.length; place += 1) {
        this.#count.steps += 1;
        const threshold = thresholds[place]!;
        if (!(threshold < limit || (isIncluded && threshold <= limit))) return;
        found.push(items[place]!);
      }
    }
  }

  /** Puts into `found` all with threshold > limit, or >= limit; `upTo`: and <= it. */
  above(limit: T, isIncluded: boolean, found: I[], upTo?: T): void {
    let at = this.#chunkOf(limit, !isIncluded);
    let place = at < this.#chunks.length ? this.#placeIn(this.#chunks[at]!, limit, !isIncluded) : 0;
    for (; at < this.#chunks.length; at += 1, place = 0) {
      const { thresholds, items } = this.#chunks[at]!;
      for (; place < items.length; place += 1) {
        this.#count.steps += 1;
        if (upTo !== undefined && !(thresholds[place]! <= upTo)) return;
        found.push(items[place]!);
      }
    }
  }

  /** The first chunk that has a threshold >= limit, or > limit where it `skipsEqual`. */
  #chunkOf(limit: T, skipsEqual: boolean): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      this.#count.steps += 1;
      const middle = (low + high) >>> 1;
      const last = this.#chunks[middle]!.thresholds.at(-1)!;
      if (last < limit || (skipsEqual && last <= limit)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #placeIn({ thresholds }: Chunk<T, I>, limit: T, skipsEqual: boolean): number {
    let low = 0;
    let high = thresholds.length;
    while (low < high) {
      this.#count.steps += 1;
      const middle = (low + high) >>> 1;
      const threshold = thresholds[middle]!;
      if (threshold < limit || (skipsEqual && threshold <= limit)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const MOST_IN_A_CHUNK = 512;
