/**
 * What one watch still has to send. Path: observer manager -> watch -> [outbox] -> update encoder -> a carrier.
 * A change goes straight out while the carrier takes writes. Slow: it waits. Full, by count, by bytes, or because the connection holds too
 * much: the newest of each variable stays, and what is left out is told exactly by `missed`. Closed: takes and gives nothing.
 *
 * A watch that keeps batches is sent groups: all messages of one but the last say `more`, and after the last the watch is of one revision of
 * the session. That is a batch; all that waits, where something was left out; an opening that tells present values.
 */
import type { VersionedValue } from '../../shared/state/versioned-value.js';
import type { KeptOut, Moment, UpdateEncoder } from '../../shared/wire/update-encoder.js';
import type { BatchHolder, PublishedChange } from '../observer-manager.js';
import type { CarrierBudget, RoomSeeker } from './carrier-budget.js';
import type { Opening } from './opening.js';
import { bytesOfOpening, heldOf, isSnapshot } from './opening.js';
import { OpeningQueue } from './opening-queue.js';
import type { SentState, WaitingChange } from './sent-state.js';
import { WaitingChanges } from './waiting-changes.js';

/** How much of a watch its carrier takes. */
export interface OutboxPace {
  /** Whether one more update may be given to it. Who hears no is told by `handleRoom` when it may. */
  takesWrites(seeker: RoomSeeker): boolean;
  /** Gives it what the encoder was told. */
  send(nowMs: number): void;
  /** Whether something was given to it that has not gone through. */
  readonly isUnderWay: boolean;
}

/** Of all watches together. */
export interface StreamCounters {
  updatesSent: number;
  updatesConflated: number;
}

/** Of all watches of one kind on one carrier. */
export interface OutboxScope {
  /** Changes kept while the carrier does not take them. */
  readonly limit: number;
  /** Bytes of them. */
  readonly maxBytes: number;
  readonly keepsBatches: boolean;
  readonly counters: StreamCounters;
  readonly budget: CarrierBudget;
}

/** Of most watches nothing waits for the end of its opening, and no group is sealed. */
const NO_MOMENT: Moment = { revision: 0, timestamp: 0 };
const NOTHING: readonly WaitingChange[] = [];

/** What an outbox has while something is not sent; nearly always it has none. */
class Backlog {
  opening: OpeningQueue | undefined = undefined;
  openingBytes = 0;
  openingAt = NO_MOMENT;
  /** The opening is one group. */
  isOpeningWhole = false;
  /** To be marked as `synced` once nothing of the opening is owed. */
  awaitsMark = false;
  /** Variables whose opening is told by their next change. */
  owed = 0;
  waiting: WaitingChanges | undefined = undefined;
  heldBytes = 0;
  /** Of a group: taken out of those that wait, to be sent to its end whatever comes. */
  sealed: readonly WaitingChange[] = NOTHING;
  sealedIndex = 0;
  sealedBytes = 0;
  /** Of sealed changes that are no longer the newest: nobody else may hold their values. */
  outdatedBytes = 0;
  /** What the watch was sent is of one revision only with all that waits. */
  isTorn = false;
  /** A batch is not published whole. */
  isHolding = false;

  /** Something waits that was not given to the carrier. */
  get isWaiting(): boolean {
    return (
      this.opening !== undefined ||
      this.sealedIndex < this.sealed.length ||
      (this.waiting !== undefined && this.waiting.size > 0) ||
      (this.awaitsMark && this.owed === 0)
    );
  }

  /** It says nothing that an outbox without one would not. */
  get isOver(): boolean {
    // What a write in the middle of another has sent is still to be given back.
    const holdsNothing = this.heldBytes === 0 && this.owed === 0;
    return holdsNothing && !this.isWaiting && !this.awaitsMark && !this.isTorn && !this.isHolding;
  }
}

export class Outbox implements RoomSeeker, BatchHolder {
  readonly #scope: OutboxScope;
  readonly #encoder: UpdateEncoder;
  readonly #pace: OutboxPace;
  #state: 'new' | 'open' | 'closed' = 'new';
  #backlog: Backlog | undefined;

