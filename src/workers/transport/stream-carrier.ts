/**
 * One WatchVariables call per feed, over pooled channels; works with any server that speaks the published contract.
 * Path: HTTP/2 -> [stream carrier] -> watch feed. Slow: it reads on, the watch's ring is bounded.
 * Full: more streams open more channels. Closed: streams end, and nothing is called afterwards.
 */
import type { StatusObject } from '@grpc/grpc-js';
import type { Deadlines } from '../../shared/deadlines.js';
import { deadlineOf } from '../../shared/deadlines.js';
import {
  type BridgeError,
  DeadlineExceededError,
  MessageTooLargeError,
  UnavailableError,
  UnsupportedError,
} from '../../shared/errors.js';
import type { BridgeConfig } from '../../shared/port/commands.js';
import { randomId, systemClock } from '../../shared/system-clock.js';
import type { Deadline } from '../../shared/timer-wheel.js';
import { METHODS } from '../../shared/wire/services.js';
import { EPOCH_HEADER, ERROR_TRAILER, STATUS } from '../../shared/wire/status.js';
import type { CarriedFeed, Carrier, CarrierOwner, CarrierServer, FeedEnd } from './carrier.js';
import type { ChannelPool, PooledChannel } from './channel-pool.js';
import type { StreamCall, StreamListener } from './grpc-call.js';
import { cancelCall, headerOf, openStream, streamError, unaryCall } from './grpc-call.js';
import { openTimeoutMs } from './open-timeout.js';
import { UNWATCH_GRACE_MS } from './stream-ending.js';

/** A feed's present stream. */
interface OpenStream extends Deadline, StreamListener {
  readonly feed: CarriedFeed;
  readonly attempt: number;
  readonly channel: PooledChannel;
  readonly token: string;
  /** Undefined only while it is made. */
  call: StreamCall | undefined;
  /** 0 before the server has registered it. */
  registeredAtMs: number;
  /** Its watch has stopped: whatever comes is thrown away. */
  isMuted: boolean;
  isEnded: boolean;
}

export class StreamCarrier implements Carrier {
  readonly kind = 'stream';
  readonly heardAtMs = 0;
  readonly #config: BridgeConfig;
  readonly #pool: ChannelPool;
  readonly #server: () => CarrierServer;
  readonly #deadlines: Deadlines;
  readonly #owner: CarrierOwner;
  readonly #streams = new Map<CarriedFeed, OpenStream>();
  /** Streams of stopped watches that their server has not ended yet. */
  readonly #muted = new Set<OpenStream>();
  readonly #cancelTurn = deadlineOf((nowMs) => this.#cancelMuted(nowMs));
  /** False once the server said UNIMPLEMENTED to UnwatchVariables. */
  #unwatchesByMessage = true;

  constructor(
    config: BridgeConfig,
    pool: ChannelPool,
    server: () => CarrierServer,
    deadlines: Deadlines,
    owner: CarrierOwner,
  ) {
    this.#config = config;
    this.#pool = pool;
    this.#server = server;
    this.#deadlines = deadlines;
    this.#owner = owner;
  }

  get streams(): number {
    return this.#streams.size + this.#muted.size;
  }

