/**
 * One watch's share in this worker: its consumer, its stream, its place at the port. Path: transport -> [subscription] -> port writer.
 * Owner: slot. It ends by command, by failure, or when none of its variables is left.
 */

import type { Deadlines } from '../../shared/deadlines.js';
import type { Update } from '../../shared/delivery/update.js';
import type { BridgeError } from '../../shared/errors.js';
import { BufferOverflowError, ClosedError, errorToWire } from '../../shared/errors.js';
import type { OpenCommand } from '../../shared/port/commands.js';
import type { SubscriptionStats } from '../../shared/port/replies.js';
import { systemClock } from '../../shared/system-clock.js';
import type { Deadline } from '../../shared/timer-wheel.js';
import { PortQueue } from '../port-line.js';
import type { PortWriter } from '../port-writer.js';
import type { Transport, TransportWatch } from '../transport/transport.js';
import type { FeedSink } from './watch-feed.js';
import { WatchFeed } from './watch-feed.js';
import type { FeedState } from './watch-state.js';

export class Subscription implements TransportWatch, FeedSink, Deadline {
  readonly consumer: WatchFeed;
  readonly heartbeatMs: number;
  readonly bridge: number;
  /** Of the wheel that checks for silence. */
  dueAtMs = 0;
  wheelSlot = -1;
  readonly #number: number;
  readonly #transport: Transport;
  readonly #writer: PortWriter;
  readonly #deadlines: Deadlines;
  readonly #queue: PortQueue;
  readonly #onEnd: () => void;
  /** The `open` command, until it is answered. */
  #openId: number | undefined;

  constructor(command: OpenCommand, transport: Transport, writer: PortWriter, deadlines: Deadlines, onEnd: () => void) {
    const { options } = command;
    this.#number = command.subscription;
    this.bridge = command.bridge;
    this.#openId = command.id;
    this.#transport = transport;
    this.#writer = writer;
    this.#deadlines = deadlines;
    this.#onEnd = onEnd;
    this.#queue = new PortQueue(options);
    // Three signs of life within the time that may pass without one.
    this.heartbeatMs = options.staleAfterMs === 0 ? 0 : Math.max(100, Math.floor(options.staleAfterMs / 3));
    const nowMs = systemClock.nowMs();
    this.consumer = new WatchFeed(command.identifiers, command.handles, command.resume, options, this, nowMs);
    if (options.staleAfterMs > 0) deadlines.schedule(this, nowMs + options.staleAfterMs);
    transport.openWatch(this);
  }

  /** By command: nothing is delivered afterwards. */
  close(): void {
    this.consumer.handleStop();
    if (this.#openId !== undefined) {
      const error = errorToWire(new ClosedError('the watch was stopped before the server had registered it'));
      this.#writer.reply({ kind: 'refusal', id: this.#openId, error });
      this.#openId = undefined;
    }
    this.#writer.drop(this.#queue);
    this.#release();
  }

  drop(handles: readonly number[]): boolean {
    const dropped = new Set(handles);
    const isAnyLeft = this.consumer.handleDropped(dropped);
    this.#writer.remove(this.#queue, dropped);
    return isAnyLeft;
  }

  stats(): SubscriptionStats {
    return this.consumer.stats(this.#number, this.#queue.missedWaiting(), this.#queue.size);
  }

  // --- from the transport

  handleRegistered(): void {
    if (this.#openId === undefined) return;
    this.#writer.reply({ kind: 'answer', id: this.#openId, result: undefined });
    this.#openId = undefined;
  }

  handleRefused(error: BridgeError): void {
    this.consumer.handleFailure(error);
    if (this.#openId !== undefined) {
      this.#writer.reply({ kind: 'refusal', id: this.#openId, error: errorToWire(error) });
      this.#openId = undefined;
    } else {
      this.#writer.replyAfterUpdates(this.#queue, {
        kind: 'ended',
        subscription: this.#number,
        error: errorToWire(error),
      });
    }
    this.#release();
  }

  handleDeadline(nowMs: number): void {
    const nextMs = this.consumer.handleStaleCheck(nowMs);
    if (nextMs !== undefined) this.#deadlines.schedule(this, nextMs);
  }

  // --- from the consumer

  deliver(update: Update): boolean {
    return this.#writer.update(this.#queue, update);
  }

  handleState(state: FeedState): void {
    const error = 'cause' in state ? errorToWire(state.cause) : 'error' in state ? errorToWire(state.error) : undefined;
    this.#writer.reply({ kind: 'state', subscription: this.#number, state: state.name, error });
  }

  handleSynced(): void {
    this.#writer.replyAfterUpdates(this.#queue, { kind: 'synced', subscription: this.#number });
  }

  handlePulse(nowMs: number): void {
    this.#writer.reply({ kind: 'pulse', subscription: this.#number, atMs: nowMs });
  }

  handleTrouble(error: BridgeError): void {
    this.#writer.reply({ kind: 'trouble', subscription: this.#number, error: errorToWire(error) });
  }

  handleOverflow(): void {
    this.#fail(
      new BufferOverflowError(
        `the watcher fell ${this.#queue.options.bufferLimit} updates behind and asked for overflow 'error': take updates faster, raise bufferLimit, or conflate`,
      ),
    );
  }

  handleNothingLeft(): void {
    this.consumer.handleStop();
    this.#writer.replyAfterUpdates(this.#queue, { kind: 'ended', subscription: this.#number, error: undefined });
    this.#release();
  }

  #fail(error: BridgeError): void {
    this.consumer.handleFailure(error);
    this.#writer.replyAfterUpdates(this.#queue, {
      kind: 'ended',
      subscription: this.#number,
      error: errorToWire(error),
    });
    this.#release();
  }

  #release(): void {
    this.#deadlines.cancel(this);
    this.#transport.closeWatch(this);
    this.#onEnd();
  }
}
