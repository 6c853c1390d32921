/**
 * One unary call: who may, decode, handle, encode. Its handler sees messages and throws our errors; bytes and statuses are here.
 * Path: admission -> [unary call] -> a handler -> HTTP/2. A large request is read in turns, and what its connection sends behind it waits for it.
 */
import type { handleUnaryCall, Metadata, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import type { Method } from '../../shared/wire/services.js';
import type { Kept } from '../engine/engine.js';
import type { ServerContext } from '../server-context.js';
import { checkSession } from './admission.js';
import { drainingError, errorTrailer, failureOf, isCausedByArguments, wellFormed } from './call-failure.js';
import { decode, decodeInTurns, isLarge, mergeParts, UnreadableError } from './request-reader.js';

/** What a handler may ask and say beside its messages. */
export interface UnaryCall {
  readonly nowMs: number;
  /** Names the caller's connection: address and port. */
  readonly connection: string;
  /** Said in the `bridge-error` trailer of an answer that is no failure of the whole call. */
  errorCode: string | undefined;
  /** Sends response headers now, before the answer. */
  sendHeader(header: Metadata): void;
  /** Before a handler waits for a later turn: the connection's later calls wait until what is returned is called. */
  holdLine(): () => void;
}

/** An answer that its handler has encoded. */
export class Encoded {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** The answer's own way to say that the arguments were refused, for answers that have `success`. */
export type Refuse<Response> = (sentence: string) => Response;

/**
 * `handle` gets the request and the parts that it was read in: of a large one the request has no collections (see request-reader), the parts
 * have them. Of a small one it is the only part.
 */
export function unaryCall<Request extends object, Response>(
  server: ServerContext,
  method: Method<Request, Response>,
  handle: (request: Request, call: UnaryCall, parts: readonly Request[]) => Kept<Response | Encoded>,
  refuse?: Refuse<Response>,
): handleUnaryCall<Buffer, Uint8Array> {
  const { lines, turns } = server;
  const isRead = READS.has(method.name);
  const bytesOf = (answer: Response | Encoded): Uint8Array =>
    answer instanceof Encoded ? answer.bytes : method.encodeResponse(answer);
  return (grpcCall, callback) => {
    const call = new Caller(server, grpcCall);
    const fail = (error: unknown): void => {
      if (refuse !== undefined && !(error instanceof UnreadableError) && isCausedByArguments(error)) {
        callback(null, method.encodeResponse(refuse(wellFormed(error.message))), errorTrailer(error.code));
      } else {
        callback(failureOf(server, error, method.name));
      }
    };
    const respond = (response: Kept<Response | Encoded>): void => {
      if (response instanceof Promise) response.then((kept) => answer(callback, bytesOf(kept), call)).catch(fail);
      else answer(callback, bytesOf(response), call);
    };
    /** A promise: what the connection asked before is not kept yet, and it would be seen. */
    const awaited = (request: Request, parts: readonly Request[]): Promise<void> | undefined => {
      const session = server.store.find(sessionOf(request));
      // Another server may have made it just now.
      if (session === undefined) return server.store.seek(sessionOf(request), server.clock.nowMs());
      const names = namedIn(parts);
      return isRead || SEES_ALL.has(method.name) ? session.whenKept(names) : session.whenNamesKept(names);
    };
    const handleKept = async (request: Request, parts: readonly Request[], kept: Promise<void>): Promise<void> => {
      const release = lines.hold(call.connection, isRead);
      try {
        await kept;
        respond(handle(request, call, parts));
      } finally {
        release();
      }
    };
    const handleSmall = (): void => {
      const request = decode(method, grpcCall.request);
      checkSession(server, grpcCall.metadata, sessionOf(request));
      const kept = server.keepsLater ? awaited(request, [request]) : undefined;
      if (kept === undefined) respond(handle(request, call, [request]));
      else handleKept(request, [request], kept).catch(fail);
    };
    const handleInLine = async (): Promise<void> => {
      const { connection } = call;
      call.nowMs = server.clock.nowMs();
      if (!isLarge(grpcCall.request)) {
        handleSmall();
        return;
      }
      const release = lines.hold(connection, isRead);
      try {
        const work = turns.begin();
        const parts = await decodeInTurns(method, grpcCall.request, work);
        const request = await mergeParts(parts, work);
        checkSession(server, grpcCall.metadata, sessionOf(request));
        const kept = server.keepsLater ? awaited(request, parts) : undefined;
        if (kept !== undefined) await kept;
        respond(handle(request, call, parts));
      } finally {
        release();
      }
    };
    try {
      // It may have begun since the headers came.
      if (server.stage === 'draining') throw drainingError();
      if (lines.isEmpty && !isLarge(grpcCall.request)) handleSmall();
      else if (PASSES_LINES.has(method.name)) handleInLine().catch(fail);
      else lines.whenFree(call.connection, isRead, handleInLine).catch(fail);
    } catch (error) {
      fail(error);
    }
  };
}

/** What follows when `awaited` is known: a match that is made elsewhere, a value that is read in turns. The connection's later calls wait for it. */
export async function inLine<R, T>(awaited: Promise<R>, call: UnaryCall, follow: (result: R) => Kept<T>): Promise<T> {
  const release = call.holdLine();
  let following: Kept<T>;
  try {
    following = follow(await awaited);
  } finally {
    release();
  }
  return following;
}

/** The variables that a call names as those that shall be there. */
function* namedIn(parts: readonly object[]): Generator<string> {
  for (const part of parts) {
    const { variableIdentifier, variableIdentifiers, updates } = part as {
      readonly variableIdentifier?: string | null;
      readonly variableIdentifiers?: readonly string[] | null;
      readonly updates?: Readonly<Record<string, unknown>> | null;
    };
    if (variableIdentifier !== undefined && variableIdentifier !== null) yield variableIdentifier;
    yield* variableIdentifiers ?? [];
    yield* Object.keys(updates ?? {});
  }
}

/** '' where it names none. */
function sessionOf(request: object): string {
  return (request as { readonly sessionId?: string | null }).sessionId ?? '';
}

class Caller implements UnaryCall {
  readonly #server: ServerContext;
  readonly #call: ServerUnaryCall<Buffer, Uint8Array>;
  nowMs: number;
  errorCode: string | undefined = undefined;

  constructor(server: ServerContext, call: ServerUnaryCall<Buffer, Uint8Array>) {
    this.#server = server;
    this.#call = call;
    this.nowMs = server.clock.nowMs();
  }

  get connection(): string {
    return this.#call.getPeer();
  }

  sendHeader(header: Metadata): void {
    this.#call.sendMetadata(header);
  }

  holdLine(): () => void {
    return this.#server.lines.hold(this.connection);
  }
}

function answer(callback: sendUnaryData<Uint8Array>, bytes: Uint8Array, call: UnaryCall): void {
  if (call.errorCode === undefined) callback(null, bytes);
  else callback(null, bytes, errorTrailer(call.errorCode));
}

/** They change nothing, and see what was asked before, also what is on its way to be kept. */
const READS = new Set(['GetSession', 'GetVariable', 'GetVariables', 'ListVariables', 'GetVariableHistory']);
/** They see that too. */
const SEES_ALL = new Set(['InitializeSession', 'RollbackVariable']);

/** What says nothing of variables has no order among the calls of a connection. */
const PASSES_LINES = new Set(['Ping', 'Heartbeat', 'GetExposedElixirTools', 'UnwatchVariables']);