  constructor(scope: OutboxScope, encoder: UpdateEncoder, pace: OutboxPace) {
    this.#scope = scope;
    this.#encoder = encoder;
    this.#pace = pace;
  }

  /** Whether something waits that was not given to the carrier. */
  get isWaiting(): boolean {
    return this.#backlog?.isWaiting ?? false;
  }

  /** Whether it holds more of what is outdated than it may: its batches are not to be torn, so that only its end is left. */
  get isOverfull(): boolean {
    return (this.#backlog?.outdatedBytes ?? 0) > this.#scope.maxBytes;
  }

  /** Once; changes that came before it wait. `wantsMark`: a `synced` mark behind it. */
  open(opening: readonly Opening[], at: Moment, wantsMark: boolean, nowMs: number): void {
    if (this.#isClosed) return;
    this.#state = 'open';
    if (opening.length > 0 || wantsMark) {
      const backlog = this.#own();
      if (opening.length > 0) backlog.opening = new OpeningQueue(opening);
      backlog.openingAt = at;
      backlog.awaitsMark = wantsMark;
      backlog.isOpeningWhole = this.#scope.keepsBatches && opening.some(isSnapshot);
      backlog.openingBytes = bytesOfOpening(opening);
      this.#hold(backlog, backlog.openingBytes);
    }
    this.#flush(nowMs);
  }

  /** A change of one of its variables; one that the watch knows already is left out. */
  push(sent: SentState, published: PublishedChange): void {
    if (this.#isClosed || published.change.current.version <= sent.version) return;
    const { keepsBatches, limit, maxBytes, counters, budget } = this.#scope;
    const isFollowed = keepsBatches && published.batch !== undefined;
    const isFree = this.#state === 'open' && !(this.#backlog?.isHolding ?? false) && !this.isWaiting;
    if (!isFollowed && isFree && this.#pace.takesWrites(this)) {
      this.#writeChange(sent, published, published, false, published.atMs);
      this.#dropBacklog();
      return;
    }
    const backlog = this.#own();
    if (isFollowed && !backlog.isHolding) {
      // Whether another of the batch is for this watch is known when all of it is published.
      backlog.isHolding = true;
      published.batch?.hold(this);
    }
    if (sent.waiting?.isSealed === true) backlog.outdatedBytes += sent.waiting.bytes;
    backlog.waiting ??= new WaitingChanges(limit, maxBytes);
    const bytesBefore = backlog.waiting.bytes;
    const leftOut = backlog.waiting.push(sent, published, budget.isPressed);
    counters.updatesConflated += leftOut;
    this.#hold(backlog, backlog.waiting.bytes - bytesBefore);
  }

  /** The batch is published whole. */
  handleBatchEnd(nowMs: number): void {
    if (this.#backlog !== undefined) this.#backlog.isHolding = false;
    this.#flush(nowMs);
  }

  /** The carrier has let something through. */
  handleRoom(nowMs: number): void {
    if (this.isWaiting) this.#flush(nowMs);
  }

  /** A heartbeat, unless something is under way or waits: then it would only come later. */
  pushHeartbeat(nowMs: number, at: Moment): void {
    if (this.#state !== 'open' || this.#pace.isUnderWay || this.isWaiting) return;
    this.#encoder.mark('heartbeat', at);
    this.#pace.send(nowMs);
  }

  /** Lets go of everything that waits. */
  close(): void {
    if (this.#isClosed) return;
    this.#state = 'closed';
    this.#scope.budget.held -= this.#backlog?.heldBytes ?? 0;
    this.#backlog = undefined;
    this.#scope.budget.forget(this);
  }

  get #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #own(): Backlog {
    this.#backlog ??= new Backlog();
    return this.#backlog;
  }

  #dropBacklog(): void {
    if (this.#backlog?.isOver === true) this.#backlog = undefined;
  }

  #flush(nowMs: number): void {
    // A write may close it: then nothing of its backlog is looked at.
    for (
      let backlog = this.#backlog;
      this.#state === 'open' && backlog?.isWaiting === true && this.#pace.takesWrites(this);
      backlog = this.#backlog
    ) {
      if (backlog.opening !== undefined) this.#flushOpening(backlog, backlog.opening, nowMs);
      else if (backlog.sealedIndex < backlog.sealed.length) this.#flushSealed(backlog, nowMs);
      else if (backlog.awaitsMark && backlog.owed === 0 && !backlog.isTorn) this.#writeMark(backlog, nowMs);
      else if (backlog.isHolding) break;
      else if (this.#scope.keepsBatches) this.#seal(backlog);
      else this.#flushWaiting(backlog, nowMs);
    }
    this.#dropBacklog();
  }

  #flushOpening(backlog: Backlog, queue: OpeningQueue, nowMs: number): void {
    this.#writeOpening(queue.take()!, backlog, queue, nowMs);
    if (queue.peek() !== undefined) return;
    this.#hold(backlog, -backlog.openingBytes);
    backlog.opening = undefined;
    // The last one has said so.
    if (backlog.waiting === undefined) backlog.isTorn = false;
  }

  #writeOpening(opening: Opening, backlog: Backlog, queue: OpeningQueue, nowMs: number): void {
    if (opening.type === 'gone') {
      const { variable, kept } = opening;
      this.#encoder.gone(variable, kept, backlog.openingAt, this.#isFollowed(opening, backlog, queue));
      this.#pace.send(nowMs);
      return;
    }
    const { type, sent, version } = opening;
    const current = heldOf(opening);
    if (current === undefined) {
      this.#owe(backlog, opening);
      return;
    }
    const more = this.#isFollowed(opening, backlog, queue);
    if (type === 'replay') this.#encodeReplay(sent, current, more);
    else this.#encoder.snapshot(sent, current, type, opening.missed, more);
    this.#handleSaid(sent, version);
    this.#pace.send(nowMs);
  }

  #encodeReplay(sent: SentState, current: VersionedValue, more: boolean): void {
    const { variable, version, kept } = sent;
    const previous = variable.history.find(kept === undefined ? version : current.version - 1);
    const change = { variable, previous, current, reason: undefined };
    const shared = {
      change,
      bytes: undefined,
      bytesWithOldValue: undefined,
      encoded: undefined,
      encodedBefore: undefined,
    };
    const missed = kept?.leftOutOfReplay ?? 0;
    if (kept !== undefined) kept.leftOutOfReplay = 0;
    this.#encoder.change(sent, shared, more, kept && keptOut(sent, current, missed, previous));
  }

  /** Superseded: its next change tells it. */
  #owe(backlog: Backlog, opening: Exclude<Opening, { readonly type: 'gone' }>): void {
    backlog.isTorn = this.#scope.keepsBatches;
    if (opening.type === 'replay') {
      if (opening.sent.kept !== undefined) opening.sent.kept.leftOutOfReplay += 1;
      return;
    }
    const { sent, type, version, missed } = opening;
    sent.owed = type;
    backlog.owed += 1;
    if (type === 'resync') sent.version = version - missed - 1;
  }

  /** Whether the watch is of one revision only with what comes behind this. */
  #isFollowed({ revision }: Opening, backlog: Backlog, queue: OpeningQueue): boolean {
    if (!this.#scope.keepsBatches) return false;
    let next = queue.peek();
    while (next !== undefined && next.type !== 'gone' && heldOf(next) === undefined) {
      this.#owe(backlog, next);
      queue.take();
      next = queue.peek();
    }
    if (next === undefined) return backlog.isTorn && backlog.waiting !== undefined;
    return backlog.isTorn || backlog.isOpeningWhole || next.revision === revision;
  }

  /** Takes out the next group: one revision, or all that waits. */
  #seal(backlog: Backlog): void {
    const waiting = backlog.waiting!;
    const isAll = backlog.isTorn || waiting.leftOut > 0;
    const revision = waiting.peek()?.change.current.revision;
    const group: WaitingChange[] = [];
    const bytesBefore = waiting.bytes;
    while (isAll || waiting.peek()?.change.current.revision === revision) {
      const next = waiting.take();
      if (next === undefined) break;
      if (next.published!.change.current.version <= next.sent.version) continue;
      next.isSealed = true;
      next.sent.waiting ??= next;
      group.push(next);
    }
    backlog.sealedBytes = bytesBefore - waiting.bytes;
    backlog.sealed = group;
    backlog.sealedIndex = 0;
    if (waiting.size === 0) backlog.waiting = undefined;
    if (group.length === 0) this.#handleGroupEnd(backlog);
  }

