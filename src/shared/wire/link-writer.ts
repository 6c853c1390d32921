/**
 * Rows of a LinkDown message, column by column. Path: link encoder -> [link writer] -> HTTP/2 -> link reader.
 * Bounded by its owner, which takes the message when `size` says so. What it keeps between messages is the room of its columns.
 */
import type { Metadata } from '../values/metadata.js';
import { EMPTY_METADATA } from '../values/metadata.js';
import type { EncodedValue } from '../values/value-codec.js';
import { encodeValue } from '../values/value-codec.js';
import type { VariableType, VariableValue } from '../values/variable-type.js';
import { ColumnMessage, isStep, writeMetadata, writeNumber } from './column-message.js';
import { snakepit } from './gen/bridge.js';
import { DOWN, FORM, FORM_BEFORE_SHIFT, FORM_SHIFT, HAS, ROW, type UpdateRow } from './link-row.js';

/** What a handle stands for, said with its first update. */
export interface Announcement {
  readonly feed: number;
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly identifiers: readonly string[] | undefined;
}

/** An update as the link says it. */
export interface LinkUpdate {
  readonly row: UpdateRow;
  readonly handle: number;
  readonly announcement: Announcement | undefined;
  readonly version: number;
  /** Of the update before of this handle; without meaning where it is announced. */
  readonly versionBefore: number;
  readonly revision: number;
  readonly timestamp: number;
  readonly source: string;
  readonly custom: Metadata;
  readonly missed: number;
  readonly reason: string;
  readonly more: boolean;
  /** The value before it, where it is said. */
  readonly before?: VariableValue | undefined;
}

/** About how many bytes a value needs beside its row: 0 for numbers and booleans. Encodes it where that says. */
export function payloadBytes(type: VariableType, value: VariableValue, shared: ValueBytes): number {
  switch (type) {
    case 'float':
    case 'boolean':
      return 0;
    case 'integer':
      if (typeof value === 'number') return 0;
      break;
    case 'string':
    case 'choice':
    case 'module':
      return (value as string).length;
    case 'embedding':
    case 'tensor':
    case 'map':
    case 'list':
      break;
    default:
      return type satisfies never;
  }
  shared.encoded ??= encodeValue(type, value, AS_BYTES);
  return shared.encoded.value.length + (shared.encoded.binary?.length ?? 0);
}

/** Holds a value's bytes for all that are told it. */
export interface ValueBytes {
  encoded: EncodedValue | undefined;
}

export interface LinkEnd {
  readonly feed: number;
  readonly status: number;
  /** '' for OK. */
  readonly code: string;
  readonly message: string;
}

/** What became of the sets of a client's link before. */
export interface SetsSoFar {
  /** That link is known: sets up to `setsMade` were made or refused; of those up to `setsLost` nobody knows what. */
  readonly setsContinue: boolean;
  readonly setsMade: number;
  readonly setsLost: number;
}

export interface Welcome extends SetsSoFar {
  /** Sets of the link before that were acknowledged are lost. */
  readonly lost: boolean;
  readonly asksConditions: boolean;
  readonly epoch: string;
  readonly heartbeatMs: number;
  readonly maxBytes: number;
}

