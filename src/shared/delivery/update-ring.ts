/**
 * Bounded queue of one watch's updates, in order. Path: port line -> [ring] -> port line; also the iterator's buffer, and what waits on the main thread.
 * Full: overflow decides; what is left out is counted in the `missed` of the variable's next one. Never grows past its limit, or one entry a variable
 * where that is more; with `drop-oldest` its limit and one entry a variable, with `error` beside what its variables begin with. Closed: the owner drops it.
 *
 * Invariant: whoever takes until the ring is empty knows of each variable which of its lives the ring was told of, and whether that is over. So no
 * overflow leaves out an entry that says a lineage or a deletion, unless a newer one of its key says it instead: a watch that goes on elsewhere, as
 * after the death of its worker, is asked for from what its taker knows, and what that does not know counts as new.
 */
import Denque from 'denque';
import type { Lineage } from './update.js';
import { BASELINE, DELETED_MASK, HAS_OLD, INITIAL, JOINED, RESYNC, SUPERSEDED } from './update.js';

export type Overflow = 'conflate' | 'drop-oldest' | 'error';

export interface RingEntry {
  /** The variable: entries of one key replace each other. */
  readonly key: unknown;
  readonly value: unknown;
  old: unknown;
  missed: number;
  filtered: number;
  flags: number;
  /** The variable's life begins with it: the entry is not left out, or the newer one that stands for it says it. */
  lineage?: Lineage | undefined;
}

export class UpdateRing<T extends RingEntry> {
  readonly #limit: number;
  readonly #overflow: Overflow;
  readonly #groupOf: ((entry: T) => unknown) | undefined;
  readonly #queue = new Denque<T>();
  /** Entries of the queue that somebody will get; it also holds superseded ones. */
  #size = 0;
  /** Each key's newest entry; kept only from the first conflation until the ring is empty. */
  #newest: Map<unknown, T> | undefined;
  /** It was their turn to be dropped, and they may not be: older than all of the queue, one a key. */
  #spared: UpdateRing<T> | undefined;
  /** What was dropped and its key's next entry of the queue has to tell: it is newer than what is spared of the key. */
  #dropped: Map<unknown, T> | undefined;
  #missedTotal = 0;
  /** Of these entries those that are where a variable begins, with `error`: nobody is slow because of them, so they take no room. */
  #begun = 0;

  /**
   * `limit`: entries kept, 1 to 1,048,576. `groupOf`: neighbours of one group are dropped together or not at all, so that the limit is
   * one group where that is more.
   */
  constructor(limit: number, overflow: Overflow, groupOf?: (entry: T) => unknown) {
    this.#limit = limit;
    this.#overflow = overflow;
    this.#groupOf = groupOf;
  }

  get size(): number {
    return this.#size + (this.#spared?.size ?? 0);
  }

  /** Nothing waits, and nothing that was left out has still to be told: the next update may go past the ring. */
  get isIdle(): boolean {
    return this.size === 0 && this.#dropped === undefined;
  }

  /** Updates that this ring left out since it was made. */
  get missedTotal(): number {
    return this.#missedTotal + (this.#spared?.missedTotal ?? 0);
  }

