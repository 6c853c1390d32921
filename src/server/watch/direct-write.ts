/**
 * Writes a stream's messages past the object stream that grpc-js puts before it: that one lets the next message through only when the last
 * was taken, and doubles the cost of bursts. Headers and status go the usual way; HTTP/2 keeps the order.
 */
import type {
  Metadata,
  ServerInterceptingCall,
  ServerInterceptingCallInterface,
  ServerInterceptor,
} from '@grpc/grpc-js';
import { assert } from '../../shared/assert.js';
import { listenFirst } from '../listen-first.js';

/** From a call's arrival until its handler takes it. A call's metadata is what an interceptor and a handler both see of it. */
const arriving = new WeakMap<Metadata, ServerInterceptingCallInterface>();

export const directWriteInterceptor: ServerInterceptor = ({ requestStream, responseStream }, call) => {
  if (requestStream || !responseStream) return call as ServerInterceptingCall;
  return listenFirst(call, (listener) => ({
    onReceiveMetadata: (metadata) => {
      arriving.set(metadata, call);
      listener.onReceiveMetadata(metadata);
    },
    onReceiveMessage: (message) => listener.onReceiveMessage(message),
    onReceiveHalfClose: () => listener.onReceiveHalfClose(),
    onCancel: () => listener.onCancel(),
  }));
};

/** Once a call, by its handler: messages are sent here, everything else by the handler's own call. */
export function takeDirectCall(metadata: Metadata): ServerInterceptingCallInterface {
  const call = arriving.get(metadata);
  assert(call !== undefined, 'a stream has passed the interceptor before its handler');
  arriving.delete(metadata);
  return call;
}