  open(feed: CarriedFeed, attempt: number): void {
    const { epoch, maxBytes } = this.#server();
    const request = feed.request(epoch, false);
    const token = randomId('w');
    const options: Record<string, string> = { watch_token: token, old_value: 'none' };
    if (request.wantsMark) options.synced = '1';
    if (request.unseenAreInitial) options.unseen = 'initial';
    if (request.keepsBatches) options.atomic = '1';
    if (request.waitForMissing) options.missing = 'wait';
    const bytes = METHODS.WatchVariables.encodeRequest({
      sessionId: this.#config.sessionId,
      variableIdentifiers: [...request.identifiers],
      patterns: [...request.patterns],
      includeInitialValues: true,
      options,
      ...(request.resume === undefined ? {} : { resume: request.resume, resumeEpoch: request.resumeEpoch }),
      ...(feed.heartbeatMs === 0 ? {} : { heartbeatMs: feed.heartbeatMs }),
    });
    feed.handleOpening();
    if (request.patterns.length > 0 && epoch === '') {
      const error = new UnsupportedError(
        `${feed.subject}: the server knows only the published contract, which has no patterns: watch names, or use a bridged-state server`,
      );
      this.#owner.handleFeedEnded(feed, ownEnd(error, { status: STATUS.UNIMPLEMENTED, trailer: error.code }));
      return;
    }
    if (bytes.length > maxBytes) {
      this.#owner.handleFeedEnded(
        feed,
        ownEnd(MessageTooLargeError.of('WatchVariables', 'request', bytes.length, maxBytes), TOO_LARGE),
      );
      return;
    }
    const channel = this.#pool.lease();
    const stream: OpenStream = {
      feed,
      attempt,
      channel,
      token,
      call: undefined,
      registeredAtMs: 0,
      isMuted: false,
      isEnded: false,
      dueAtMs: 0,
      wheelSlot: -1,
      wheelPlace: 0,
      handleDeadline: () => this.#handleStreamDeadline(stream),
      handleHeaders: (headers) => this.#handleHeaders(stream, headerOf(headers, EPOCH_HEADER) ?? ''),
      handleMessage: (message) => this.#handleMessage(stream, message),
      handleStatus: (status) => this.#handleStatus(stream, status),
    };
    this.#streams.set(feed, stream);
    this.#deadlines.schedule(stream, systemClock.nowMs() + this.#openTimeoutMs(stream));
    stream.call = openStream(channel, bytes, this.#config, stream);
  }

  close(feed: CarriedFeed): void {
    const stream = this.#streams.get(feed);
    if (stream === undefined) return;
    this.#streams.delete(feed);
    this.#mute(stream);
  }

