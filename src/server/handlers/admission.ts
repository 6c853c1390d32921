/**
 * What is asked of a request before it is read: credentials on its headers, room for its bytes, and that it comes whole in time.
 * Path: HTTP/2 -> [admission] -> handlers. Who has no token is refused before a byte is kept. Full: the request that would be more is refused. Slow: ended after requestTimeoutMs.
 */
import type {
  Metadata,
  ServerInterceptingCall,
  ServerInterceptingCallInterface,
  ServerInterceptor,
} from '@grpc/grpc-js';
import { DeadlineExceededError, QuotaExceededError } from '../../shared/errors.js';
import type { Deadline } from '../../shared/timer-wheel.js';
import { LINK_PATH, METHODS, methodPath, SERVICE_NAMES } from '../../shared/wire/services.js';
import type { Grant } from '../access.js';
import type { ServerContext } from '../server-context.js';
import { offerDirectCall } from '../watch/direct-write.js';
import { drainingError, failureOf } from './call-failure.js';

/** Of calls with a token, from their headers to their handler. A call's metadata is what an interceptor and a handler both see of it. */
const grants = new WeakMap<Metadata, Grant>();

/** For every call of a server. */
export function admissionInterceptor(server: ServerContext): ServerInterceptor {
  // Its type asks for grpc-js's own layer around a call, which costs 5 us a call and 1 KB a stream; anything that is a call does.
  return (definition, call) => new ArrivingCall(server, definition, call) as unknown as ServerInterceptingCall;
}

/** Asked once a call's session is known, before anything is said of it. @throws PermissionDeniedError */
export function checkSession(server: ServerContext, metadata: Metadata, sessionId: string): void {
  if (!server.access.isOpen) grants.get(metadata)?.check(sessionId);
}

/** Health and reflection say nothing of sessions, and ask for nothing. */
const OURS = new Set([
  LINK_PATH,
  ...SERVICE_NAMES.flatMap((service) => Object.keys(METHODS).map((method) => methodPath(service, method))),
]);

type CallListener = Parameters<ServerInterceptingCallInterface['start']>[0];

/**
 * A call as its handler has it, and what the call below tells: both in one object without functions of its own. Functions put on the call
 * itself make node hold it, with all that it refers to, until a full collection: 1.2 times the server's CPU, and pauses of 20 ms.
 */
class ArrivingCall implements ServerInterceptingCallInterface, CallListener, Deadline {
  dueAtMs = 0;
  wheelSlot = -1;
  wheelPlace = 0;
  readonly #server: ServerContext;
  readonly #definition: Parameters<ServerInterceptor>[0];
  readonly #call: ServerInterceptingCallInterface;
  readonly #stream: RequestStream | undefined;
  /** Names the connection. */
  readonly #session: object;
  #listener!: CallListener;
  #bytes = 0;
  /** Refused, answered, or its client is gone. */
  #isOver = false;

  constructor(
    server: ServerContext,
    definition: Parameters<ServerInterceptor>[0],
    call: ServerInterceptingCallInterface,
  ) {
    this.#server = server;
    this.#definition = definition;
    this.#call = call;
    this.#stream = streamOf(call);
    this.#session = this.#stream?.session ?? this;
  }

  start(listener: CallListener): void {
    this.#listener = listener;
    this.#call.start(this);
  }

