/**
 * One WatchVariables call per watch, over pooled channels; works with any server that speaks the published contract.
 * Path: HTTP/2 -> [stream transport] -> stream consumer. Slow: it reads on, the watch's ring is bounded.
 * Full: more streams open more channels. Closed: streams end, channels close, nothing is called afterwards.
 */
import type { ServiceError, StatusObject } from '@grpc/grpc-js';
import type { Deadlines } from '../../shared/deadlines.js';
import { deadlineOf } from '../../shared/deadlines.js';
import {
  BridgeError,
  ClosedError,
  DeadlineExceededError,
  errorFromWire,
  ProtocolError,
  SessionNotFoundError,
  UnavailableError,
  UnknownOutcomeError,
  UnsupportedError,
} from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import type { BridgeConfig } from '../../shared/port/commands.js';
import { randomId, systemClock, systemRandom } from '../../shared/system-clock.js';
import type { Deadline } from '../../shared/timer-wheel.js';
import type { MethodName, RequestOf } from '../../shared/wire/services.js';
import { codeOfSentence, EPOCH_HEADER, isRetryableStatus, STATUS } from '../../shared/wire/status.js';
import { EndpointRotation } from '../connection/endpoint-rotation.js';
import { ReconnectUnit } from '../connection/reconnect-unit.js';
import { isOver } from '../watch/watch-state.js';
import { ChannelPool, type PooledChannel } from './channel-pool.js';
import type { StreamCall, StreamListener } from './grpc-call.js';
import { callError, headerOf, openStream, unaryCall } from './grpc-call.js';
import type { Answer, ServerFacts, Transport, TransportWatch } from './transport.js';

/** Time that a stream unwatched by message has to end before it is cancelled after all, ms. */
const UNWATCH_GRACE_MS = 5_000;

/** A watch's present stream. */
interface OpenStream extends Deadline, StreamListener {
  readonly watch: TransportWatch;
  /** Undefined only while it is made. */
  call: StreamCall | undefined;
  readonly channel: PooledChannel;
  readonly token: string;
  isRegistered: boolean;
  /** Its watch has stopped: whatever comes is thrown away. */
  isMuted: boolean;
  isEnded: boolean;
}

export class StreamTransport implements Transport {
  readonly #config: BridgeConfig;
  readonly #deadlines: Deadlines;
  readonly #logger: Logger;
  readonly #rotation: EndpointRotation;
  readonly #unit: ReconnectUnit;
  #pool: ChannelPool;
  readonly #streams = new Map<TransportWatch, OpenStream>();
  /** Streams of stopped watches that their server has not ended yet. */
  readonly #muted = new Set<OpenStream>();
  /** Watches without a stream, until the connection is tried again. */
  readonly #waiting = new Set<TransportWatch>();
  readonly #attempt = deadlineOf(() => void this.#reconnect());
  readonly #cancelTurn = deadlineOf((nowMs) => this.#cancelMuted(nowMs));
  #facts: ServerFacts = { epoch: '', allowsPings: false };
  /** False once the server said UNIMPLEMENTED to UnwatchVariables. */
  #unwatchesByMessage = true;
  #isClosed = false;

  constructor(config: BridgeConfig, deadlines: Deadlines, logger: Logger) {
    this.#config = config;
    this.#deadlines = deadlines;
    this.#logger = logger;
    this.#rotation = new EndpointRotation(config.endpoints);
    this.#unit = new ReconnectUnit(config);
    this.#pool = new ChannelPool(this.#rotation.current, config, false);
  }

  get facts(): ServerFacts {
    return this.#facts;
  }

  get channels(): number {
    return this.#pool.size;
  }

  get streams(): number {
    return this.#pool.streams;
  }

  async open(keepsTrying: boolean): Promise<ServerFacts> {
    let lastError: unknown;
    for (let tries = this.#rotation.size; tries > 0; tries -= 1) {
      try {
        await this.#connect();
        this.#openWaiting();
        return this.#facts;
      } catch (error) {
        lastError = error;
        // A server that answers has spoken for all: its refusal is no reason to ask another.
        if (!keepsTrying && !(error instanceof UnavailableError)) throw error;
        this.#rotation.advance();
        this.#replacePool(false);
      }
    }
    if (!keepsTrying) throw lastError;
    this.#deadlines.schedule(this.#attempt, this.#unit.handleAttemptFailed(systemClock.nowMs(), systemRandom));
    return this.#facts;
  }

