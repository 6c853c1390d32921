/**
 * The changes that wait for one slow watch, in the order of their revisions. Path: outbox -> [waiting changes] -> outbox.
 * Full, by count or by bytes: from then until it is empty it keeps the newest of each variable, and counts what it left out. That is at
 * most one change a variable, of a value that its session holds as well. A deletion is never left out: its watch ends by it.
 */
import Denque from 'denque';
import { versionBytes } from '../../shared/state/held-bytes.js';
import type { PublishedChange } from '../observer-manager.js';
import type { SentState, WaitingChange } from './sent-state.js';

export class WaitingChanges {
  readonly #limit: number;
  readonly #maxBytes: number;
  readonly #queue = new Denque<WaitingChange>();
  /** Those that somebody will get. */
  #size = 0;
  #bytes = 0;
  #isConflating = false;
  #leftOut = 0;

  constructor(limit: number, maxBytes: number) {
    this.#limit = limit;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#size;
  }

  /** By estimate. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Changes left out since it was empty. */
  get leftOut(): number {
    return this.#leftOut;
  }

  /** Returns how many changes that leaves out. `isPressed`: keeps the newest of each, whatever its own limits allow. */
  push(sent: SentState, published: PublishedChange, isPressed: boolean): number {
    const { current, previous } = published.change;
    const bytes = BYTES_AROUND_A_CHANGE + versionBytes(current) + (previous === undefined ? 0 : versionBytes(previous));
    const before = this.#leftOut;
    const elder = sent.waiting;
    const first = sent.kept === undefined ? undefined : firstOf(elder, published);
    const entry: WaitingChange = { sent, published, first, bytes, isSealed: false };
    sent.waiting = entry;
    if (!this.#isConflating && (isPressed || this.#size >= this.#limit || this.#bytes + bytes > this.#maxBytes)) {
      this.#isConflating = true;
      for (let place = 0; place < this.#queue.length; place += 1) this.#supersede(this.#queue.peekAt(place)!);
    } else if (this.#isConflating && elder !== undefined) {
      this.#supersede(elder);
    }
    // At the end, though its elder was before: it must not overtake other variables' revisions.
    this.#queue.push(entry);
    this.#size += 1;
    this.#bytes += bytes;
    if (this.#queue.length > 2 * Math.max(this.#limit, this.#size)) this.#removeSuperseded();
    return this.#leftOut - before;
  }

  /** The oldest, without taking it. */
  peek(): PublishedChange | undefined {
    for (;;) {
      const entry = this.#queue.peekFront();
      if (entry === undefined) return undefined;
      if (entry.published !== undefined) return entry.published;
      this.#queue.shift();
    }
  }

  take(): WaitingChange | undefined {
    for (let entry = this.#queue.shift(); entry !== undefined; entry = this.#queue.shift()) {
      if (entry.published === undefined) continue;
      this.#size -= 1;
      this.#bytes -= entry.bytes;
      if (entry.sent.waiting === entry) entry.sent.waiting = undefined;
      if (this.#size === 0) {
        this.#isConflating = false;
        this.#leftOut = 0;
      }
      return entry;
    }
    return undefined;
  }

  #supersede(elder: WaitingChange): void {
    const { published, sent } = elder;
    if (published === undefined || sent.waiting === elder || elder.isSealed) return;
    if (published.change.reason !== undefined) return;
    elder.published = undefined;
    elder.first = undefined;
    if (sent.kept !== undefined) sent.kept.leftOut += 1;
    this.#size -= 1;
    this.#bytes -= elder.bytes;
    this.#leftOut += 1;
  }

  #removeSuperseded(): void {
    const entries = this.#queue.toArray();
    this.#queue.clear();
    for (const entry of entries) if (entry.published !== undefined) this.#queue.push(entry);
  }
}

function firstOf(elder: WaitingChange | undefined, published: PublishedChange): PublishedChange {
  const isNext = elder?.published?.change.current.version === published.change.current.version - 1;
  return isNext ? (elder.first ?? published) : published;
}

/** The entry, what it points to, and its place in the queue. */
const BYTES_AROUND_A_CHANGE = 160;
