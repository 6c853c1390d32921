/**
 * Sets of one batch that the main thread has sent: by the link in one go, or by one call where that cannot make them. Path: slot -> [slot batch] -> set queue.
 * Each is settled once, by its place in the command.
 */
import type { ErrorWire } from '../../shared/errors.js';
import { BatchRefusedError, BridgeError, errorFromWire, InternalError } from '../../shared/errors.js';
import type { Call, SetsCommand, SetsOfBatch } from '../../shared/port/commands.js';
import type { PortBatchResult } from '../../shared/port/replies.js';
import type { Metadata } from '../../shared/values/metadata.js';
import { EMPTY_METADATA } from '../../shared/values/metadata.js';
import type { PlainValue } from '../../shared/wire/link-set-writer.js';
import type { QueuedSet } from './set-queue.js';

export interface SlotBatchOwner {
  /** Once for each place. */
  settle(place: number, version: number, error: BridgeError | undefined): void;
  /** Every place is settled. */
  handleEnd(): void;
  /** @throws BridgeError */
  call(call: Call): Promise<PortBatchResult>;
}

export class SlotBatch {
  /** In order. */
  readonly sets: readonly QueuedSet[];
  readonly #command: SetsCommand;
  readonly #isAtomic: boolean;
  readonly #owner: SlotBatchOwner;
  /** Neither settled nor found to need a call. */
  #left: number;
  /** Places that go by a call, when what became of the others is known. */
  #rerouted: number[] = [];

  constructor(command: SetsCommand, { from, upTo, atomic }: SetsOfBatch, deadlineMs: number, owner: SlotBatchOwner) {
    this.#command = command;
    this.#isAtomic = atomic;
    this.#owner = owner;
    this.#left = upTo - from;
    const sets: QueuedSet[] = [];
    for (let place = from; place < upTo; place += 1) {
      sets.push(new BatchSet(this, command, place, deadlineMs, atomic ? upTo - place : 1, atomic && place > from));
    }
    this.sets = sets;
  }

  /** Of an atomic one: about how many bytes its message has. */
  get messageBytes(): number {
    let bytes = 0;
    for (const { identifier, value, metadata } of this.sets) {
      bytes += BYTES_AROUND_A_SET + 3 * (identifier.length + (typeof value === 'string' ? value.length : 0));
      for (const key of Object.keys(metadata)) bytes += 3 * (key.length + metadata[key]!.length);
    }
    return bytes;
  }

  settle(place: number, version: number, error: BridgeError | undefined): void {
    this.#owner.settle(place, version, error);
    this.#handleOne();
  }

  reroute(place: number): void {
    this.#rerouted.push(place);
    this.#handleOne();
  }

  #handleOne(): void {
    this.#left -= 1;
    if (this.#left > 0) return;
    if (this.#rerouted.length === 0) this.#owner.handleEnd();
    else void this.#call(this.#rerouted);
  }

  async #call(places: readonly number[]): Promise<void> {
    const { identifiers, values, source, metadata } = this.#command;
    const call: Call = {
      name: 'update',
      values: places.map((place) => [identifiers[place]!, { value: values[place]!, isOpaque: false }]),
      atomic: this.#isAtomic,
      source,
      metadata: metadata?.[places[0]!] ?? EMPTY_METADATA,
    };
    try {
      this.#settleBy(places, await this.#owner.call(call));
    } catch (cause) {
      const error = cause instanceof BridgeError ? cause : new InternalError(String(cause), { cause });
      for (const place of places) this.#owner.settle(place, 0, error);
    }
    this.#owner.handleEnd();
  }

  #settleBy(places: readonly number[], result: PortBatchResult): void {
    const versions = new Map(result.versions);
    const refused = new Map<string, ErrorWire>(result.refused);
    for (const place of places) {
      const identifier = this.#command.identifiers[place]!;
      const error = refused.get(identifier);
      if (error !== undefined) this.#owner.settle(place, 0, errorFromWire(error));
      else
        this.#owner.settle(place, versions.get(identifier) ?? 0, versions.has(identifier) ? undefined : notToBlame());
    }
  }
}

class BatchSet implements QueuedSet {
  readonly identifier: string;
  readonly value: PlainValue;
  readonly source: string;
  readonly metadata: Metadata;
  readonly expectedVersion = 0;
  readonly deadlineMs: number;
  readonly batchLeft: number;
  readonly isFollowed: boolean;
  isOver = false;
  readonly #batch: SlotBatch;
  readonly #place: number;

  /** `isBehind`: of an atomic batch whose first row says its metadata. */
  constructor(
    batch: SlotBatch,
    command: SetsCommand,
    place: number,
    deadlineMs: number,
    batchLeft: number,
    isBehind: boolean,
  ) {
    this.#batch = batch;
    this.#place = place;
    this.identifier = command.identifiers[place]!;
    this.value = command.values[place]!;
    this.source = command.source;
    this.metadata = isBehind ? EMPTY_METADATA : (command.metadata?.[place] ?? EMPTY_METADATA);
    this.deadlineMs = deadlineMs;
    this.batchLeft = batchLeft;
    this.isFollowed = batchLeft > 1;
  }

  settle(version: number): void {
    this.#batch.settle(this.#place, version, undefined);
  }

  fail(error: BridgeError): void {
    this.#batch.settle(this.#place, 0, error);
  }

  reroute(): void {
    this.#batch.reroute(this.#place);
  }
}

function notToBlame(): BatchRefusedError {
  return new BatchRefusedError('another of its batch was refused');
}

/** Columns of a number, a kind, a target. */
const BYTES_AROUND_A_SET = 24;
