/**
 * One watch's share in this worker: its feeds, its ring, its place at the port. Path: watch feed -> [subscription] -> port writer.
 * Owner: slot. It ends by command, by failure, or when none of its variables is left; each of them by one function that releases, settles and tells.
 */

import type { Deadlines } from '../../shared/deadlines.js';
import type { Update } from '../../shared/delivery/update.js';
import type { BridgeError } from '../../shared/errors.js';
import { BufferOverflowError, ClosedError, errorToWire } from '../../shared/errors.js';
import type { Members } from '../../shared/one-or-many.js';
import { hasMember, withMember, withoutMember } from '../../shared/one-or-many.js';
import type { OpenCommand } from '../../shared/port/commands.js';
import type { FoundHandles } from '../../shared/port/handles.js';
import type { SubscriptionStats } from '../../shared/port/replies.js';
import { joinStates } from '../../shared/port/stream-states.js';
import { systemClock } from '../../shared/system-clock.js';
import type { Deadline } from '../../shared/timer-wheel.js';
import { partsThatResume } from '../../shared/wire/request-size.js';
import type { Connection } from '../connection/connection.js';
import { PortQueue } from '../port-line.js';
import type { PortWriter } from '../port-writer.js';
import type { FeedSink, FeedStats } from './watch-feed.js';
import { WatchFeed } from './watch-feed.js';
import { isOver } from './watch-state.js';

/** Why it ends: by its watcher's wish, because nothing is left, or by an error. */
type End =
  | { readonly name: 'stopped' }
  | { readonly name: 'nothing-left' }
  | { readonly name: 'failed'; readonly error: BridgeError };

export class Subscription implements FeedSink, Deadline {
  readonly bridge: number;
  /** Of the wheel that checks for silence. */
  dueAtMs = 0;
  wheelSlot = -1;
  wheelPlace = 0;
  readonly #number: number;
  readonly #connection: Connection;
  readonly #writer: PortWriter;
  readonly #deadlines: Deadlines;
  readonly #queue: PortQueue;
  readonly #onEnd: (subscription: number) => void;
  /** Several where the requests of one would not fit a message. Those whose variables are gone leave it. */
  #feeds: WatchFeed[];
  /** Feeds that the server has not registered for the first time. */
  #unregistered: Members<WatchFeed>;
  /** Feeds that are not in step on their present stream. */
  #unsynced: Members<WatchFeed>;
  /** What the feeds counted that have left. */
  #past: FeedStats | undefined;
  /** The `open` command, until it is answered. */
  #openId: number | undefined;
  #isOver = false;

