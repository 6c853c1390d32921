/**
 * All feeds of a connection on one stream. Path: HTTP/2 -> [link carrier] -> link session -> watch feed.
 * What is asked in one turn goes out as one message, and the next when that one went. Slow: it reads on, each watch's ring is bounded.
 * Closed: the stream ends, and nothing is called afterwards. A server without links is told to the owner, once.
 */
import type { StatusObject } from '@grpc/grpc-js';
import type { Deadlines } from '../../shared/deadlines.js';
import { deadlineOf } from '../../shared/deadlines.js';
import { BridgeError, DeadlineExceededError, InternalError } from '../../shared/errors.js';
import { clearImmediate, setImmediate } from '../../shared/platform-timers.js';
import type { BridgeConfig } from '../../shared/port/commands.js';
import { systemClock } from '../../shared/system-clock.js';
import type { Deadline } from '../../shared/timer-wheel.js';
import { isEndpoint, MOST_ENDPOINTS } from '../../shared/wire/endpoint-list.js';
import { isSameLife } from '../../shared/wire/epoch-text.js';
import { ERROR_TRAILER, STATUS } from '../../shared/wire/status.js';
import type { SetQueue } from '../calls/set-queue.js';
import type { CarriedFeed, Carrier, CarrierOwner, CarrierServer, FeedEnd } from './carrier.js';
import type { ChannelPool, PooledChannel } from './channel-pool.js';
import type { StreamCall } from './grpc-call.js';
import { cancelCall, headerOf, openLink, streamError } from './grpc-call.js';
import { LinkSession } from './link-session.js';
import { openTimeoutMs } from './open-timeout.js';

/** By when a feed has to be registered. One each, thousands at once: no closure. */
class Opening implements Deadline {
  dueAtMs = 0;
  wheelSlot = -1;
  wheelPlace = 0;
  readonly feed: CarriedFeed;
  readonly timeoutMs: number;
  readonly #onDue: (opening: Opening) => void;

  constructor(feed: CarriedFeed, timeoutMs: number, onDue: (opening: Opening) => void) {
    this.feed = feed;
    this.timeoutMs = timeoutMs;
    this.#onDue = onDue;
  }

  handleDeadline(): void {
    this.#onDue(this);
  }
}

/** One stream, from its opening to its end. */
interface Link {
  readonly session: LinkSession;
  readonly channel: PooledChannel;
  readonly call: StreamCall;
  /** In its hello: positions of it can be said on this link. */
  readonly saidEpoch: string;
  isSending: boolean;
  /** Undefined while no set is unanswered. */
  handleAnswered: (() => void) | undefined;
  /** Cancelled by us: whatever comes is thrown away. */
  isMuted: boolean;
}

export class LinkCarrier implements Carrier {
  readonly kind = 'link';
  readonly #config: BridgeConfig;
  readonly #pool: ChannelPool;
  readonly #server: () => CarrierServer;
  readonly #deadlines: Deadlines;
  readonly #owner: CarrierOwner;
  readonly #sets: SetQueue;
  /** Feeds that the server has not registered. */
  readonly #openings = new Map<CarriedFeed, Opening>();
  #link: Link | undefined;
  /** Of the last link, '' before the first. */
  #lastEpoch = '';
  /** When its owner was told last that the server speaks, ms. */
  #toldHeardAtMs = 0;
  #sendTurn: NodeJS.Immediate | undefined;
  #whenDecided: ((hasLink: boolean) => void) | undefined;
  /** Of what conditions kept out, in their order. */
  #questions: { readonly number: number; readonly handleAnswer: () => void }[] = [];

  constructor(
    config: BridgeConfig,
    pool: ChannelPool,
    server: () => CarrierServer,
    deadlines: Deadlines,
    owner: CarrierOwner,
    sets: SetQueue,
  ) {
    this.#sets = sets;
    this.#config = config;
    this.#pool = pool;
    this.#server = server;
    this.#deadlines = deadlines;
    this.#owner = owner;
  }

  get heardAtMs(): number {
    return this.#link?.session.heardAtMs ?? 0;
  }

  get streams(): number {
    return this.#link === undefined ? 0 : 1;
  }

  /** Whether the server has links; true as well when the connection goes before it says, or it says nothing for `connectTimeoutMs`. */
  isAccepted(): Promise<boolean> {
    return new Promise((resolve) => {
      const timeout = deadlineOf(() => this.#decide(true));
      this.#deadlines.schedule(timeout, systemClock.nowMs() + this.#config.limits.connectTimeoutMs);
      this.#whenDecided = (hasLink) => {
        this.#deadlines.cancel(timeout);
        resolve(hasLink);
      };
      this.#connect();
      this.#sendSoon();
    });
  }

