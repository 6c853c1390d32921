/**
 * The way of one state to its server, from this worker: first contact, calls, retry, and reopening everything that was watched.
 * Path: slot -> [connection] -> carrier. The only place that decides what is retried (failure-verdict says how); a carrier never does.
 * Slow: it reads on. Closed: feeds end, channels close, nothing is called afterwards.
 */
import type { Deadlines } from '../../shared/deadlines.js';
import { deadlineOf } from '../../shared/deadlines.js';
import {
  BridgeError,
  ClosedError,
  DeadlineExceededError,
  SessionNotFoundError,
  UnavailableError,
  UnknownOutcomeError,
  UnsupportedError,
  VariablesNotFoundError,
} from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { clearImmediate, setImmediate } from '../../shared/platform-timers.js';
import type { BridgeConfig } from '../../shared/port/commands.js';
import { randomLinkId, systemClock, systemRandom } from '../../shared/system-clock.js';
import type { MethodName, RequestOf, ResponseOf } from '../../shared/wire/services.js';
import { codeOfSentence, STATUS } from '../../shared/wire/status.js';
import type { Change } from '../calls/change.js';
import type { QueuedSet } from '../calls/set-queue.js';
import { SetQueue } from '../calls/set-queue.js';
import type { CarriedFeed, Carrier, CarrierKind, CarrierOwner, FeedEnd } from '../transport/carrier.js';
import { ChannelPool, type PooledChannel } from '../transport/channel-pool.js';
import { PLACE_KEPT_MS, unaryCall } from '../transport/grpc-call.js';
import { LinkCarrier } from '../transport/link-carrier.js';
import { StreamCarrier } from '../transport/stream-carrier.js';
import type { WatchFeed } from '../watch/watch-feed.js';
import { isOver } from '../watch/watch-state.js';
import { CarrierChoice } from './carrier-choice.js';
import { EndpointRotation } from './endpoint-rotation.js';
import { isPermanentForConnection, verdictOf } from './failure-verdict.js';
import { FeedReturns } from './feed-returns.js';
import type { LivenessLimits } from './liveness.js';
import { ReconnectUnit } from './reconnect-unit.js';
import type { ServerFacts } from './session-contact.js';
import { SessionContact } from './session-contact.js';
import type { WatchdogOwner } from './watchdog.js';
import { Watchdog } from './watchdog.js';

/** Whoever wants a feed. */
export interface FeedOwner {
  /** The server has registered it, for the first time or again. */
  handleFeedRegistered(feed: WatchFeed): void;
  /** It will not come back: refused, or retried in vain. */
  handleFeedRefused(error: BridgeError): void;
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

export class Connection implements CarrierOwner, WatchdogOwner {
  readonly #config: BridgeConfig;
  readonly #deadlines: Deadlines;
  readonly #logger: Logger;
  readonly #rotation: EndpointRotation;
  readonly #unit: ReconnectUnit;
  readonly #owners = new Map<CarriedFeed, FeedOwner>();
  readonly #session: SessionContact;
  readonly #watchdog: Watchdog;
  readonly #returns: FeedReturns<WatchFeed>;
  /** Feeds that a server without codes did not find, and that were asked for again. */
  readonly #askedAgain = new WeakSet<WatchFeed>();
  readonly #attempt = deadlineOf(() => void this.#reconnect());
  #pool: ChannelPool;
  readonly #sets = new SetQueue(randomLinkId());
  readonly #setDeadline = deadlineOf((nowMs) => this.#handleSetDeadline(nowMs));
  readonly #choice: CarrierChoice;
  #carrier: Carrier;
  /** Streams that ended in this turn: whether their connection did too is known in the next. */
  #lost: Lost[] = [];
  #lostTurn: NodeJS.Immediate | undefined;
  /** No call is tried again: the state is being closed. */
  #isDraining = false;
  #isClosed = false;