  handleChannelLost(channel: PooledChannel, error: BridgeError): void {
    for (const stream of [...this.#streams.values(), ...this.#muted]) {
      if (stream.channel !== channel || stream.isEnded) continue;
      const wasMuted = stream.isMuted;
      stream.isMuted = true;
      cancel(stream);
      this.#muted.delete(stream);
      if (!wasMuted) this.#endFeed(stream, ownEnd(error, LOST, liveForMs(stream)));
    }
  }

  end(): CarriedFeed[] {
    this.#deadlines.cancel(this.#cancelTurn);
    const feeds = [...this.#streams.keys()];
    const streams = [...this.#streams.values(), ...this.#muted];
    this.#streams.clear();
    this.#muted.clear();
    for (const stream of streams) {
      this.#deadlines.cancel(stream);
      stream.isMuted = true;
      // The connection goes with them, so no budget matters any more.
      if (!stream.isEnded) cancel(stream);
    }
    return feeds;
  }

  #openTimeoutMs({ attempt, feed }: OpenStream): number {
    return openTimeoutMs(this.#config, feed, attempt);
  }

  #handleHeaders(stream: OpenStream, epoch: string): void {
    if (stream.isEnded) return;
    const nowMs = systemClock.nowMs();
    stream.channel.handleWord(nowMs);
    stream.registeredAtMs = nowMs;
    if (stream.isMuted) {
      // Stopped before it was registered: now it can be ended by message.
      if (this.#unwatchesByMessage && this.#muted.has(stream)) this.#unwatchByMessage(stream);
      return;
    }
    this.#deadlines.cancel(stream);
    stream.feed.handleRegistered(epoch, nowMs);
    this.#owner.handleFeedRegistered(stream.feed);
  }

  #handleMessage(stream: OpenStream, bytes: Buffer): void {
    const nowMs = systemClock.nowMs();
    stream.channel.handleWord(nowMs);
    if (stream.isMuted) return;
    const { maxBytes } = this.#server();
    if (bytes.length <= maxBytes) {
      stream.feed.handleMessage(bytes, nowMs);
      return;
    }
    // It would come again at each return.
    this.close(stream.feed);
    const error = MessageTooLargeError.of('WatchVariables', 'update', bytes.length, maxBytes);
    this.#owner.handleFeedEnded(stream.feed, ownEnd(error, TOO_LARGE, liveForMs(stream)));
  }

  #handleStatus(stream: OpenStream, status: StatusObject): void {
    stream.isEnded = true;
    this.#pool.release(stream.channel);
    this.#deadlines.cancel(stream);
    this.#muted.delete(stream);
    const trailer = headerOf(status.metadata, ERROR_TRAILER);
    if (trailer !== undefined) stream.channel.handleWord(systemClock.nowMs());
    if (stream.isMuted) return;
    const { channel } = stream;
    // Our server gives each of its refusals a trailer: without one it was our own limit, far exceeded.
    const isOwnLimit =
      trailer === undefined && status.code === STATUS.RESOURCE_EXHAUSTED && this.#server().epoch !== '';
    this.#endFeed(stream, {
      error: streamError(status),
      status: status.code,
      trailer: isOwnLimit ? TOO_LARGE.trailer : trailer,
      liveForMs: liveForMs(stream),
      isConnectionReady: () => channel.isReady,
    });
  }

  #endFeed(stream: OpenStream, end: FeedEnd): void {
    this.#deadlines.cancel(stream);
    if (this.#streams.get(stream.feed) !== stream) return;
    this.#streams.delete(stream.feed);
    this.#owner.handleFeedEnded(stream.feed, end);
  }

  /** Registered too late, or, when muted, ended too late. */
  #handleStreamDeadline(stream: OpenStream): void {
    if (stream.isMuted) {
      this.#cancelMuted(systemClock.nowMs());
      return;
    }
    if (!stream.channel.isReady) {
      // Its connection has a deadline of its own.
      this.#deadlines.schedule(stream, systemClock.nowMs() + this.#openTimeoutMs(stream));
      return;
    }
    this.close(stream.feed);
    const sentence =
      `the server did not register ${stream.feed.subject} within ${this.#openTimeoutMs(stream)} ms: ` +
      'it may allow fewer streams a connection than limits.streamsPerChannel';
    this.#owner.handleFeedEnded(
      stream.feed,
      ownEnd(new DeadlineExceededError(sentence), { status: STATUS.DEADLINE_EXCEEDED, trailer: undefined }),
    );
  }

  #mute(stream: OpenStream): void {
    stream.isMuted = true;
    if (stream.isEnded) return;
    this.#muted.add(stream);
    if (this.#unwatchesByMessage && stream.registeredAtMs > 0) this.#unwatchByMessage(stream);
    else this.#cancelMuted(systemClock.nowMs());
  }

  #unwatchByMessage(stream: OpenStream): void {
    this.#deadlines.schedule(stream, systemClock.nowMs() + UNWATCH_GRACE_MS);
    const request = { sessionId: this.#config.sessionId, watchToken: stream.token };
    const limits = { timeoutMs: UNWATCH_GRACE_MS, maxBytes: this.#server().maxBytes };
    unaryCall(this.#pool.control, 'UnwatchVariables', request, this.#config, limits, undefined).catch(
      (error: unknown) => {
        if (error instanceof UnsupportedError) this.#unwatchesByMessage = false;
        this.#cancelMuted(systemClock.nowMs());
      },
    );
  }

  /** Cancels as many as each connection's budget allows; the others stay muted until their turn. */
  #cancelMuted(nowMs: number): void {
    let isAnyLeft = false;
    for (const stream of this.#muted) {
      const isGivenTime = this.#unwatchesByMessage && stream.registeredAtMs > 0 && nowMs < stream.dueAtMs;
      if (isGivenTime) continue;
      if (stream.channel.cancels.take(nowMs)) cancel(stream);
      else isAnyLeft = true;
    }
    if (isAnyLeft) this.#deadlines.schedule(this.#cancelTurn, nowMs + 250);
  }
}

/** An end that we made ourselves, while the connection stands. */
function ownEnd(
  error: BridgeError,
  { status, trailer }: { readonly status: number; readonly trailer: string | undefined },
  liveForMs = 0,
): FeedEnd {
  const isLost = error instanceof UnavailableError;
  return { error, status, trailer, liveForMs, isConnectionReady: () => !isLost };
}

function liveForMs({ registeredAtMs }: OpenStream): number {
  return registeredAtMs === 0 ? 0 : systemClock.nowMs() - registeredAtMs;
}

function cancel({ call }: OpenStream): void {
  if (call !== undefined) cancelCall(call, 'the watch was stopped');
}

const LOST = { status: STATUS.UNAVAILABLE, trailer: undefined } as const;
const TOO_LARGE = { status: STATUS.RESOURCE_EXHAUSTED, trailer: 'MESSAGE_TOO_LARGE' } as const;
