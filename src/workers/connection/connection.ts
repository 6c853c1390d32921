/**
 * The way of one state to its server, from this worker: first contact, the present channels and carrier, and when they are made again.
 * Path: slot -> [connection] -> carrier. It and its parts alone decide what is retried: calls in session-calls, sets in link-sets, watches in feed-ends (failure-verdict says how).
 * Slow: it reads on. Closed: feeds end, channels close, nothing is called afterwards.
 */
import type { Deadlines } from '../../shared/deadlines.js';
import { deadlineOf } from '../../shared/deadlines.js';
import { BridgeError, ProtocolError, UnavailableError, UnsupportedError } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import type { BridgeConfig } from '../../shared/port/commands.js';
import { systemClock, systemRandom } from '../../shared/system-clock.js';
import type { MethodName, RequestOf } from '../../shared/wire/services.js';
import type { Change } from '../calls/change.js';
import type { QueuedSet } from '../calls/set-queue.js';
import type { CarriedFeed, Carrier, CarrierKind, CarrierOwner, FeedEnd } from '../transport/carrier.js';
import { ChannelPool, type PooledChannel } from '../transport/channel-pool.js';
import { LinkCarrier } from '../transport/link-carrier.js';
import { StreamCarrier } from '../transport/stream-carrier.js';
import type { WatchFeed } from '../watch/watch-feed.js';
import { isOver } from '../watch/watch-state.js';
import { CarrierChoice } from './carrier-choice.js';
import type { ConnectionView } from './connection-view.js';
import { EndpointRotation } from './endpoint-rotation.js';
import { isPermanentForConnection } from './failure-verdict.js';
import { FeedEnds } from './feed-ends.js';
import { FeedReturns } from './feed-returns.js';
import { LinkSets } from './link-sets.js';
import type { LivenessLimits } from './liveness.js';
import { Patience } from './patience.js';
import { ReconnectUnit } from './reconnect-unit.js';
import type { Answer } from './session-calls.js';
import { SessionCalls } from './session-calls.js';
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

export class Connection implements CarrierOwner, WatchdogOwner {
  readonly #config: BridgeConfig;
  readonly #deadlines: Deadlines;
  readonly #logger: Logger;
  readonly #rotation: EndpointRotation;
  readonly #unit: ReconnectUnit;
  readonly #patience: Patience;
  readonly #onHeard: (atMs: number) => void;
  readonly #owners = new Map<CarriedFeed, FeedOwner>();
  readonly #session: SessionContact;
  readonly #watchdog: Watchdog;
  readonly #returns: FeedReturns<WatchFeed>;
  readonly #ends: FeedEnds;
  readonly #calls: SessionCalls;
  readonly #sets: LinkSets;
  readonly #attempt = deadlineOf(() => void this.#reconnect());
  #pool: ChannelPool;
  readonly #choice: CarrierChoice;
  #carrier: Carrier;
  #stage: ConnectionView['stage'] = 'open';

