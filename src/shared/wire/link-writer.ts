/**
 * Rows of a LinkDown message, column by column. Path: link encoder -> [link writer] -> HTTP/2 -> link reader.
 * Bounded by its owner, which takes the message when `size` says so. What it keeps between messages is the room of its columns.
 */
import type { Metadata } from '../values/metadata.js';
import { EMPTY_METADATA } from '../values/metadata.js';
import type { EncodedValue } from '../values/value-codec.js';
import { encodeValue } from '../values/value-codec.js';
import type { VariableType, VariableValue } from '../values/variable-type.js';
import { ByteColumn } from './byte-column.js';
import { snakepit } from './gen/bridge.js';
import { DOWN, FORM, FORM_SHIFT, HAS, ROW, type UpdateRow } from './link-row.js';

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

export interface Welcome {
  readonly epoch: string;
  readonly heartbeatMs: number;
  readonly maxBytes: number;
  /** The client's earlier link is known: sets up to `setsMade` were made or refused; of those up to `setsLost` nobody knows what. */
  readonly setsContinue: boolean;
  readonly setsMade: number;
  readonly setsLost: number;
}

export class LinkWriter {
  readonly #kinds = new ByteColumn();
  readonly #targets = new ByteColumn();
  readonly #versionSteps = new ByteColumn();
  readonly #revisionSteps = new ByteColumn();
  readonly #timestamps = new ByteColumn();
  readonly #revisions = new ByteColumn();
  readonly #doubles = new ByteColumn();
  readonly #integers = new ByteColumn();
  readonly #missed = new ByteColumn();
  readonly #metadataCounts = new ByteColumn();
  readonly #announcedFeeds = new ByteColumn();
  readonly #announcedVersions = new ByteColumn();
  readonly #identifierCounts = new ByteColumn();
  readonly #endStatuses = new ByteColumn();
  readonly #setVersions = new ByteColumn();
  /** Every column of texts and payloads: they have keys, so that they need not lie together. */
  readonly #keyed = new ByteColumn();
  readonly #whole = new ByteColumn();
  #rows = 0;
  #hasMoment = false;
  #revision = 0;
  #timestamp = 0;
  #source: string | undefined;

  get isEmpty(): boolean {
    return this.#rows === 0;
  }

  /** About how many bytes the message has so far. */
  get size(): number {
    return (
      this.#keyed.length +
      this.#kinds.length +
      this.#targets.length +
      this.#versionSteps.length +
      this.#revisionSteps.length +
      this.#timestamps.length +
      this.#revisions.length +
      this.#doubles.length +
      this.#integers.length +
      this.#announcedVersions.length +
      this.#setVersions.length
    );
  }

  /** `value` is undefined for a variable that is gone. */
  update(update: LinkUpdate, type: VariableType, value: VariableValue | undefined, shared: ValueBytes): void {
    const { row, announcement, version, revision, timestamp, source, custom, missed } = update;
    let kind: number = row | (value === undefined ? FORM.NONE : this.#value(type, value, shared) << FORM_SHIFT);
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
    if (custom !== EMPTY_METADATA) kind |= this.#metadata(custom);
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
    const whole = this.#whole;
    whole.column(DOWN.KINDS, this.#kinds);
    whole.column(DOWN.TARGETS, this.#targets);
    whole.column(DOWN.VERSION_STEPS, this.#versionSteps);
    whole.column(DOWN.REVISION_STEPS, this.#revisionSteps);
    whole.column(DOWN.TIMESTAMPS, this.#timestamps);
    whole.column(DOWN.REVISIONS, this.#revisions);
    whole.column(DOWN.DOUBLES, this.#doubles);
    whole.column(DOWN.INTEGERS, this.#integers);
    whole.column(DOWN.MISSED, this.#missed);
    whole.column(DOWN.METADATA_COUNTS, this.#metadataCounts);
    whole.column(DOWN.ANNOUNCED_FEEDS, this.#announcedFeeds);
    whole.column(DOWN.ANNOUNCED_VERSIONS, this.#announcedVersions);
    whole.column(DOWN.ANNOUNCED_IDENTIFIER_COUNTS, this.#identifierCounts);
    whole.column(DOWN.END_STATUSES, this.#endStatuses);
    whole.column(DOWN.SET_VERSIONS, this.#setVersions);
    whole.append(this.#keyed);
    const message = whole.bytes.slice();
    whole.clear();
    this.clear();
    return message;
  }

  /** Forgets the rows. */
  clear(): void {
    this.#kinds.clear();
    this.#targets.clear();
    this.#versionSteps.clear();
    this.#revisionSteps.clear();
    this.#timestamps.clear();
    this.#revisions.clear();
    this.#doubles.clear();
    this.#integers.clear();
    this.#missed.clear();
    this.#metadataCounts.clear();
    this.#announcedFeeds.clear();
    this.#announcedVersions.clear();
    this.#identifierCounts.clear();
    this.#endStatuses.clear();
    this.#setVersions.clear();
    this.#keyed.clear();
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
        if (isStep(value) && !Object.is(value, -0)) {
          this.#integers.step(value);
          return FORM.INTEGER;
        }
        this.#doubles.double(value);
        return FORM.DOUBLE;
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

  #metadata(custom: Metadata): number {
    const keys = Object.keys(custom);
    if (keys.length === 0) return 0;
    this.#metadataCounts.count(keys.length);
    for (const key of keys) {
      this.#keyed.text(DOWN.METADATA_TEXTS, key);
      this.#keyed.text(DOWN.METADATA_TEXTS, custom[key]!);
    }
    return HAS.METADATA;
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

function isStep(value: number): boolean {
  return (value | 0) === value;
}

const AS_BYTES = { binaryThresholdBytes: 0 } as const;