  #flushSealed(backlog: Backlog, nowMs: number): void {
    const next = backlog.sealed[backlog.sealedIndex]!;
    const { sent, published, first } = next;
    if (sent.waiting === next) sent.waiting = undefined;
    backlog.sealedIndex += 1;
    const more = backlog.sealedIndex < backlog.sealed.length;
    this.#writeChange(sent, published!, first, more, nowMs);
    if (!more) this.#handleGroupEnd(backlog);
  }

  #handleGroupEnd(backlog: Backlog): void {
    backlog.isTorn = false;
    backlog.sealed = NOTHING;
    backlog.sealedIndex = 0;
    backlog.outdatedBytes = 0;
    this.#hold(backlog, -backlog.sealedBytes);
    backlog.sealedBytes = 0;
  }

  #flushWaiting(backlog: Backlog, nowMs: number): void {
    const waiting = backlog.waiting!;
    const next = waiting.take()!;
    this.#hold(backlog, -next.bytes);
    const { sent, published, first } = next;
    // It never shrinks: a watch that has caught up needs none.
    if (waiting.size === 0) backlog.waiting = undefined;
    if (published!.change.current.version > sent.version) this.#writeChange(sent, published!, first, false, nowMs);
  }

  #writeChange(
    sent: SentState,
    published: PublishedChange,
    first: PublishedChange | undefined,
    more: boolean,
    nowMs: number,
  ): void {
    const { current, reason } = published.change;
    const { kept } = sent;
    if (kept !== undefined) {
      const missed = kept.leftOut + kept.leftOutOfReplay;
      kept.leftOut = 0;
      kept.leftOutOfReplay = 0;
      this.#encoder.change(sent, published, more, keptOut(sent, current, missed, first?.change.previous));
    } else if (sent.owed === undefined) {
      this.#encoder.change(sent, published, more, undefined);
    } else {
      this.#own().owed -= 1;
      if (reason !== undefined) this.#encoder.change(sent, published, more, undefined);
      else {
        const missed = sent.owed === 'resync' ? current.version - sent.version - 1 : 0;
        this.#encoder.snapshot(sent, current, sent.owed, missed, more);
      }
      sent.owed = undefined;
    }
    this.#handleSaid(sent, current.version);
    this.#pace.send(nowMs);
  }

  #handleSaid(sent: SentState, version: number): void {
    sent.version = version;
    sent.unsaidIdentifiers = undefined;
    this.#scope.counters.updatesSent += 1;
  }

  #writeMark(backlog: Backlog, nowMs: number): void {
    backlog.awaitsMark = false;
    this.#encoder.mark('synced', backlog.openingAt);
    this.#pace.send(nowMs);
  }

  #hold(backlog: Backlog, moreBytes: number): void {
    // Closed by the carrier in the middle of a write: all of it was given back.
    if (this.#isClosed) return;
    backlog.heldBytes += moreBytes;
    this.#scope.budget.held += moreBytes;
  }
}

/** `before`: the version right before those that were not kept out. */
function keptOut(
  { handle, version }: SentState,
  current: VersionedValue,
  missed: number,
  before: VersionedValue | undefined,
): KeptOut {
  // A watch that has returned may not know the value that it was at.
  const knowsBefore = handle >= 0 && current.version - version - 1 === missed;
  return { missed, before: knowsBefore ? undefined : before };
}
