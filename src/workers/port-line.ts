/**
 * Who is next at the port, and what waits for it. Path: subscription -> ring -> [port line] -> lane.
 * Slow: without room in the lane updates wait in their watch's ring, whose overflow decides. A queue that is idle is passed by; one that
 * holds anything, or has still to tell what it left out, is not. Room goes to urgent watches first and to those of the background last; but
 * to one that was passed over so often in a row that its turn has come. Closed: a queue that is dropped gives and tells nothing more.
 */

import { BACKGROUND, NORMAL, type Priority, RANKS, type Rank, rankOf } from '../shared/delivery/priority.js';
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
  readonly priority: Priority;
}

/** One watch's place in the line. Owner: its subscription. Only the line takes from the rings. */
export class PortQueue {
  readonly options: PortQueueOptions;
  readonly rank: Rank;
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
    this.rank = rankOf(options.priority);
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
  /** Queues that are not empty, by rank, first come first served. */
  readonly #lines: [PortQueue[], PortQueue[], PortQueue[]] = [[], [], []];
  /** The rank of the first that waits for room; of an idle queue behind it no update passes by. */
  #firstRank: number = NOBODY;
  /** Drains in a row that left something of a lower rank waiting. */
  #passedOver = 0;
  /** Of which rank a watch went before all others last. */
  #favourite = NORMAL;

  constructor(lane: LaneRoom, reply: (reply: Reply) => void) {
    this.#lane = lane;
    this.#reply = reply;
  }

  /** Something waits that room would let through. */
  get awaitsRoom(): boolean {
    for (const line of this.#lines) if (line.some(awaitsRoom)) return true;
    return false;
  }

  /** Takes an update in: into the lane, or into the queue. False when the queue is full and asked for an error: then it was not taken in. */
  offer(queue: PortQueue, update: Update): boolean {
    const isFollowed = (update.flags & MORE) !== 0;
    const isOutranked = queue.rank > this.#firstRank;
    if (!isFollowed && !queue.isGroupOpen && queue.isIdle && !isOutranked && this.#lane.hasRoom(1)) {
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
    if (!isFollowed) {
      if (!isOutranked) this.#drain(queue);
      if (queue.size > 0 && queue.rank < this.#firstRank) this.#firstRank = queue.rank;
    }
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
    if (this.#passedOver >= PASSED_OVER_AT_MOST) {
      this.#passedOver = 0;
      this.#favourite = this.#favourite === NORMAL ? BACKGROUND : NORMAL;
      this.#drainOne(this.#favourite);
    }
    this.#firstRank = NOBODY;
    for (const rank of RANKS) {
      const line = this.#lines[rank];
      this.#lines[rank] = [];
      for (const queue of line) {
        this.#drain(queue);
        if (queue.size > 0) this.#lines[rank].push(queue);
        else this.#leave(queue);
      }
      if (this.#firstRank === NOBODY && this.#lines[rank].some(awaitsRoom)) this.#firstRank = rank;
    }
    const isPassedOver = this.#lines[NORMAL].length + this.#lines[BACKGROUND].length > 0;
    this.#passedOver = isPassedOver ? this.#passedOver + 1 : 0;
  }

  clear(): void {
    for (const rank of RANKS) this.#lines[rank] = [];
  }

  /** The watch of this rank that waits longest gives what it has, whoever outranks it; then it goes behind the others of its rank. */
  #drainOne(rank: Rank): void {
    const line = this.#lines[rank];
    const place = line.findIndex(awaitsRoom);
    if (place < 0) return;
    const [queue] = line.splice(place, 1) as [PortQueue];
    this.#drain(queue);
    if (queue.size > 0) line.push(queue);
    else this.#leave(queue);
  }

  #leave(queue: PortQueue): void {
    queue.isInLine = false;
    for (const reply of queue.afterUpdates ?? []) this.#reply(reply);
    queue.afterUpdates = undefined;
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
    this.#lines[queue.rank].push(queue);
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

function awaitsRoom(queue: PortQueue): boolean {
  return !queue.isGroupOpen || queue.crossing !== undefined;
}

/** No rank. */
const NOBODY = 3;
/** Then one watch of a lower rank goes before all others, of the two ranks in turn: each of W of a rank goes at least once in 18 W drains that have room. */
const PASSED_OVER_AT_MOST = 8;

function makeRing({ bufferLimit, overflow, atomic }: PortQueueOptions): UpdateRing<WaitingUpdate> {
  return new UpdateRing(bufferLimit, overflow, atomic ? ({ group }) => group : undefined);
}
