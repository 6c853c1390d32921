/**
 * One watch: the observers of its variables, its outbox, its call. Path: observer manager -> outbox -> [watch stream] -> HTTP/2.
 * Slow: the outbox conflates, and a stream that takes nothing for slowStreamMs is cut. Closed by whichever comes first: its client, its token,
 * its last variable, a failure, draining. Then every observer is unregistered, exactly once.
 */
import type { Metadata, ServerInterceptingCallInterface, ServerWritableStream } from '@grpc/grpc-js';
import { BridgeError, InternalError, SlowStreamError } from '../../shared/errors.js';
import type { Variable, VersionedValue } from '../../shared/state/variable.js';
import type { Deadline } from '../../shared/timer-wheel.js';
import { compileWildcard } from '../../shared/values/identifier.js';
import { failureOf } from '../handlers/call-failure.js';
import type { NewcomerObserver, Observer, PatternObserver, PublishedChange } from '../observer-manager.js';
import type { ServerContext } from '../server-context.js';
import type { Session } from '../session.js';
import { takeDirectCall } from './direct-write.js';
import type { Opening, StreamSink } from './outbox.js';
import { SentState, StreamOutbox } from './outbox.js';
import type { WatchRequest } from './watch-request.js';

export type WatchCall = ServerWritableStream<Buffer, Uint8Array>;

/** `finishing`: what waits still goes out, then the stream ends with OK. */
type WatchStreamState = 'live' | 'finishing' | 'ended';

export class WatchStream implements Deadline, StreamSink, NewcomerObserver {
  dueAtMs = 0;
  wheelSlot = -1;
  readonly session: Session;
  /** '' when it has none. */
  readonly token: string;
  readonly #server: ServerContext;
  readonly #call: WatchCall;
  readonly #directCall: ServerInterceptingCallInterface;
  readonly #connection: string;
  readonly #heartbeatMs: number;
  readonly #outbox: StreamOutbox;
  readonly #observed = new Map<Variable, WatchedVariable>();
  readonly #keepsBatches: boolean;
  #names: Set<string> | undefined;
  #patterns: WatchedPattern[] = [];
  #state: WatchStreamState = 'live';

