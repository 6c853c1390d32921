/**
 * What one watch stream still has to send. Path: observer manager -> [outbox] -> watch stream -> HTTP/2.
 * A change goes straight out while the stream takes writes. Slow: it waits in a ring. Full: the ring keeps the newest of each variable,
 * and what it leaves out is told exactly by `missed`. Stuck for slowStreamMs: `isStuck`, and its owner cuts the stream. Closed: takes and gives nothing.
 */

import { flagsOfReason } from '../../shared/delivery/update.js';
import type { RingEntry } from '../../shared/delivery/update-ring.js';
import { UpdateRing } from '../../shared/delivery/update-ring.js';
import type { Change, Variable, VersionedValue } from '../../shared/state/variable.js';
import {
  concatBytes,
  encodeChange,
  encodeIdentifiersTail,
  encodeMark,
  encodeMissedTail,
  encodeSnapshot,
  MORE_TAIL,
} from '../../shared/wire/update-message.js';
import type { PublishedChange } from '../observer-manager.js';

/** Where the bytes of one stream go. */
export interface StreamSink {
  /** Takes one message; `handleWritten` is called back when it is through. */
  write(bytes: Uint8Array): void;
}

/** Of all streams together. */
export interface StreamCounters {
  updatesSent: number;
  updatesConflated: number;
}

export interface OutboxOptions {
  readonly epoch: string;
  /** Updates kept while the stream does not take them. */
  readonly limit: number;
  readonly slowStreamMs: number;
  readonly includesOldValues: boolean;
}

/** One variable of one stream: what the stream was sent of it last. */
export class SentState {
  readonly variable: Variable;
  /** Last version sent, or the one right before what shall be sent first. */
  version: number;
  /** What this stream knows as the old value; undefined when it was told none. */
  value: VersionedValue | undefined;
  /** What the request called it, where that is not its name alone; said with the first update, then undefined. */
  unsaidIdentifiers: readonly string[] | undefined;

  constructor(
    variable: Variable,
    version: number,
    value: VersionedValue | undefined,
    unsaidIdentifiers: readonly string[] | undefined = undefined,
  ) {
    this.variable = variable;
    this.version = version;
    this.value = value;
    this.unsaidIdentifiers = unsaidIdentifiers;
  }
}

/** What a stream is sent at its beginning, in this order and before any change. */
export type Opening =
  | {
      readonly type: 'initial_value' | 'resync';
      readonly sent: SentState;
      readonly current: VersionedValue;
      /** Versions skipped right before. */
      readonly missed: number;
    }
  | { readonly type: 'replay'; readonly sent: SentState; readonly current: VersionedValue }
  | { readonly type: 'encoded'; readonly bytes: Uint8Array };

/** A change that waits. */
class Waiting implements RingEntry {
  readonly key: SentState;
  readonly published: PublishedChange;
  /** More of its atomic batch comes behind it. */
  readonly isFollowed: boolean;
  // The ring counts in these what it leaves out; what is told is worked out from the versions sent.
  readonly value: undefined;
  old: undefined;
  missed = 0;
  filtered = 0;
  flags: number;

  constructor(key: SentState, published: PublishedChange, isFollowed: boolean) {
    this.key = key;
    this.published = published;
    this.isFollowed = isFollowed;
    this.flags = flagsOfReason(published.change.reason);
  }
}

export class StreamOutbox {
  readonly #options: OutboxOptions;
  readonly #sink: StreamSink;
  readonly #counters: StreamCounters;
  #ring: UpdateRing<Waiting> | undefined;
  #opening: readonly Opening[] = [];
  #openingIndex = 0;
  #messagesUnderWay = 0;
  #bytesUnderWay = 0;
  #progressAtMs = 0;
  #lastWriteAtMs = 0;
  #isClosed = false;

  constructor(options: OutboxOptions, sink: StreamSink, counters: StreamCounters) {
    this.#options = options;
    this.#sink = sink;
    this.#counters = counters;
  }

  /** Whether something waits that was not given to the stream. */
  get isWaiting(): boolean {
    return this.#openingIndex < this.#opening.length || (this.#ring !== undefined && this.#ring.size > 0);
  }

  /** Whether something was given to the stream that it has not let through. */
  get isUnderWay(): boolean {
    return this.#messagesUnderWay > 0;
  }

  /** When the last message was given to the stream. */
  get lastWriteAtMs(): number {
    return this.#lastWriteAtMs;
  }

  /** When the stream counts as stuck if it lets nothing through until then. */
  get stuckAtMs(): number {
    return this.#progressAtMs + this.#options.slowStreamMs;
  }

  isStuck(nowMs: number): boolean {
    return this.isUnderWay && nowMs >= this.stuckAtMs;
  }

  /** Once, before any change. */
  open(opening: readonly Opening[], nowMs: number): void {
    this.#opening = opening;
    this.#openingIndex = 0;
    this.#flush(nowMs);
  }

