/**
 * What becomes of a feed whose carrier has ended it, as failure-verdict says: it fails, returns alone, or returns with its connection. Path: carrier -> [feed ends] -> feed returns.
 * Closed: what ends then is over anyway.
 */
import type { BridgeError } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { clearImmediate, setImmediate } from '../../shared/platform-timers.js';
import { systemClock } from '../../shared/system-clock.js';
import { STATUS } from '../../shared/wire/status.js';
import type { FeedEnd } from '../transport/carrier.js';
import type { ChannelPool } from '../transport/channel-pool.js';
import type { WatchFeed } from '../watch/watch-feed.js';
import { verdictOf } from './failure-verdict.js';
import type { FeedReturns } from './feed-returns.js';
import type { SessionContact } from './session-contact.js';

export interface FeedEndsOptions {
  readonly session: SessionContact;
  readonly returns: FeedReturns<WatchFeed>;
  readonly logger: Logger;
  readonly pool: () => ChannelPool;
  /** Somebody still wants it. */
  readonly isWanted: (feed: WatchFeed) => boolean;
  readonly refuse: (feed: WatchFeed, error: BridgeError) => void;
  /** Its connection does not stand, or is about to go: it returns with the next. */
  readonly wait: (feed: WatchFeed, cause: BridgeError, isDraining: boolean) => void;
}

interface Lost {
  readonly feed: WatchFeed;
  readonly end: FeedEnd;
}

export class FeedEnds {
  readonly #options: FeedEndsOptions;
  /** Feeds that a server without codes did not find, and that were asked for again. */
  readonly #askedAgain = new WeakSet<WatchFeed>();
  /** Streams that ended in this turn: whether their connection did too is known in the next. */
  #lost: Lost[] = [];
  #lostTurn: NodeJS.Immediate | undefined;

  constructor(options: FeedEndsOptions) {
    this.#options = options;
  }

  handle(feed: WatchFeed, end: FeedEnd): void {
    if (!this.#options.isWanted(feed)) return;
    if (isUnnamedNotFound(end)) void this.#handleNotFound(feed, end);
    else this.#handleVerdict(feed, end);
  }

  close(): void {
    clearImmediate(this.#lostTurn);
    this.#lost = [];
  }

  /** A server that names no code: its session or the variables may be what was not there. What it says a second time is of the variables. */
  async #handleNotFound(feed: WatchFeed, end: FeedEnd): Promise<void> {
    if (!feed.hasBeenLive && !this.#askedAgain.has(feed)) {
      this.#askedAgain.add(feed);
      await this.#rejoin(feed, end);
      return;
    }
    const { session, pool, isWanted } = this.#options;
    const isThere = await session.isThere(pool().control).catch(() => true);
    if (!isWanted(feed)) return;
    if (isThere) this.#handleVerdict(feed, end);
    else await this.#rejoin(feed, end);
  }

  #handleVerdict(feed: WatchFeed, end: FeedEnd): void {
    const { trailer, status } = end;
    switch (verdictOf({ trailer, status, wasLive: feed.hasBeenLive })) {
      case 'permanent':
        this.#options.refuse(feed, end.error);
        return;
      case 'rejoin':
        void this.#rejoin(feed, end);
        return;
      case 'retry':
        this.#retry(feed, end);
        return;
      case 'reconnect':
        // Said by the server itself: it drains.
        if (trailer !== undefined) {
          this.#options.wait(feed, end.error, true);
          return;
        }
        this.#lost.push({ feed, end });
        this.#lostTurn ??= setImmediate(() => this.#handleLost());
    }
  }

  /** Streams that ended alone are opened again alone; those of a connection that went return together. */
  #handleLost(): void {
    const { isWanted, pool, wait } = this.#options;
    this.#lostTurn = undefined;
    const lost = this.#lost;
    this.#lost = [];
    for (const { feed, end } of lost) {
      if (!isWanted(feed)) continue;
      if (end.isConnectionReady() && pool().control.isReady) this.#retry(feed, end);
      else wait(feed, end.error, false);
    }
  }

  async #rejoin(feed: WatchFeed, end: FeedEnd): Promise<void> {
    const { session, pool, logger, isWanted } = this.#options;
    feed.handleWaiting({ name: 'backoff', cause: end.error });
    try {
      await (end.trailer === undefined ? session.ensure(pool()) : session.join(pool()));
    } catch (error) {
      logger.debug({ endpoint: pool().endpoint, error: String(error) }, 'the session could not be joined');
    }
    // By its backoff, for a server that forgets its sessions as fast as they are joined.
    if (isWanted(feed)) this.#retry(feed, end);
  }

  #retry(feed: WatchFeed, end: FeedEnd): void {
    // It was there: the server lost its state, or somebody deleted it meanwhile. Either way it may return.
    if (end.trailer === 'VARIABLE_NOT_FOUND' || isUnnamedNotFound(end)) feed.waitForMissing();
    this.#options.returns.retry(feed, end, systemClock.nowMs());
  }
}

function isUnnamedNotFound({ trailer, status }: FeedEnd): boolean {
  return trailer === undefined && status === STATUS.NOT_FOUND;
}