  constructor(
    command: OpenCommand,
    connection: Connection,
    writer: PortWriter,
    deadlines: Deadlines,
    foundHandles: FoundHandles,
    onEnd: (subscription: number) => void,
  ) {
    const { options, identifiers, handles, resume, patterns, epoch, wasSynced, subscription } = command;
    this.#number = command.subscription;
    this.bridge = command.bridge;
    this.#openId = command.id;
    this.#connection = connection;
    this.#writer = writer;
    this.#deadlines = deadlines;
    this.#onEnd = onEnd;
    this.#queue = new PortQueue(options);
    const nowMs = systemClock.nowMs();
    const found = patterns.length === 0 ? undefined : { patterns, subscription, handles: foundHandles };
    // A batch set atomically is whole on one stream only, and what fits a pattern is found by one.
    const parts =
      options.atomic || found !== undefined
        ? [[...identifiers.keys()]]
        : partsThatResume(identifiers, connection.maxRequestBytes);
    this.#feeds = parts.map((places) => {
      const of = <T>(column: readonly T[]): T[] => places.map((place) => column[place]!);
      return new WatchFeed(
        of(identifiers),
        of(handles),
        resume && { points: of(resume), epoch, wasSynced },
        options,
        this,
        nowMs,
        found,
        writer.cells,
      );
    });
    for (const feed of this.#feeds) {
      this.#unregistered = withMember(this.#unregistered, feed);
      this.#unsynced = withMember(this.#unsynced, feed);
    }
    if (options.staleAfterMs > 0) deadlines.schedule(this, nowMs + options.staleAfterMs);
  }

  /** It may be over when this returns: what is known to be refused is refused at once. */
  start(): void {
    for (const feed of [...this.#feeds]) if (!this.#isOver) this.#connection.watch(feed, this);
  }

  /** By command: nothing is delivered afterwards. */
  close(): void {
    this.#end({ name: 'stopped' });
  }

  /** Whether any variable is left. */
  drop(handles: readonly number[]): boolean {
    const dropped = new Set(handles);
    for (const feed of [...this.#feeds]) if (!feed.handleDropped(dropped)) this.#forget(feed);
    this.#writer.remove(this.#queue, dropped);
    return this.#feeds.length > 0;
  }

  stats(): SubscriptionStats {
    const sum = { ...NOTHING, ...this.#past };
    for (const feed of this.#feeds) feed.addStats(sum);
    sum.filteredWaiting += this.#queue.filteredWaiting();
    sum.missedWaiting += this.#queue.missedWaiting();
    const { transport } = this.#connection;
    return { ...sum, subscription: this.#number, transport, buffered: this.#queue.size };
  }

  handleDeadline(nowMs: number): void {
    let nextMs: number | undefined;
    for (const feed of this.#feeds) {
      const atMs = feed.handleStaleCheck(nowMs, this.#connection.heardAtMs);
      if (atMs !== undefined && (nextMs === undefined || atMs < nextMs)) nextMs = atMs;
    }
    if (nextMs !== undefined && !this.#isOver) this.#deadlines.schedule(this, nextMs);
  }

  // --- from the connection

  handleFeedRegistered(feed: WatchFeed): void {
    this.#handleAsked(feed);
    if (this.#unregistered !== undefined || this.#openId === undefined) return;
    this.#writer.done(this.#openId);
    this.#openId = undefined;
  }

  /** It will not come back: refused, or retried in vain. What one feed may not watch the watch as a whole does not. */
  handleFeedRefused(error: BridgeError): void {
    this.#end({ name: 'failed', error });
  }

  // --- from the feeds

  deliver(update: Update): boolean {
    return this.#writer.update(this.#queue, update);
  }

  handleState(feed: WatchFeed): void {
    if (this.#isOver) return;
    const { state } = feed;
    // Each stream catches up by itself after a break.
    if (state.name !== 'live' && state.name !== 'stale') this.#addUnsynced(feed);
    const cause = 'cause' in state ? state.cause : undefined;
    this.#writer.state(this.#number, joinStates(this.#feeds.map((one) => one.state.name)), cause);
  }

  handleSynced(feed: WatchFeed): void {
    this.#takeUnsynced(feed);
    if (this.#unsynced === undefined) this.#tellSynced();
  }

  handlePulse(nowMs: number): void {
    this.#writer.pulse(this.#number, nowMs);
  }

  handleTrouble(error: BridgeError): void {
    this.#writer.reply({ kind: 'trouble', subscription: this.#number, error: errorToWire(error) });
  }

  handleOverflow(): void {
    const { bufferLimit } = this.#queue.options;
    this.#end({
      name: 'failed',
      error: new BufferOverflowError(
        `the watcher fell ${bufferLimit} updates behind and asked for overflow 'error': take updates faster, raise bufferLimit, or conflate`,
      ),
    });
  }

  handleNothingLeft(feed: WatchFeed): void {
    this.#forget(feed);
    if (this.#feeds.length === 0) this.#end({ name: 'nothing-left' });
  }

  #forget(feed: WatchFeed): void {
    this.#feeds = this.#feeds.filter((other) => other !== feed);
    this.#handleAsked(feed);
    const wasUnsynced = this.#takeUnsynced(feed);
    this.#past ??= { ...NOTHING };
    feed.addStats(this.#past);
    feed.handleStop();
    this.#connection.unwatch(feed);
    if (wasUnsynced && this.#unsynced === undefined && this.#feeds.length > 0) this.#tellSynced();
  }

  /** The server need not register it for the first time any more. */
  #handleAsked(feed: WatchFeed): void {
    if (hasMember(this.#unregistered, feed)) this.#unregistered = withoutMember(this.#unregistered, feed);
  }

  #addUnsynced(feed: WatchFeed): void {
    if (!hasMember(this.#unsynced, feed)) this.#unsynced = withMember(this.#unsynced, feed);
  }

  /** Whether it was one of them. */
  #takeUnsynced(feed: WatchFeed): boolean {
    if (!hasMember(this.#unsynced, feed)) return false;
    this.#unsynced = withoutMember(this.#unsynced, feed);
    return true;
  }

  #tellSynced(): void {
    this.#writer.replyAfterUpdates(this.#queue, { kind: 'synced', subscriptions: [this.#number] });
  }

  #end(end: End): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#deadlines.cancel(this);
    for (const feed of this.#feeds) {
      if (!isOver(feed.state)) {
        if (end.name === 'failed') feed.handleFailure(end.error);
        else feed.handleStop();
      }
      this.#connection.unwatch(feed);
    }
    if (this.#openId !== undefined) this.#refuse(this.#openId, end);
    else if (end.name !== 'stopped') {
      const error = end.name === 'failed' ? errorToWire(end.error) : undefined;
      this.#writer.replyAfterUpdates(this.#queue, { kind: 'ended', subscription: this.#number, error });
    }
    if (end.name === 'stopped') this.#writer.drop(this.#queue);
    this.#onEnd(this.#number);
  }

  /** It ends before it has begun: whoever asked for it is told by that answer. */
  #refuse(id: number, end: End): void {
    this.#openId = undefined;
    const error =
      end.name === 'failed'
        ? end.error
        : new ClosedError('the watch was stopped before the server had registered it: watch again');
    this.#writer.reply({ kind: 'refusal', id, error: errorToWire(error) });
  }
}

const NOTHING: FeedStats = {
  received: 0,
  filteredWaiting: 0,
  missedWaiting: 0,
  duplicates: 0,
  errors: 0,
  reconnects: 0,
};
