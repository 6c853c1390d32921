/**
 * Sets of one state that go by its link, in their order: those that wait for the link, and those that were sent and not answered.
 * Path: slot -> [set queue] -> link session. It outlives the link: what was sent and not answered when one breaks is sent again on the next, in its
 * order and under its number, unless the server has it already; where the server knows nothing of the link before, its outcome is unknown.
 * What was refused because its session was ended goes, with all that was sent behind it, by the next link, in its order: no server has made any of it.
 * A number is never that of another set: what a server before this one has still to make is found to be made, or withdrawn.
 * What no message of the next link can carry, because its server takes less, is refused at once; another set, which the server refuses, has its number.
 * Bounded by what its owner lets in; each set has its deadline, at which its caller is told, and its end, when it is known what became of it.
 */
import Denque from 'denque';
import type { BridgeError } from '../../shared/errors.js';
import { errorFromWire, MessageTooLargeError, UnavailableError, UnknownOutcomeError } from '../../shared/errors.js';
import { EMPTY_METADATA } from '../../shared/values/metadata.js';
import type { LinkSet, LinkSetWriter } from '../../shared/wire/link-set-writer.js';
import type { SetsSoFar } from '../../shared/wire/link-writer.js';
import { bytesOfSet } from './link-value.js';

/** It ends once: by `settle`, `fail` or `reroute`, or by `expire` and then `end`. */
export interface QueuedSet extends LinkSet {
  readonly deadlineMs: number;
  /** Sets of its atomic batch from this one on, itself included: they go together. */
  readonly batchLeft: number;
  /** Its caller was told that its time is up, and its outcome is still to come. Written by the queue. */
  isOver: boolean;
  settle(version: number): void;
  fail(error: BridgeError): void;
  /** There are no links any more: it goes by a call. */
  reroute(): void;
  /** Tells its caller; the server may have it still to make. */
  expire(error: BridgeError): void;
  /** It expired, and is made or will not be. */
  end(): void;
}

/** What a link says of the sets of the one before it, in its hello. */
export interface SetsBefore {
  readonly linkId: Uint8Array;
  /** The outcomes up to here came, or nobody waits for them: of those, what is not made yet shall not be. */
  readonly setsAnswered: number;
  readonly setsDone: number;
}

export class SetQueue {
  /** Names this queue to servers; 16 bytes. */
  readonly #linkId: Uint8Array;
  readonly #waiting = new Denque<QueuedSet>();
  /** Those that have a number. */
  readonly #sent = new Denque<QueuedSet>();
  /** Those whose session was not there: before all that was sent or waits behind them. */
  #returning: QueuedSet[] = [];
  /** How many of the last of these the next message begins with: they were sent on a link that broke. */
  #unsaid = 0;

  /** Of the first that was sent and is not answered. */
  #firstSent = 1;
  /** The last set that has a version. */
  #done = 0;
  /** Of the first of those that were sent: the hello of the link that is not welcome yet says that nobody waits for them. */
  #withdrawn = 0;
  /** Of the server of the last message. */
  #mostBytes = Number.POSITIVE_INFINITY;
  /** So many of the first were queued for one that takes more. */
  #narrowed = 0;
  /** Refused here: their values are not sent any more, whatever the next server takes. */
  readonly #tooLarge = new WeakSet<QueuedSet>();
  /** The link broke with sets on it: what became of them is known when the next one is welcome. */
  #isResuming = false;

  constructor(linkId: Uint8Array) {
    this.#linkId = linkId;
  }

  /** Not ended. */
  get size(): number {
    return this.#waiting.length + this.#sent.length + this.#returning.length;
  }

  get hasWaiting(): boolean {
    return this.#returning.length === 0 && this.#waiting.length + this.#unsaid > 0;
  }

  /** Some were sent on the link that there is. */
  get hasUnanswered(): boolean {
    return this.#sent.length > this.#unsaid;
  }