  /** A change of one of its variables; one that the stream knows already is left out. */
  push(sent: SentState, published: PublishedChange, isFollowed = false): void {
    if (this.#isClosed || published.change.current.version <= sent.version) return;
    if (this.#takesWrites && !this.isWaiting) {
      this.#writeChange(sent, published, isFollowed, published.atMs);
      return;
    }
    this.#ring ??= new UpdateRing<Waiting>(this.#options.limit, 'conflate');
    const missedBefore = this.#ring.missedTotal;
    this.#ring.push(new Waiting(sent, published, isFollowed));
    this.#counters.updatesConflated += this.#ring.missedTotal - missedBefore;
  }

  /** A heartbeat, unless something is under way or waits: then it would only come later. */
  pushHeartbeat(nowMs: number, revision: number, timestamp: number): void {
    if (this.#isClosed || this.isUnderWay || this.isWaiting) return;
    this.#write(encodeMark('heartbeat', timestamp, revision, this.#options.epoch), nowMs);
  }

  /** The stream has let one message through. */
  handleWritten(nowMs: number): void {
    this.#messagesUnderWay -= 1;
    this.#progressAtMs = nowMs;
    if (this.#messagesUnderWay === 0) this.#bytesUnderWay = 0;
    if (this.isWaiting) this.#flush(nowMs);
  }

  /** Lets go of everything that waits. */
  close(): void {
    this.#isClosed = true;
    this.#opening = [];
    this.#openingIndex = 0;
    this.#ring = undefined;
  }

  // More would only wait in the stream's own buffer, where nothing conflates.
  get #takesWrites(): boolean {
    return this.#messagesUnderWay < MAX_MESSAGES_UNDER_WAY && this.#bytesUnderWay < MAX_BYTES_UNDER_WAY;
  }

  #flush(nowMs: number): void {
    while (this.#takesWrites && !this.#isClosed) {
      if (this.#openingIndex < this.#opening.length) {
        this.#writeOpening(this.#takeOpening(), nowMs);
        continue;
      }
      const waiting = this.#ring?.take();
      if (waiting === undefined) {
        // A ring never shrinks: a stream that has caught up needs none.
        this.#ring = undefined;
        return;
      }
      if (waiting.published.change.current.version > waiting.key.version) {
        this.#writeChange(waiting.key, waiting.published, waiting.isFollowed, nowMs);
      }
    }
  }

  #takeOpening(): Opening {
    const opening = this.#opening[this.#openingIndex]!;
    this.#openingIndex += 1;
    if (this.#openingIndex === this.#opening.length) {
      this.#opening = [];
      this.#openingIndex = 0;
    }
    return opening;
  }

  #writeOpening(opening: Opening, nowMs: number): void {
    if (opening.type === 'encoded') {
      this.#write(opening.bytes, nowMs);
      return;
    }
    const { sent, current } = opening;
    const { epoch, includesOldValues } = this.#options;
    let bytes: Uint8Array;
    if (opening.type === 'replay') {
      const change: Change = { variable: sent.variable, previous: sent.value, current, reason: undefined };
      bytes = encodeChange(change, epoch, includesOldValues);
    } else {
      // The value at registration: the present one would overtake the changes that wait behind it.
      bytes = encodeSnapshot({ ...sent.variable, current }, opening.type, epoch, opening.missed);
    }
    sent.version = current.version;
    sent.value = current;
    this.#counters.updatesSent += 1;
    this.#write(withIdentifiers(bytes, sent), nowMs);
  }

  #writeChange(sent: SentState, published: PublishedChange, isFollowed: boolean, nowMs: number): void {
    const { change } = published;
    const bytes = change.previous === sent.value ? this.#sharedBytes(published) : this.#ownBytes(sent, change);
    sent.version = change.current.version;
    sent.value = change.current;
    this.#counters.updatesSent += 1;
    const named = withIdentifiers(bytes, sent);
    this.#write(isFollowed ? concatBytes(named, MORE_TAIL) : named, nowMs);
  }

  #sharedBytes(published: PublishedChange): Uint8Array {
    if (this.#options.includesOldValues) {
      published.bytesWithOldValue ??= encodeChange(published.change, this.#options.epoch, true);
      return published.bytesWithOldValue;
    }
    published.bytes ??= encodeChange(published.change, this.#options.epoch, false);
    return published.bytes;
  }

  /** Rare: this stream did not see what was there right before. */
  #ownBytes(sent: SentState, change: Change): Uint8Array {
    const { epoch, includesOldValues } = this.#options;
    const bytes = encodeChange({ ...change, previous: sent.value }, epoch, includesOldValues);
    const missed = change.current.version - sent.version - 1;
    if (missed === 0) return bytes;
    return concatBytes(bytes, encodeMissedTail(missed));
  }

  #write(bytes: Uint8Array, nowMs: number): void {
    if (this.#messagesUnderWay === 0) this.#progressAtMs = nowMs;
    this.#messagesUnderWay += 1;
    this.#bytesUnderWay += bytes.length;
    this.#lastWriteAtMs = nowMs;
    this.#sink.write(bytes);
  }
}

function withIdentifiers(bytes: Uint8Array, sent: SentState): Uint8Array {
  const { unsaidIdentifiers } = sent;
  if (unsaidIdentifiers === undefined) return bytes;
  sent.unsaidIdentifiers = undefined;
  return concatBytes(bytes, encodeIdentifiersTail(unsaidIdentifiers));
}

const MAX_MESSAGES_UNDER_WAY = 64;
/** Twice the window that HTTP/2 grants a stream by default. */
const MAX_BYTES_UNDER_WAY = 128 * 1024;