  open(feed: CarriedFeed, attempt: number): void {
    const link = this.#connect();
    const request = feed.request(link.saidEpoch, true);
    const nowMs = systemClock.nowMs();
    feed.handleOpening();
    link.session.open(feed, request);
    const timeoutMs = openTimeoutMs(this.#config, feed, attempt);
    const opening = new Opening(feed, timeoutMs, this.#handleOpenDeadline);
    this.#openings.set(feed, opening);
    this.#deadlines.schedule(opening, nowMs + timeoutMs);
    this.#sendSoon();
  }

  askKept(): Promise<void> | undefined {
    const number = this.#link?.session.askKept();
    if (number === undefined) return undefined;
    this.#sendSoon();
    return new Promise((resolve) => {
      const timeout = deadlineOf(() => resolve());
      this.#deadlines.schedule(timeout, systemClock.nowMs() + ANSWER_TIMEOUT_MS);
      const handleAnswer = (): void => {
        this.#deadlines.cancel(timeout);
        resolve();
      };
      this.#questions.push({ number, handleAnswer });
    });
  }

  #handleAnswer(upTo: number): void {
    while (this.#questions.length > 0 && this.#questions[0]!.number <= upTo) this.#questions.shift()!.handleAnswer();
  }

  /** Sets wait in the queue. */
  handleSets(): void {
    this.#connect();
    this.#sendSoon();
  }

  close(feed: CarriedFeed): void {
    this.#forgetOpening(feed);
    this.#link?.session.close(feed);
    this.#sendSoon();
  }

  /** The server has taken the link. */
  get isWelcome(): boolean {
    return this.#link?.session.isWelcome === true;
  }

  handleChannelLost(channel: PooledChannel, error: BridgeError): void {
    if (this.#link?.channel === channel) this.leave(error);
  }

  /** Ends the link; what it carried returns on the next. */
  leave(error: BridgeError): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#mute(link);
    this.#endFeeds(link, { error, status: STATUS.UNAVAILABLE, trailer: undefined, isConnectionReady: () => false });
    this.#owner.handleLinkEnded(error, undefined);
  }

  end(): CarriedFeed[] {
    clearImmediate(this.#sendTurn);
    this.#sendTurn = undefined;
    const link = this.#link;
    if (link === undefined) return [];
    this.#mute(link);
    link.session.tellPosition();
    const feeds = link.session.feeds();
    for (const feed of feeds) this.#forgetOpening(feed);
    return feeds;
  }

  // --- from its session

  handleServers(servers: readonly string[]): void {
    this.#owner.handleServers(servers.filter(isEndpoint).slice(0, MOST_ENDPOINTS));
  }

  handleDraining(spreadMs: number): void {
    this.#owner.handleDraining(spreadMs);
  }

  handleRegistered(feed: CarriedFeed): void {
    this.#forgetOpening(feed);
    this.#owner.handleFeedRegistered(feed);
  }

  handleEnded(feed: CarriedFeed, error: BridgeError, status: number, code: string, liveForMs: number): void {
    this.#forgetOpening(feed);
    const link = this.#link;
    const trailer = code === '' ? undefined : code;
    const isConnectionReady = (): boolean => link?.channel.isReady === true;
    this.#owner.handleFeedEnded(feed, { error, status, trailer, liveForMs, isConnectionReady });
  }

  // --- the stream

  #connect(): Link {
    if (this.#link !== undefined) return this.#link;
    const { maxBytes } = this.#server();
    const epoch = this.#epochToSay();
    const channel = this.#pool.lease();
    const hello = { sessionId: this.#config.sessionId, maxBytes, ...this.#sets.before(), epoch };
    const session = new LinkSession(hello, this.#sets, this);
    const call = openLink(channel, this.#config, {
      handleHeaders: () => channel.handleWord(systemClock.nowMs()),
      handleMessage: (bytes) => this.#handleMessage(link, bytes),
      handleStatus: (status) => this.#handleStatus(link, status),
    });
    const link: Link = {
      session,
      channel,
      call,
      saidEpoch: epoch,
      isSending: false,
      handleAnswered: undefined,
      isMuted: false,
    };
    this.#link = link;
    return link;
  }

  /** Of the revisions that feeds have: that of the last link, where its server goes on in the same life. */
  #epochToSay(): string {
    const { epoch } = this.#server();
    return epoch !== '' && isSameLife(this.#lastEpoch, epoch) ? this.#lastEpoch : epoch;
  }

  /** All that is asked in one turn together. */
  #sendSoon(): void {
    this.#sendTurn ??= setImmediate(() => {
      this.#sendTurn = undefined;
      this.#send();
    });
  }

  #send(): void {
    const link = this.#link;
    if (link === undefined || link.isSending) return;
    const request = link.session.takeRequest(this.#server().maxBytes);
    if (request === undefined) return;
    this.#noteUnanswered(link);
    link.isSending = true;
    const callback = (): void => {
      link.isSending = false;
      if (this.#link === link) this.#send();
    };
    const { buffer, byteOffset, byteLength } = request;
    link.call.sendMessageWithContext({ callback }, Buffer.from(buffer, byteOffset, byteLength));
  }

  /** A connection that is silent while sets wait for their outcomes is doubted as under calls: another server may make them within their time. */
  #noteUnanswered(link: Link): void {
    if (!link.isMuted && this.#sets.hasUnanswered)
      link.handleAnswered ??= link.channel.handleAsked(systemClock.nowMs());
    else {
      link.handleAnswered?.();
      link.handleAnswered = undefined;
    }
  }

  #handleMessage(link: Link, bytes: Buffer): void {
    const nowMs = systemClock.nowMs();
    link.channel.handleWord(nowMs);
    if (link.isMuted) return;
    this.#tellHeard(nowMs);
    try {
      link.session.handleMessage(bytes, nowMs);
      this.#lastEpoch = link.session.epoch ?? this.#lastEpoch;
    } catch (cause) {
      // What it said cannot be relied on any more, so neither can what it will say.
      this.#mute(link);
      const error = cause instanceof BridgeError ? cause : new InternalError(String(cause), { cause });
      const isConnectionReady = (): boolean => link.channel.isReady;
      this.#endFeeds(link, { error, status: STATUS.INTERNAL, trailer: 'INTERNAL', isConnectionReady });
      this.#owner.handleLinkEnded(error, 'INTERNAL');
    }
    this.#noteUnanswered(link);
    if (link.session.isWelcome) this.#decide(true);
    this.#handleAnswer(link.session.keptAnswer);
    // Sets may have waited for the welcome, or for places that outcomes have made free.
    if (this.#sets.hasWaiting) this.#sendSoon();
  }

  #tellHeard(nowMs: number): void {
    if (nowMs - this.#toldHeardAtMs < HEARD_SPACING_MS) return;
    this.#toldHeardAtMs = nowMs;
    this.#owner.handleHeard(nowMs);
  }

  #handleStatus(link: Link, status: StatusObject): void {
    this.#pool.release(link.channel);
    const trailer = headerOf(status.metadata, ERROR_TRAILER);
    if (trailer !== undefined) link.channel.handleWord(systemClock.nowMs());
    if (link.isMuted) return;
    link.isMuted = true;
    this.#noteUnanswered(link);
    if (this.#link === link) this.#link = undefined;
    this.#handleAnswer(Number.POSITIVE_INFINITY);
    this.#sets.handleBreak(trailer === 'SESSION_NOT_FOUND');
    const hasNoLink = status.code === STATUS.UNIMPLEMENTED && trailer === undefined && !link.session.isWelcome;
    if (hasNoLink) {
      this.#decide(false);
      // Its feeds are still the session's: they are taken over by `end`.
      this.#link = link;
      this.#owner.handleNoLink();
      return;
    }
    this.#decide(true);
    const error = streamError(status);
    const isConnectionReady = (): boolean => link.channel.isReady;
    this.#endFeeds(link, { error, status: status.code, trailer, isConnectionReady });
    this.#owner.handleLinkEnded(error, trailer);
  }

  /** All that it carried, by the same word. */
  #endFeeds(link: Link, end: Omit<FeedEnd, 'liveForMs'>): void {
    const nowMs = systemClock.nowMs();
    link.session.tellPosition();
    for (const feed of link.session.feeds()) {
      this.#forgetOpening(feed);
      this.#owner.handleFeedEnded(feed, { ...end, liveForMs: link.session.liveForMs(feed, nowMs) });
    }
  }

  /** Registered too late. */
  readonly #handleOpenDeadline = (opening: Opening): void => {
    const { feed, timeoutMs } = opening;
    const link = this.#link;
    if (this.#openings.get(feed) !== opening || link === undefined) return;
    if (!link.channel.isReady) {
      // Its connection has a deadline of its own.
      this.#deadlines.schedule(opening, systemClock.nowMs() + timeoutMs);
      return;
    }
    this.close(feed);
    const error = new DeadlineExceededError(`the server did not register ${feed.subject} within ${timeoutMs} ms`);
    this.#owner.handleFeedEnded(feed, {
      error,
      status: STATUS.DEADLINE_EXCEEDED,
      trailer: undefined,
      liveForMs: 0,
      isConnectionReady: () => true,
    });
  };

  #forgetOpening(feed: CarriedFeed): void {
    const opening = this.#openings.get(feed);
    if (opening === undefined) return;
    this.#openings.delete(feed);
    this.#deadlines.cancel(opening);
  }

  #mute(link: Link): void {
    if (this.#link === link) this.#link = undefined;
    this.#decide(true);
    this.#handleAnswer(Number.POSITIVE_INFINITY);
    if (link.isMuted) return;
    link.isMuted = true;
    this.#noteUnanswered(link);
    this.#sets.handleBreak();
    cancelCall(link.call, 'the link is not used any more');
  }

  #decide(hasLink: boolean): void {
    this.#whenDecided?.(hasLink);
    this.#whenDecided = undefined;
  }
}

/** A few words a second are as good as all, and each is a message to the main thread. */
const HEARD_SPACING_MS = 250;
/** A busy server says what conditions kept out when it has written what they let through. */
const ANSWER_TIMEOUT_MS = 1_000;
