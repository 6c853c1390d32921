/**
 * Updates into the lane, as credits allow, and beside it one message a turn at most. Path: stream consumer -> ring -> [port writer] -> lane and MessagePort.
 * Slow: without credit updates stay in their watch's ring, whose overflow decides. Closed: what is left is dropped with its watches.
 */
import type { MessagePort } from 'node:worker_threads';
import { MORE } from '../shared/delivery/update.js';
import type { RingEntry, UpdateRing } from '../shared/delivery/update-ring.js';
import { clearImmediate, clearTimeout, performanceNowMs, setImmediate, setTimeout } from '../shared/platform-timers.js';
import type { Lineage, Reply, TurnMessage } from '../shared/port/replies.js';
import type { LaneMemory } from '../shared/port/update-lane.js';
import { LaneWriter } from '../shared/port/update-lane.js';
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
  readonly #lane: LaneWriter;
  #replies: Reply[] = [];
  #lineages: Lineage[] = [];
  /** Queues that are not empty, first come first served. */
  #line: PortQueue[] = [];
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastMessageAtMs = 0;
  readonly #spacingMs: number;
  #isAwaitingRoom = false;
  #roomTurn: NodeJS.Immediate | undefined;
  #isClosed = false;

  /** `spacingMs`: least time between two messages that carry no reply; a wake-up costs the main thread as much as 20 updates. */
  constructor(port: MessagePort, lane: LaneMemory, spacingMs: number) {
    this.#port = port;
    this.#spacingMs = spacingMs;
    this.#lane = new LaneWriter(lane);
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
    const isNext = !queue.isHeld && (queue.ring === undefined || queue.ring.size === 0);
    if (isNext && this.#lane.hasRoom(1)) {
      this.#lane.append(
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
        old,
      );
      this.#schedule();
      // A turn that reads a backlog may take many ms.
      if (this.#lane.unpublished >= EARLY_RECORDS && this.#lineages.length === 0) this.#lane.publishEarly();
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
    if (!queue.isHeld) this.#awaitRoom();
    return isTaken;
  }

  /** The batch that held the queue is whole. */
  release(queue: PortQueue): void {
    queue.isHeld = false;
    if (queue.isInLine) this.#drainRings();
  }

  handleGrant(): void {
    this.#isAwaitingRoom = false;
    if (this.#line.length > 0) this.#drainRings();
  }

  /** Sends what there is at once; nothing is sent afterwards. */
  close(): void {
    this.#flush();
    clearImmediate(this.#roomTurn);
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
    this.#schedule();
    if (stillWaiting.some((queue) => !queue.isHeld)) this.#awaitRoom();
  }

  #awaitRoom(): void {
    if (this.#isAwaitingRoom) return;
    this.#isAwaitingRoom = true;
    this.#lane.askForRoom();
    // All was read just before we asked: then nobody will tell us.
    if (this.#lane.hasRoom(this.#lane.credits)) this.#roomTurn = setImmediate(() => this.handleGrant());
  }

  #drain(queue: PortQueue): void {
    const { ring } = queue;
    if (queue.isHeld) return;
    if (queue.isAtomic && ring !== undefined && !this.#lane.hasRoom(Math.min(ring.size, this.#lane.credits))) return;
    while (ring !== undefined && this.#lane.hasRoom(1)) {
      const update = ring.take();
      if (update === undefined) return;
      this.#lane.append(
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
        update.old,
      );
    }
  }

  /** Answers go at the end of this turn, and take along what there is. */
  #scheduleNow(): void {
    if (this.#immediate !== undefined) return;
    // The check phase follows the poll phase: everything that this turn's reads brought goes in one message.
    this.#immediate = setImmediate(this.#flush);
  }

  /** Updates too, unless they need a message and the last one has only just gone: then they wait for company. */
  #schedule(): void {
    if (this.#immediate !== undefined) return;
    if (!this.#lane.hasParcels && this.#lineages.length === 0) {
      // Behind others that wait.
      if (this.#timer === undefined) this.#scheduleNow();
      return;
    }
    if (this.#timer !== undefined) return;
    const waitMs = this.#lastMessageAtMs + this.#spacingMs - performanceNowMs();
    if (waitMs <= 0) this.#scheduleNow();
    else this.#timer = setTimeout(this.#flush, waitMs);
  }

  readonly #flush = (): void => {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
    if (this.#isClosed) return;
    const lane = this.#lane;
    const needsMessage = lane.hasParcels || this.#lineages.length + this.#replies.length > 0;
    if (needsMessage) {
      this.#post(lane.takeMessage(this.#lineages, this.#replies));
      this.#lineages = [];
      this.#replies = [];
      this.#lastMessageAtMs = performanceNowMs();
    }
    const isUnseen = lane.publish();
    if (isUnseen && !needsMessage) this.#post(null);
  };

  #post(message: TurnMessage | null): void {
    this.#port.postMessage(message);
    this.#lane.handlePosted();
  }
}

/** So many updates take a worker about half a ms. */
const EARLY_RECORDS = 16;