  onReceiveMetadata(metadata: Metadata): void {
    const { access, stage } = this.#server;
    const { path, responseStream } = this.#definition;
    try {
      if (OURS.has(path)) {
        if (stage === 'draining') throw drainingError();
        if (!access.isOpen) {
          const [authorization] = metadata.get('authorization');
          grants.set(metadata, access.check(authorization === undefined ? undefined : String(authorization)));
        }
      }
    } catch (error) {
      this.#refuse(error);
      return;
    }
    this.#stream?.on('data', (chunk) => this.#handleBytes(chunk.length));
    this.#expectWhole();
    if (responseStream && OURS.has(path)) offerDirectCall(metadata, this.#call);
    this.#listener.onReceiveMetadata(metadata);
  }

  onReceiveMessage(message: unknown): void {
    // Refused when its last bytes came: nothing of it may be done.
    if (this.#isOver) return;
    this.#server.deadlines.cancel(this);
    const { requestStream, responseStream } = this.#definition;
    // What a stream asked for is parsed at once, and a unary call holds its request until it is answered.
    if (requestStream || responseStream) this.#giveBack();
    this.#listener.onReceiveMessage(message);
  }

  onReceiveHalfClose(): void {
    if (!this.#isOver) this.#listener.onReceiveHalfClose();
  }

  onCancel(): void {
    this.#end();
    this.#listener.onCancel();
  }

  sendMetadata(metadata: Metadata): void {
    this.#call.sendMetadata(metadata);
  }

  sendMessage(message: unknown, callback: () => void): void {
    this.#call.sendMessage(message, callback);
  }

  sendStatus(status: Parameters<ServerInterceptingCallInterface['sendStatus']>[0]): void {
    this.#end();
    this.#call.sendStatus(status);
  }

  startRead(): void {
    this.#call.startRead();
  }

  getPeer(): string {
    return this.#call.getPeer();
  }

  getDeadline(): ReturnType<ServerInterceptingCallInterface['getDeadline']> {
    return this.#call.getDeadline();
  }

  getHost(): string {
    return this.#call.getHost();
  }

  getAuthContext(): ReturnType<ServerInterceptingCallInterface['getAuthContext']> {
    return this.#call.getAuthContext();
  }

  getConnectionInfo(): ReturnType<ServerInterceptingCallInterface['getConnectionInfo']> {
    return this.#call.getConnectionInfo();
  }

  getMetricsRecorder(): ReturnType<ServerInterceptingCallInterface['getMetricsRecorder']> {
    return this.#call.getMetricsRecorder();
  }

  handleDeadline(): void {
    const { requestTimeoutMs } = this.#server.options;
    this.#refuse(new DeadlineExceededError(`the request was not whole after ${requestTimeoutMs} ms: send it again`));
  }

  #expectWhole(): void {
    const { deadlines, clock, options } = this.#server;
    deadlines.schedule(this, clock.nowMs() + options.requestTimeoutMs);
  }

  #giveBack(): void {
    this.#server.requests.giveBack(this.#session, this.#bytes);
    this.#bytes = 0;
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#server.deadlines.cancel(this);
    this.#giveBack();
  }

  #handleBytes(bytes: number): void {
    if (this.#isOver) return;
    // A further message of a link has begun.
    if (this.#bytes === 0 && this.#definition.requestStream) this.#expectWhole();
    this.#bytes += bytes;
    const exceeded = this.#server.requests.add(this.#session, bytes);
    if (exceeded === undefined) return;
    this.#refuse(
      new QuotaExceededError(
        `requests that are under way hold all the ${this.#server.options[exceeded]} bytes they may: send fewer at once, or raise ${exceeded}`,
      ),
    );
  }

  #refuse(error: unknown): void {
    this.#end();
    const { path } = this.#definition;
    const { code, details, metadata } = failureOf(this.#server, error, path.slice(path.lastIndexOf('/') + 1));
    this.#call.sendStatus({ code, details, metadata });
    // The client may go on sending, or stop in the middle and hold what it has sent.
    if (this.#stream?.readableEnded === false) this.#stream.close();
  }
}

/** The HTTP/2 stream of a call, as far as it is needed here. */
interface RequestStream {
  readonly session: object | undefined;
  readonly readableEnded: boolean;
  on(event: 'data', handle: (chunk: Uint8Array) => void): void;
  close(): void;
}

/**
 * grpc-js has no way to count a request's bytes while it comes, or to let go of one that does not end: both are asked of the HTTP/2 stream
 * below. Undefined where a later grpc-js keeps it elsewhere: then whole requests are bounded by their size, and unfinished ones by nothing.
 */
function streamOf(call: ServerInterceptingCallInterface): RequestStream | undefined {
  let inner = call as { readonly nextCall?: object; readonly stream?: RequestStream } | undefined;
  while (inner !== undefined && inner.stream === undefined) inner = inner.nextCall as typeof inner;
  return inner?.stream;
}
