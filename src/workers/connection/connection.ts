/**
 * The way of one state to its server, from this worker: first contact, session, liveness, retry, and reopening everything that was watched.
 * Path: slot -> [connection] -> carrier. The only place that decides what is retried (failure-verdict says how); a carrier never does.
 * Slow: it reads on. Closed: feeds end, channels close, nothing is called afterwards.
 */
import type { Metadata } from '@grpc/grpc-js';
import type { Deadlines } from '../../shared/deadlines.js';
import { deadlineOf } from '../../shared/deadlines.js';
import {
  BridgeError,
  ClosedError,
  DeadlineExceededError,
  errorFromWire,
  ProtocolError,
  SessionNotFoundError,
  UnavailableError,
  UnknownOutcomeError,
  UnsupportedError,
  VariablesNotFoundError,
} from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { clearImmediate, setImmediate } from '../../shared/platform-timers.js';
import type { BridgeConfig } from '../../shared/port/commands.js';
import { systemClock, systemRandom } from '../../shared/system-clock.js';
import type { MethodName, RequestOf, ResponseOf } from '../../shared/wire/services.js';
import {
  codeOfSentence,
  EPOCH_HEADER,
  MAX_MESSAGE_HEADER,
  SESSION_TTL_HEADER,
  STATUS,
} from '../../shared/wire/status.js';
import type { CarriedFeed, CarrierOwner, FeedEnd } from '../transport/carrier.js';
import { ChannelPool, type PooledChannel } from '../transport/channel-pool.js';
import type { CallLimits } from '../transport/grpc-call.js';
import { headerOf, unaryCall } from '../transport/grpc-call.js';
import { StreamCarrier } from '../transport/stream-carrier.js';
import type { WatchFeed } from '../watch/watch-feed.js';
import { isOver } from '../watch/watch-state.js';
import { EndpointRotation } from './endpoint-rotation.js';
import { isPermanentForConnection, verdictOf } from './failure-verdict.js';
import { FeedRetry } from './feed-retry.js';
import type { LivenessLimits } from './liveness.js';
import { livenessOf, sweepMs } from './liveness.js';
import { ReconnectUnit } from './reconnect-unit.js';

/** Whoever wants a feed. */
export interface FeedOwner {
  /** The server has registered it, for the first time or again. */
  handleFeedRegistered(feed: WatchFeed): void;
  /** It will not come back: refused, or retried in vain. */
  handleFeedRefused(error: BridgeError): void;
}

/** What a server says of itself. */
export interface ServerFacts {
  /** '' when it says none: it isn't ours. */
  readonly epoch: string;
  /** Largest message that both ends take, bytes. */
  readonly maxBytes: number;
  /** Idle time after which it ends a session, ms; 0 = never, or unsaid. */
  readonly sessionTtlMs: number;
}

/** An answer, with the code of a refusal that came with `success = false`. */
export interface Answer<M extends MethodName> {
  readonly response: ResponseOf<M>;
  readonly errorCode: string | undefined;
}

interface Lost {
  readonly feed: WatchFeed;
  readonly end: FeedEnd;
}

export class Connection implements CarrierOwner {
  readonly #config: BridgeConfig;
  readonly #deadlines: Deadlines;
  readonly #logger: Logger;
  readonly #rotation: EndpointRotation;
  readonly #unit: ReconnectUnit;
  readonly #owners = new Map<CarriedFeed, FeedOwner>();
  /** Feeds without a stream, until the connection is tried again. */
  readonly #waiting = new Set<WatchFeed>();
  /** Of feeds that were refused for now while the connection stands. */
  readonly #retries = new Map<CarriedFeed, FeedRetry>();
  readonly #attempt = deadlineOf(() => void this.#reconnect());
  readonly #sweep = deadlineOf((nowMs) => this.#handleSweep(nowMs));
  #pool: ChannelPool;
  #carrier: StreamCarrier;
  #facts: ServerFacts;
  /** Streams that ended in this turn: whether their connection did too is known in the next. */
  #lost: Lost[] = [];
  #lostTurn: NodeJS.Immediate | undefined;
  #sweptAtMs = 0;
  #rejoining: { readonly control: PooledChannel; readonly joined: Promise<void> } | undefined;
  /** No call is tried again: the state is being closed. */
  #isDraining = false;
  #isClosed = false;

