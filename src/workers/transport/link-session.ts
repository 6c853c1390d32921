/**
 * What one link carries: its feeds by number, its handles, and what is still to be asked. Path: link carrier -> [link session] -> watch feed.
 * Pure: rows in, calls of feeds out; requests are taken when the carrier can send one. What comes for a feed that was closed is passed over.
 */
import type { BridgeError } from '../../shared/errors.js';
import { errorFromWire, LostSetsError, MessageTooLargeError, ProtocolError } from '../../shared/errors.js';
import { forEachListener } from '../../shared/one-or-many.js';
import { utf8Length } from '../../shared/values/utf8.js';
import { LinkReader } from '../../shared/wire/link-reader.js';
import type { LinkHello, LinkWatchRow } from '../../shared/wire/link-request.js';
import { encodeLinkRequest } from '../../shared/wire/link-request.js';
import { MESSAGE_BYTES, ROW } from '../../shared/wire/link-row.js';
import { LinkSetWriter } from '../../shared/wire/link-set-writer.js';
import type { LinkEnd, Welcome } from '../../shared/wire/link-writer.js';
import { statusOfCode } from '../../shared/wire/status.js';
import { concatBytes, UpdateMessage } from '../../shared/wire/update-message.js';
import type { SetQueue } from '../calls/set-queue.js';
import type { FeedRequest } from '../watch/resume-request.js';
import type { CarriedFeed } from './carrier.js';
import { KeptFeeds } from './kept-feeds.js';
import { fillUpdate } from './link-update.js';
import type { Addressed, LinkedFeed } from './linked-feeds.js';
import { LinkedFeeds } from './linked-feeds.js';

export interface LinkSessionOwner {
  /** The server goes: its clients shall return spread over so many ms. */
  handleDraining(spreadMs: number): void;
  /** Where the servers over its state are reached. */
  handleServers(servers: readonly string[]): void;
  /** The server has registered it. */
  handleRegistered(feed: CarriedFeed): void;
  /** By the server, or because its request is too large; it is not the session's any more. */
  handleEnded(feed: CarriedFeed, error: BridgeError, status: number, code: string, liveForMs: number): void;
}

