/**
 * Sets of one state that go by its link, over all links that it has had: when they are sent, sent again, and given up. Path: changes -> [link sets] -> set queue.
 * Slow: they wait in the queue, each until its time is up. Closed: those that were sent may have been made, the others were not.
 */
import type { Deadlines } from '../../shared/deadlines.js';
import { deadlineOf } from '../../shared/deadlines.js';
import type { BridgeError } from '../../shared/errors.js';
import { ClosedError, UnavailableError } from '../../shared/errors.js';
import { randomLinkId } from '../../shared/system-clock.js';
import type { QueuedSet } from '../calls/set-queue.js';
import { SetQueue } from '../calls/set-queue.js';
import { PLACE_KEPT_MS } from '../transport/grpc-call.js';
import { LinkCarrier } from '../transport/link-carrier.js';
import type { ConnectionView } from './connection-view.js';
import { RETRY_PAUSE_MS } from './connection-view.js';
import { isPermanentForConnection } from './failure-verdict.js';
import type { SessionContact } from './session-contact.js';

export class LinkSets {
  /** What its carriers write and settle. */
  readonly queue = new SetQueue(randomLinkId());
  readonly #connection: ConnectionView;
  readonly #session: SessionContact;
  readonly #deadlines: Deadlines;
  readonly #deadline = deadlineOf((nowMs) => this.#handleDeadline(nowMs));

  constructor(connection: ConnectionView, session: SessionContact, deadlines: Deadlines) {
    this.#connection = connection;
    this.#session = session;
    this.#deadlines = deadlines;
  }

  /** False where there is no link: then it is not taken in. */
  take(set: QueuedSet): boolean {
    if (this.#connection.carrier.kind !== 'link' || this.#isClosed) return false;
    this.queue.push(set);
    const { wheelSlot, dueAtMs } = this.#deadline;
    if (wheelSlot < 0 || dueAtMs > set.deadlineMs) this.#deadlines.schedule(this.#deadline, set.deadlineMs);
    this.send();
    return true;
  }

  /** What waits, by the link that there is; it is made where there is none. */
  send(): void {
    if (this.queue.size === 0) return;
    const { isConnected, pool, carrier, stage } = this.#connection;
    const isReady = isConnected && pool.control.isReady;
    if (isReady && carrier instanceof LinkCarrier) carrier.handleSets();
    else if (stage !== 'open') this.failAsClosed();
    else if (!isReady) this.#connection.lose();
  }

  /** Sets return by themselves: no watch may do it for them. */
  handleLinkEnded(error: BridgeError, trailer: string | undefined): void {
    if (this.queue.size > 0 && !this.#isClosed) void this.#return(error, trailer);
  }

  /** There are no links any more: those that were not sent go by calls. */
  reroute(): void {
    this.queue.failSent();
    for (const set of this.queue.takeWaiting()) set.reroute();
  }

  /** Those that were sent may have been made. */
  fail(error: BridgeError): void {
    this.queue.failSent();
    for (const set of this.queue.takeWaiting()) set.fail(error);
  }

  failAsClosed(): void {
    this.fail(new ClosedError('the state was closed before the set was made: open another'));
  }

  close(): void {
    this.failAsClosed();
    this.#deadlines.cancel(this.#deadline);
  }

  get #isClosed(): boolean {
    return this.#connection.stage === 'closed';
  }

  async #return(error: BridgeError, trailer: string | undefined): Promise<void> {
    if (trailer !== undefined && isPermanentForConnection(trailer)) {
      this.fail(error);
      return;
    }
    if (trailer === 'SESSION_NOT_FOUND') await this.#session.join(this.#connection.pool).catch(() => undefined);
    else await this.#deadlines.pause(RETRY_PAUSE_MS);
    if (!this.#isClosed) this.send();
  }

  #handleDeadline(nowMs: number): void {
    this.queue.handleDeadline(nowMs);
    const { overSinceMs } = this.queue;
    if (overSinceMs !== undefined && nowMs >= overSinceMs + PLACE_KEPT_MS) this.#settle(nowMs - overSinceMs);
    const { nextDeadlineMs } = this.queue;
    const isOver = this.queue.overSinceMs !== undefined;
    const dueAtMs = nextDeadlineMs ?? (isOver ? nowMs + PLACE_KEPT_MS : undefined);
    if (dueAtMs !== undefined && !this.#isClosed) this.#deadlines.schedule(this.#deadline, dueAtMs);
  }

  /** The server says nothing of sets whose time is long up: the next link tells it that they are not to be made, where it takes one. */
  #settle(overForMs: number): void {
    const { carrier, pool, isConnected } = this.#connection;
    if (carrier instanceof LinkCarrier && carrier.isWelcome) {
      carrier.leave(new UnavailableError(`${pool.endpoint} does not answer sets: the link is made again`));
    } else if (isConnected && overForMs >= 2 * PLACE_KEPT_MS) this.queue.failSent();
  }
}
