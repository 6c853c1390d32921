/**
 * Who is next at the port, and what waits for it. Path: subscription -> ring -> [port line] -> lane.
 * Slow: without room in the lane updates wait in their watch's ring, whose overflow decides. A queue that is idle is passed by; one that
 * holds anything, or has still to tell what it left out, is not. Closed: a queue that is dropped gives and tells nothing more.
 */
import type { Update } from '../shared/delivery/update.js';
import { MORE, WaitingUpdate } from '../shared/delivery/update.js';
import type { Overflow } from '../shared/delivery/update-ring.js';
import { UpdateRing } from '../shared/delivery/update-ring.js';
import type { Reply } from '../shared/port/replies.js';

/** The lane, as far as the line needs it. */
export interface LaneRoom {
  /** Records that may be written and not read. */
  readonly credits: number;
  hasRoom(records: number): boolean;
  append(update: Update): void;
}

export interface PortQueueOptions {
  readonly bufferLimit: number;
  readonly overflow: Overflow;
  /** What comes with MORE crosses together with what follows. */
  readonly atomic: boolean;
}

/** One watch's place in the line. Owner: its subscription. Only the line takes from the rings. */
export class PortQueue {
  readonly options: PortQueueOptions;
  ring: UpdateRing<WaitingUpdate> | undefined;
  /** A ring that is larger than the lane, on its way across: what comes meanwhile waits behind it. */
  crossing: UpdateRing<WaitingUpdate> | undefined;
  isInLine = false;
  /** The last update taken in said that more of its group follows. */
  isGroupOpen = false;
  /** Counts the groups that were taken in: what waits says of which it is. */
  group = 0;
  /** Replies that may not overtake the updates in the rings. */
  afterUpdates: Reply[] | undefined;

  constructor(options: PortQueueOptions) {
    this.options = options;
  }

  /** Updates that wait. */
  get size(): number {
    return (this.ring?.size ?? 0) + (this.crossing?.size ?? 0);
  }

  /** Updates left out that nobody was told of yet. Looks at each that waits: for statistics. */
  missedWaiting(): number {
    return (this.ring?.missedWaiting() ?? 0) + (this.crossing?.missedWaiting() ?? 0);
  }

  /** Updates that a condition kept out, and that nobody was told of yet. */
  filteredWaiting(): number {
    return (this.ring?.filteredWaiting() ?? 0) + (this.crossing?.filteredWaiting() ?? 0);
  }

  get isIdle(): boolean {
    return this.crossing === undefined && (this.ring === undefined || this.ring.isIdle);
  }
}

export class PortLine {
  readonly #lane: LaneRoom;
  readonly #reply: (reply: Reply) => void;
  /** Queues that are not empty, first come first served. */
  #line: PortQueue[] = [];

  constructor(lane: LaneRoom, reply: (reply: Reply) => void) {
    this.#lane = lane;
    this.#reply = reply;
  }

  /** Something waits that room would let through. */
  get awaitsRoom(): boolean {
    for (const queue of this.#line) if (!queue.isGroupOpen || queue.crossing !== undefined) return true;
    return false;
  }

  /** Takes an update in: into the lane, or into the queue. False when the queue is full and asked for an error: then it was not taken in. */
  offer(queue: PortQueue, update: Update): boolean {
    const isFollowed = (update.flags & MORE) !== 0;
    if (!isFollowed && !queue.isGroupOpen && queue.isIdle && this.#lane.hasRoom(1)) {
      this.#lane.append(update);
      return true;
    }
    queue.ring ??= makeRing(queue.options);
    const waiting = new WaitingUpdate().assign(update);
    waiting.group = queue.group;
    if (!queue.ring.push(waiting)) return false;
    queue.isGroupOpen = isFollowed;
    if (!isFollowed) queue.group += 1;
    this.#enter(queue);
    if (!isFollowed) this.#drain(queue);
    return true;
  }

  /** A reply that comes after the queue's updates, those that wait for room too. */
  replyAfter(queue: PortQueue, reply: Reply): void {
    this.#abandonGroup(queue);
    if (!queue.isInLine || queue.size === 0) {
      this.#reply(reply);
      return;
    }
    queue.afterUpdates ??= [];
    queue.afterUpdates.push(reply);
  }

  /** Takes out what waits for these handles. */
  remove(queue: PortQueue, handles: ReadonlySet<number>): void {
    const isUnwanted = ({ handle }: WaitingUpdate): boolean => handles.has(handle);
    queue.ring?.removeWhere(isUnwanted);
    queue.crossing?.removeWhere(isUnwanted);
    this.drain();
  }

  /** Its watch was stopped: nothing of it crosses any more. */
  drop(queue: PortQueue): void {
    queue.ring = undefined;
    queue.crossing = undefined;
    queue.isGroupOpen = false;
    // It leaves the line when it comes to its turn.
    queue.afterUpdates = undefined;
  }

  /** There may be room again. */
  drain(): void {
    const line = this.#line;
    this.#line = [];
    for (const queue of line) {
      this.#drain(queue);
      if (queue.size > 0) {
        this.#line.push(queue);
        continue;
      }
      queue.isInLine = false;
      for (const reply of queue.afterUpdates ?? []) this.#reply(reply);
      queue.afterUpdates = undefined;
    }
  }

  clear(): void {
    this.#line = [];
  }

  /** What would make it whole will not come: none of it is told. */
  #abandonGroup(queue: PortQueue): void {
    if (!queue.isGroupOpen) return;
    queue.isGroupOpen = false;
    queue.ring?.removeWhere(({ group }) => group === queue.group);
  }

  #enter(queue: PortQueue): void {
    if (queue.isInLine) return;
    queue.isInLine = true;
    this.#line.push(queue);
  }

  #drain(queue: PortQueue): void {
    if (queue.crossing !== undefined && !this.#cross(queue, queue.crossing)) return;
    const { ring } = queue;
    if (ring === undefined || queue.isGroupOpen) return;
    if (queue.options.atomic) {
      // What conflation pulled apart is only whole together: all of it, or none.
      const { credits } = this.#lane;
      if (!this.#lane.hasRoom(Math.min(ring.size, credits))) return;
      if (ring.size > credits) {
        queue.crossing = ring;
        queue.ring = undefined;
        this.#cross(queue, ring);
        return;
      }
    }
    while (this.#lane.hasRoom(1)) {
      const update = ring.take();
      if (update === undefined) return;
      update.flags &= ~MORE;
      this.#lane.append(update);
    }
  }

  /** True when it is across. All but the last say that more follows: the main thread waits for it. */
  #cross(queue: PortQueue, ring: UpdateRing<WaitingUpdate>): boolean {
    while (this.#lane.hasRoom(1)) {
      const update = ring.take();
      if (update === undefined) break;
      update.flags = ring.size > 0 ? update.flags | MORE : update.flags & ~MORE;
      this.#lane.append(update);
    }
    if (ring.size > 0) return false;
    queue.crossing = undefined;
    if (!ring.isIdle) {
      queue.ring ??= makeRing(queue.options);
      queue.ring.inherit(ring);
    }
    return true;
  }
}

function makeRing({ bufferLimit, overflow, atomic }: PortQueueOptions): UpdateRing<WaitingUpdate> {
  return new UpdateRing(bufferLimit, overflow, atomic ? ({ group }) => group : undefined);
}