  constructor(config: BridgeConfig, deadlines: Deadlines, logger: Logger) {
    this.#config = config;
    this.#deadlines = deadlines;
    this.#logger = logger;
    this.#rotation = new EndpointRotation(config.endpoints);
    this.#unit = new ReconnectUnit(config);
    this.#facts = { epoch: '', maxBytes: config.limits.maxMessageBytes, sessionTtlMs: 0 };
    this.#pool = new ChannelPool(this.#rotation.current, config);
    this.#carrier = this.#makeCarrier();
    this.#scheduleSweep(systemClock.nowMs());
  }

  get facts(): ServerFacts {
    return this.#facts;
  }

  /** Requests and answers above this are split. */
  get maxRequestBytes(): number {
    return this.#facts.maxBytes;
  }

  get channels(): number {
    return this.#pool.size;
  }

  get streams(): number {
    return this.#carrier.streams;
  }

  /** First contact: the session is there afterwards. @throws BridgeError when no endpoint takes us, unless it `keepsTrying` */
  async open(keepsTrying: boolean): Promise<ServerFacts> {
    let lastError: unknown;
    for (let tries = this.#rotation.size; tries > 0; tries -= 1) {
      try {
        await this.#connect();
        this.#openWaiting();
        return this.#facts;
      } catch (error) {
        lastError = error;
        // A server that answers has spoken for all: its refusal is no reason to ask another.
        if (!keepsTrying && !(error instanceof UnavailableError)) throw error;
        this.#rotation.advance();
        this.#renewPool();
      }
    }
    if (!keepsTrying) throw lastError;
    this.#deadlines.schedule(this.#attempt, this.#unit.handleAttemptFailed(systemClock.nowMs(), systemRandom));
    return this.#facts;
  }

