/** StreamLink.Open. Path: HTTP/2 -> [link handler] -> link call. */
import type { handleBidiStreamingCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { ServerContext } from '../server-context.js';
import { LinkCall } from '../watch/link-call.js';
import { drainingError, failureOf } from './call-failure.js';
import { serverHeader } from './server-header.js';

export function linkHandlers(server: ServerContext): UntypedServiceImplementation {
  const header = serverHeader(server.options);

  const open: handleBidiStreamingCall<Buffer, Uint8Array> = (call) => {
    // A client that was gone before its call was handled: nothing would ever say that it ended.
    if (call.getPeer() === 'unknown') return;
    // It may have begun since the headers came.
    if (server.stage === 'draining') call.emit('error', failureOf(server, drainingError(), 'Open'));
    else new LinkCall(server, call, header);
  };

  return { Open: open };
}
