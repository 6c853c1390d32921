/**
 * One set that the main thread has sent: by the link, or by a call where that cannot make it. Path: changes -> [slot set] -> set queue.
 * Its caller is told once, and it ends once, both at the same time unless its time is up before.
 */
import type { BridgeError } from '../../shared/errors.js';
import type { ChangeCall, SetsCommand } from '../../shared/port/commands.js';
import type { Metadata } from '../../shared/values/metadata.js';
import { EMPTY_METADATA } from '../../shared/values/metadata.js';
import type { LinkValue } from '../../shared/wire/link-set-writer.js';
import type { QueuedSet } from './set-queue.js';
import type { Round } from './sets-under-way.js';

/** One set, or a batch of them. */
export interface LinkChange {
  readonly identifiers: readonly string[];
  readonly deadlineMs: number;
  /** Among what was given to the link; undefined before it is, and where it goes by a call alone. */
  round: Round | undefined;
  /** Gives it to the link. */
  start(): void;
  /** It goes by a call. */
  reroute(): void;
  /** It has no turn: it does not end. */
  refuse(error: BridgeError): void;
}

/** Whose sets they are: those of one command. */
export interface SetsOwner {
  /** Tells the caller of the set at this place, once. */
  tell(place: number, version: number, error: BridgeError | undefined): void;
  /** It is made, or will not be. */
  handleEnd(change: LinkChange): void;
  /** False where there is no link: then it is not taken in. */
  sendByLink(set: QueuedSet): boolean;
  /** What the call comes to goes to `handleDone` or `handleFailed`, once; `handleEnd` follows, at once or when it is known what became of it. */
  call(change: LinkChange, call: ChangeCall, outcome: CallOutcome): void;
}

export interface CallOutcome {
  handleDone(result: unknown): void;
  handleFailed(error: BridgeError): void;
  handleEnd(): void;
}

export class SlotSet implements QueuedSet, LinkChange, CallOutcome {
  readonly identifier: string;
  readonly value: LinkValue;
  readonly source: string;
  readonly metadata: Metadata;
  readonly expectedVersion: number;
  readonly deadlineMs: number;
  readonly batchLeft = 1;
  readonly isFollowed = false;
  isOver = false;
  round: Round | undefined = undefined;
  readonly #command: SetsCommand;
  readonly #place: number;
  readonly #owner: SetsOwner;

  /** `value`: as the link carries it. */
  constructor(command: SetsCommand, place: number, value: LinkValue, deadlineMs: number, owner: SetsOwner) {
    this.#command = command;
    this.identifier = command.identifiers[place]!;
    this.value = value;
    this.source = command.source;
    this.metadata = command.metadata?.[place] ?? EMPTY_METADATA;
    this.expectedVersion = command.expectedVersions?.[place] ?? 0;
    this.deadlineMs = deadlineMs;
    this.#place = place;
    this.#owner = owner;
  }

  get identifiers(): readonly string[] {
    return [this.identifier];
  }

  start(): void {
    if (!this.#owner.sendByLink(this)) this.reroute();
  }

  refuse(error: BridgeError): void {
    this.expire(error);
  }

  settle(version: number): void {
    this.handleDone(version);
    this.end();
  }

  fail(error: BridgeError): void {
    this.expire(error);
    this.end();
  }

  expire(error: BridgeError): void {
    this.#owner.tell(this.#place, 0, error);
  }

  end(): void {
    this.#owner.handleEnd(this);
  }

  reroute(): void {
    const { identifier, source, metadata, expectedVersion } = this;
    const value = { value: this.#command.values[this.#place], isOpaque: false };
    this.#owner.call(this, { name: 'set', identifier, value, source, metadata, expectedVersion }, this);
  }

  handleDone(version: unknown): void {
    this.#owner.tell(this.#place, version as number, undefined);
  }

  handleFailed(error: BridgeError): void {
    this.expire(error);
  }

  handleEnd(): void {
    this.end();
  }
}