  watch(feed: WatchFeed, owner: FeedOwner): void {
    this.#owners.set(feed, owner);
    if (this.#unit.state.name === 'connected') this.#carrier.open(feed, 0);
    else this.#wait(feed, new UnavailableError(`the connection to ${this.#pool.endpoint} is being made again`), false);
  }

  /** Ends it at the server too; nothing is delivered from now on. */
  unwatch(feed: WatchFeed): void {
    if (!this.#owners.delete(feed)) return;
    this.#waiting.delete(feed);
    const retry = this.#retries.get(feed);
    if (retry !== undefined) this.#deadlines.cancel(retry);
    this.#retries.delete(feed);
    this.#carrier.close(feed);
  }

  /** @throws BridgeError; UnknownOutcomeError when a change may or may not have been made */
  async call<M extends MethodName>(method: M, request: RequestOf<M>, isChange: boolean): Promise<Answer<M>> {
    const deadlineMs = systemClock.nowMs() + this.#config.limits.callTimeoutMs;
    let hasRejoined = false;
    for (;;) {
      this.#checkOpen();
      const { control, endpoint } = this.#pool;
      const askedAtMs = systemClock.nowMs();
      try {
        await control.connect(endpoint, Math.max(1, deadlineMs - askedAtMs));
        const timeoutMs = Math.max(1, deadlineMs - systemClock.nowMs());
        const limits = { timeoutMs, maxBytes: this.#facts.maxBytes };
        const answer = await unaryCall(control, method, request, this.#config, limits, isChange);
        if (answer.errorCode === 'SESSION_NOT_FOUND') throw SessionNotFoundError.of(this.#config.sessionId);
        if (isRefusal(answer) && !hasRejoined && (await this.#isSessionMissing(undefined))) {
          throw SessionNotFoundError.of(this.#config.sessionId);
        }
        return answer;
      } catch (error) {
        if (!hasRejoined && (error instanceof SessionNotFoundError || (await this.#isSessionMissing(error)))) {
          // The server was restarted, or the session expired: it refused, so nothing was done and asking again is safe.
          hasRejoined = true;
          await this.#rejoin();
          continue;
        }
        // Nothing was heard on it since: later calls must not wait for it too.
        if (control.lastWordAtMs < askedAtMs && isSilence(error)) this.#replaceChannel(control);
        const isTimeUp = deadlineMs - systemClock.nowMs() < RETRY_PAUSE_MS;
        if (!(error instanceof UnavailableError) || isTimeUp || this.#isDraining) throw this.#asClosed(error, isChange);
        // Never sent, refused by a server that goes, or a read: tried again until the time is up, on the connection that is made meanwhile.
        if (this.#unit.state.name === 'connected') this.#loseConnection();
        await this.#pause(RETRY_PAUSE_MS);
      }
    }
  }

  /** Calls under way are answered, none is tried again. */
  drain(): void {
    this.#isDraining = true;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const deadline of [this.#attempt, this.#sweep, ...this.#retries.values()]) this.#deadlines.cancel(deadline);
    clearImmediate(this.#lostTurn);
    this.#owners.clear();
    this.#waiting.clear();
    this.#retries.clear();
    this.#lost = [];
    this.#carrier.end();
    this.#pool.close();
  }

  // --- from the carrier

  handleFeedRegistered(feed: CarriedFeed): void {
    this.#owners.get(feed)?.handleFeedRegistered(feed as WatchFeed);
  }

  handleFeedEnded(carried: CarriedFeed, end: FeedEnd): void {
    const feed = carried as WatchFeed;
    if (this.#isClosed || isOver(feed.state) || !this.#owners.has(feed)) return;
    const { trailer, status } = end;
    if (trailer === undefined && status === STATUS.NOT_FOUND) void this.#handleNotFound(feed, end);
    else this.#handleVerdict(feed, end);
  }

  /** A server that names no code: its session or the variables may be what is not there. */
  async #handleNotFound(feed: WatchFeed, end: FeedEnd): Promise<void> {
    const isThere = await this.#isSessionThere(this.#pool.control).catch(() => true);
    if (this.#isClosed || isOver(feed.state) || !this.#owners.has(feed)) return;
    if (isThere) this.#handleVerdict(feed, end);
    else await this.#rejoinFor(feed, end);
  }

  #handleVerdict(feed: WatchFeed, end: FeedEnd): void {
    const { trailer, status } = end;
    switch (verdictOf({ trailer, status, wasLive: feed.hasBeenLive })) {
      case 'permanent':
        this.#refuse(feed, end.error);
        return;
      case 'rejoin':
        void this.#rejoinFor(feed, end);
        return;
      case 'retry':
        this.#retry(feed, end);
        return;
      case 'reconnect':
        // Said by the server itself: it drains.
        if (trailer !== undefined) {
          this.#wait(feed, end.error, true);
          return;
        }
        this.#lost.push({ feed, end });
        this.#lostTurn ??= setImmediate(() => this.#handleLost());
    }
  }

  /** Streams that ended alone are opened again alone; those of a connection that went return together. */
  #handleLost(): void {
    this.#lostTurn = undefined;
    const lost = this.#lost;
    this.#lost = [];
    for (const { feed, end } of lost) {
      if (isOver(feed.state) || !this.#owners.has(feed)) continue;
      if (end.isConnectionReady() && this.#pool.control.isReady) this.#retry(feed, end);
      else this.#wait(feed, end.error, false);
    }
  }

  #refuse(feed: WatchFeed, error: BridgeError): void {
    this.#owners.get(feed)?.handleFeedRefused(error);
  }

  #retry(feed: WatchFeed, end: FeedEnd): void {
    if (end.trailer === 'VARIABLE_NOT_FOUND' || (end.trailer === undefined && end.status === STATUS.NOT_FOUND)) {
      // It was there: the server lost its state, or somebody deleted it meanwhile. Either way it may return.
      feed.waitForMissing();
    }
    let retry = this.#retries.get(feed);
    if (retry === undefined) {
      retry = new FeedRetry(this.#config.reconnect, () => this.#handleRetryDue(feed));
      this.#retries.set(feed, retry);
    }
    const atMs = retry.handleFailure(systemClock.nowMs(), end.liveForMs, systemRandom);
    // Whoever waits for a first registration is told when it fails again and again; a watch that was live is relied on.
    const isInVain = !feed.hasBeenLive && retry.failures > this.#config.breaker.failures;
    if (atMs === undefined || isInVain) {
      this.#refuse(feed, end.error);
      return;
    }
    feed.handleWaiting({ name: 'backoff', cause: end.error });
    this.#deadlines.schedule(retry, atMs);
  }

  #handleRetryDue(feed: WatchFeed): void {
    if (this.#isClosed || !this.#owners.has(feed)) return;
    if (this.#unit.state.name === 'connected') this.#carrier.open(feed, this.#retries.get(feed)?.failures ?? 0);
    else this.#wait(feed, new UnavailableError(`the connection to ${this.#pool.endpoint} is being made again`), false);
  }

  async #rejoinFor(feed: WatchFeed, end: FeedEnd): Promise<void> {
    feed.handleWaiting({ name: 'backoff', cause: end.error });
    try {
      await this.#rejoin();
    } catch (error) {
      this.#logger.debug({ endpoint: this.#pool.endpoint, error: String(error) }, 'the session could not be joined');
    }
    if (this.#isClosed || isOver(feed.state) || !this.#owners.has(feed)) return;
    // By its backoff, for a server that forgets its sessions as fast as they are joined.
    this.#retry(feed, end);
  }

  // --- the connection

  /** One attempt at the present endpoint. */
  async #connect(): Promise<void> {
    this.#unit.handleAttempt();
    const pool = this.#pool;
    await pool.control.connect(pool.endpoint, this.#config.limits.connectTimeoutMs);
    await this.#rejoin();
    this.#checkOpen();
    this.#unit.handleConnected(systemClock.nowMs());
  }

  /** One call for all that need it at once; a new channel asks for itself. */
  #rejoin(): Promise<void> {
    const { control } = this.#pool;
    if (this.#rejoining?.control === control) return this.#rejoining.joined;
    const joined = this.#initialiseSession().finally(() => {
      if (this.#rejoining?.joined === joined) this.#rejoining = undefined;
    });
    this.#rejoining = { control, joined };
    return joined;
  }

  async #initialiseSession(): Promise<void> {
    const { endpoint, control } = this.#pool;
    const { sessionId, limits } = this.#config;
    const callLimits: CallLimits = { timeoutMs: limits.connectTimeoutMs, maxBytes: limits.maxMessageBytes };
    const request = { sessionId, withoutVariables: true };
    try {
      const answer = await unaryCall(control, 'InitializeSession', request, this.#config, callLimits, false);
      const { response, errorCode, headers } = answer;
      if (response.success !== true && !(errorCode === undefined && (await this.#isSessionThere(control)))) {
        // A server that does not join a session that exists refuses it: then it is joined.
        const message = response.errorMessage || `session "${sessionId}" was refused`;
        throw errorFromWire({ code: errorCode ?? codeOfSentence(message), message });
      }
      this.#facts = factsOf(headers, limits.maxMessageBytes);
      // How often to look depends on what the server says.
      if (!this.#isClosed) this.#scheduleSweep(systemClock.nowMs());
    } catch (error) {
      if (error instanceof UnsupportedError || error instanceof ProtocolError) {
        throw new ProtocolError(
          `${endpoint} answers, but it is no bridge server (${error.message}): check the endpoint`,
          { cause: error },
        );
      }
      if (error instanceof UnknownOutcomeError || error instanceof DeadlineExceededError) {
        throw new UnavailableError(
          `${endpoint} did not answer InitializeSession in time: check that it is a bridge server`,
          { cause: error },
        );
      }
      throw error;
    }
  }

  /** A server that says nothing of sessions in its refusals is asked. */
  async #isSessionThere(channel: PooledChannel): Promise<boolean> {
    const { sessionId, limits } = this.#config;
    const callLimits: CallLimits = { timeoutMs: limits.connectTimeoutMs, maxBytes: limits.maxMessageBytes };
    try {
      const { response } = await unaryCall(channel, 'Heartbeat', { sessionId }, this.#config, callLimits, false);
      return response.sessionValid === true;
    } catch (error) {
      if (error instanceof UnsupportedError) return true;
      throw error;
    }
  }

  /** Of a server that is not ours: its refusals do not say whether it is the session that is not there. */
  async #isSessionMissing(error: unknown): Promise<boolean> {
    if (this.#facts.epoch !== '' || !(error === undefined || error instanceof VariablesNotFoundError)) return false;
    return !(await this.#isSessionThere(this.#pool.control));
  }

  async #reconnect(): Promise<void> {
    try {
      this.#renewPool();
      for (const feed of this.#waiting) feed.handleOpening(systemClock.nowMs());
      await this.#connect();
    } catch (error) {
      if (this.#isClosed) return;
      this.#handleAttemptFailed(
        error instanceof BridgeError ? error : new UnavailableError(String(error), { cause: error }),
      );
      return;
    }
    this.#openWaiting();
  }

  #handleAttemptFailed(cause: BridgeError): void {
    this.#logger.debug({ endpoint: this.#pool.endpoint, code: cause.code }, 'connection attempt failed');
    this.#rotation.advance();
    const atMs = this.#unit.handleAttemptFailed(systemClock.nowMs(), systemRandom);
    if (this.#unit.isExhausted || isPermanentForConnection(cause.code)) {
      this.#unit.handleGivenUp();
      const waiting = [...this.#waiting];
      this.#waiting.clear();
      for (const feed of waiting) this.#refuse(feed, cause);
      return;
    }
    for (const feed of this.#waiting) this.#tellWaiting(feed, cause, false);
    this.#deadlines.schedule(this.#attempt, atMs);
  }

  #openWaiting(): void {
    const returning = [...this.#waiting];
    this.#waiting.clear();
    for (const feed of returning) {
      if (!isOver(feed.state) && this.#owners.has(feed)) this.#carrier.open(feed, this.#unit.failures);
    }
  }

  /** Fresh channels where the old ones do not stand: grpc-js can stay CONNECTING for ever on a peer that accepts and says nothing. */
  #renewPool(): void {
    const pool = this.#pool;
    if (pool.endpoint === this.#rotation.current && pool.hasStreams) {
      // Streams that live on keep theirs.
      if (!pool.control.isReady) pool.replace(pool.control);
      return;
    }
    // At another endpoint nothing of the old one goes on: what it still carried returns with the others.
    for (const feed of this.#carrier.end()) this.#waiting.add(feed as WatchFeed);
    pool.close();
    this.#pool = new ChannelPool(this.#rotation.current, this.#config);
    this.#carrier = this.#makeCarrier();
  }

  #makeCarrier(): StreamCarrier {
    return new StreamCarrier(this.#config, this.#pool, () => this.#facts, this.#deadlines, this);
  }

  #wait(feed: WatchFeed, cause: BridgeError, isDraining: boolean): void {
    this.#waiting.add(feed);
    this.#loseConnection();
    this.#tellWaiting(feed, cause, isDraining);
  }

  #tellWaiting(feed: WatchFeed, cause: BridgeError, isDraining: boolean): void {
    const { state } = this.#unit;
    const isOpen = state.name === 'waiting' && state.isCircuitOpen;
    feed.handleWaiting({ name: isOpen ? 'open-circuit' : isDraining ? 'draining' : 'backoff', cause });
  }

  #loseConnection(): void {
    const isTrying = this.#unit.isTrying;
    const atMs = this.#unit.handleStreamLost(systemClock.nowMs(), systemRandom);
    if (!isTrying) this.#deadlines.schedule(this.#attempt, atMs);
  }

  // --- liveness

  get #livenessLimits(): LivenessLimits {
    const { keepalive, limits } = this.#config;
    // A session that nobody calls has to be kept alive as well.
    const { sessionTtlMs } = this.#facts;
    const silenceMs = sessionTtlMs > 0 ? Math.min(keepalive.timeMs, sessionTtlMs / 3) : keepalive.timeMs;
    return { connectTimeoutMs: limits.connectTimeoutMs, silenceMs, answerMs: keepalive.timeoutMs };
  }

  #scheduleSweep(nowMs: number): void {
    this.#sweptAtMs = nowMs;
    this.#deadlines.schedule(this.#sweep, nowMs + sweepMs(this.#livenessLimits));
  }

  #handleSweep(nowMs: number): void {
    const limits = this.#livenessLimits;
    // This thread stood still: what came meanwhile has not been read yet.
    const isLate = nowMs - this.#sweptAtMs > 2 * sweepMs(limits) + LATE_MS;
    for (const channel of isLate ? [] : this.#pool.all()) {
      if (channel.isReady) channel.wantedSinceMs = 0;
      switch (livenessOf(channel, nowMs, limits)) {
        case 'fine':
          break;
        case 'probe':
          void this.#probe(channel, limits.answerMs);
          break;
        case 'dead':
          this.#replaceChannel(channel);
      }
    }
    this.#scheduleSweep(nowMs);
  }

  /** A call that any server answers somehow; it keeps the session alive, too. */
  async #probe(channel: PooledChannel, timeoutMs: number): Promise<void> {
    channel.probedAtMs = systemClock.nowMs();
    const { sessionId } = this.#config;
    try {
      const limits: CallLimits = { timeoutMs: 2 * timeoutMs, maxBytes: this.#facts.maxBytes };
      const { response } = await unaryCall(channel, 'Heartbeat', { sessionId }, this.#config, limits, false);
      if (response.sessionValid !== true && !this.#isClosed) await this.#rejoin();
    } catch (error) {
      // Silence is found by the next sweep; any answer was a word.
      this.#logger.debug({ endpoint: this.#pool.endpoint, error: String(error) }, 'a probe was not answered well');
    }
  }

  #replaceChannel(channel: PooledChannel): void {
    if (this.#isClosed || !this.#pool.all().includes(channel)) return;
    const isControl = channel === this.#pool.control;
    const error = new UnavailableError(`${this.#pool.endpoint} went silent: the connection is made again`);
    this.#logger.debug({ endpoint: this.#pool.endpoint }, 'a connection went silent');
    this.#pool.replace(channel);
    if (isControl && this.#unit.state.name === 'connected') this.#loseConnection();
    this.#carrier.handleChannelLost(channel, error);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#deadlines.schedule(
        deadlineOf(() => resolve()),
        systemClock.nowMs() + ms,
      );
    });
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new ClosedError('the state was closed: open another');
  }

  #asClosed(error: unknown, isChange: boolean): unknown {
    if (this.#isDraining && error instanceof UnavailableError) {
      return new ClosedError('the state was closed before the call was made: open another', { cause: error });
    }
    if (!this.#isClosed || isChange) return error;
    return new ClosedError('the state was closed before the answer came', { cause: error });
  }
}

/** By `success = false`, without a code. */
function isRefusal<M extends MethodName>({ response, errorCode }: Answer<M>): boolean {
  return errorCode === undefined && (response as { readonly success?: boolean | null }).success === false;
}

function isSilence(error: unknown): boolean {
  return error instanceof UnknownOutcomeError || error instanceof DeadlineExceededError;
}

function factsOf(headers: Metadata | undefined, ownMaxBytes: number): ServerFacts {
  const number = (name: string): number => Number(headerOf(headers, name) ?? 0) || 0;
  const theirs = number(MAX_MESSAGE_HEADER);
  return {
    epoch: headerOf(headers, EPOCH_HEADER) ?? '',
    maxBytes: theirs > 0 ? Math.min(theirs, ownMaxBytes) : ownMaxBytes,
    sessionTtlMs: number(SESSION_TTL_HEADER),
  };
}

const RETRY_PAUSE_MS = 50;
/** A sweep that comes so much later than it should was held up. */
const LATE_MS = 500;
