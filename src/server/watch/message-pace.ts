/**
 * How fast the messages of one call go out: what was given to the transport and has not gone through, and since when nothing has.
 * Path: outbox -> [message pace] -> stream call, link call. Full, by messages, by bytes, or because the connection has no room: the outbox waits.
 */
import type { CarrierBudget, RoomSeeker } from './carrier-budget.js';
import type { OutboxPace } from './outbox.js';

/** Where the bytes of one call go. */
export interface MessageSink {
  /** Takes one message; whoever does says to the pace, later, when it is through. */
  write(bytes: Uint8Array): void;
}

/** What it takes out of its encoder. */
export interface MessageSource {
  /** What was said since the last call; undefined when that is nothing. */
  take(): Uint8Array | undefined;
}

export class MessagePace implements OutboxPace {
  readonly #encoder: MessageSource;
  readonly #sink: MessageSink;
  readonly #budget: CarrierBudget;
  readonly #slowStreamMs: number;
  readonly #maxBytes: number;
  /** Bytes of each message under way, in order. */
  readonly #underWay: number[] = [];
  #bytesUnderWay = 0;
  #progressAtMs = 0;
  #lastWriteAtMs = 0;
  #isClosed = false;

  constructor(
    encoder: MessageSource,
    sink: MessageSink,
    budget: CarrierBudget,
    slowStreamMs: number,
    maxBytes = MAX_BYTES_UNDER_WAY,
  ) {
    this.#encoder = encoder;
    this.#sink = sink;
    this.#budget = budget;
    this.#slowStreamMs = slowStreamMs;
    this.#maxBytes = maxBytes;
  }

  get isUnderWay(): boolean {
    return this.#underWay.length > 0;
  }

  /** When the last message was given to the carrier. */
  get lastWriteAtMs(): number {
    return this.#lastWriteAtMs;
  }

  /** When the call counts as stuck if nothing goes through until then. */
  get stuckAtMs(): number {
    return this.#progressAtMs + this.#slowStreamMs;
  }

  isStuck(nowMs: number): boolean {
    return this.isUnderWay && nowMs >= this.stuckAtMs;
  }

  /** When to look at it again, ms: for a heartbeat after `heartbeatMs` of silence, or because nothing goes through. */
  nextLookMs(nowMs: number, heartbeatMs: number): number {
    let nextMs = this.#lastWriteAtMs + heartbeatMs;
    if (nextMs <= nowMs) nextMs = nowMs + heartbeatMs;
    return this.isUnderWay ? Math.min(nextMs, this.stuckAtMs) : nextMs;
  }

  // More would only wait in the carrier's own buffer, where nothing conflates.
  takesWrites(seeker: RoomSeeker): boolean {
    return (
      this.#underWay.length < MAX_MESSAGES_UNDER_WAY &&
      this.#bytesUnderWay < this.#maxBytes &&
      this.#budget.hasRoom(seeker)
    );
  }

  send(nowMs: number): void {
    const bytes = this.#encoder.take();
    if (bytes === undefined) return;
    if (this.#underWay.length === 0) this.#progressAtMs = nowMs;
    this.#underWay.push(bytes.length);
    this.#bytesUnderWay += bytes.length;
    this.#budget.addUnderWay(bytes.length);
    this.#lastWriteAtMs = nowMs;
    this.#sink.write(bytes);
  }

  /** The carrier has let one message through; what waits may go on. */
  handleWritten(nowMs: number): void {
    if (this.#isClosed) return;
    const bytes = this.#underWay.shift() ?? 0;
    this.#bytesUnderWay -= bytes;
    this.#progressAtMs = nowMs;
    this.#budget.removeUnderWay(bytes, nowMs);
  }

  /** What is under way is nobody's any more. */
  close(nowMs: number): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#underWay.length = 0;
    this.#budget.removeUnderWay(this.#bytesUnderWay, nowMs);
  }
}

const MAX_MESSAGES_UNDER_WAY = 64;
/** Twice the window that HTTP/2 grants a stream by default. */
const MAX_BYTES_UNDER_WAY = 128 * 1024;
