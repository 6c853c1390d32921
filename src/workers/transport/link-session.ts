/**
 * What one link carries: its feeds by number, its handles, and what is still to be asked. Path: link carrier -> [link session] -> watch feed.
 * Pure: rows in, calls of feeds out; requests are taken when the carrier can send one. What comes for a feed that was closed is passed over.
 */
import type { BridgeError } from '../../shared/errors.js';
import { errorFromWire, MessageTooLargeError, ProtocolError } from '../../shared/errors.js';
import { utf8Length } from '../../shared/values/utf8.js';
import { LinkReader } from '../../shared/wire/link-reader.js';
import type { LinkHello, LinkWatchRow } from '../../shared/wire/link-request.js';
import { encodeLinkRequest } from '../../shared/wire/link-request.js';
import { BINARY_TYPE_URL, FORM, MESSAGE_BYTES, ROW } from '../../shared/wire/link-row.js';
import { LinkSetWriter } from '../../shared/wire/link-set-writer.js';
import type { Announcement, LinkEnd, Welcome } from '../../shared/wire/link-writer.js';
import { statusOfCode } from '../../shared/wire/status.js';
import { concatBytes, UpdateMessage } from '../../shared/wire/update-message.js';
import type { SetQueue } from '../calls/set-queue.js';
import type { FeedRequest } from '../watch/resume-request.js';
import type { CarriedFeed } from './carrier.js';

export interface LinkSessionOwner {
  /** The server has registered it. */
  handleRegistered(feed: CarriedFeed): void;
  /** By the server, or because its request is too large; it is not the session's any more. */
  handleEnded(feed: CarriedFeed, error: BridgeError, status: number, code: string, liveForMs: number): void;
}

interface LinkedFeed {
  readonly feed: CarriedFeed;
  readonly number: number;
  /** 0 before the server has registered it. */
  registeredAtMs: number;
  readonly handles: Set<number>;
}

/** What a handle stands for. */
interface Addressed {
  readonly linked: LinkedFeed;
  readonly announcement: Announcement;
  version: number;
}

export class LinkSession {
  readonly #owner: LinkSessionOwner;
  /** Of the state: they outlive this link. */
  readonly #sets: SetQueue;
  readonly #setWriter = new LinkSetWriter();
  readonly #update = new UpdateMessage();
  readonly #feeds = new Map<CarriedFeed, LinkedFeed>();
  readonly #byNumber = new Map<number, LinkedFeed>();
  readonly #handles = new Map<number, Addressed>();
  /** Feeds that ask to be told of silence. */
  readonly #watchful = new Set<CarriedFeed>();
  #hello: LinkHello | undefined;
  readonly #asked = new Map<number, LinkWatchRow>();
  #unwatched: number[] = [];
  #nextNumber = 1;
  /** Least that was asked for, ms; 0 = the server's own. */
  #heartbeatMs = 0;
  #isHeartbeatSaid = true;
  #epoch: string | undefined;
  #lastWordAtMs = 0;

  constructor(hello: LinkHello, sets: SetQueue, owner: LinkSessionOwner) {
    this.#hello = hello;
    this.#sets = sets;
    this.#owner = owner;
  }

  /** The server has taken the link. */
  get isWelcome(): boolean {
    return this.#epoch !== undefined;
  }

  get size(): number {
    return this.#feeds.size;
  }