  /** `onHeard`: its server has spoken, on what carries all its watches. */
  constructor(config: BridgeConfig, deadlines: Deadlines, logger: Logger, onHeard: (atMs: number) => void) {
    this.#config = config;
    this.#onHeard = onHeard;
    this.#deadlines = deadlines;
    this.#logger = logger;
    this.#rotation = new EndpointRotation(config.endpoints);
    this.#unit = new ReconnectUnit(config);
    this.#patience = new Patience(config.keepalive);
    this.#session = new SessionContact(config);
    this.#choice = new CarrierChoice(config.transport);
    this.#returns = new FeedReturns({
      config,
      deadlines,
      random: systemRandom,
      open: (feed, attempt) => this.#open(feed, attempt),
      refuse: (feed, error) => this.#refuse(feed, error),
    });
    this.#ends = new FeedEnds({
      session: this.#session,
      returns: this.#returns,
      logger,
      pool: () => this.#pool,
      isWanted: (feed) => this.#isWanted(feed),
      refuse: (feed, error) => this.#refuse(feed, error),
      wait: (feed, cause, isDraining) => this.#wait(feed, cause, isDraining),
    });
    const view = this.#view();
    this.#calls = new SessionCalls(config, view, this.#session, deadlines, (channel) => this.#doubt(channel));
    this.#sets = new LinkSets(view, this.#session, deadlines);
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

  /** When the server spoke last on the link, ms; 0 where there is none. */
  get heardAtMs(): number {
    return this.#carrier.heardAtMs;
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
    let failure: unknown;
    for (let tries = this.#rotation.size; tries > 0; tries -= 1) {
      try {
        await this.#connect();
        // Known from the start, and the first watch finds it open.
        await this.#tryLink();
        this.#openWaiting();
        return this.facts;
      } catch (error) {
        const isOther = error instanceof ProtocolError;
        // Of several reasons the one that says most: that something answers, and is no bridge server.
        if (isOther || !(failure instanceof ProtocolError)) failure = error;
        // A bridge server that answers has spoken for all: its refusal is no reason to ask another.
        if (!keepsTrying && !isOther && !(error instanceof UnavailableError)) throw error;
        this.#renewControl();
        this.#rotation.advance();
        this.#renewPool();
      }
    }
    if (!keepsTrying) throw failure;
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
  call<M extends MethodName>(method: M, request: RequestOf<M>, change?: Change): Promise<Answer<M>> {
    return this.#calls.call(method, request, change?.deadlineMs ?? this.deadlineMs, change);
  }

  /** By the link, in order. False where there is none: then it is not taken in. */
  set(set: QueuedSet): boolean {
    return this.#sets.take(set);
  }

  handleLinkEnded(error: BridgeError, trailer: string | undefined): void {
    this.#sets.handleLinkEnded(error, trailer);
  }

  /** Calls under way are answered, none is tried again. */
  drain(): void {
    if (this.#isClosed) return;
    this.#stage = 'draining';
    this.#sets.send();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#stage = 'closed';
    this.#watchdog.close();
    this.#returns.close();
    this.#deadlines.cancel(this.#attempt);
    this.#ends.close();
    this.#owners.clear();
    this.#carrier.end();
    this.#sets.close();
    this.#pool.close();
  }

  // --- from the carrier

  handleFeedRegistered(feed: CarriedFeed): void {
    this.#owners.get(feed)?.handleFeedRegistered(feed as WatchFeed);
  }

  handleHeard(atMs: number): void {
    this.#onHeard(atMs);
  }

  handleFeedEnded(feed: CarriedFeed, end: FeedEnd): void {
    this.#ends.handle(feed as WatchFeed, end);
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

  #refuse(feed: WatchFeed, error: BridgeError): void {
    this.#owners.get(feed)?.handleFeedRefused(error);
  }

  #open(feed: WatchFeed, attempt: number): void {
    if (!this.#isWanted(feed)) return;
    if (this.#unit.state.name === 'connected') this.#carrier.open(feed, attempt);
    else this.#wait(feed, new UnavailableError(`the connection to ${this.#pool.endpoint} is being made again`), false);
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
    this.#calls.checkOpen();
    this.#chooseCarrier();
    this.#rotation.handleReached();
    this.#unit.handleConnected(systemClock.nowMs());
  }

  async #reconnect(): Promise<void> {
    try {
      this.#renewPool();
      for (const feed of this.#returns.waiting()) feed.handleOpening();
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
      this.#sets.fail(cause);
      return;
    }
    for (const feed of this.#returns.waiting()) this.#tellWaiting(feed, cause, false);
    if (this.#stage !== 'open') this.#sets.failAsClosed();
    this.#renewControl();
    this.#deadlines.schedule(this.#attempt, atMs);
  }

  /**
   * An attempt on it failed. grpc-js would go on by itself, and stay CONNECTING for ever on a peer that accepts and says nothing; and a connection that it
   * has begun by the next attempt would be given up for another, because a channel that failed does not show that it is trying again.
   */
  #renewControl(): void {
    this.#pool.replace(this.#pool.control);
  }

  #openWaiting(): void {
    this.#sets.send();
    for (const feed of this.#returns.takeWaiting()) {
      if (this.#isWanted(feed)) this.#carrier.open(feed, this.#unit.failures);
    }
  }

  /** For the next attempt. One that calls have connected meanwhile, or are about to, serves it as well. */
  #renewPool(): void {
    const pool = this.#pool;
    if (pool.endpoint === this.#rotation.current) {
      if (pool.control.isBroken) pool.replace(pool.control);
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
    if (kind !== 'link') this.#sets.reroute();
  }

  #makeCarrier(kind: CarrierKind): Carrier {
    const make = kind === 'link' ? LinkCarrier : StreamCarrier;
    return new make(this.#config, this.#pool, () => this.facts, this.#deadlines, this, this.#sets.queue);
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
    if (isSilent) this.#patience.handleSilence(this.#unit.stoodForMs(nowMs));
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
    const { connectTimeoutMs } = this.#config.limits;
    const waits = this.#patience.waits(this.#rotation.size > 1, this.#unit.stoodForMs(systemClock.nowMs()));
    // A session that nobody calls has to be kept alive as well.
    const { sessionTtlMs } = this.facts;
    const silenceMs = sessionTtlMs > 0 ? Math.min(waits.silenceMs, sessionTtlMs / 3) : waits.silenceMs;
    return { ...waits, connectTimeoutMs, silenceMs };
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
    // Whether it is the connection or the server that is silent: only of the latter another one is sought.
    if (channel !== this.#pool.control) this.#doubt(this.#pool.control);
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

  get #isClosed(): boolean {
    return this.#stage === 'closed';
  }

  #isWanted(feed: WatchFeed): boolean {
    return !this.#isClosed && !isOver(feed.state) && this.#owners.has(feed);
  }

  #view(): ConnectionView {
    const connection = this;
    return {
      get pool() {
        return connection.#pool;
      },
      get carrier() {
        return connection.#carrier;
      },
      get stage() {
        return connection.#stage;
      },
      get isConnected() {
        return connection.#unit.state.name === 'connected';
      },
      lose: () => this.#loseConnection(),
    };
  }
}

function noLink(endpoint: string): UnsupportedError {
  return new UnsupportedError(`${endpoint} has no StreamLink: use transport 'auto' or 'stream'`);
}