export class LinkWriter {
  readonly #message = new ColumnMessage();
  readonly #kinds = this.#message.packed(DOWN.KINDS);
  readonly #targets = this.#message.packed(DOWN.TARGETS);
  readonly #versionSteps = this.#message.packed(DOWN.VERSION_STEPS);
  readonly #revisionSteps = this.#message.packed(DOWN.REVISION_STEPS);
  readonly #timestamps = this.#message.packed(DOWN.TIMESTAMPS);
  readonly #revisions = this.#message.packed(DOWN.REVISIONS);
  readonly #doubles = this.#message.packed(DOWN.DOUBLES);
  readonly #integers = this.#message.packed(DOWN.INTEGERS);
  readonly #missed = this.#message.packed(DOWN.MISSED);
  readonly #metadataCounts = this.#message.packed(DOWN.METADATA_COUNTS);
  readonly #announcedFeeds = this.#message.packed(DOWN.ANNOUNCED_FEEDS);
  readonly #announcedVersions = this.#message.packed(DOWN.ANNOUNCED_VERSIONS);
  readonly #identifierCounts = this.#message.packed(DOWN.ANNOUNCED_IDENTIFIER_COUNTS);
  readonly #endStatuses = this.#message.packed(DOWN.END_STATUSES);
  readonly #setVersions = this.#message.packed(DOWN.SET_VERSIONS);
  readonly #keptTargets = this.#message.packed(DOWN.KEPT_TARGETS);
  readonly #keptVersions = this.#message.packed(DOWN.KEPT_VERSIONS);
  readonly #keptAnswers = this.#message.packed(DOWN.KEPT_ANSWERS);
  readonly #positions = this.#message.packed(DOWN.POSITIONS);
  readonly #drainingMs = this.#message.packed(DOWN.DRAINING_MS);
  readonly #keyed = this.#message.keyed;
  #rows = 0;
  #hasMoment = false;
  #revision = 0;
  #timestamp = 0;
  #source: string | undefined;

  get isEmpty(): boolean {
    return this.#rows === 0;
  }

  /** From here on: all that was said before is kept in it. */
  epoch(text: string): void {
    this.#rows += 1;
    this.#keyed.text(DOWN.EPOCHS, text);
  }

  /** Where the servers over this state are reached. */
  servers(endpoints: readonly string[]): void {
    this.#rows += 1;
    for (const endpoint of endpoints) this.#keyed.text(DOWN.SERVERS, endpoint);
  }

  /** About how many bytes the message has so far. */
  get size(): number {
    return this.#message.size;
  }