  /** Updates left out that the waiting ones, or the next of their keys, have still to tell. Looks at each: for statistics. */
  missedWaiting(): number {
    let missed = this.#spared?.missedWaiting() ?? 0;
    for (let place = 0; place < this.#queue.length; place += 1) {
      const entry = this.#queue.peekAt(place)!;
      if ((entry.flags & SUPERSEDED) === 0) missed += entry.missed;
    }
    for (const entry of this.#dropped?.values() ?? []) missed += entry.missed + (isChange(entry) ? 1 : 0);
    return missed;
  }

  /** Updates that a condition kept out before the waiting ones, or before the next of their keys. */
  filteredWaiting(): number {
    let filtered = this.#spared?.filteredWaiting() ?? 0;
    for (let place = 0; place < this.#queue.length; place += 1) {
      const entry = this.#queue.peekAt(place)!;
      if ((entry.flags & SUPERSEDED) === 0) filtered += entry.filtered;
    }
    for (const entry of this.#dropped?.values() ?? []) filtered += entry.filtered;
    return filtered;
  }

  /** False only when it is full and overflow is `error`: then nothing was taken in. */
  push(entry: T): boolean {
    if (this.#size < this.#limit && this.#newest === undefined) {
      this.#append(entry);
      return true;
    }
    if (this.#size >= this.#limit) {
      switch (this.#overflow) {
        case 'error':
          if (this.#size - this.#begun >= this.#limit && isChange(entry) && !this.#continuesGroup(entry)) return false;
          this.#append(entry);
          return true;
        case 'drop-oldest':
          this.#makeRoom(entry);
          this.#append(entry);
          return true;
        case 'conflate':
          if (this.#newest === undefined) this.#conflateAll();
          break;
        default:
          this.#overflow satisfies never;
      }
    }
    this.#conflateInto(entry);
    return true;
  }

  /** The oldest entry, or undefined when there is none. */
  take(): T | undefined {
    const spared = this.#spared?.take();
    if (spared !== undefined) return spared;
    for (let entry = this.#queue.shift(); entry !== undefined; entry = this.#queue.shift()) {
      if ((entry.flags & SUPERSEDED) !== 0) continue;
      this.#size -= 1;
      if (this.#begun > 0 && !isChange(entry)) this.#begun -= 1;
      if (this.#newest !== undefined) {
        if (this.#newest.get(entry.key) === entry) this.#newest.delete(entry.key);
        if (this.#size === 0) this.#newest = undefined;
      }
      if (this.#dropped !== undefined) this.#tellDropped(entry);
      return entry;
    }
    return undefined;
  }

  /** Updates of a key that were left out and that its next entry will tell, where none of it waits. */
  owed(key: unknown): number {
    const dropped = this.#dropped?.get(key);
    return dropped === undefined ? 0 : dropped.missed + (isChange(dropped) ? 1 : 0);
  }

  /** What whoever takes has not seen, of each key in its order: what was dropped too, and not what another speaks for. */
  visit(see: (entry: T) => void): void {
    this.#spared?.visit(see);
    for (const entry of this.#dropped?.values() ?? []) see(entry);
    for (let place = 0; place < this.#queue.length; place += 1) {
      const entry = this.#queue.peekAt(place)!;
      if ((entry.flags & SUPERSEDED) === 0) see(entry);
    }
  }

  /** Takes out what nobody wants any more, and forgets what was to be told of it. */
  removeWhere(isUnwanted: (entry: T) => boolean): void {
    const entries = this.#queue.toArray();
    this.#queue.clear();
    this.#size = 0;
    this.#begun = 0;
    for (const entry of entries) {
      if ((entry.flags & SUPERSEDED) !== 0) continue;
      if (isUnwanted(entry)) {
        if (this.#newest?.get(entry.key) === entry) this.#newest.delete(entry.key);
        continue;
      }
      this.#append(entry);
    }
    for (const [key, dropped] of this.#dropped ?? []) if (isUnwanted(dropped)) this.#dropped?.delete(key);
    this.#spared?.removeWhere(isUnwanted);
    if (this.#size === 0) this.#newest = undefined;
    if (this.#dropped?.size === 0) this.#dropped = undefined;
  }

  /** What an elder ring, which is empty, has still to tell of what it dropped. */
  inherit(elder: UpdateRing<T>): void {
    const spared = this.#spared === undefined ? undefined : this.#spared.#newest;
    for (const [key, dropped] of elder.#dropped ?? []) {
      this.#dropped ??= new Map();
      const own = spared?.get(key) ?? this.#dropped.get(key);
      if (own === undefined) this.#dropped.set(key, dropped);
      else absorb(own, dropped);
    }
    elder.#dropped = undefined;
  }

  clear(): void {
    this.#queue.clear();
    this.#spared?.clear();
    this.#size = 0;
    this.#begun = 0;
    this.#newest = undefined;
    this.#dropped = undefined;
  }

  #append(entry: T): void {
    this.#queue.push(entry);
    this.#size += 1;
    if (this.#overflow === 'error' && !isChange(entry)) this.#begun += 1;
  }

  /** First time over the limit: one pass leaves the newest of each variable, and from here each push replaces its elder. */
  #conflateAll(): void {
    const entries: T[] = [];
    for (let entry = this.take(); entry !== undefined; entry = this.take()) entries.push(entry);
    this.#newest = new Map();
    for (const entry of entries) this.#conflateInto(entry);
  }

  #conflateInto(entry: T): void {
    const elder = this.#newest!.get(entry.key);
    // That a variable went is never replaced: its watch ends by it.
    if (elder !== undefined && (elder.flags & DELETED_MASK) === 0) {
      this.#missedTotal += absorb(entry, elder);
      // Replaced at its own place, the newer one would overtake other variables' revisions: it goes to the end.
      elder.flags |= SUPERSEDED;
      this.#size -= 1;
    }
    this.#append(entry);
    this.#newest!.set(entry.key, entry);
    if (this.#queue.length > 2 * Math.max(this.#limit, this.#size)) this.#removeSuperseded();
  }

  #removeSuperseded(): void {
    const entries = this.#queue.toArray();
    this.#queue.clear();
    for (const entry of entries) if ((entry.flags & SUPERSEDED) === 0) this.#queue.push(entry);
  }

  /** The oldest go, group by group. */
  #makeRoom(incoming: T): void {
    while (this.#size >= this.#limit) {
      if (this.#groupOf === undefined) {
        this.#leaveOut(this.#queue.shift()!);
        continue;
      }
      const group = this.#groupOf(this.#queue.peekFront()!);
      // A group larger than the limit is not torn: the ring holds all of it.
      if (group === this.#groupOf(incoming)) return;
      do this.#leaveOut(this.#queue.shift()!);
      while (this.#size > 0 && this.#groupOf(this.#queue.peekFront()!) === group);
    }
  }

  /** A group that was begun within the limit is taken in whole. */
  #continuesGroup(entry: T): boolean {
    const newest = this.#queue.peekBack();
    return this.#groupOf !== undefined && newest !== undefined && this.#groupOf(newest) === this.#groupOf(entry);
  }

  #leaveOut(oldest: T): void {
    this.#size -= 1;
    if (oldest.lineage !== undefined || (oldest.flags & DELETED_MASK) !== 0) {
      this.#tellDropped(oldest);
      this.#spared ??= new UpdateRing(ONE_A_KEY, 'conflate');
      this.#spared.push(oldest);
      return;
    }
    this.#dropped ??= new Map();
    const earlier = this.#dropped.get(oldest.key);
    if (earlier !== undefined) absorb(oldest, earlier);
    this.#dropped.set(oldest.key, oldest);
    if (isChange(oldest)) this.#missedTotal += 1;
  }

  #tellDropped(entry: T): void {
    const dropped = this.#dropped?.get(entry.key);
    if (dropped === undefined) return;
    absorb(entry, dropped);
    this.#dropped!.delete(entry.key);
    if (this.#dropped!.size === 0) this.#dropped = undefined;
  }
}

/** The newer one speaks for the elder, which nobody will see. Returns how many updates that leaves out: a baseline or an initial value is no change. */
export function absorb(newer: RingEntry, elder: RingEntry): number {
  const leftOut = isChange(elder) ? 1 : 0;
  newer.missed += elder.missed + leftOut;
  newer.filtered += elder.filtered;
  newer.flags |= elder.flags & (INITIAL | RESYNC);
  if ((elder.flags & INITIAL) !== 0) newer.flags |= JOINED;
  // The lineage that the newer one has not said itself is still to be said.
  if (elder.lineage !== undefined && newer.lineage === undefined) newer.lineage = elder.lineage;
  if ((newer.flags & HAS_OLD) === 0) {
    if ((elder.flags & HAS_OLD) !== 0) {
      newer.old = elder.old;
      newer.flags |= HAS_OLD;
    } else if ((elder.flags & BASELINE) !== 0) {
      newer.old = elder.value;
      newer.flags |= HAS_OLD;
    }
  }
  return leftOut;
}

/** A limit that each entry is above. */
const ONE_A_KEY = 0;

function isChange({ flags }: RingEntry): boolean {
  return (flags & (BASELINE | INITIAL)) === 0 || (flags & JOINED) !== 0;
}
