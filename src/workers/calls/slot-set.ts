/** One set of a batch that the main thread has sent: by the link, or by a call where that cannot make it. Path: slot -> [slot set] -> set queue. */
import { BridgeError, InternalError } from '../../shared/errors.js';
import type { Call, SetsCommand } from '../../shared/port/commands.js';
import type { Metadata } from '../../shared/values/metadata.js';
import { EMPTY_METADATA } from '../../shared/values/metadata.js';
import type { PlainValue } from '../../shared/wire/link-set-writer.js';
import type { QueuedSet } from './set-queue.js';

export interface SlotSetOwner {
  /** Once. */
  settle(version: number, error: BridgeError | undefined): void;
  /** The version. @throws BridgeError */
  call(call: Call): Promise<number>;
}

export class SlotSet implements QueuedSet {
  readonly identifier: string;
  readonly value: PlainValue;
  readonly source: string;
  readonly metadata: Metadata;
  readonly expectedVersion: number;
  readonly deadlineMs: number;
  readonly batchLeft = 1;
  readonly isFollowed = false;
  isOver = false;
  readonly #owner: SlotSetOwner;

  constructor(command: SetsCommand, place: number, deadlineMs: number, owner: SlotSetOwner) {
    this.identifier = command.identifiers[place]!;
    this.value = command.values[place]!;
    this.source = command.source;
    this.metadata = command.metadata?.[place] ?? EMPTY_METADATA;
    this.expectedVersion = command.expectedVersions?.[place] ?? 0;
    this.deadlineMs = deadlineMs;
    this.#owner = owner;
  }

  settle(version: number): void {
    this.#owner.settle(version, undefined);
  }

  fail(error: BridgeError): void {
    this.#owner.settle(0, error);
  }

  reroute(): void {
    const { identifier, source, metadata, expectedVersion } = this;
    const value = { value: this.value, isOpaque: false };
    this.#owner.call({ name: 'set', identifier, value, source, metadata, expectedVersion }).then(
      (version) => this.settle(version),
      (error: unknown) =>
        this.fail(error instanceof BridgeError ? error : new InternalError(String(error), { cause: error })),
    );
  }
}
