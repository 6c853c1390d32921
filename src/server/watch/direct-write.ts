/**
 * Writes a stream's messages past the object stream that grpc-js puts before it: that one lets the next message through only when the last
 * was taken, and doubles the cost of bursts. Headers and status go the usual way; HTTP/2 keeps the order.
 */
import type { Metadata, ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { assert } from '../../shared/assert.js';

/** From a stream's arrival until its handler takes it. A call's metadata is what an interceptor and a handler both see of it. */
const arriving = new WeakMap<Metadata, ServerInterceptingCallInterface>();

/** By whoever hears the headers first. */
export function offerDirectCall(metadata: Metadata, call: ServerInterceptingCallInterface): void {
  arriving.set(metadata, call);
}

/** Once a stream, by its handler: messages are sent here, everything else by the handler's own call. */
export function takeDirectCall(metadata: Metadata): ServerInterceptingCallInterface {
  const call = arriving.get(metadata);
  assert(call !== undefined, 'a stream has passed admission before its handler');
  arriving.delete(metadata);
  return call;
}