  constructor(config: BridgeConfig, deadlines: Deadlines, logger: Logger) {
    this.#config = config;
    this.#deadlines = deadlines;
    this.#logger = logger;
    this.#rotation = new EndpointRotation(config.endpoints);
    this.#unit = new ReconnectUnit(config);
    this.#session = new SessionContact(config);
    this.#choice = new CarrierChoice(config.transport);
    this.#returns = new FeedReturns({
      config,
      deadlines,
      random: systemRandom,
      open: (feed, attempt) => this.#open(feed, attempt),
      refuse: (feed, error) => this.#refuse(feed, error),
    });
    this.#pool = new ChannelPool(this.#rotation.current, config);
    this.#carrier = this.#makeCarrier('stream');
    this.#watchdog = new Watchdog(deadlines, this);
    this.#watchdog.start();
  }

  /** Of the server that was joined last. */
  get facts(): ServerFacts {
    return this.#session.facts;
  }

  /** Requests and answers above this are split. */
  get maxRequestBytes(): number {
    return this.facts.maxBytes;
  }

  get transport(): CarrierKind {
    return this.#carrier.kind;
  }

  /** What conditions kept out at the server; undefined where it asks none. */
  askKept(): Promise<void> | undefined {
    return this.#carrier.askKept?.();
  }

  get connections(): number {
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
        // Known from the start, and the first watch finds it open.
        await this.#tryLink();
        this.#openWaiting();
        return this.facts;
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
    return this.facts;
  }

  /** @throws UnsupportedError when links alone were asked for, and the server has none */
  async #tryLink(): Promise<void> {
    if (!(this.#carrier instanceof LinkCarrier) || (await this.#carrier.isAccepted())) return;
    if (this.#carrier.kind === 'link') throw noLink(this.#pool.endpoint);
  }

  watch(feed: WatchFeed, owner: FeedOwner): void {
    this.#owners.set(feed, owner);
    this.#open(feed, 0);
  }

  /** Ends it at the server too; nothing is delivered from now on. */
  unwatch(feed: WatchFeed): void {
    if (!this.#owners.delete(feed)) return;
    this.#returns.forget(feed);
    this.#carrier.close(feed);
  }

  /** Of what is asked now, ms. */
  get deadlineMs(): number {
    return systemClock.nowMs() + this.#config.limits.callTimeoutMs;
  }

  /** @throws BridgeError; UnknownOutcomeError when a change may or may not have been made */
  async call<M extends MethodName>(method: M, request: RequestOf<M>, change?: Change): Promise<Answer<M>> {
    const isChange = change !== undefined;
    const deadlineMs = change?.deadlineMs ?? this.deadlineMs;
    let hasRejoined = false;
    for (;;) {
      this.#checkOpen();
      const { control, endpoint } = this.#pool;
      const askedAtMs = systemClock.nowMs();
      try {
        await control.connect(endpoint, Math.max(1, deadlineMs - askedAtMs));
        const timeoutMs = deadlineMs - systemClock.nowMs();
        if (timeoutMs <= 0)
          throw new UnavailableError(`${method}: its time was up before it was sent: it was not made`);
        const limits = { timeoutMs, maxBytes: this.facts.maxBytes };
        const answer = await unaryCall(control, method, request, this.#config, limits, change);
        if (answer.errorCode === 'SESSION_NOT_FOUND') throw SessionNotFoundError.of(this.#config.sessionId);
        if (isRefusal(answer) && !hasRejoined && (await this.#mayLackSession(answer.response))) {
          throw SessionNotFoundError.of(this.#config.sessionId);
        }
        return answer;
      } catch (thrown) {
        let error = thrown;
        if (!hasRejoined && this.#isOfSession(error)) {
          // The server was restarted, or the session expired: it refused, so nothing was done and asking again is safe.
          try {
            await (error instanceof SessionNotFoundError
              ? this.#session.join(this.#pool)
              : this.#session.ensure(this.#pool));
            hasRejoined = true;
            continue;
          } catch (cause) {
            error = cause;
          }
        }
        // Nothing was heard on it since: later calls must not wait for it too, unless the server says that it lives.
        if (control.lastWordAtMs < askedAtMs && isSilence(error)) this.#doubt(control);
        const isTimeUp = deadlineMs - systemClock.nowMs() < RETRY_PAUSE_MS;
        if (!(error instanceof UnavailableError) || isTimeUp || this.#isDraining) throw this.#asClosed(error, isChange);
        // Never sent, refused by a server that goes, or a read: tried again until the time is up, on the connection that is made meanwhile.
        if (this.#unit.state.name === 'connected') this.#loseConnection();
        await this.#pause(RETRY_PAUSE_MS);
      }
    }
  }

  /** By the link, in order. False where there is none: then it is not taken in. */
  set(set: QueuedSet): boolean {
    if (this.#carrier.kind !== 'link' || this.#isClosed) return false;
    this.#sets.push(set);
    const { wheelSlot, dueAtMs } = this.#setDeadline;
    if (wheelSlot < 0 || dueAtMs > set.deadlineMs) this.#deadlines.schedule(this.#setDeadline, set.deadlineMs);
    this.#sendSets();
    return true;
  }

  #sendSets(): void {
    if (this.#sets.size === 0) return;
    const isConnected = this.#unit.state.name === 'connected' && this.#pool.control.isReady;
    if (isConnected && this.#carrier instanceof LinkCarrier) this.#carrier.handleSets();
    else if (this.#isDraining) this.#failSets(closedBeforeSet());
    else if (!isConnected) this.#loseConnection();
  }

  /** Sets return by themselves: no watch may do it for them. */
  handleLinkEnded(error: BridgeError, trailer: string | undefined): void {
    if (this.#sets.size > 0 && !this.#isClosed) void this.#returnSets(error, trailer);
  }

  async #returnSets(error: BridgeError, trailer: string | undefined): Promise<void> {
    if (trailer !== undefined && isPermanentForConnection(trailer)) {
      this.#failSets(error);
      return;
    }
    if (trailer === 'SESSION_NOT_FOUND') await this.#session.join(this.#pool).catch(() => undefined);
    else await this.#pause(RETRY_PAUSE_MS);
    if (this.#isClosed) return;
    this.#sendSets();
  }

  /** Those that were sent may have been made. */
  #failSets(error: BridgeError): void {
    this.#sets.failSent();
    for (const set of this.#sets.takeWaiting()) set.fail(error);
  }

  #handleSetDeadline(nowMs: number): void {
    this.#sets.handleDeadline(nowMs);
    const { overSinceMs } = this.#sets;
    if (overSinceMs !== undefined && nowMs >= overSinceMs + PLACE_KEPT_MS) this.#settleSets(nowMs - overSinceMs);
    const dueAtMs =
      this.#sets.nextDeadlineMs ?? (this.#sets.overSinceMs === undefined ? undefined : nowMs + PLACE_KEPT_MS);
    if (dueAtMs !== undefined && !this.#isClosed) this.#deadlines.schedule(this.#setDeadline, dueAtMs);
  }

  /** The server says nothing of sets whose time is long up: the next link tells it that they are not to be made, where it takes one. */
  #settleSets(overForMs: number): void {
    const carrier = this.#carrier;
    if (carrier instanceof LinkCarrier && carrier.isWelcome) {
      carrier.leave(new UnavailableError(`${this.#pool.endpoint} does not answer sets: the link is made again`));
    } else if (this.#unit.state.name === 'connected' && overForMs >= 2 * PLACE_KEPT_MS) this.#sets.failSent();
  }

  /** Calls under way are answered, none is tried again. */
  drain(): void {
    this.#isDraining = true;
    this.#sendSets();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watchdog.close();
    this.#returns.close();
    this.#deadlines.cancel(this.#attempt);
    clearImmediate(this.#lostTurn);
    this.#owners.clear();
    this.#lost = [];
    this.#carrier.end();
    this.#failSets(closedBeforeSet());
    this.#deadlines.cancel(this.#setDeadline);
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

  /** A server that names no code: its session or the variables may be what was not there. What it says a second time is of the variables. */
  async #handleNotFound(feed: WatchFeed, end: FeedEnd): Promise<void> {
    if (!feed.hasBeenLive && !this.#askedAgain.has(feed)) {
      this.#askedAgain.add(feed);
      await this.#rejoinFor(feed, end);
      return;
    }
    const isThere = await this.#session.isThere(this.#pool.control).catch(() => true);
    if (this.#isClosed || isOver(feed.state) || !this.#owners.has(feed)) return;
    if (isThere) this.#handleVerdict(feed, end);
    else await this.#rejoinFor(feed, end);
  }

  handleDraining(spreadMs: number): void {
    this.#unit.handleDraining(spreadMs);
  }

  handleServers(servers: readonly string[]): void {
    this.#rotation.handleServers(servers);
  }

  handleNoLink(): void {
    const { endpoint } = this.#pool;
    const feeds = this.#carrier.end() as WatchFeed[];
    if (!this.#choice.handleNoLink(endpoint)) {
      for (const feed of feeds) this.#refuse(feed, noLink(endpoint));
      return;
    }
    this.#chooseCarrier();
    for (const feed of feeds) this.#open(feed, 0);
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
    this.#returns.retry(feed, end, systemClock.nowMs());
  }

  #open(feed: WatchFeed, attempt: number): void {
    if (this.#isClosed || !this.#owners.has(feed)) return;
    if (this.#unit.state.name === 'connected') this.#carrier.open(feed, attempt);
    else this.#wait(feed, new UnavailableError(`the connection to ${this.#pool.endpoint} is being made again`), false);
  }

  async #rejoinFor(feed: WatchFeed, end: FeedEnd): Promise<void> {
    feed.handleWaiting({ name: 'backoff', cause: end.error });
    try {
      await (end.trailer === undefined ? this.#session.ensure(this.#pool) : this.#session.join(this.#pool));
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
    await this.#session.join(pool);
    this.#rotation.handleServers(this.facts.servers);
    // How often to look depends on what the server says.
    this.#watchdog.start();
    this.#checkOpen();
    this.#chooseCarrier();
    this.#rotation.handleReached();
    this.#unit.handleConnected(systemClock.nowMs());
  }

  /** Or may be: a server that is not ours does not say whether it is the session that it did not find. It may be there again by now. */
  #isOfSession(error: unknown): boolean {
    return (
      error instanceof SessionNotFoundError || (this.facts.epoch === '' && error instanceof VariablesNotFoundError)
    );
  }

  /** Of a refusal that has no code, of a server that is not ours. */
  async #mayLackSession(response: object): Promise<boolean> {
    if (this.facts.epoch !== '') return false;
    const { errorMessage } = response as { readonly errorMessage?: string | null };
    return isNotFound(errorMessage ?? '') || !(await this.#session.isThere(this.#pool.control));
  }

  async #reconnect(): Promise<void> {
    try {
      this.#renewPool();
      for (const feed of this.#returns.waiting()) feed.handleOpening(systemClock.nowMs());
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
    const isOtherLeft = this.#rotation.advance();
    const atMs = this.#unit.handleAttemptFailed(systemClock.nowMs(), systemRandom, isOtherLeft);
    if (this.#unit.isExhausted || isPermanentForConnection(cause.code)) {
      this.#unit.handleGivenUp();
      for (const feed of this.#returns.takeWaiting()) this.#refuse(feed, cause);
      this.#failSets(cause);
      return;
    }
    for (const feed of this.#returns.waiting()) this.#tellWaiting(feed, cause, false);
    if (this.#isDraining) this.#failSets(closedBeforeSet());
    this.#deadlines.schedule(this.#attempt, atMs);
  }

  #openWaiting(): void {
    this.#sendSets();
    for (const feed of this.#returns.takeWaiting()) {
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
    this.#returnCarried(new UnavailableError(`${pool.endpoint} is left for ${this.#rotation.current}`));
    pool.close();
    this.#pool = new ChannelPool(this.#rotation.current, this.#config);
    this.#carrier = this.#makeCarrier(this.#carrier.kind);
  }

  /** Its feeds wait for the next carrier, those that are live too. */
  #returnCarried(cause: BridgeError): void {
    for (const feed of this.#carrier.end() as WatchFeed[]) {
      this.#returns.wait(feed);
      this.#tellWaiting(feed, cause, false);
    }
  }

  /** Once it is known what the server is. */
  #chooseCarrier(): void {
    const kind = this.#choice.kindFor(this.#pool.endpoint, this.facts.epoch !== '');
    if (kind === this.#carrier.kind) return;
    this.#returnCarried(new UnavailableError(`the connection to ${this.#pool.endpoint} is used in another way now`));
    this.#carrier = this.#makeCarrier(kind);
    if (kind === 'link') return;
    this.#sets.failSent();
    for (const set of this.#sets.takeWaiting()) set.reroute();
  }

  #makeCarrier(kind: CarrierKind): Carrier {
    const make = kind === 'link' ? LinkCarrier : StreamCarrier;
    return new make(this.#config, this.#pool, () => this.facts, this.#deadlines, this, this.#sets);
  }

  #wait(feed: WatchFeed, cause: BridgeError, isDraining: boolean): void {
    this.#returns.wait(feed);
    this.#loseConnection();
    this.#tellWaiting(feed, cause, isDraining);
  }

  #tellWaiting(feed: WatchFeed, cause: BridgeError, isDraining: boolean): void {
    const { state } = this.#unit;
    const isOpen = state.name === 'waiting' && state.isCircuitOpen;
    feed.handleWaiting({ name: isOpen ? 'open-circuit' : isDraining ? 'draining' : 'backoff', cause });
  }

  #loseConnection(isSilent = false): void {
    const isTrying = this.#unit.isTrying;
    const nowMs = systemClock.nowMs();
    if (this.#unit.hasLasted(nowMs)) this.#rotation.handleLasting();
    // Streams that live on keep their endpoint; of one that does not answer nobody knows whether they do.
    const isLost = isSilent || !this.#pool.hasStreams;
    const isOtherLeft = !isTrying && isLost && this.#rotation.advance();
    const atMs = this.#unit.handleStreamLost(nowMs, systemRandom, isOtherLeft);
    if (!isTrying) this.#deadlines.schedule(this.#attempt, atMs);
  }

  // --- from the watchdog

  channels(): readonly PooledChannel[] {
    return this.#pool.all();
  }

  livenessLimits(): LivenessLimits {
    const { keepalive, limits } = this.#config;
    // A session that nobody calls has to be kept alive as well.
    const { sessionTtlMs } = this.facts;
    const silenceMs = sessionTtlMs > 0 ? Math.min(keepalive.timeMs, sessionTtlMs / 3) : keepalive.timeMs;
    return { connectTimeoutMs: limits.connectTimeoutMs, silenceMs, answerMs: keepalive.timeoutMs };
  }

  /** By a call that any server answers somehow; it keeps the session alive, too. */
  probe(channel: PooledChannel): void {
    const isOurs = (): boolean => !this.#isClosed && channel === this.#pool.control;
    this.#session
      .isThere(channel)
      .then((isThere) => (isThere || !isOurs() ? undefined : this.#session.join(this.#pool)))
      .catch((error: unknown) => {
        // Silence is found by the next sweep; any answer was a word.
        this.#logger.debug({ endpoint: this.#pool.endpoint, error: String(error) }, 'a probe was not answered well');
      });
  }

  #doubt(channel: PooledChannel): void {
    if (channel.probedAtMs !== 0 || !this.#pool.all().includes(channel)) return;
    channel.probedAtMs = systemClock.nowMs();
    this.probe(channel);
  }

  handleDead(channel: PooledChannel): void {
    if (this.#isClosed || !this.#pool.all().includes(channel)) return;
    const isControl = channel === this.#pool.control;
    const error = new UnavailableError(`${this.#pool.endpoint} went silent: the connection is made again`);
    this.#logger.debug({ endpoint: this.#pool.endpoint }, 'a connection went silent');
    this.#pool.replace(channel);
    if (isControl && this.#unit.state.name === 'connected') this.#loseConnection(true);
    this.#carrier.handleChannelLost(channel, error);
  }

  // --- inside

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

function isNotFound(sentence: string): boolean {
  const code = codeOfSentence(sentence);
  return code === 'SESSION_NOT_FOUND' || code === 'VARIABLE_NOT_FOUND';
}

function closedBeforeSet(): ClosedError {
  return new ClosedError('the state was closed before the set was made: open another');
}

function noLink(endpoint: string): UnsupportedError {
  return new UnsupportedError(`${endpoint} has no StreamLink: use transport 'auto' or 'stream'`);
}

function isSilence(error: unknown): boolean {
  return error instanceof UnknownOutcomeError || error instanceof DeadlineExceededError;
}

const RETRY_PAUSE_MS = 50;
