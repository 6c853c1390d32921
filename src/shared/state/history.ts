/**
 * The last versions of one variable, oldest first, the present one among them. Path: variable table -> [history] -> history calls, rollback, resume.
 * Full: the oldest go, by age, count and the session's bytes; the last 16 stay while they are small, the present one always. Never grows past these.
 */
import Denque from 'denque';
import { versionBytes } from './held-bytes.js';
import type { VersionedValue } from './versioned-value.js';

export interface HistoryLimits {
  /** Ms that a version is kept at least while the other limits allow. */
  readonly maxAgeMs: number;
  /** Versions kept of one variable. */
  readonly maxVersions: number;
  /** Bytes kept of one session, by estimate: values, the setters' maps, and about 120 bytes a version around them. */
  readonly maxSessionBytes: number;
}

export const DEFAULT_HISTORY_LIMITS: HistoryLimits = {
  maxAgeMs: 60_000,
  maxVersions: 10_000,
  maxSessionBytes: 64 * 1024 * 1024,
};

/** Versions of each variable that no limit takes away, unless they are large. */
export const MIN_KEPT_VERSIONS = 16;

/** Bytes of one variable's history above which the session's limit goes below its last 16: 4 KB a version. */
export const LARGE_HISTORY_BYTES = 64 * 1024;

/** Bytes of all histories of one session; each history adds and takes its own. */
export interface HistoryBudget {
  bytes: number;
}

export class History {
  /** The present version, apart: most of many variables are never set, and need no rings. */
  #newest: VersionedValue | undefined = undefined;
  #newestAtMs = 0;
  #older: Denque<VersionedValue> | undefined = undefined;
  /** When each of them was pushed, by a clock that nobody sets: timestamps jump with the wall clock. */
  #olderAtMs: Denque<number> | undefined = undefined;
  readonly #budget: HistoryBudget;
  #bytes = 0;
  #newestBytes = 0;

  constructor(budget: HistoryBudget) {
    this.#budget = budget;
  }

  get length(): number {
    return this.#newest === undefined ? 0 : (this.#older?.length ?? 0) + 1;
  }

  /** Of the present version. */
  get newestBytes(): number {
    return this.#newestBytes;
  }

  /** `bytes`: of the entry, where they are counted already. One that is not the next comes behind a hole: nothing before it is found any more. */
  push(entry: VersionedValue, limits: HistoryLimits, nowMs: number, bytes = versionBytes(entry)): void {
    const last = this.#newest;
    if (last !== undefined) {
      if (entry.version !== last.version + 1) this.clear();
      else {
        this.#older ??= new Denque();
        this.#olderAtMs ??= new Denque();
        this.#older.push(last);
        this.#olderAtMs.push(this.#newestAtMs);
      }
    }
    this.#newest = entry;
    this.#newestAtMs = nowMs;
    this.#newestBytes = bytes;
    this.#bytes += bytes;
    this.#budget.bytes += bytes;
    const oldestAllowedMs = nowMs - limits.maxAgeMs;
    while (this.length > MIN_KEPT_VERSIONS) {
      const isOver =
        this.length > limits.maxVersions ||
        this.#olderAtMs!.peekFront()! < oldestAllowedMs ||
        this.#budget.bytes > limits.maxSessionBytes;
      if (!isOver) return;
      this.#dropOldest();
    }
    if (this.#budget.bytes > limits.maxSessionBytes) this.#shrinkLarge(limits);
  }

  /**
   * The version before the oldest one, of an earlier life. Left out: any other, and one that `push` would have let go of. False: the session has no room
   * for it.
   */
  pushBefore(entry: VersionedValue, limits: HistoryLimits, atMs: number, bytes = versionBytes(entry)): boolean {
    if (entry.version + 1 !== this.#oldest?.version) return true;
    if (this.#budget.bytes + bytes > limits.maxSessionBytes) return false;
    const isLate = this.length >= limits.maxVersions || atMs < this.#newestAtMs - limits.maxAgeMs;
    if (isLate && this.length >= MIN_KEPT_VERSIONS) return true;
    this.#older ??= new Denque();
    this.#olderAtMs ??= new Denque();
    this.#older.unshift(entry);
    this.#olderAtMs.unshift(atMs);
    this.#bytes += bytes;
    this.#budget.bytes += bytes;
    return true;
  }

  /** Lets go of all but the last 16, and of those while they are large: the session is over its bytes and this variable isn't the one that grows. */
  shrink(limits: HistoryLimits): void {
    while (this.length > MIN_KEPT_VERSIONS) this.#dropOldest();
    this.#shrinkLarge(limits);
  }

  /** Lets go of all but the present version: there is no room for more. */
  shrinkToPresent(): void {
    while (this.length > 1) this.#dropOldest();
  }

  /** Gives every byte back. */
  clear(): void {
    this.shrinkToPresent();
    if (this.#newest === undefined) return;
    this.#letGoOf(this.#newest);
    this.#newest = undefined;
  }

  /** The newest `limit` versions, oldest first. */
  last(limit: number): VersionedValue[] {
    return this.#between(this.length - limit, this.length);
  }

  /** The newest `limit` versions below `version`, oldest first. */
  before(version: number, limit: number): VersionedValue[] {
    const oldest = this.#oldest;
    const end = oldest === undefined ? 0 : Math.min(this.length, Math.max(0, version - oldest.version));
    return this.#between(end - limit, end);
  }

  /** The entry of a version, or undefined when it is gone or never was. Versions have no gaps, so this is O(1). */
  find(version: number): VersionedValue | undefined {
    const newest = this.#newest;
    if (newest?.version === version) return newest;
    const older = this.#older;
    if (newest === undefined || older === undefined || version > newest.version) return undefined;
    const entry = older.peekAt(version - newest.version + older.length);
    return entry?.version === version ? entry : undefined;
  }

  /** The newest entry of at most that revision; undefined when it is gone or never was. */
  upTo(revision: number): VersionedValue | undefined {
    let from = 0;
    let to = this.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#at(middle).revision <= revision) from = middle + 1;
      else to = middle;
    }
    return from === 0 ? undefined : this.#at(from - 1);
  }

  get #oldest(): VersionedValue | undefined {
    return this.#older?.peekFront() ?? this.#newest;
  }

  #shrinkLarge({ maxSessionBytes }: HistoryLimits): void {
    while (this.length > 1 && this.#bytes > LARGE_HISTORY_BYTES && this.#budget.bytes > maxSessionBytes) {
      this.#dropOldest();
    }
  }

  #between(start: number, end: number): VersionedValue[] {
    const entries: VersionedValue[] = [];
    for (let index = Math.max(0, start); index < end; index += 1) entries.push(this.#at(index));
    return entries;
  }

  /** 0 is the oldest. */
  #at(index: number): VersionedValue {
    return index === (this.#older?.length ?? 0) ? this.#newest! : this.#older!.peekAt(index)!;
  }

  #dropOldest(): void {
    this.#letGoOf(this.#older!.shift()!);
    this.#olderAtMs!.shift();
  }

  #letGoOf(entry: VersionedValue): void {
    const bytes = versionBytes(entry);
    this.#bytes -= bytes;
    this.#budget.bytes -= bytes;
  }
}