  feeds(): CarriedFeed[] {
    return [...this.#feeds.keys()];
  }

  isRegistered(feed: CarriedFeed): boolean {
    return (this.#feeds.get(feed)?.registeredAtMs ?? 0) > 0;
  }

  /** Ms that the feed was registered; 0 when it was not. */
  liveForMs(feed: CarriedFeed, nowMs: number): number {
    return liveForMs(this.#feeds.get(feed), nowMs);
  }

  open(feed: CarriedFeed, request: FeedRequest): void {
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    const linked: LinkedFeed = { feed, number, registeredAtMs: 0, handles: new Set() };
    this.#feeds.set(feed, linked);
    this.#byNumber.set(number, linked);
    this.#asked.set(number, rowOf(number, request));
    const { heartbeatMs } = feed;
    if (heartbeatMs === 0) return;
    this.#watchful.add(feed);
    if (this.#heartbeatMs !== 0 && this.#heartbeatMs <= heartbeatMs) return;
    this.#heartbeatMs = heartbeatMs;
    this.#isHeartbeatSaid = false;
  }

  /** Whatever comes for it from now on is passed over. */
  close(feed: CarriedFeed): void {
    const linked = this.#remove(feed);
    // What was not asked for yet is not asked for.
    if (linked !== undefined && !this.#asked.delete(linked.number)) this.#unwatched.push(linked.number);
  }

  /** The next message to send; undefined when nothing is to be said. */
  takeRequest(maxBytes: number): Uint8Array | undefined {
    const watches: LinkWatchRow[] = [];
    let bytes = 0;
    for (const [number, row] of this.#asked) {
      const own = bytesOfRow(row);
      if (watches.length > 0 && bytes + own > MESSAGE_BYTES) break;
      this.#asked.delete(number);
      if (own > maxBytes) {
        this.#refuse(number, own, maxBytes);
        continue;
      }
      watches.push(row);
      bytes += own;
    }
    const unwatched = this.#unwatched.splice(0, MOST_UNWATCHED);
    const sequence = this.#sets.write(this.#setWriter, Math.min(MESSAGE_BYTES, maxBytes / 2));
    const hasWatches =
      this.#hello !== undefined || watches.length > 0 || unwatched.length > 0 || !this.#isHeartbeatSaid;
    if (this.#setWriter.isEmpty) return hasWatches ? this.#encode(watches, unwatched) : undefined;
    const sets = this.#setWriter.take(sequence, this.#sets.answered);
    // Fields of one message may stand in any order.
    return hasWatches ? concatBytes(this.#encode(watches, unwatched), sets) : sets;
  }

  #encode(watches: readonly LinkWatchRow[], unwatched: readonly number[]): Uint8Array {
    const heartbeatMs = this.#isHeartbeatSaid ? 0 : this.#heartbeatMs;
    const request = encodeLinkRequest({ hello: this.#hello, watches, unwatched, heartbeatMs });
    this.#hello = undefined;
    this.#isHeartbeatSaid = true;
    return request;
  }

  /** One message of the server. @throws ProtocolError: nothing that follows it can be read */
  handleMessage(bytes: Uint8Array, nowMs: number): void {
    const reader = new LinkReader(bytes);
    if (reader.welcome !== undefined) this.#handleWelcome(reader.welcome);
    if (this.#watchful.size > 0 && nowMs - this.#lastWordAtMs >= WORD_SPACING_MS) {
      this.#lastWordAtMs = nowMs;
      for (const feed of this.#watchful) if (this.isRegistered(feed)) feed.handleWord(nowMs);
    }
    while (reader.next()) this.#handleRow(reader, nowMs);
    this.#handleOutcomes(reader);
  }

  #handleWelcome(welcome: Welcome): void {
    this.#epoch = welcome.epoch;
    this.#sets.handleWelcome(welcome);
  }

  #handleOutcomes(reader: LinkReader): void {
    for (let version = reader.nextOutcome(); version !== undefined; version = reader.nextOutcome()) {
      let isExpected: boolean;
      if (version > 0) isExpected = this.#sets.handleDone(version);
      else {
        const { code, message } = reader.refusal();
        isExpected = this.#sets.handleRefused(code, message);
      }
      if (!isExpected) throw new ProtocolError('the link answers a set that was not sent');
    }
  }

  #handleRow(reader: LinkReader, nowMs: number): void {
    switch (reader.row) {
      case ROW.HEARTBEAT:
        for (const { feed, registeredAtMs } of [...this.#feeds.values()]) {
          if (registeredAtMs > 0) feed.handleMark('heartbeat', nowMs);
        }
        return;
      case ROW.REGISTERED:
        this.#handleRegistered(reader.target, nowMs);
        return;
      case ROW.SYNCED:
        this.#byNumber.get(reader.target)?.feed.handleMark('synced', nowMs);
        return;
      case ROW.ENDED:
        this.#handleEnded(reader.end!, nowMs);
        return;
      default:
        this.#handleUpdate(reader, nowMs);
    }
  }

  #handleRegistered(number: number, nowMs: number): void {
    const linked = this.#byNumber.get(number);
    if (linked === undefined || linked.registeredAtMs > 0) return;
    linked.registeredAtMs = nowMs;
    linked.feed.handleRegistered(this.#epoch ?? '', nowMs);
    this.#owner.handleRegistered(linked.feed);
  }

  #handleEnded({ feed: number, status, code, message }: LinkEnd, nowMs: number): void {
    const linked = this.#byNumber.get(number);
    if (linked === undefined) return;
    this.#remove(linked.feed);
    const error = errorFromWire({ code: code === '' ? 'UNAVAILABLE' : code, message });
    this.#owner.handleEnded(linked.feed, error, status, code, liveForMs(linked, nowMs));
  }

  #handleUpdate(reader: LinkReader, nowMs: number): void {
    const addressed = this.#addressed(reader);
    if (addressed === undefined) return;
    const { linked, announcement } = addressed;
    // What a group waits for is kept by its feed; any other is read and done with.
    const update = reader.isMore ? new UpdateMessage() : this.#update.reset();
    update.updateType = UPDATE_TYPES[reader.row]!;
    update.variableId = announcement.id;
    update.name = announcement.name;
    update.type = announcement.type;
    update.version = addressed.version;
    update.timestamp = reader.timestamp;
    update.revision = reader.revision;
    update.missed = reader.missed;
    update.more = reader.isMore;
    update.source = reader.source;
    update.custom = reader.custom;
    // Said with its first update.
    if (reader.announcement?.identifiers !== undefined) update.identifiers = reader.announcement.identifiers;
    if (reader.row === ROW.DELETED) {
      update.reason = reader.reason;
      this.#handles.delete(reader.target);
      linked.handles.delete(reader.target);
    } else setValue(update, reader);
    linked.feed.handleUpdate(update, nowMs);
  }

  /** Undefined for a feed that was closed, until its handle is announced again. */
  #addressed(reader: LinkReader): Addressed | undefined {
    const { target: handle, announcement } = reader;
    const known = this.#handles.get(handle);
    if (announcement === undefined) {
      if (known !== undefined) known.version += reader.versionStep;
      return known;
    }
    known?.linked.handles.delete(handle);
    const linked = this.#byNumber.get(announcement.feed);
    if (linked === undefined) {
      this.#handles.delete(handle);
      return undefined;
    }
    linked.handles.add(handle);
    const addressed = { linked, announcement, version: reader.announcedVersion };
    this.#handles.set(handle, addressed);
    return addressed;
  }

  #refuse(number: number, bytes: number, maxBytes: number): void {
    const linked = this.#byNumber.get(number);
    if (linked === undefined) return;
    this.#remove(linked.feed);
    const error = MessageTooLargeError.of('Open', 'request', bytes, maxBytes);
    this.#owner.handleEnded(linked.feed, error, statusOfCode(error.code), error.code, 0);
  }

  #remove(feed: CarriedFeed): LinkedFeed | undefined {
    const linked = this.#feeds.get(feed);
    if (linked === undefined) return undefined;
    this.#feeds.delete(feed);
    this.#byNumber.delete(linked.number);
    this.#watchful.delete(feed);
    for (const handle of linked.handles) this.#handles.delete(handle);
    return linked;
  }
}

function rowOf(number: number, request: FeedRequest): LinkWatchRow {
  const { identifiers, patterns, keepsBatches, waitForMissing, wantsMark, resume, resumeEpoch } = request;
  return {
    feed: number,
    includesInitialValues: true,
    keepsBatches,
    waitsForMissing: waitForMissing,
    wantsMark,
    identifiers,
    patterns,
    resume: resume === undefined ? undefined : { epoch: resumeEpoch, seen: Object.entries(resume) },
  };
}

/** By estimate, not below what is sent. */
function bytesOfRow({ identifiers, patterns, resume }: LinkWatchRow): number {
  let bytes = BYTES_AROUND_A_ROW;
  for (const pattern of patterns) bytes += utf8Length(pattern) + BYTES_AROUND_A_TEXT;
  for (const identifier of identifiers) bytes += utf8Length(identifier) + BYTES_AROUND_A_TEXT;
  for (const [id] of resume?.seen ?? []) bytes += utf8Length(id) + BYTES_AROUND_A_TEXT + BYTES_OF_A_VERSION;
  return bytes;
}

function liveForMs(linked: LinkedFeed | undefined, nowMs: number): number {
  return linked === undefined || linked.registeredAtMs === 0 ? 0 : nowMs - linked.registeredAtMs;
}

function setValue(update: UpdateMessage, reader: LinkReader): void {
  switch (reader.form) {
    case FORM.DOUBLE:
    case FORM.INTEGER:
      update.decoded = reader.number;
      break;
    case FORM.TRUE:
      update.decoded = true;
      break;
    case FORM.FALSE:
      update.decoded = false;
      break;
    case FORM.TEXT:
      update.isText = true;
      update.value = reader.payload;
      break;
    case FORM.PAYLOAD:
      update.value = reader.payload;
      break;
    case FORM.HEADER_AND_BYTES:
      update.typeUrl = BINARY_TYPE_URL;
      update.value = reader.payload;
      update.binary = reader.binary;
      break;
    default:
      update.isText = true;
  }
}

const UPDATE_TYPES: Readonly<Record<number, string>> = {
  [ROW.CHANGE]: 'value_change',
  [ROW.INITIAL]: 'initial_value',
  [ROW.RESYNC]: 'resync',
  [ROW.DELETED]: 'deleted',
};

/** Epoch, counts, flags. */
const BYTES_AROUND_A_ROW = 64;
const BYTES_AROUND_A_TEXT = 4;
const BYTES_OF_A_VERSION = 8;
const MOST_UNWATCHED = 8_192;
/** Those that ask to be told of silence are told of words so often, ms: a tenth of the least heartbeat. */
const WORD_SPACING_MS = 10;
