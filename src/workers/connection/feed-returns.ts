/**
 * Feeds without a stream, and when each is opened again: with the connection, or alone by a backoff of its own. Path: connection -> [feed returns] -> carrier.
 * Pure: the connection is told by `open` and `refuse`. Closed: nobody returns.
 */
import type { Random } from '../../shared/clock.js';
import type { BridgeError } from '../../shared/errors.js';
import type { BridgeConfig } from '../../shared/port/commands.js';
import type { DeadlineSchedule } from '../../shared/timer-wheel.js';
import type { FeedState } from '../watch/watch-state.js';
import { FeedRetry } from './feed-retry.js';

/** What returns. */
export interface ReturningFeed {
  readonly hasBeenLive: boolean;
  handleOpening(): void;
  handleWaiting(state: Extract<FeedState, { name: 'backoff' | 'open-circuit' | 'draining' }>): void;
}

/** How its stream ended. */
export interface RefusedForNow {
  readonly error: BridgeError;
  readonly liveForMs: number;
}

export interface FeedReturnsOptions<F> {
  readonly config: BridgeConfig;
  readonly deadlines: DeadlineSchedule;
  readonly random: Random;
  /** Its turn has come; `attempt` says how often it failed in a row. */
  readonly open: (feed: F, attempt: number) => void;
  /** It was tried often enough. */
  readonly refuse: (feed: F, error: BridgeError) => void;
}

export class FeedReturns<F extends ReturningFeed> {
  readonly #options: FeedReturnsOptions<F>;
  /** Until the connection is tried again. */
  readonly #waiting = new Set<F>();
  readonly #retries = new Map<F, FeedRetry>();

  constructor(options: FeedReturnsOptions<F>) {
    this.#options = options;
  }

  waiting(): Iterable<F> {
    return this.#waiting;
  }

  /** With the connection. */
  wait(feed: F): void {
    this.#waiting.add(feed);
  }

  takeWaiting(): F[] {
    const feeds = [...this.#waiting];
    this.#waiting.clear();
    return feeds;
  }

  /** Alone: the connection stands. */
  retry(feed: F, { error, liveForMs }: RefusedForNow, nowMs: number): void {
    const { config, deadlines, random, open, refuse } = this.#options;
    let retry = this.#retries.get(feed);
    if (retry === undefined) {
      retry = new FeedRetry(config.reconnect, () => open(feed, this.#retries.get(feed)?.failures ?? 0));
      this.#retries.set(feed, retry);
    }
    const atMs = retry.handleFailure(nowMs, liveForMs, random);
    // Whoever waits for a first registration is told when it fails again and again; a watch that was live is relied on.
    const isInVain = !feed.hasBeenLive && retry.failures > config.breaker.failures;
    if (atMs === undefined || isInVain) {
      refuse(feed, error);
      return;
    }
    feed.handleWaiting({ name: 'backoff', cause: error });
    deadlines.schedule(retry, atMs);
  }

  /** It is not wanted any more. */
  forget(feed: F): void {
    this.#waiting.delete(feed);
    const retry = this.#retries.get(feed);
    if (retry === undefined) return;
    this.#options.deadlines.cancel(retry);
    this.#retries.delete(feed);
  }

  close(): void {
    this.#waiting.clear();
    for (const retry of this.#retries.values()) this.#options.deadlines.cancel(retry);
    this.#retries.clear();
  }
}