export class LinkSession {
  readonly #owner: LinkSessionOwner;
  /** Of the state: they outlive this link. */
  readonly #sets: SetQueue;
  readonly #setWriter = new LinkSetWriter();
  readonly #update = new UpdateMessage();
  readonly #feeds = new LinkedFeeds();
  readonly #handles = new Map<number, Addressed>();
  /** Feeds that mind silence. */
  readonly #watchful = new Set<CarriedFeed>();
  /** The least that one of them has minded, ms. */
  #leastSilenceMs = Number.POSITIVE_INFINITY;
  #hello: LinkHello | undefined;
  readonly #asked = new Map<number, LinkWatchRow>();
  #unwatched: number[] = [];
  /** Least that was asked for, ms; 0 = the server's own. */
  #heartbeatMs = 0;
  #isHeartbeatSaid = true;
  #epoch: string | undefined;
  /** Everything up to this revision has come; 0 = nobody said so. */
  #position = 0;
  /** The server asks conditions. */
  #asksConditions = false;
  readonly #kept = new KeptFeeds<LinkedFeed>((linked, id, version) => {
    forEachListener(linked, (feed) => feed.handleKept(id, version));
  });
  #keptQuestion = 0;
  #isQuestionSaid = true;
  #keptAnswer = 0;
  #heardAtMs = 0;

  constructor(hello: LinkHello, sets: SetQueue, owner: LinkSessionOwner) {
    this.#hello = hello;
    this.#sets = sets;
    this.#owner = owner;
  }

  /** The last that the server said of it; undefined before its welcome. */
  get epoch(): string | undefined {
    return this.#epoch;
  }

  /** The server has taken the link. */
  get isWelcome(): boolean {
    return this.#epoch !== undefined;
  }

  /** When its server spoke last, ms; 0 before its first message. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  get size(): number {
    return this.#feeds.size;
  }

  feeds(): CarriedFeed[] {
    return [...this.#feeds.feeds()];
  }

  isRegistered(feed: CarriedFeed): boolean {
    return (this.#feeds.of(feed)?.registeredAtMs ?? 0) > 0;
  }

  /** Ms that the feed was registered; 0 when it was not. */
  liveForMs(feed: CarriedFeed, nowMs: number): number {
    return liveForMs(this.#feeds.of(feed), nowMs);
  }

  open(feed: CarriedFeed, request: FeedRequest): void {
    const { linked, isNew } = this.#feeds.join(feed, request);
    if (isNew) this.#ask(linked, request);
    const { heartbeatMs, staleAfterMs } = feed;
    if (staleAfterMs === 0) return;
    this.#watchful.add(feed);
    this.#leastSilenceMs = Math.min(this.#leastSilenceMs, staleAfterMs);
    if (this.#heartbeatMs !== 0 && this.#heartbeatMs <= heartbeatMs) return;
    this.#heartbeatMs = heartbeatMs;
    this.#isHeartbeatSaid = false;
  }

  /** Whatever comes for it from now on is passed over. */
  close(feed: CarriedFeed): void {
    this.#watchful.delete(feed);
    const linked = this.#feeds.leave(feed);
    if (linked !== undefined) this.#unwatch(linked);
  }

  #ask(linked: LinkedFeed, request: FeedRequest): void {
    if (linked.hasCondition) for (const id of Object.keys(request.resume ?? {})) this.#kept.add(id, linked);
    this.#asked.set(linked.number, rowOf(linked.number, request));
  }

  /** Nobody hears it any more. */
  #unwatch(linked: LinkedFeed): void {
    this.#handleOver(linked);
    // What was not asked for yet is not asked for.
    if (!this.#asked.delete(linked.number)) this.#unwatched.push(linked.number);
  }

  /** What its handles stand for is overwritten when they are given anew. */
  #handleOver(linked: LinkedFeed): void {
    if (linked.hasCondition) this.#kept.remove(linked);
  }

  /** Asks what conditions have kept out; the number of the question, or undefined where nothing can be. */
  askKept(): number | undefined {
    if (!this.#asksConditions || this.#kept.isEmpty) return undefined;
    this.#keptQuestion += 1;
    this.#isQuestionSaid = false;
    return this.#keptQuestion;
  }

  /** The newest question that was answered. */
  get keptAnswer(): number {
    return this.#keptAnswer;
  }

  /** The next message to send, of which the server takes `maxBytes`; undefined when nothing is to be said. */
  takeRequest(maxBytes: number): Uint8Array | undefined {
    const watches: LinkWatchRow[] = [];
    // Above it one set more, of a quarter of a message at most, or one row alone.
    const roomBytes = Math.min(MESSAGE_BYTES, maxBytes / 2);
    let bytes = this.#hello === undefined ? 0 : bytesOfHello(this.#hello);
    for (const [number, row] of this.#asked) {
      const own = bytesOfRow(row);
      if (bytes > 0 && bytes + own > roomBytes) break;
      this.#asked.delete(number);
      if (own > maxBytes) {
        this.#refuse(number, own, maxBytes);
        continue;
      }
      watches.push(row);
      bytes += own;
    }
    const unwatched = this.#unwatched.splice(0, Math.max(0, Math.floor((roomBytes - bytes) / BYTES_OF_A_NUMBER)));
    bytes += BYTES_OF_A_NUMBER * unwatched.length;
    const mostBytes = maxBytes - BYTES_AROUND_SETS;
    const sequence = this.#sets.write(this.#setWriter, roomBytes - bytes, mostBytes - bytes, mostBytes);
    const hasWatches =
      this.#hello !== undefined ||
      watches.length > 0 ||
      unwatched.length > 0 ||
      !this.#isHeartbeatSaid ||
      !this.#isQuestionSaid;
    if (this.#setWriter.isEmpty) return hasWatches ? this.#encode(watches, unwatched) : undefined;
    const sets = this.#setWriter.take(sequence, this.#sets.answered);
    // Fields of one message may stand in any order.
    return hasWatches ? concatBytes(this.#encode(watches, unwatched), sets) : sets;
  }

  #encode(watches: readonly LinkWatchRow[], unwatched: readonly number[]): Uint8Array {
    const heartbeatMs = this.#isHeartbeatSaid ? 0 : this.#heartbeatMs;
    const keptQuestion = this.#isQuestionSaid ? 0 : this.#keptQuestion;
    const request = encodeLinkRequest({ hello: this.#hello, watches, unwatched, heartbeatMs, keptQuestion });
    this.#isQuestionSaid = true;
    this.#hello = undefined;
    this.#isHeartbeatSaid = true;
    return request;
  }

  /** One message of the server. @throws ProtocolError: nothing that follows it can be read */
  handleMessage(bytes: Uint8Array, nowMs: number): void {
    const reader = new LinkReader(bytes);
    if (reader.welcome !== undefined) {
      if (this.isWelcome)
        throw new ProtocolError('the link is welcomed twice: check that a bridge server is at the endpoint');
      this.#handleWelcome(reader.welcome);
    }
    this.#handleEpoch(reader.epoch());
    this.#handleWord(nowMs);
    while (reader.next()) this.#handleRow(reader, nowMs);
    this.#handleKept(reader);
    const servers = reader.servers();
    if (servers.length > 0) this.#owner.handleServers(servers);
    this.#handleOutcomes(reader);
    this.#position = reader.position() ?? this.#position;
    const drainingMs = reader.drainingMs();
    if (drainingMs !== undefined) this.#owner.handleDraining(drainingMs);
  }

  /** The link has ended: its feeds can come back from there. */
  tellPosition(): void {
    if (this.#position === 0) return;
    for (const feed of this.#feeds.feeds()) feed.handlePosition(this.#epoch ?? '', this.#position);
  }

  /** After a shorter silence than any of them minds none is stale: not each message is to look at all of them. */
  #handleWord(nowMs: number): void {
    const silentForMs = nowMs - this.#heardAtMs;
    this.#heardAtMs = nowMs;
    if (silentForMs < this.#leastSilenceMs) return;
    for (const feed of this.#watchful) if (this.isRegistered(feed)) feed.handleWord(nowMs);
  }

  #handleWelcome(welcome: Welcome): void {
    this.#epoch = welcome.epoch;
    this.#asksConditions = welcome.asksConditions;
    this.#sets.handleWelcome(welcome);
    if (!welcome.lost) return;
    const error = new LostSetsError(
      'sets that were acknowledged are lost: the server goes on without them, so set again what has to hold',
    );
    for (const feed of this.#feeds.feeds()) feed.handleTrouble(error);
  }

  #handleEpoch(epoch: string | undefined): void {
    if (epoch === undefined) return;
    this.#epoch = epoch;
    for (const feed of this.#feeds.feeds()) if (this.isRegistered(feed)) feed.handleEpoch(epoch);
  }

  #handleKept(reader: LinkReader): void {
    for (let kept = reader.nextKept(); kept !== undefined; kept = reader.nextKept()) this.#kept.handle(kept);
    for (let answer = reader.nextKeptAnswer(); answer !== undefined; answer = reader.nextKeptAnswer()) {
      this.#keptAnswer = answer;
    }
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
        // It is a word, as any message.
        return;
      case ROW.REGISTERED:
        this.#handleRegistered(reader.target, nowMs);
        return;
      case ROW.SYNCED:
        this.#handleSynced(reader.target, nowMs);
        return;
      case ROW.ENDED:
        this.#handleEnded(reader.end!, nowMs);
        return;
      default:
        this.#handleUpdate(reader, nowMs);
    }
  }

  #handleRegistered(number: number, nowMs: number): void {
    const linked = this.#feeds.find(number);
    if (linked === undefined || linked.registeredAtMs > 0) return;
    this.#feeds.handleRegistered(linked, nowMs);
    forEachListener(linked, (feed) => {
      feed.handleRegistered(this.#epoch ?? '', nowMs, linked.hasCondition && this.#asksConditions);
      this.#owner.handleRegistered(feed);
    });
  }

  #handleSynced(number: number, nowMs: number): void {
    const linked = this.#feeds.find(number);
    if (linked === undefined) return;
    forEachListener(linked, (feed) => feed.handleMark('synced', nowMs));
    this.#share(linked);
  }

  #share(linked: LinkedFeed): void {
    const left = this.#feeds.share(linked);
    if (left !== undefined) this.#unwatch(left);
  }

  #handleEnded({ feed: number, status, code, message }: LinkEnd, nowMs: number): void {
    const linked = this.#feeds.find(number);
    if (linked === undefined) return;
    const error = errorFromWire({ code: code === '' ? 'UNAVAILABLE' : code, message });
    this.#end(linked, error, status, code, nowMs);
  }

  #handleUpdate(reader: LinkReader, nowMs: number): void {
    const addressed = this.#addressed(reader);
    if (addressed === undefined) return;
    const { linked } = addressed;
    // What a group waits for is kept by its feed; any other is read and done with.
    const update = reader.isMore ? new UpdateMessage() : this.#update.reset();
    fillUpdate(update, reader, addressed);
    if (reader.row === ROW.DELETED) {
      this.#handles.delete(reader.target);
      linked.only = undefined;
    }
    forEachListener(linked, (feed) => feed.handleUpdate(update, nowMs));
    const isOpening = linked.stage === 'opening' && linked.wantsMark;
    if (linked.stage !== 'shared' && !isOpening && !update.more) this.#share(linked);
  }

  /** Undefined for a feed that was closed, until its handle is announced again. */
  #addressed(reader: LinkReader): Addressed | undefined {
    const { target: handle, announcement } = reader;
    const known = this.#handles.get(handle);
    if (announcement === undefined) {
      if (known === undefined || known.linked.stage === 'over') return undefined;
      known.version += reader.versionStep;
      return known;
    }
    const linked = this.#feeds.find(announcement.feed);
    if (linked === undefined) {
      this.#handles.delete(handle);
      return undefined;
    }
    if (linked.hasCondition) this.#kept.add(announcement.id, linked);
    const addressed = { linked, announcement, version: reader.announcedVersion };
    this.#handles.set(handle, addressed);
    linked.only = addressed;
    return addressed;
  }

  #refuse(number: number, bytes: number, maxBytes: number): void {
    const linked = this.#feeds.find(number);
    if (linked === undefined) return;
    const error = MessageTooLargeError.of('Open', 'request', bytes, maxBytes);
    this.#end(linked, error, statusOfCode(error.code), error.code, 0);
  }

  #end(linked: LinkedFeed, error: BridgeError, status: number, code: string, nowMs: number): void {
    this.#handleOver(linked);
    const feeds = this.#feeds.end(linked);
    for (const feed of feeds) this.#watchful.delete(feed);
    const live = liveForMs(linked, nowMs);
    for (const feed of feeds) this.#owner.handleEnded(feed, error, status, code, live);
  }
}

