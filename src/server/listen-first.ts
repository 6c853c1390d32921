/**
 * Hears what comes to a call before its handler does. Path: HTTP/2 -> [listen first] -> handler.
 * In place of grpc-js's own layer around a call, which costs 5 us a call and 1 KB a stream, and does the same.
 */
import type { ServerInterceptingCall, ServerInterceptingCallInterface } from '@grpc/grpc-js';

/** What a call tells; grpc-js does not export the type. */
export type CallListener = Parameters<ServerInterceptingCallInterface['start']>[0];

/** The same call, for an interceptor to return: its type asks for a layer, grpc-js for anything that is a call. */
export function listenFirst(
  call: ServerInterceptingCallInterface,
  before: (listener: CallListener) => CallListener,
): ServerInterceptingCall {
  const start = call.start.bind(call);
  call.start = (listener) => start(before(listener));
  return call as ServerInterceptingCall;
}
