/**
 * One set that the main thread has sent: by the link, or by a call where that cannot make it. Path: changes -> [slot set] -> set queue.
 * Its caller is told once, and it ends once, both at the same time unless its time is up before.
 */
import type { BridgeError } from '../../shared/errors.js';
import { UnavailableError } from '../../shared/errors.js';
import type { ChangeCall, SetsCommand } from '../../shared/port/commands.js';
import type { Metadata } from '../../shared/values/metadata.js';
import { EMPTY_METADATA } from '../../shared/values/metadata.js';
import type { PlainValue } from '../../shared/wire/link-set-writer.js';
import type { PhasedChange, Way } from './change-phases.js';
import type { QueuedSet } from './set-queue.js';

/** Whose sets they are: those of one command. */
export interface SetsOwner {
  /** Tells the caller of the set at this place, once. */
  tell(place: number, version: number, error: BridgeError | undefined): void;
  /** Of what was started: it is made, or will not be. */
  handleEnd(): void;
  /** False where there is no link: then it is not taken in. */
  sendByLink(set: QueuedSet): boolean;
  /** What it comes to goes to `handleDone` or `handleFailed`, once; `handleEnd` follows, at once or when it is known what became of it. */
  call(call: ChangeCall, deadlineMs: number, outcome: CallOutcome): void;
}

export interface CallOutcome {
  handleDone(result: unknown): void;
  handleFailed(error: BridgeError): void;
  handleEnd(): void;
}

export class SlotSet implements QueuedSet, PhasedChange, CallOutcome {
  readonly way: Way;
  readonly identifier: string;
  readonly value: PlainValue;
  readonly source: string;
  readonly metadata: Metadata;
  readonly expectedVersion: number;
  readonly deadlineMs: number;
  readonly batchLeft = 1;
  readonly isFollowed = false;
  isOver = false;
  readonly #place: number;
  readonly #owner: SetsOwner;

  constructor(way: Way, command: SetsCommand, place: number, deadlineMs: number, owner: SetsOwner) {
    this.way = way;
    this.identifier = command.identifiers[place]!;
    this.value = command.values[place]!;
    this.source = command.source;
    this.metadata = command.metadata?.[place] ?? EMPTY_METADATA;
    this.expectedVersion = command.expectedVersions?.[place] ?? 0;
    this.deadlineMs = deadlineMs;
    this.#place = place;
    this.#owner = owner;
  }

  start(): void {
    if (this.way === 'call' || !this.#owner.sendByLink(this)) this.reroute();
  }

  handleTooLate(): void {
    this.expire(tooLate());
  }

  settle(version: number): void {
    this.handleDone(version);
    this.#owner.handleEnd();
  }

  fail(error: BridgeError): void {
    this.expire(error);
    this.#owner.handleEnd();
  }

  expire(error: BridgeError): void {
    this.#owner.tell(this.#place, 0, error);
  }

  end(): void {
    this.#owner.handleEnd();
  }

  reroute(): void {
    const { identifier, source, metadata, expectedVersion } = this;
    const value = { value: this.value, isOpaque: false };
    this.#owner.call({ name: 'set', identifier, value, source, metadata, expectedVersion }, this.deadlineMs, this);
  }

  handleDone(version: unknown): void {
    this.#owner.tell(this.#place, version as number, undefined);
  }

  handleFailed(error: BridgeError): void {
    this.expire(error);
  }

  handleEnd(): void {
    this.#owner.handleEnd();
  }
}

/** Of a change that waited in vain. */
export function tooLate(): UnavailableError {
  return new UnavailableError(
    'a change that was called earlier is still to be answered, and this one waited for it until its time was up: it was not made',
  );
}
