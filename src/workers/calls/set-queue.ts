/**
 * Sets of one state that go by its link, in their order: those that wait for the link, and those that were sent and not answered.
 * Path: slot -> [set queue] -> link session. It outlives the link. A link that breaks leaves the sent ones with an unknown outcome; the others
 * go with the next. Bounded by what its owner lets in; each set has its deadline.
 */
import Denque from 'denque';
import type { BridgeError } from '../../shared/errors.js';
import { errorFromWire, UnavailableError, UnknownOutcomeError } from '../../shared/errors.js';
import type { LinkSet, LinkSetWriter } from '../../shared/wire/link-set-writer.js';

/** Settled once, by one of three. */
export interface QueuedSet extends LinkSet {
  readonly deadlineMs: number;
  /** Its time was up, its outcome is still to come. Written by the queue. */
  isOver: boolean;
  settle(version: number): void;
  fail(error: BridgeError): void;
  /** The link cannot make it: it goes by a call. */
  reroute(): void;
}

export class SetQueue {
  readonly #waiting = new Denque<QueuedSet>();
  readonly #sent = new Denque<QueuedSet>();

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

  push(set: QueuedSet): void {
    this.#waiting.push(set);
  }

  /** Writes what fits into one message, and as many as may be unanswered. */
  write(writer: LinkSetWriter, messageBytes: number): void {
    while (this.#sent.length < MAX_UNANSWERED && writer.size < messageBytes) {
      const set = this.#waiting.shift();
      if (set === undefined) return;
      writer.add(set);
      this.#sent.push(set);
    }
  }

  /** Of the one that was sent first: its version. False when none was sent. */
  handleDone(version: number): boolean {
    const set = this.#sent.shift();
    if (set?.isOver === false) set.settle(version);
    return set !== undefined;
  }

  handleRefused(code: string, message: string): boolean {
    const set = this.#sent.shift();
    if (set?.isOver === false) {
      // It refused, so nothing was done: the call joins the session again.
      if (code === 'SESSION_NOT_FOUND') set.reroute();
      else set.fail(errorFromWire({ code, message, details: { identifiers: [set.identifier] } }));
    }
    return set !== undefined;
  }

  /** The link they were sent on is gone. */
  handleBreak(): void {
    const sets = this.#sent.toArray();
    this.#sent.clear();
    for (const set of sets) if (!set.isOver) set.fail(unknownOutcome());
  }

  /** Those that were not sent. */
  takeWaiting(): QueuedSet[] {
    const sets = this.#waiting.toArray();
    this.#waiting.clear();
    return sets;
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

const MAX_UNANSWERED = 8_192;
