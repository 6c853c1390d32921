/**
 * Sets of one batch that the main thread has sent: by the link in one go, or by one call where that cannot make them. Path: changes -> [slot batch] -> set queue.
 * The caller of each is told once, by its place in the command; the batch ends once, behind all of them.
 */
import type { BridgeError, ErrorWire } from '../../shared/errors.js';
import { BatchRefusedError, errorFromWire } from '../../shared/errors.js';
import type { SetsCommand, SetsOfBatch } from '../../shared/port/commands.js';
import type { PortBatchResult } from '../../shared/port/replies.js';
import type { Metadata } from '../../shared/values/metadata.js';
import { EMPTY_METADATA } from '../../shared/values/metadata.js';
import type { LinkValue } from '../../shared/wire/link-set-writer.js';
import { linkValueOf } from './link-value.js';
import type { QueuedSet } from './set-queue.js';
import type { Round } from './sets-under-way.js';
import type { CallOutcome, LinkChange, SetsOwner } from './slot-set.js';

export class SlotBatch implements LinkChange, CallOutcome {
  readonly deadlineMs: number;
  round: Round | undefined = undefined;
  /** In order. */
  readonly sets: readonly QueuedSet[];
  /** The link can carry each of them. */
  readonly isForLink: boolean;
  readonly isAtomic: boolean;
  readonly #command: SetsCommand;
  readonly #owner: SetsOwner;
  /** Neither ended nor found to need a call. */
  #left: number;
  /** Places that go by a call, when what became of the others is known. */
  #rerouted: number[] = [];

  /** `hasLink`: values are made for the link. */
  constructor(
    command: SetsCommand,
    { from, upTo, atomic }: SetsOfBatch,
    hasLink: boolean,
    deadlineMs: number,
    owner: SetsOwner,
  ) {
    this.deadlineMs = deadlineMs;
    this.#command = command;
    this.isAtomic = atomic;
    this.#owner = owner;
    this.#left = upTo - from;
    const sets: QueuedSet[] = [];
    let isForLink = hasLink;
    for (let place = from; place < upTo; place += 1) {
      const value = isForLink ? linkValueOf(command.values[place]) : undefined;
      isForLink = value !== undefined;
      // Where one of them goes by a call all do, and nobody reads it.
      const sent = value ?? 0;
      sets.push(
        new BatchSet(this, command, place, sent, deadlineMs, atomic ? upTo - place : 1, atomic && place > from),
      );
    }
    this.sets = sets;
    this.isForLink = isForLink;
  }

  get identifiers(): readonly string[] {
    return this.sets.map(({ identifier }) => identifier);
  }

  start(): void {
    for (const set of this.sets) if (!this.#owner.sendByLink(set)) set.reroute();
  }

  reroute(): void {
    for (const set of this.sets) set.reroute();
  }

  refuse(error: BridgeError): void {
    for (const set of this.sets) set.expire(error);
  }

  tell(place: number, version: number, error: BridgeError | undefined): void {
    this.#owner.tell(place, version, error);
  }

  rerouteOne(place: number): void {
    this.#rerouted.push(place);
    this.handleOne();
  }

  /** One of them ended, or goes by a call. */
  handleOne(): void {
    this.#left -= 1;
    if (this.#left > 0) return;
    if (this.#rerouted.length === 0) this.handleEnd();
    else this.#call(this.#rerouted);
  }

  #call(places: readonly number[]): void {
    const { identifiers, values, source, metadata } = this.#command;
    this.#owner.call(
      this,
      {
        name: 'update',
        values: places.map((place) => [identifiers[place]!, { value: values[place]!, isOpaque: false }]),
        atomic: this.isAtomic,
        source,
        metadata: metadata?.[places[0]!] ?? EMPTY_METADATA,
      },
      this,
    );
  }

  handleDone(result: unknown): void {
    const { versions: made, refused: errors } = result as PortBatchResult;
    const versions = new Map(made);
    const refused = new Map<string, ErrorWire>(errors);
    for (const place of this.#rerouted) {
      const identifier = this.#command.identifiers[place]!;
      const version = versions.get(identifier);
      const error = refused.get(identifier);
      if (error !== undefined) this.tell(place, 0, errorFromWire(error));
      else this.tell(place, version ?? 0, version === undefined ? notToBlame() : undefined);
    }
  }

  handleFailed(error: BridgeError): void {
    for (const place of this.#rerouted) this.tell(place, 0, error);
  }

  handleEnd(): void {
    this.#owner.handleEnd(this);
  }
}

class BatchSet implements QueuedSet {
  readonly identifier: string;
  readonly value: LinkValue;
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
    value: LinkValue,
    deadlineMs: number,
    batchLeft: number,
    isBehind: boolean,
  ) {
    this.#batch = batch;
    this.#place = place;
    this.identifier = command.identifiers[place]!;
    this.value = value;
    this.source = command.source;
    this.metadata = isBehind ? EMPTY_METADATA : (command.metadata?.[place] ?? EMPTY_METADATA);
    this.deadlineMs = deadlineMs;
    this.batchLeft = batchLeft;
    this.isFollowed = batchLeft > 1;
  }

  settle(version: number): void {
    this.#batch.tell(this.#place, version, undefined);
    this.end();
  }

  fail(error: BridgeError): void {
    this.expire(error);
    this.end();
  }

  expire(error: BridgeError): void {
    this.#batch.tell(this.#place, 0, error);
  }

  end(): void {
    this.#batch.handleOne();
  }

  reroute(): void {
    this.#batch.rerouteOne(this.#place);
  }
}

function notToBlame(): BatchRefusedError {
  return new BatchRefusedError('another of its batch was refused');
}