  /** Of the one that waits longest, ms; undefined when none does. */
  get nextDeadlineMs(): number | undefined {
    for (let place = 0; place < this.#sent.length; place += 1) {
      const sent = this.#sent.peekAt(place)!;
      if (!sent.isOver) return sent.deadlineMs;
    }
    return (this.#returning[0] ?? this.#waiting.peekFront())?.deadlineMs;
  }

  /** When the time of the one that was sent first was up, ms; undefined when it is not. */
  get overSinceMs(): number | undefined {
    const first = this.#sent.peekFront();
    return first?.isOver === true ? first.deadlineMs : undefined;
  }

  /** For the hello of a link. */
  before(): SetsBefore {
    this.#withdrawn = 0;
    while (this.#sent.peekAt(this.#withdrawn)?.isOver === true) this.#withdrawn += 1;
    return { linkId: this.#linkId, setsAnswered: this.answered + this.#withdrawn, setsDone: this.#done };
  }

  /** The last set that ended. */
  get answered(): number {
    return this.#firstSent - 1;
  }

  push(set: QueuedSet): void {
    this.#waiting.push(set);
  }

  /**
   * Writes what fits into one message, up to `messageBytes` and one set or atomic batch more, and as many as may be unanswered. `maxBytes` is what is
   * left of the most that the server takes, `mostBytes` that of a message which carries nothing else. Returns the number of the first.
   */
  write(
    writer: LinkSetWriter,
    messageBytes: number,
    maxBytes = Number.POSITIVE_INFINITY,
    mostBytes = maxBytes,
  ): number {
    const sequence = this.#firstSent + this.#sent.length - this.#unsaid;
    if (this.#isResuming || this.#returning.length > 0) return sequence;
    // What was queued was looked at for the server of then: looked at again for one that takes less, and not for every set.
    const sizeOf = this.#isNarrower(mostBytes) ? bytesOfBatch : noBytes;
    while (this.#unsaid > 0 && writer.size < messageBytes) {
      const place = this.#sent.length - this.#unsaid;
      const bytes = sizeOf(this.#sent, place);
      if (bytes > mostBytes) this.#refuseTooLarge(place, bytes, mostBytes);
      const isRefused = this.#tooLarge.has(this.#sent.peekAt(place)!);
      if (!isRefused && writer.size + bytes > maxBytes) return sequence;
      // Those that are refused need not go together.
      const count = isRefused ? 1 : this.#sent.peekAt(place)!.batchLeft;
      for (let left = count; left > 0; left -= 1) {
        const set = this.#sent.peekAt(-this.#unsaid)!;
        writer.add(isRefused ? refusedInPlaceOf(set) : set);
        this.#unsaid -= 1;
      }
    }
    if (this.#unsaid > 0) return sequence;
    for (let set = this.#waiting.peekFront(); set !== undefined; set = this.#waiting.peekFront()) {
      const bytes = sizeOf(this.#waiting, 0);
      if (bytes > mostBytes) {
        this.#failWaiting(set.batchLeft, bytes, mostBytes);
        continue;
      }
      if (writer.size >= messageBytes || writer.size + bytes > maxBytes) break;
      if (this.#sent.length + set.batchLeft > MAX_UNANSWERED) break;
      for (let left = set.batchLeft; left > 0; left -= 1) {
        const next = this.#waiting.shift()!;
        writer.add(next);
        this.#sent.push(next);
      }
    }
    return sequence;
  }

  /** Whether some of what is queued was queued for a server that takes more than this. */
  #isNarrower(mostBytes: number): boolean {
    if (mostBytes < this.#mostBytes) this.#narrowed = this.size;
    this.#mostBytes = mostBytes;
    return this.#narrowed > 0;
  }

  /** Of the set or atomic batch at this place of those that were sent: the server has not made it, and does not get to. */
  #refuseTooLarge(place: number, bytes: number, mostBytes: number): void {
    for (let left = this.#sent.peekAt(place)!.batchLeft; left > 0; left -= 1) {
      const set = this.#sent.peekAt(place + left - 1)!;
      this.#tooLarge.add(set);
      if (set.isOver) continue;
      set.isOver = true;
      set.expire(tooLarge(bytes, mostBytes));
    }
  }

  /** They have no numbers yet. */
  #failWaiting(count: number, bytes: number, mostBytes: number): void {
    this.#narrowed = Math.max(0, this.#narrowed - count);
    for (let left = count; left > 0; left -= 1) this.#waiting.shift()!.fail(tooLarge(bytes, mostBytes));
  }

  /** Of the one that was sent first: its version. False when none was sent. */
  handleDone(version: number): boolean {
    const set = this.#takeSent();
    if (set === undefined) return false;
    this.#done = this.answered;
    if (set.isOver) set.end();
    else set.settle(version);
    return true;
  }

  handleRefused(code: string, message: string): boolean {
    const set = this.#takeSent();
    if (set === undefined) return false;
    if (set.isOver) set.end();
    // It refused, so nothing was done, nor is what comes behind it on this link.
    else if (code === 'SESSION_NOT_FOUND') this.#returning.push(set);
    else set.fail(errorFromWire({ code, message, details: { identifiers: [set.identifier] } }));
    return true;
  }

  /** The link they were sent on is gone; `isOfSession`: because its session is, behind the outcomes of all that was made. */
  handleBreak(isOfSession = false): void {
    this.#unsaid = 0;
    if (this.#returning.length > 0 || (isOfSession && !this.#isResuming)) this.#takeBack();
    if (this.#sent.length > 0) this.#isResuming = true;
  }

  /** They wait again, before all others. */
  #takeBack(): void {
    const returning = this.#returning;
    this.#returning = [];
    for (let set = this.#takeSent(); set !== undefined; set = this.#takeSent()) {
      if (set.isOver) set.end();
      else returning.push(set);
    }
    for (let set = returning.pop(); set !== undefined; set = returning.pop()) this.#waiting.unshift(set);
    // Looked at again for the next server.
    this.#mostBytes = Number.POSITIVE_INFINITY;
  }

  /** The next link is taken. What it says of the one before: whether it is known, which sets were made, and of which nobody knows what became. */
  handleWelcome({ setsContinue, setsMade, setsLost }: SetsSoFar): void {
    if (!this.#isResuming) return;
    this.#isResuming = false;
    if (!setsContinue) {
      this.failSent();
      return;
    }
    for (; this.#withdrawn > 0; this.#withdrawn -= 1) this.#takeSent()?.end();
    while (this.#sent.length > 0 && this.#firstSent <= setsLost) this.#failOne(this.#takeSent()!);
    // Outcomes of those that were made follow; the others go again, under their numbers.
    this.#unsaid = Math.max(0, this.#sent.length - Math.max(0, setsMade - this.answered));
  }

  /** No link will say what became of them. */
  failSent(): void {
    this.#isResuming = false;
    this.#unsaid = 0;
    while (this.#sent.length > 0) this.#failOne(this.#takeSent()!);
  }

  /** Those that were not sent. */
  takeWaiting(): QueuedSet[] {
    const sets = [...this.#returning, ...this.#waiting.toArray()];
    this.#returning = [];
    this.#waiting.clear();
    return sets;
  }

  #takeSent(): QueuedSet | undefined {
    // What was not said on this link is not answered by it.
    if (this.#sent.length === this.#unsaid) return undefined;
    this.#firstSent += 1;
    this.#narrowed = Math.max(0, this.#narrowed - 1);
    return this.#sent.shift();
  }

  #failOne(set: QueuedSet): void {
    if (set.isOver) set.end();
    else set.fail(unknownOutcome());
  }

  /** Tells those whose time is up. */
  handleDeadline(nowMs: number): void {
    for (let place = 0; place < this.#sent.length; place += 1) {
      const set = this.#sent.peekAt(place)!;
      if (set.deadlineMs > nowMs) break;
      if (set.isOver) continue;
      set.isOver = true;
      set.expire(unknownOutcome());
    }
    const isLate = (set: QueuedSet | undefined): boolean => set !== undefined && set.deadlineMs <= nowMs;
    while (isLate(this.#returning[0])) failLate(this.#returning.shift()!);
    while (isLate(this.#waiting.peekFront())) failLate(this.#waiting.shift()!);
  }
}

function failLate(set: QueuedSet): void {
  set.fail(new UnavailableError(`variable "${set.identifier}": no link to the server came in time: it was not set`));
}

/** By estimate, not fewer. */
function bytesOfBatch(sets: Denque<QueuedSet>, place: number): number {
  let bytes = 0;
  for (let left = sets.peekAt(place)!.batchLeft; left > 0; left -= 1)
    bytes += bytesOfSet(sets.peekAt(place + left - 1)!);
  return bytes;
}

/** Not looked at. */
function noBytes(): number {
  return 0;
}

/** Of no value, which no type takes. */
function refusedInPlaceOf({ identifier }: QueuedSet): LinkSet {
  return { identifier, value: NO_VALUE, source: '', metadata: EMPTY_METADATA, expectedVersion: 0, isFollowed: false };
}

function tooLarge(bytes: number, mostBytes: number): MessageTooLargeError {
  return MessageTooLargeError.of('set', 'message', bytes, Math.floor(mostBytes));
}

function unknownOutcome(): UnknownOutcomeError {
  return new UnknownOutcomeError(
    'set: the answer was lost: it may or may not have been made, so read before you repeat it',
  );
}

/** Its JSON is an empty text. */
const NO_VALUE = { payload: new Uint8Array(0), binary: undefined };
/** Above what an atomic batch may have. */
const MAX_UNANSWERED = 8_192;
