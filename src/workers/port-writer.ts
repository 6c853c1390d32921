/**
 * The port of one worker: what the line lets through goes into the lane, and beside it one message a turn at most.
 * Path: port line -> [port writer] -> lane and MessagePort. Slow: see the port line. Closed: what is left is dropped with its watches.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Update } from '../shared/delivery/update.js';
import type { BridgeError } from '../shared/errors.js';
import { clearImmediate, clearTimeout, performanceNowMs, setImmediate, setTimeout } from '../shared/platform-timers.js';
import type { Reply, TurnMessage } from '../shared/port/replies.js';
import type { StreamStateName } from '../shared/port/stream-states.js';
import type { LaneMemory } from '../shared/port/update-lane.js';
import { LaneWriter } from '../shared/port/update-lane.js';
import { CellWriter } from '../shared/port/value-cells.js';
import { PortLine, type PortQueue } from './port-line.js';
import { TurnReplies } from './turn-replies.js';

export class PortWriter {
  /** Present values: what is written there is read at once, whatever waits in the line. */
  readonly cells = new CellWriter((index, chunk) => this.reply({ kind: 'cells', index, chunk }));
  readonly #port: MessagePort;
  readonly #lane: LaneWriter;
  readonly #line: PortLine;
  readonly #replies = new TurnReplies();
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastMessageAtMs = 0;
  readonly #spacingMs: number;
  #isAwaitingRoom = false;
  #roomTurn: NodeJS.Immediate | undefined;
  #isClosed = false;

  /** `spacingMs`: least time between two messages that carry no reply; a wake-up costs the main thread as much as 20 updates. */
  constructor(port: MessagePort, lane: LaneMemory, spacingMs: number) {
    this.#port = port;
    this.#spacingMs = spacingMs;
    this.#lane = new LaneWriter(lane);
    this.#line = new PortLine(this.#lane, (reply) => this.reply(reply));
  }

  reply(reply: Reply): void {
    this.#replies.add(reply);
    this.#scheduleNow();
  }

  /** The answer to what has no result. */
  done(id: number): void {
    this.#replies.done(id);
    this.#scheduleNow();
  }

  state(subscription: number, state: StreamStateName, cause: BridgeError | undefined): void {
    this.#replies.state(subscription, state, cause);
    this.#scheduleNow();
  }

  setResult(id: number, place: number, version: number, error: BridgeError | undefined): void {
    this.#replies.setResult(id, place, version, error);
    this.#scheduleNow();
  }

  pulse(subscription: number, atMs: number): void {
    this.#replies.pulse(subscription, atMs);
    this.#scheduleNow();
  }

  /** A reply that comes after the watch's updates, those that wait for credit too. */
  replyAfterUpdates(queue: PortQueue, reply: Reply): void {
    this.#line.replyAfter(queue, reply);
    this.#drain();
  }

  /** False when the watch's ring is full and it asked for an error. */
  update(queue: PortQueue, update: Update): boolean {
    const isTaken = this.#line.offer(queue, update);
    if (queue.isInLine && queue.size > 0) {
      if (!queue.isGroupOpen) this.#awaitRoom();
    } else this.#showEarly();
    this.#schedule();
    return isTaken;
  }

  /** These handles are no longer wanted. */
  remove(queue: PortQueue, handles: ReadonlySet<number>): void {
    this.#line.remove(queue, handles);
    this.#schedule();
  }

  /** The watch was stopped. */
  drop(queue: PortQueue): void {
    this.#line.drop(queue);
  }

  handleGrant(): void {
    this.#isAwaitingRoom = false;
    this.#drain();
  }

  /** Sends what there is at once; nothing is sent afterwards. */
  close(): void {
    this.#flush();
    clearImmediate(this.#roomTurn);
    this.#isClosed = true;
    this.#line.clear();
  }

  /** A turn that reads a backlog, or that tells a change to a thousand watches, may take many ms: the main thread begins meanwhile. */
  #showEarly(): void {
    const { unpublished } = this.#lane;
    if (unpublished >= EARLY_RECORDS) this.#lane.publishEarly();
    if (unpublished >= RECORDS_WORTH_WAKING && this.#spacingMs === 0) this.#flush();
  }

  #drain(): void {
    this.#line.drain();
    this.#schedule();
    if (this.#line.awaitsRoom) this.#awaitRoom();
  }

  #awaitRoom(): void {
    if (this.#isAwaitingRoom) return;
    this.#isAwaitingRoom = true;
    this.#lane.askForRoom();
    // All was read just before we asked: then nobody will tell us.
    if (this.#lane.hasRoom(this.#lane.credits)) this.#roomTurn = setImmediate(() => this.handleGrant());
  }

  /** Answers go at the end of this turn, and take along what there is. */
  #scheduleNow(): void {
    if (this.#immediate !== undefined) return;
    // The check phase follows the poll phase: everything that this turn's reads brought goes in one message.
    this.#immediate = setImmediate(this.#flush);
  }

  /** Updates too, unless they need a message and the last one has only just gone: then they wait for company. */
  #schedule(): void {
    if (this.#immediate !== undefined || this.#lane.unpublished === 0) return;
    if (!this.#lane.hasParcels) {
      // Behind others that wait.
      if (this.#timer === undefined) this.#scheduleNow();
      return;
    }
    if (this.#timer !== undefined) return;
    const waitMs = this.#lastMessageAtMs + this.#spacingMs - performanceNowMs();
    if (waitMs <= 0) this.#scheduleNow();
    else this.#timer = setTimeout(this.#flush, waitMs);
  }

  readonly #flush = (): void => {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
    if (this.#isClosed) return;
    const lane = this.#lane;
    const needsMessage = lane.hasParcels || !this.#replies.isEmpty;
    if (needsMessage) {
      this.#post(lane.takeMessage(this.#replies.take()));
      this.#lastMessageAtMs = performanceNowMs();
    }
    if (lane.publish() && !needsMessage && lane.wakes()) this.#post(null);
  };

  #post(message: TurnMessage | null): void {
    this.#port.postMessage(message);
    this.#lane.handlePosted();
  }
}

/** So many updates take a worker about half a ms. */
const EARLY_RECORDS = 16;
/** Two wake-ups of a thread cost half as much as to write these. */
const RECORDS_WORTH_WAKING = 128;