function rowOf(number: number, request: FeedRequest): LinkWatchRow {
  const {
    identifiers,
    patterns,
    keepsBatches,
    waitForMissing,
    wantsMark,
    unseenAreInitial,
    resume,
    resumeEpoch,
    condition,
    fromRevision,
  } = request;
  return {
    feed: number,
    includesInitialValues: true,
    keepsBatches,
    waitsForMissing: waitForMissing,
    wantsMark,
    unseenAreInitial,
    identifiers,
    patterns,
    resume: resume === undefined ? undefined : { epoch: resumeEpoch, seen: Object.entries(resume) },
    condition,
    fromRevision,
  };
}

/** By estimate, not below what is sent. */
function bytesOfRow({ identifiers, patterns, resume, condition }: LinkWatchRow): number {
  let bytes = BYTES_AROUND_A_ROW + (condition === undefined ? 0 : utf8Length(condition) + BYTES_AROUND_A_TEXT);
  for (const pattern of patterns) bytes += utf8Length(pattern) + BYTES_AROUND_A_TEXT;
  for (const identifier of identifiers) bytes += utf8Length(identifier) + BYTES_AROUND_A_TEXT;
  for (const [id] of resume?.seen ?? []) bytes += utf8Length(id) + BYTES_AROUND_A_TEXT + BYTES_OF_A_VERSION;
  return bytes;
}

function bytesOfHello({ sessionId, epoch }: LinkHello): number {
  return BYTES_AROUND_A_HELLO + utf8Length(sessionId) + utf8Length(epoch);
}

function liveForMs(linked: LinkedFeed | undefined, nowMs: number): number {
  return linked === undefined || linked.registeredAtMs === 0 ? 0 : nowMs - linked.registeredAtMs;
}

/** Epoch, counts, flags. */
const BYTES_AROUND_A_ROW = 64;
const BYTES_AROUND_A_TEXT = 4;
const BYTES_OF_A_VERSION = 8;
/** Link id, numbers. */
const BYTES_AROUND_A_HELLO = 80;
const BYTES_OF_A_NUMBER = 5;
/** Their number, that of the last answered, the lengths of columns. */
const BYTES_AROUND_SETS = 128;