  /** Owner: itself, from `open` to its end. */
  constructor(server: ServerContext, session: Session, call: WatchCall, request: WatchRequest) {
    const { epoch, heartbeatMs, outboxLimit, slowStreamMs } = server.options;
    this.session = session;
    this.token = request.token;
    this.#server = server;
    this.#call = call;
    this.#directCall = takeDirectCall(call.metadata);
    this.#connection = call.getPeer();
    this.#heartbeatMs = request.heartbeatMs ?? heartbeatMs;
    const { includesOldValues } = request;
    this.#keepsBatches = request.keepsBatches;
    this.#outbox = new StreamOutbox(
      { epoch, limit: outboxLimit, slowStreamMs, includesOldValues },
      this,
      server.counters,
    );
  }

  /** Registers for all of it, before anything is read. */
  register(
    variables: ReadonlyMap<Variable, readonly string[] | undefined>,
    names: readonly string[],
    patterns: readonly string[],
  ): void {
    const { observers, watchStreams } = this.#server;
    watchStreams.add(this);
    this.session.addWatch(this.#connection);
    for (const [variable, identifiers] of variables) this.#observePresent(variable, identifiers);
    if (names.length > 0) this.#names = new Set(names);
    for (const name of names) observers.registerName(this.session.id, name, this);
    for (const pattern of new Set(patterns)) {
      const watched = new WatchedPattern(this, pattern);
      this.#patterns.push(watched);
      observers.registerPattern(this.session.id, watched);
      for (const variable of this.session.variables()) {
        if (watched.matches(variable.name)) this.#observePresent(variable, undefined);
      }
    }
  }

  /** What was sent of each variable. */
  states(): Iterable<SentState> {
    return this.#observed.values();
  }

  /** Says that it is registered, then what comes before the first change. */
  open(header: Metadata, opening: readonly Opening[]): void {
    const nowMs = this.#server.clock.nowMs();
    // Fires at every end, ours too; a client that is gone is found by it.
    this.#server.watchStreams.handleCallBegun();
    this.#call.on('cancelled', () => {
      this.#end();
      this.#server.watchStreams.handleCallEnded();
    });
    this.#call.sendMetadata(header);
    this.#outbox.open(opening, nowMs);
    this.#server.deadlines.schedule(this, nowMs + this.#heartbeatMs);
    this.#finishIfNothingIsLeft();
  }

  /** Ends with OK once what waits is sent. */
  finish(): void {
    if (this.#state !== 'live') return;
    this.#state = 'finishing';
    this.#unregister();
    this.#endIfAllIsSent();
    this.#expectProgress();
  }

  /** Ends with the error's status, at once: what waits is dropped. */
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

  handleChange(observer: WatchedVariable, published: PublishedChange): void {
    if (this.#state !== 'live') return;
    const isFollowed = this.#keepsBatches && this.#observed.size > 1 && published.isFollowedBy(this.#observed);
    this.#outbox.push(observer, published, isFollowed);
    if (this.#outbox.isWaiting) this.#expectProgress();
    if (published.change.reason === undefined) return;
    this.#observed.delete(observer.variable);
    this.#finishIfNothingIsLeft();
  }

  /** One of its names or patterns has a variable: the registration itself is the first change. */
  handleNewcomer(variable: Variable): void {
    this.#names?.delete(variable.name);
    if (this.#state !== 'live' || this.#observed.has(variable)) return;
    this.#observe(new WatchedVariable(this, variable, variable.current.version - 1, undefined, undefined));
  }

  handleDeadline(nowMs: number): void {
    if (this.#state === 'ended') return;
    if (this.#outbox.isStuck(nowMs)) {
      this.#server.counters.slowStreamsCut += 1;
      this.fail(
        new SlowStreamError(
          'the stream took no update for too long and was cut: read faster, watch less, or resume it',
        ),
      );
      return;
    }
    if (this.#state === 'live' && nowMs >= this.#outbox.lastWriteAtMs + this.#heartbeatMs) {
      this.#outbox.pushHeartbeat(nowMs, this.session.revision, this.#server.clock.wallAtMs(nowMs));
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

  #observePresent(variable: Variable, identifiers: readonly string[] | undefined): void {
    if (this.#observed.has(variable)) return;
    this.#observe(new WatchedVariable(this, variable, variable.current.version, variable.current, identifiers));
  }

  #observe(observer: WatchedVariable): void {
    const { variable } = observer;
    this.#observed.set(variable, observer);
    this.#server.observers.register(variable, observer);
  }

  #expectProgress(): void {
    if (this.#state !== 'ended' && this.dueAtMs > this.#outbox.stuckAtMs) {
      this.#server.deadlines.schedule(this, this.#outbox.stuckAtMs);
    }
  }

  #finishIfNothingIsLeft(): void {
    if (this.#observed.size === 0 && (this.#names?.size ?? 0) === 0 && this.#patterns.length === 0) this.finish();
  }

  #endIfAllIsSent(): void {
    if (this.#outbox.isWaiting) return;
    this.#end();
    this.#call.end();
  }

  #end(): void {
    if (this.#state === 'ended') return;
    if (this.#state === 'live') this.#unregister();
    this.#state = 'ended';
    this.#server.deadlines.cancel(this);
    this.#outbox.close();
    this.#server.watchStreams.remove(this);
    this.session.removeWatch(this.#connection, this.#server.clock.nowMs());
  }

  #unregister(): void {
    const { observers } = this.#server;
    for (const observer of this.#observed.values()) observers.unregister(observer.variable, observer);
    this.#observed.clear();
    for (const name of this.#names ?? []) observers.unregisterName(this.session.id, name, this);
    this.#names = undefined;
    for (const pattern of this.#patterns) observers.unregisterPattern(this.session.id, pattern);
    this.#patterns = [];
  }
}

/** One variable of one stream. */
class WatchedVariable extends SentState implements Observer {
  readonly #stream: WatchStream;

  constructor(
    stream: WatchStream,
    variable: Variable,
    version: number,
    value: VersionedValue | undefined,
    identifiers: readonly string[] | undefined,
  ) {
    super(variable, version, value, identifiers);
    this.#stream = stream;
  }

  handleChange(published: PublishedChange): void {
    this.#stream.handleChange(this, published);
  }

  handleFailure(error: unknown): void {
    this.#stream.handleFailure(error);
  }
}

class WatchedPattern implements PatternObserver {
  readonly matches: (name: string) => boolean;
  readonly #stream: WatchStream;

  constructor(stream: WatchStream, pattern: string) {
    this.#stream = stream;
    this.matches = compileWildcard(pattern);
  }

  handleNewcomer(variable: Variable): void {
    this.#stream.handleNewcomer(variable);
  }

  handleFailure(error: unknown): void {
    this.#stream.handleFailure(error);
  }
}
