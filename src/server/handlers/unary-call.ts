/** One unary call: who may, decode, handle, encode. Its handler sees messages and throws our errors; bytes and statuses are here. */
import type { handleUnaryCall, Metadata, ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js';
import { InvalidArgumentError } from '../../shared/errors.js';
import type { Method } from '../../shared/wire/services.js';
import type { ServerContext } from '../server-context.js';
import type { Kept } from '../session.js';
import { drainingError, errorTrailer, failureOf, isCausedByArguments, wellFormed } from './call-failure.js';

/** What a handler may ask and say beside its messages. */
export interface UnaryCall {
  readonly nowMs: number;
  /** Names the caller's connection: address and port. */
  readonly connection: string;
  /** Said in the `bridge-error` trailer of an answer that is no failure of the whole call. */
  errorCode: string | undefined;
  /** Sends response headers now, before the answer. */
  sendHeader(header: Metadata): void;
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

export function unaryCall<Request, Response>(
  server: ServerContext,
  method: Method<Request, Response>,
  handle: (request: Request, call: UnaryCall) => Kept<Response | Encoded>,
  refuse?: Refuse<Response>,
): handleUnaryCall<Buffer, Uint8Array> {
  const bytesOf = (answer: Response | Encoded): Uint8Array =>
    answer instanceof Encoded ? answer.bytes : method.encodeResponse(answer);
  return (grpcCall, callback) => {
    const call = new Caller(server.clock.nowMs(), grpcCall);
    const fail = (error: unknown): void => {
      if (refuse !== undefined && !(error instanceof UnreadableError) && isCausedByArguments(error)) {
        callback(null, method.encodeResponse(refuse(wellFormed(error.message))), errorTrailer(error.code));
      } else {
        callback(failureOf(server, error, method.name));
      }
    };
    try {
      admit(server, grpcCall.metadata);
      const response = handle(decode(method, grpcCall.request), call);
      if (response instanceof Promise) {
        response.then((kept) => answer(callback, bytesOf(kept), call)).catch(fail);
      } else {
        answer(callback, bytesOf(response), call);
      }
    } catch (error) {
      fail(error);
    }
  };
}

/** @throws UnavailableError, UnauthenticatedError */
export function admit(server: ServerContext, metadata: Metadata): void {
  if (server.isDraining) throw drainingError();
  if (server.access.isOpen) return;
  const [authorization] = metadata.get('authorization');
  server.access.check(authorization === undefined ? undefined : String(authorization));
}

/** @throws InvalidArgumentError */
export function decode<Request>(method: Method<Request, unknown>, bytes: Uint8Array): Request {
  try {
    return method.decodeRequest(bytes);
  } catch (cause) {
    throw new UnreadableError(`the request of ${method.name} cannot be read: send what proto/bridge.proto says`, {
      cause,
    });
  }
}

/** A request that is no message at all: a status everywhere, because nothing of it was understood. */
class UnreadableError extends InvalidArgumentError {}

class Caller implements UnaryCall {
  readonly nowMs: number;
  readonly #call: ServerUnaryCall<Buffer, Uint8Array>;
  errorCode: string | undefined = undefined;

  constructor(nowMs: number, call: ServerUnaryCall<Buffer, Uint8Array>) {
    this.nowMs = nowMs;
    this.#call = call;
  }

  get connection(): string {
    return this.#call.getPeer();
  }

  sendHeader(header: Metadata): void {
    this.#call.sendMetadata(header);
  }
}

function answer(callback: sendUnaryData<Uint8Array>, bytes: Uint8Array, call: UnaryCall): void {
  if (call.errorCode === undefined) callback(null, bytes);
  else callback(null, bytes, errorTrailer(call.errorCode));
}