  openWatch(watch: TransportWatch): void {
    if (this.#unit.state.name === 'connected') this.#openStream(watch);
    else this.#wait(watch, new UnavailableError(`the connection to ${this.#pool.endpoint} is being made again`));
  }

  closeWatch(watch: TransportWatch): void {
    this.#waiting.delete(watch);
    const stream = this.#streams.get(watch);
    if (stream === undefined) return;
    this.#streams.delete(watch);
    stream.isMuted = true;
    if (stream.isEnded) return;
    this.#muted.add(stream);
    if (this.#unwatchesByMessage && stream.isRegistered) this.#unwatchByMessage(stream);
    else this.#cancelMuted(systemClock.nowMs());
  }

  async call<M extends MethodName>(method: M, request: RequestOf<M>, isChange: boolean): Promise<Answer<M>> {
    const deadlineMs = systemClock.nowMs() + this.#config.limits.callTimeoutMs;
    let hasRejoined = false;
    for (;;) {
      this.#checkOpen();
      const leftMs = deadlineMs - systemClock.nowMs();
      const pool = this.#pool;
      try {
        await pool.control.connect(pool.endpoint, Math.max(1, leftMs));
        const timeoutMs = Math.max(1, deadlineMs - systemClock.nowMs());
        const answer = await unaryCall(pool.control, method, request, this.#config, timeoutMs, isChange);
        if (answer.errorCode === 'SESSION_NOT_FOUND') throw SessionNotFoundError.of(this.#config.sessionId);
        return answer;
      } catch (error) {
        if (error instanceof SessionNotFoundError && !hasRejoined) {
          // The server was restarted, or the session expired: it refused, so nothing was done and asking again is safe.
          hasRejoined = true;
          await this.#initialiseSession();
          continue;
        }
        if (!(error instanceof UnavailableError) || deadlineMs - systemClock.nowMs() < RETRY_PAUSE_MS) {
          throw this.#asClosed(error, isChange);
        }
        // Never sent, or a read: tried again until the time is up, on the connection that the unit makes meanwhile.
        await this.#pause(RETRY_PAUSE_MS);
        if (this.#unit.state.name === 'connected' && !this.#pool.control.isReady && this.#pool.streams === 0)
          this.#handleConnectionLost();
      }
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#deadlines.cancel(this.#attempt);
    this.#deadlines.cancel(this.#cancelTurn);
    this.#waiting.clear();
    const streams = [...this.#streams.values(), ...this.#muted];
    this.#streams.clear();
    this.#muted.clear();
    for (const stream of streams) {
      this.#deadlines.cancel(stream);
      stream.isMuted = true;
      // The connection goes with them, so no budget matters any more.
      if (!stream.isEnded) cancel(stream);
    }
    this.#pool.close();
  }

  /** One attempt at the present endpoint. */
  async #connect(): Promise<void> {
    const { connectTimeoutMs } = this.#config.limits;
    this.#unit.handleAttempt();
    const pool = this.#pool;
    await pool.control.connect(pool.endpoint, connectTimeoutMs);
    const facts = await this.#initialiseSession();
    if (facts.allowsPings && !this.#facts.allowsPings) {
      // Pings can be set only when a channel is made.
      this.#facts = facts;
      this.#replacePool(true);
      await this.#pool.control.connect(pool.endpoint, connectTimeoutMs);
    }
    this.#facts = facts;
    this.#checkOpen();
    this.#unit.handleConnected(systemClock.nowMs());
  }

  async #initialiseSession(): Promise<ServerFacts> {
    const pool = this.#pool;
    try {
      const { response, errorCode, epoch, allowsPings } = await unaryCall(
        pool.control,
        'InitializeSession',
        { sessionId: this.#config.sessionId },
        this.#config,
        this.#config.limits.connectTimeoutMs,
        false,
      );
      // Servers that do not join an existing session say so in a sentence; for us it is joined.
      if (response.success !== true && !/already exists/i.test(response.errorMessage ?? '')) {
        const message = response.errorMessage || `session "${this.#config.sessionId}" was refused`;
        throw errorFromWire({ code: errorCode ?? codeOfSentence(message), message });
      }
      return { epoch, allowsPings };
    } catch (error) {
      if (error instanceof UnsupportedError || error instanceof ProtocolError) {
        throw new ProtocolError(
          `${pool.endpoint} answers, but it is no bridge server (${error.message}): check the endpoint`,
          { cause: error },
        );
      }
      if (error instanceof UnknownOutcomeError || error instanceof DeadlineExceededError) {
        throw new UnavailableError(
          `${pool.endpoint} did not answer InitializeSession in time: check that it is a bridge server`,
          {
            cause: error,
          },
        );
      }
      throw error;
    }
  }

  async #reconnect(): Promise<void> {
    try {
      this.#replacePool(this.#facts.allowsPings);
      for (const watch of this.#waiting) watch.consumer.handleOpening(systemClock.nowMs());
      await this.#connect();
    } catch (error) {
      if (this.#isClosed) return;
      const cause = error instanceof BridgeError ? error : new UnavailableError(String(error), { cause: error });
      this.#logger.debug({ endpoint: this.#pool.endpoint, code: cause.code }, 'connection attempt failed');
      this.#rotation.advance();
      const atMs = this.#unit.handleAttemptFailed(systemClock.nowMs(), systemRandom);
      if (this.#unit.isExhausted) {
        this.#failWaiting(cause);
        return;
      }
      for (const watch of this.#waiting) this.#tellWaiting(watch, cause);
      this.#deadlines.schedule(this.#attempt, atMs);
      return;
    }
    this.#openWaiting();
  }

  #openWaiting(): void {
    const returning = [...this.#waiting];
    this.#waiting.clear();
    for (const watch of returning) if (!isOver(watch.consumer.state)) this.#openStream(watch);
  }

  #failWaiting(cause: BridgeError): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const watch of waiting) watch.handleRefused(cause);
  }

  /** Fresh channels: grpc-js can stay CONNECTING for ever on a peer that accepts and says nothing. Streams that live on keep theirs. */
  #replacePool(allowsPings: boolean): void {
    if (this.#pool.hasStreams && this.#pool.endpoint === this.#rotation.current && this.#pool.control.isReady) return;
    const old = this.#pool;
    this.#pool = new ChannelPool(this.#rotation.current, this.#config, allowsPings);
    old.close();
  }

  #openStream(watch: TransportWatch): void {
    const { consumer } = watch;
    const request = consumer.request(this.#facts.epoch);
    consumer.handleOpening(systemClock.nowMs());
    const pool = this.#pool;
    const channel = pool.lease();
    const token = randomId('w');
    const options: Record<string, string> = { watch_token: token, old_value: 'none' };
    if (request.wantsMark) options.synced = '1';
    if (request.keepsBatches) options.atomic = '1';
    if (request.waitForMissing) options.missing = 'wait';
    const stream: OpenStream = {
      watch,
      channel,
      token,
      call: undefined,
      isRegistered: false,
      isMuted: false,
      isEnded: false,
      dueAtMs: 0,
      wheelSlot: -1,
      handleDeadline: () => this.#handleStreamDeadline(stream),
      handleHeaders: (headers) => this.#handleHeaders(stream, headerOf(headers, EPOCH_HEADER) ?? ''),
      handleMessage: (bytes) => {
        if (!stream.isMuted) consumer.handleMessage(bytes, systemClock.nowMs());
      },
      handleStatus: (status) => {
        pool.release(channel);
        this.#handleEnd(stream, status);
      },
    };
    this.#streams.set(watch, stream);
    this.#deadlines.schedule(stream, systemClock.nowMs() + this.#config.limits.openTimeoutMs);
    stream.call = openStream(
      channel,
      {
        sessionId: this.#config.sessionId,
        variableIdentifiers: [...request.identifiers],
        includeInitialValues: true,
        options,
        ...(request.resume === undefined ? {} : { resume: request.resume, resumeEpoch: request.resumeEpoch }),
        ...(watch.heartbeatMs === 0 ? {} : { heartbeatMs: watch.heartbeatMs }),
      },
      this.#config,
      stream,
    );
  }

  #handleHeaders(stream: OpenStream, epoch: string): void {
    if (stream.isEnded) return;
    stream.isRegistered = true;
    if (stream.isMuted) {
      // Stopped before it was registered: now it can be ended by message.
      if (this.#unwatchesByMessage) this.#unwatchByMessage(stream);
      return;
    }
    this.#deadlines.cancel(stream);
    stream.watch.consumer.handleRegistered(epoch, systemClock.nowMs());
    stream.watch.handleRegistered();
  }

  #handleEnd(stream: OpenStream, status: StatusObject): void {
    stream.isEnded = true;
    this.#deadlines.cancel(stream);
    this.#muted.delete(stream);
    const { watch } = stream;
    if (stream.isMuted || this.#isClosed || this.#streams.get(watch) !== stream) return;
    this.#streams.delete(watch);
    const { consumer } = watch;
    if (isOver(consumer.state)) return;
    const error = callError(Object.assign(new Error(status.details), status) as ServiceError, 'WatchVariables', false);
    const isMissing = status.code === STATUS.NOT_FOUND;
    if (isMissing && consumer.hasBeenLive) {
      // It was there: the server lost its state, or somebody deleted it meanwhile. Either way it may return.
      consumer.waitForMissing();
      this.#wait(watch, error);
    } else if (isRetryableStatus(status.code)) {
      this.#wait(watch, error);
    } else {
      watch.handleRefused(error);
    }
  }

  /** Registered too late, or, when muted, ended too late. */
  #handleStreamDeadline(stream: OpenStream): void {
    if (stream.isMuted) {
      this.#cancelMuted(systemClock.nowMs());
      return;
    }
    if (!stream.channel.isReady) {
      this.#deadlines.schedule(stream, systemClock.nowMs() + this.#config.limits.openTimeoutMs);
      return;
    }
    this.closeWatch(stream.watch);
    stream.watch.handleRefused(
      new DeadlineExceededError(
        `the server did not register the watch of ${stream.watch.consumer.identifiers.slice(0, 3).join(', ')} within ${this.#config.limits.openTimeoutMs} ms: ` +
          'it may allow fewer streams a connection than limits.streamsPerChannel',
      ),
    );
  }

  #wait(watch: TransportWatch, cause: BridgeError): void {
    this.#waiting.add(watch);
    const nowMs = systemClock.nowMs();
    const wasWaiting = this.#unit.state.name !== 'connected';
    const atMs = this.#unit.handleStreamLost(nowMs, systemRandom);
    this.#tellWaiting(watch, cause);
    if (!wasWaiting) this.#deadlines.schedule(this.#attempt, atMs);
  }

  #tellWaiting(watch: TransportWatch, cause: BridgeError): void {
    const { state } = this.#unit;
    const isOpen = state.name === 'waiting' && state.isCircuitOpen;
    const isDraining = /drain/i.test(cause.message) && cause instanceof UnavailableError;
    watch.consumer.handleWaiting({ name: isOpen ? 'open-circuit' : isDraining ? 'draining' : 'backoff', cause });
  }

  #handleConnectionLost(): void {
    const wasWaiting = this.#unit.state.name !== 'connected';
    const atMs = this.#unit.handleStreamLost(systemClock.nowMs(), systemRandom);
    if (!wasWaiting) this.#deadlines.schedule(this.#attempt, atMs);
  }

  #unwatchByMessage(stream: OpenStream): void {
    this.#deadlines.schedule(stream, systemClock.nowMs() + UNWATCH_GRACE_MS);
    const request = { sessionId: this.#config.sessionId, watchToken: stream.token };
    unaryCall(this.#pool.control, 'UnwatchVariables', request, this.#config, UNWATCH_GRACE_MS, false).catch(
      (error: unknown) => {
        if (error instanceof UnsupportedError) this.#unwatchesByMessage = false;
        this.#cancelMuted(systemClock.nowMs());
      },
    );
  }

  /** Cancels as many as each connection's budget allows; the others stay muted until their turn. */
  #cancelMuted(nowMs: number): void {
    let isAnyLeft = false;
    for (const stream of this.#muted) {
      const isGivenTime = this.#unwatchesByMessage && stream.isRegistered && nowMs < stream.dueAtMs;
      if (isGivenTime) continue;
      if (stream.channel.takeCancel(nowMs)) cancel(stream);
      else isAnyLeft = true;
    }
    if (isAnyLeft) this.#deadlines.schedule(this.#cancelTurn, nowMs + 250);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#deadlines.schedule(
        deadlineOf(() => resolve()),
        systemClock.nowMs() + ms,
      );
    });
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new ClosedError('the state was closed: open another');
  }

  #asClosed(error: unknown, isChange: boolean): unknown {
    if (!this.#isClosed || isChange) return error;
    return new ClosedError('the state was closed before the answer came', { cause: error });
  }
}

const RETRY_PAUSE_MS = 50;

function cancel({ call }: OpenStream): void {
  call?.cancelWithStatus(STATUS.CANCELLED, 'the watch was stopped');
}
