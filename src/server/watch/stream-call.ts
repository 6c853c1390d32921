/**
 * One watch carried by a WatchVariables call. Path: watch -> outbox -> stream encoder -> [stream call] -> HTTP/2.
 * Slow: the outbox conflates, and a stream that takes nothing for slowStreamMs is cut. Closed by whichever comes first: its client, its token,
 * its last variable, a failure, draining; in the middle of its opening too. Then everything that it observes is unregistered, exactly once.
 */
import type { Metadata, ServerInterceptingCallInterface, ServerWritableStream } from '@grpc/grpc-js';
import { BridgeError, InternalError, SlowStreamError } from '../../shared/errors.js';
import type { Deadline } from '../../shared/timer-wheel.js';
import type { Moment } from '../../shared/wire/update-encoder.js';
import { failureOf } from '../handlers/call-failure.js';
import type { PublishedChange } from '../observer-manager.js';
import type { ServerContext } from '../server-context.js';
import type { Session } from '../session.js';
import { takeDirectCall } from './direct-write.js';
import type { Opening, OutboxSink } from './outbox.js';
import { Outbox } from './outbox.js';
import type { SentState } from './sent-state.js';
import { StreamEncoder } from './stream-encoder.js';
import type { WatchOwner } from './watch.js';
import { Watch } from './watch.js';
import type { WatchRequest } from './watch-request.js';
import type { LiveWatch } from './watch-streams.js';

export type WatchCall = ServerWritableStream<Buffer, Uint8Array>;

/** `last-words`: finished before it was open. `finishing`: what waits still goes out, then the stream ends with OK. */
type StreamCallState = 'opening' | 'last-words' | 'live' | 'finishing' | 'ended';

export class StreamCall implements Deadline, OutboxSink, WatchOwner, LiveWatch {
  dueAtMs = 0;
  wheelSlot = -1;
  wheelPlace = 0;
  readonly session: Session;
  readonly token: string;
  readonly watch: Watch;
  readonly #server: ServerContext;
  readonly #call: WatchCall;
  readonly #directCall: ServerInterceptingCallInterface;
  readonly #connection: string;
  readonly #heartbeatMs: number;
  readonly #wantsSynced: boolean;
  readonly #outbox: Outbox;
  #state: StreamCallState = 'opening';

  /** Owner: itself, until its end. */
  constructor(server: ServerContext, session: Session, call: WatchCall, request: WatchRequest) {
    const { options, watchStreams, observers, counters } = server;
    const { keepsBatches, includesOldValues } = request;
    this.session = session;
    this.token = request.token;
    this.#server = server;
    this.#call = call;
    this.#directCall = takeDirectCall(call.metadata);
    this.#connection = call.getPeer();
    this.#heartbeatMs = request.heartbeatMs ?? options.heartbeatMs;
    this.#wantsSynced = request.wantsSynced;
    const { outboxLimit: limit, maxStreamBytes: maxBytes, slowStreamMs } = options;
    const budget = watchStreams.handleCallBegun(this.#connection);
    this.#outbox = new Outbox(
      { limit, maxBytes, slowStreamMs, keepsBatches },
      new StreamEncoder(options.epoch, includesOldValues),
      this,
      counters,
      budget,
    );
    this.watch = new Watch(observers, session.id, budget, this);
    // Fires at every end, ours too; a client that is gone is found by it.
    call.on('cancelled', () => {
      this.#end();
      watchStreams.handleCallEnded(this.#connection);
    });
    watchStreams.add(this);
    session.addWatch(this.#connection);
  }

  get isEnded(): boolean {
    return this.#state === 'ended';
  }

  /** Says that it is registered. */
  sendHeader(header: Metadata): void {
    this.#call.sendMetadata(header);
  }

  /** Sends what comes before the first change. */
  open(opening: readonly Opening[], at: Moment): void {
    if (this.#state === 'ended') return;
    const isLast = this.#state === 'last-words' || this.watch.isSpent;
    this.#state = 'live';
    const nowMs = this.#server.clock.nowMs();
    this.#outbox.open(opening, at, this.#wantsSynced, nowMs);
    this.#server.deadlines.schedule(this, nowMs + this.#heartbeatMs);
    if (isLast) this.finish();
    else if (this.#outbox.isWaiting) this.#expectProgress();
  }

  finish(): void {
    switch (this.#state) {
      case 'opening':
        this.#state = 'last-words';
        break;
      case 'live':
        this.#state = 'finishing';
        this.watch.close(this.#beginWork);
        this.#endIfAllIsSent();
        this.#expectProgress();
        break;
      case 'last-words':
      case 'finishing':
      case 'ended':
        break;
      default:
        this.#state satisfies never;
    }
  }

  fail(error: unknown): void {
    if (this.#state === 'ended') return;
    const failure = failureOf(this.#server, error, 'WatchVariables');
    this.#end();
    this.#call.emit('error', failure);
  }

  handleFailure(error: unknown): void {
    this.fail(
      error instanceof BridgeError
        ? error
        : new InternalError('the watch failed by a mistake of the server: watch again', { cause: error }),
    );
  }

  handleChange(sent: SentState, published: PublishedChange): void {
    this.#outbox.push(sent, published);
    if (!this.#outbox.isWaiting) return;
    if (this.#outbox.isOverfull) this.#cut();
    else this.#expectProgress();
  }

  handleNothingLeft(): void {
    this.finish();
  }

  handleDeadline(nowMs: number): void {
    if (this.#state === 'ended') return;
    if (this.#outbox.isStuck(nowMs)) {
      this.#cut();
      return;
    }
    if (this.#state === 'live' && nowMs >= this.#outbox.lastWriteAtMs + this.#heartbeatMs) {
      const timestamp = this.#server.clock.wallAtMs(nowMs);
      this.#outbox.pushHeartbeat(nowMs, { revision: this.session.revision, timestamp });
    }
    let dueAtMs = this.#outbox.lastWriteAtMs + this.#heartbeatMs;
    if (dueAtMs <= nowMs) dueAtMs = nowMs + this.#heartbeatMs;
    if (this.#outbox.isUnderWay) dueAtMs = Math.min(dueAtMs, this.#outbox.stuckAtMs);
    this.#server.deadlines.schedule(this, dueAtMs);
  }

  write(bytes: Uint8Array): void {
    this.#directCall.sendMessage(bytes, this.#handleWritten);
  }

  readonly #handleWritten = (): void => {
    if (this.#state === 'ended') return;
    this.#outbox.handleWritten(this.#server.clock.nowMs());
    if (this.#state === 'finishing') this.#endIfAllIsSent();
  };

  readonly #beginWork = () => this.#server.turns.begin();

  #cut(): void {
    this.#server.counters.slowStreamsCut += 1;
    this.fail(
      new SlowStreamError('the stream took no update for too long and was cut: read faster, watch less, or resume it'),
    );
  }

  #expectProgress(): void {
    if (this.#state !== 'live' && this.#state !== 'finishing') return;
    if (this.#outbox.isUnderWay && this.dueAtMs > this.#outbox.stuckAtMs) {
      this.#server.deadlines.schedule(this, this.#outbox.stuckAtMs);
    }
  }

  #endIfAllIsSent(): void {
    if (this.#outbox.isWaiting) return;
    this.#end();
    this.#call.end();
  }

  #end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    const nowMs = this.#server.clock.nowMs();
    this.watch.close(this.#beginWork);
    this.#server.deadlines.cancel(this);
    this.#outbox.close(nowMs);
    this.#server.watchStreams.remove(this);
    this.session.removeWatch(this.#connection, nowMs);
  }
}
