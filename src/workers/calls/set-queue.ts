/**
 * Sets of one state that go by its link, in their order: those that wait for the link, and those that were sent and not answered.
 * Path: slot -> [set queue] -> link session. It outlives the link: what was sent and not answered when one breaks is sent again on the next, in its
 * order and under its number, unless the server has it already; where the server knows nothing of the link before, its outcome is unknown.
 * Bounded by what its owner lets in; each set has its deadline.
 */
import Denque from 'denque';
import type { BridgeError } from '../../shared/errors.js';
import { errorFromWire, UnavailableError, UnknownOutcomeError } from '../../shared/errors.js';
import type { LinkSet, LinkSetWriter } from '../../shared/wire/link-set-writer.js';
import type { SetsSoFar } from '../../shared/wire/link-writer.js';

/** Settled once, by one of three. */
export interface QueuedSet extends LinkSet {
  readonly deadlineMs: number;
  /** Sets of its atomic batch from this one on, itself included: they go together. */
  readonly batchLeft: number;
  /** Its time was up, its outcome is still to come. Written by the queue. */
  isOver: boolean;
  settle(version: number): void;
  fail(error: BridgeError): void;
  /** The link cannot make it: it goes by a call. */
  reroute(): void;
}

export class SetQueue {
  /** Names this queue to servers; 16 bytes. */
  readonly linkId: Uint8Array;
  readonly #waiting = new Denque<QueuedSet>();
  readonly #sent = new Denque<QueuedSet>();

  /** Of the first that was sent and is not answered. */
  #firstSent = 1;
  #done = 0;
  /** The link broke with sets on it: what became of them is known when the next one is welcome. */
  #isResuming = false;

  constructor(linkId: Uint8Array) {
    this.linkId = linkId;
  }

  /** The last set whose outcome came. */
  get answered(): number {
    return this.#firstSent - 1;
  }

  /** Not answered. */
  get size(): number {
    return this.#waiting.length + this.#sent.length;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Of the one that waits longest, ms; undefined when none does. */
  get nextDeadlineMs(): number | undefined {
    for (let place = 0; place < this.#sent.length; place += 1) {
      const sent = this.#sent.peekAt(place)!;
      if (!sent.isOver) return sent.deadlineMs;
    }
    return this.#waiting.peekFront()?.deadlineMs;
  }

  /** The last set that has a version. */
  get done(): number {
    return this.#done;
  }

  push(set: QueuedSet): void {
    this.#waiting.push(set);
  }

  /** Writes what fits into one message, and as many as may be unanswered. Returns the number of the first. */
  write(writer: LinkSetWriter, messageBytes: number): number {
    const sequence = this.#firstSent + this.#sent.length;
    if (this.#isResuming) return sequence;
    for (let set = this.#waiting.peekFront(); set !== undefined; set = this.#waiting.peekFront()) {
      if (writer.size >= messageBytes || this.#sent.length + set.batchLeft > MAX_UNANSWERED) break;
      for (let left = set.batchLeft; left > 0; left -= 1) {
        const next = this.#waiting.shift()!;
        writer.add(next);
        this.#sent.push(next);
      }
    }
    return sequence;
  }

  /** Of the one that was sent first: its version. False when none was sent. */
  handleDone(version: number): boolean {
    const set = this.#takeSent();
    this.#done = this.answered;
    if (set?.isOver === false) set.settle(version);
    return set !== undefined;
  }

  handleRefused(code: string, message: string): boolean {
    const set = this.#takeSent();
    if (set?.isOver === false) {
      // It refused, so nothing was done: the call joins the session again.
      if (code === 'SESSION_NOT_FOUND') set.reroute();
      else set.fail(errorFromWire({ code, message, details: { identifiers: [set.identifier] } }));
    }
    return set !== undefined;
  }

  /** The link they were sent on is gone. */
  handleBreak(): void {
    if (this.#sent.length > 0) this.#isResuming = true;
  }

  /** The next link is taken. What it says of the one before: whether it is known, which sets were made, and of which nobody knows what became. */
  handleWelcome({ setsContinue, setsMade, setsLost }: SetsSoFar): void {
    if (!this.#isResuming) return;
    this.#isResuming = false;
    if (!setsContinue) {
      this.failSent();
      return;
    }
    while (this.#sent.length > 0 && this.#firstSent <= setsLost) this.#failOne(this.#takeSent()!);
    // Outcomes of those that were made follow; the others go again, as the numbers behind.
    const made = Math.max(0, setsMade - this.answered);
    while (this.#sent.length > made) {
      const set = this.#sent.pop()!;
      if (!set.isOver) this.#waiting.unshift(set);
    }
  }

  /** No link will say what became of them. */
  failSent(): void {
    this.#isResuming = false;
    while (this.#sent.length > 0) this.#failOne(this.#takeSent()!);
  }

  /** Those that were not sent. */
  takeWaiting(): QueuedSet[] {
    const sets = this.#waiting.toArray();
    this.#waiting.clear();
    return sets;
  }

  #takeSent(): QueuedSet | undefined {
    const set = this.#sent.shift();
    if (set !== undefined) this.#firstSent += 1;
    return set;
  }

  #failOne(set: QueuedSet): void {
    if (!set.isOver) set.fail(unknownOutcome());
  }

  /** Fails those whose time is up. */
  handleDeadline(nowMs: number): void {
    for (let place = 0; place < this.#sent.length; place += 1) {
      const set = this.#sent.peekAt(place)!;
      if (set.deadlineMs > nowMs) break;
      if (set.isOver) continue;
      set.isOver = true;
      set.fail(unknownOutcome());
    }
    for (
      let set = this.#waiting.peekFront();
      set !== undefined && set.deadlineMs <= nowMs;
      set = this.#waiting.peekFront()
    ) {
      this.#waiting.shift();
      set.fail(
        new UnavailableError(`variable "${set.identifier}": no link to the server came in time: it was not set`),
      );
    }
  }
}

function unknownOutcome(): UnknownOutcomeError {
  return new UnknownOutcomeError(
    'set: the answer was lost: it may or may not have been made, so read before you repeat it',
  );
}

/** Above what an atomic batch may have. */
const MAX_UNANSWERED = 8_192;
