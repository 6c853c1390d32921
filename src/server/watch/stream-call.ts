/**
 * One watch carried by a WatchVariables call. Path: carried watch -> outbox -> stream encoder -> [stream call] -> HTTP/2.
 * Slow: the outbox conflates, and a stream that takes nothing for slowStreamMs is cut. Closed: with its watch, or by its client.
 */
import type { Metadata, ServerInterceptingCallInterface, ServerWritableStream } from '@grpc/grpc-js';
import type { Deadline } from '../../shared/timer-wheel.js';
import { epochText } from '../../shared/wire/epoch-text.js';
import { EPOCH_HEADER } from '../../shared/wire/status.js';
import { failureOf } from '../handlers/call-failure.js';
import type { ServerContext } from '../server-context.js';
import type { Session } from '../session.js';
import type { Work } from '../work-turns.js';
import type { WatchCarrier } from './carried-watch.js';
import { CarriedWatch } from './carried-watch.js';
import { takeDirectCall } from './direct-write.js';
import type { MessageSink } from './message-pace.js';
import { MessagePace } from './message-pace.js';
import { StreamEncoder } from './stream-encoder.js';
import type { WatchRequest } from './watch-request.js';
import { WatchScope } from './watch-scope.js';

export type WatchCall = ServerWritableStream<Buffer, Uint8Array>;

export class StreamCall implements Deadline, MessageSink, WatchCarrier {
  dueAtMs = 0;
  wheelSlot = -1;
  wheelPlace = 0;
  readonly #server: ServerContext;
  readonly #call: WatchCall;
  readonly #directCall: ServerInterceptingCallInterface;
  readonly #heartbeatMs: number;
  readonly #header: Metadata;
  readonly #pace: MessagePace;
  readonly #watch: CarriedWatch;
  /** Its client asks its condition itself. */
  readonly marks = undefined;

  /** Owner: itself, until its end. */
  constructor(
    server: ServerContext,
    session: Session,
    call: WatchCall,
    request: WatchRequest,
    header: Metadata,
    work: Work,
  ) {
    const { options, watchStreams } = server;
    const connection = call.getPeer();
    this.#server = server;
    this.#call = call;
    this.#directCall = takeDirectCall(call.metadata);
    this.#heartbeatMs = request.heartbeatMs ?? options.heartbeatMs;
    this.#header = header.clone();
    this.#header.set(EPOCH_HEADER, epochText(options.epoch, session.generation));
    const budget = watchStreams.handleCallBegun(connection);
    const encoder = new StreamEncoder(options.epoch, session, request.includesOldValues);
    this.#pace = new MessagePace(encoder, this, budget, options.slowStreamMs);
    const scope = new WatchScope(server, session, connection, budget);
    this.#watch = new CarriedWatch(scope, request, encoder, this.#pace, this);
    // Fires at every end, ours too; a client that is gone is found by it.
    call.on('cancelled', () => {
      this.#watch.end();
      this.#giveBack();
      watchStreams.handleCallEnded(connection);
    });
    this.#watch.open(work).catch((error: unknown) => this.#watch.fail(error));
  }

  handleRegistered(): void {
    this.#call.sendMetadata(this.#header);
    this.#server.deadlines.schedule(this, this.#server.clock.nowMs() + this.#heartbeatMs);
  }

  handleWaiting(): void {
    if (this.#pace.isUnderWay && this.dueAtMs > this.#pace.stuckAtMs) {
      this.#server.deadlines.schedule(this, this.#pace.stuckAtMs);
    }
  }

  handleEnded(error: unknown): void {
    this.#giveBack();
    if (error === undefined) this.#call.end();
    else this.#call.emit('error', failureOf(this.#server, error, 'WatchVariables'));
  }

  handleDeadline(nowMs: number): void {
    if (this.#watch.isEnded) return;
    if (this.#pace.isStuck(nowMs)) {
      this.#watch.cut();
      return;
    }
    if (!this.#watch.isFinishing && nowMs >= this.#pace.lastWriteAtMs + this.#heartbeatMs) {
      const { revision } = this.#watch.session;
      this.#watch.outbox.pushHeartbeat(nowMs, { revision, timestamp: this.#server.clock.wallAtMs(nowMs) });
    }
    this.#server.deadlines.schedule(this, this.#pace.nextLookMs(nowMs, this.#heartbeatMs));
  }

  write(bytes: Uint8Array): void {
    this.#directCall.sendMessage(bytes, this.#handleWritten);
  }

  readonly #handleWritten = (): void => {
    if (this.#watch.isEnded) return;
    const nowMs = this.#server.clock.nowMs();
    this.#pace.handleWritten(nowMs);
    this.#watch.handleRoom(nowMs);
  };

  #giveBack(): void {
    this.#server.deadlines.cancel(this);
    this.#pace.close(this.#server.clock.nowMs());
  }
}