  /** `value` is undefined for a variable that is gone. `sharedBefore`: of the value before it. */
  update(
    update: LinkUpdate,
    type: VariableType,
    value: VariableValue | undefined,
    shared: ValueBytes,
    sharedBefore?: ValueBytes,
  ): void {
    const { row, announcement, version, revision, timestamp, source, custom, missed } = update;
    let kind: number = row;
    if (update.before !== undefined) {
      kind |=
        HAS.BEFORE | (this.#value(type, update.before, sharedBefore ?? { encoded: undefined }) << FORM_BEFORE_SHIFT);
    }
    if (value !== undefined) kind |= this.#value(type, value, shared) << FORM_SHIFT;
    const versionStep = announcement === undefined ? version - update.versionBefore : 0;
    const revisionStep = revision - this.#revision;
    if (this.#hasMoment && timestamp === this.#timestamp && isStep(revisionStep)) {
      this.#revisionSteps.step(revisionStep);
    } else {
      kind |= HAS.MOMENT;
      this.#timestamps.double(timestamp);
      this.#revisions.double(revision);
      this.#timestamp = timestamp;
      this.#hasMoment = true;
    }
    this.#revision = revision;
    if (source !== this.#source) {
      kind |= HAS.SOURCE;
      this.#keyed.text(DOWN.SOURCES, source);
      this.#source = source;
    }
    if (update.more) kind |= HAS.MORE;
    if (missed !== 0) {
      kind |= HAS.MISSED;
      this.#missed.double(missed);
    }
    if (custom !== EMPTY_METADATA && writeMetadata(custom, this.#metadataCounts, this.#keyed, DOWN.METADATA_TEXTS)) {
      kind |= HAS.METADATA;
    }
    if (row === ROW.DELETED) this.#keyed.text(DOWN.REASONS, update.reason);
    if (announcement !== undefined) {
      kind |= HAS.ANNOUNCEMENT;
      this.#announce(announcement, version);
    }
    this.#versionSteps.step(versionStep);
    this.#row(kind, update.handle);
  }

  registered(feed: number): void {
    this.#row(ROW.REGISTERED, feed);
  }

  synced(feed: number): void {
    this.#row(ROW.SYNCED, feed);
  }

  heartbeat(): void {
    this.#row(ROW.HEARTBEAT, undefined);
  }

  ended({ feed, status, code, message }: LinkEnd): void {
    this.#endStatuses.count(status);
    this.#keyed.text(DOWN.END_CODES, code);
    this.#keyed.text(DOWN.END_MESSAGES, message);
    this.#row(ROW.ENDED, feed);
  }

  /** Every change of a variable up to a version that was not told was kept out. `id`: whose number it is from now on. */
  kept(number: number, id: string | undefined, version: number): void {
    this.#keptTargets.count(2 * number + (id === undefined ? 0 : 1));
    if (id !== undefined) this.#keyed.text(DOWN.KEPT_IDS, id);
    this.#keptVersions.double(version);
    this.#rows += 1;
  }

  /** All is said that this question asked for. */
  keptAnswer(question: number): void {
    this.#keptAnswers.count(question);
    this.#rows += 1;
  }

  /** Everything up to this revision is written, here or before. */
  position(revision: number): void {
    this.#positions.double(revision);
  }

  /** The last word: its client returns within so many ms. */
  draining(spreadMs: number): void {
    this.#drainingMs.count(spreadMs);
    this.#rows += 1;
  }

  /** The outcome of the next set. */
  setDone(version: number): void {
    this.#setVersions.double(version);
    this.#rows += 1;
  }

  setRefused(code: string, message: string): void {
    this.setDone(0);
    this.#keyed.text(DOWN.REFUSAL_CODES, code);
    this.#keyed.text(DOWN.REFUSAL_MESSAGES, message);
  }

  /** The message, in memory of its own. */
  take(): Uint8Array {
    const message = this.#message.take();
    this.clear();
    return message;
  }

  /** Forgets the rows. */
  clear(): void {
    this.#message.clear();
    this.#rows = 0;
    this.#hasMoment = false;
    this.#revision = 0;
    this.#source = undefined;
  }

  #row(kind: number, target: number | undefined): void {
    this.#kinds.count(kind);
    if (target !== undefined) this.#targets.count(target);
    this.#rows += 1;
  }

  #value(type: VariableType, value: VariableValue, shared: ValueBytes): number {
    switch (type) {
      case 'float':
        this.#doubles.double(value as number);
        return FORM.DOUBLE;
      case 'boolean':
        return value === true ? FORM.TRUE : FORM.FALSE;
      case 'integer':
        if (typeof value !== 'number') break;
        return writeNumber(value, this.#integers, this.#doubles);
      case 'string':
      case 'choice':
      case 'module':
        this.#keyed.text(DOWN.TEXTS, value as string);
        return FORM.TEXT;
      case 'embedding':
      case 'tensor':
      case 'map':
      case 'list':
        break;
      default:
        return type satisfies never;
    }
    shared.encoded ??= encodeValue(type, value, AS_BYTES);
    const { value: header, binary } = shared.encoded;
    this.#keyed.payload(DOWN.PAYLOADS, header);
    if (binary === undefined) return FORM.PAYLOAD;
    this.#keyed.payload(DOWN.PAYLOADS, binary);
    return FORM.HEADER_AND_BYTES;
  }

  #announce({ feed, id, name, type, identifiers }: Announcement, version: number): void {
    this.#announcedFeeds.count(feed);
    this.#keyed.text(DOWN.ANNOUNCED_IDS, id);
    this.#keyed.text(DOWN.ANNOUNCED_NAMES, name);
    this.#keyed.text(DOWN.ANNOUNCED_TYPES, type);
    this.#announcedVersions.double(version);
    this.#identifierCounts.count(identifiers?.length ?? 0);
    for (const identifier of identifiers ?? []) this.#keyed.text(DOWN.ANNOUNCED_IDENTIFIERS, identifier);
  }
}

export function encodeWelcome(welcome: Welcome): Uint8Array {
  return snakepit.bridge.LinkDown.encode({ welcome }).finish();
}

const AS_BYTES = { binaryThresholdBytes: 0 } as const;
