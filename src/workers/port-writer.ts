/**
 * One message a turn at most, as credits allow, and under load fewer. Path: stream consumer -> ring -> [port writer] -> MessagePort.
 * Slow: without credit updates stay in their watch's ring, whose overflow decides. Closed: what is left is dropped with its watches.
 */
import type { MessagePort } from 'node:worker_threads';
import { HAS_OLD, MORE } from '../shared/delivery/update.js';
import type { RingEntry, UpdateRing } from '../shared/delivery/update-ring.js';
import { Credits } from '../shared/port/credits.js';
import type { Lineage, Reply, TurnMessage } from '../shared/port/replies.js';
import { UpdateBatchWriter } from '../shared/port/update-batch.js';
import type { Metadata } from '../shared/values/metadata.js';
import type { VariableValue } from '../shared/values/variable-type.js';

/** An update that waits for credit. */
export interface WaitingUpdate extends RingEntry {
  readonly key: number;
  readonly value: VariableValue;
  old: VariableValue | undefined;
  readonly version: number;
  readonly timestamp: number;
  readonly receivedAt: number;
  readonly revision: number;
  readonly source: string;
  readonly custom: Metadata;
}

/** One watch's place in the line for the port. Owner: its subscription. Only the port writer removes from the ring. */
export class PortQueue {
  ring: UpdateRing<WaitingUpdate> | undefined;
  isInLine = false;
  /** The rest of an atomic batch has not come yet. */
  isHeld = false;
  /** It had such batches: its ring crosses whole or not at all. */
  isAtomic = false;
  /** Replies that may not overtake the updates in the ring. */
  afterUpdates: Reply[] | undefined;
}

export class PortWriter {
  readonly #port: MessagePort;
  readonly #credits: Credits;
  readonly #batch = new UpdateBatchWriter();
  #replies: Reply[] = [];
  #lineages: Lineage[] = [];
  /** Queues that are not empty, first come first served. */
  #line: PortQueue[] = [];
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastFlushAtMs = 0;
  readonly #spacingMs: number;
  #isClosed = false;

  /** `spacingMs`: least time between two messages that carry only updates; a wake-up costs the main thread as much as 20 updates. */
  constructor(port: MessagePort, credits: number, spacingMs: number) {
    this.#port = port;
    this.#spacingMs = spacingMs;
    this.#credits = new Credits(credits);
  }

  reply(reply: Reply): void {
    this.#replies.push(reply);
    this.#scheduleNow();
  }

  lineage(lineage: Lineage): void {
    this.#lineages.push(lineage);
    this.#schedule();
  }

  /** A reply that comes after the watch's updates, those that wait for credit too. */
  replyAfterUpdates(queue: PortQueue, reply: Reply): void {
    if (!queue.isInLine) {
      this.reply(reply);
      return;
    }
    queue.afterUpdates ??= [];
    queue.afterUpdates.push(reply);
  }

  /** False when the watch's ring is full and it asked for an error. */
  update(
    queue: PortQueue,
    makeRing: () => UpdateRing<WaitingUpdate>,
    handle: number,
    version: number,
    value: VariableValue,
    timestamp: number,
    receivedAt: number,
    revision: number,
    missed: number,
    filtered: number,
    flags: number,
    source: string,
    custom: Metadata,
    old: VariableValue | undefined,
  ): boolean {
    if ((flags & MORE) !== 0) queue.isHeld = queue.isAtomic = true;
    if (this.#credits.available > 0 && !queue.isHeld && (queue.ring === undefined || queue.ring.size === 0)) {
      this.#credits.spend(1);
      this.#batch.append(
        handle,
        version,
        value,
        timestamp,
        receivedAt,
        revision,
        missed,
        filtered,
        flags,
        source,
        custom,
      );
      if ((flags & HAS_OLD) !== 0) this.#batch.putOld(old);
      this.#schedule();
      return true;
    }
    queue.ring ??= makeRing();
    const isTaken = queue.ring.push({
      key: handle,
      value,
      old,
      missed,
      filtered,
      flags,
      version,
      timestamp,
      receivedAt,
      revision,
      source,
      custom,
    });
    if (!queue.isInLine) {
      queue.isInLine = true;
      this.#line.push(queue);
    }
    return isTaken;
  }

  /** The batch that held the queue is whole. */
  release(queue: PortQueue): void {
    queue.isHeld = false;
    if (queue.isInLine) this.#drainRings();
  }

  handleGrant(updates: number): void {
    this.#credits.grant(updates);
    if (this.#line.length > 0) this.#drainRings();
  }

  /** Sends what there is at once; nothing is sent afterwards. */
  close(): void {
    this.#flush();
    this.#isClosed = true;
    this.#line = [];
  }

  #drainRings(): void {
    const stillWaiting: PortQueue[] = [];
    for (const queue of this.#line) {
      this.#drain(queue);
      if ((queue.ring?.size ?? 0) > 0) {
        stillWaiting.push(queue);
        continue;
      }
      queue.isInLine = false;
      for (const reply of queue.afterUpdates ?? []) this.reply(reply);
      queue.afterUpdates = undefined;
    }
    this.#line = stillWaiting;
    if (this.#batch.count > 0) this.#schedule();
  }

  #drain(queue: PortQueue): void {
    const { ring } = queue;
    if (queue.isHeld) return;
    if (queue.isAtomic && ring !== undefined && this.#credits.available < Math.min(ring.size, this.#credits.limit))
      return;
    while (ring !== undefined && this.#credits.available > 0) {
      const update = ring.take();
      if (update === undefined) return;
      this.#credits.spend(1);
      this.#batch.append(
        update.key,
        update.version,
        update.value,
        update.timestamp,
        update.receivedAt,
        update.revision,
        update.missed,
        update.filtered,
        update.flags,
        update.source,
        update.custom,
      );
      if ((update.flags & HAS_OLD) !== 0) this.#batch.putOld(update.old);
    }
  }

  /** Answers go at the end of this turn, and take along what there is. */
  #scheduleNow(): void {
    if (this.#immediate !== undefined) return;
    // The check phase follows the poll phase: everything that this turn's reads brought goes in one message.
    this.#immediate = setImmediate(this.#flush);
  }

  /** Updates too, unless the last message has only just gone: then they wait for company. */
  #schedule(): void {
    if (this.#immediate !== undefined || this.#timer !== undefined) return;
    const waitMs = this.#lastFlushAtMs + this.#spacingMs - performance.now();
    if (waitMs <= 0) this.#scheduleNow();
    else this.#timer = setTimeout(this.#flush, waitMs);
  }

  readonly #flush = (): void => {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
    if (this.#isClosed || (this.#batch.count === 0 && this.#replies.length + this.#lineages.length === 0)) return;
    const batch = this.#batch.count > 0 ? this.#batch.take() : undefined;
    const message: TurnMessage = { lineages: this.#lineages, batch, replies: this.#replies };
    this.#replies = [];
    this.#lineages = [];
    this.#lastFlushAtMs = performance.now();
    this.#port.postMessage(message, batch === undefined ? [] : [batch.numbers.buffer as ArrayBuffer]);
  };
}
