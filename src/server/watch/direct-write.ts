/**
 * Writes a stream's messages past the object stream that grpc-js puts before it: that one lets the next message through only when the last
 * was taken, and doubles the cost of bursts. Headers and status go the usual way; HTTP/2 keeps the order.
 */
import type { Metadata, ServerInterceptingCallInterface, ServerInterceptor } from '@grpc/grpc-js';
import { ServerInterceptingCall } from '@grpc/grpc-js';
import { assert } from '../../shared/assert.js';

/** From a call's arrival until its handler takes it. A call's metadata is what an interceptor and a handler both see of it. */
const arriving = new WeakMap<Metadata, ServerInterceptingCallInterface>();

/** Interceptors that are given to the server after this one do not see these messages. */
export const directWriteInterceptor: ServerInterceptor = ({ requestStream, responseStream }, call) => {
  // As it is: a layer around a unary call costs 5 us. The type asks for one, grpc-js for what the call is already.
  if (requestStream || !responseStream) return call as ServerInterceptingCall;
  return new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata: (metadata, forward) => {
          arriving.set(metadata, call);
          forward(metadata);
        },
      }),
  });
};

/** Once a call, by its handler: messages are sent here, everything else by the handler's own call. */
export function takeDirectCall(metadata: Metadata): ServerInterceptingCallInterface {
  const call = arriving.get(metadata);
  assert(call !== undefined, 'a stream has passed the interceptor before its handler');
  arriving.delete(metadata);
  return call;
}
