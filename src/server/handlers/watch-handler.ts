/**
 * WatchVariables and UnwatchVariables. Path: HTTP/2 -> [watch handler] -> stream call -> carried watch.
 * Registered before anything is read, and answered with headers then. Slow, full and closed: see stream-call.
 */

import type { handleServerStreamingCall, Metadata, UntypedServiceImplementation } from '@grpc/grpc-js';
import { WatchNotFoundError } from '../../shared/errors.js';
import { METHODS } from '../../shared/wire/services.js';
import type { ServerContext } from '../server-context.js';
import type { WatchCall } from '../watch/stream-call.js';
import { StreamCall } from '../watch/stream-call.js';
import type { WatchRequest } from '../watch/watch-request.js';
import { parseWatchRequest, parseWatchRequestParts } from '../watch/watch-request.js';
import type { Work } from '../work-turns.js';
import { checkSession } from './admission.js';
import { drainingError, failureOf } from './call-failure.js';
import { decode, decodeInTurns, isLarge } from './request-reader.js';
import { serverHeader } from './server-header.js';
import { unaryCall } from './unary-call.js';

export function watchHandlers(server: ServerContext): UntypedServiceImplementation {
  const header = serverHeader(server.options);

  const watchVariables: handleServerStreamingCall<Buffer, Uint8Array> = (call) => {
    // A client that was gone before its request was handled: nothing would ever say that it ended.
    if (call.getPeer() === 'unknown') return;
    try {
      openWatch(server, call, header);
    } catch (error) {
      call.emit('error', failureOf(server, error, 'WatchVariables'));
    }
  };

  return {
    WatchVariables: watchVariables,

    UnwatchVariables: unaryCall(
      server,
      METHODS.UnwatchVariables,
      (request, { nowMs }) => {
        const session = server.store.require(request.sessionId ?? '', nowMs);
        const token = request.watchToken ?? '';
        const stream = server.watchStreams.find(session, token);
        if (stream === undefined) {
          throw new WatchNotFoundError(
            `session "${session.id}" has no watch with token "${token}": it has ended already`,
          );
        }
        stream.finish();
        return { success: true };
      },
      (errorMessage) => ({ success: false, errorMessage }),
    ),
  };
}

function openWatch(server: ServerContext, call: WatchCall, header: Metadata): void {
  const { request: bytes } = call;
  const work = server.turns.begin();
  if (!isLarge(bytes)) {
    const request = parseWatchRequest(decode(METHODS.WatchVariables, bytes));
    begin(server, call, request, header, work);
    return;
  }
  decodeInTurns(METHODS.WatchVariables, bytes, work)
    .then((parts) => parseWatchRequestParts(parts, work))
    .then((request) => {
      // It has gone in the middle: nothing would ever say that it ended.
      if (!call.cancelled) begin(server, call, request, header, work);
    })
    .catch((error: unknown) => call.emit('error', failureOf(server, error, 'WatchVariables')));
}

function begin(server: ServerContext, call: WatchCall, request: WatchRequest, header: Metadata, work: Work): void {
  // It may have begun since the headers came.
  if (server.stage === 'draining') throw drainingError();
  checkSession(server, call.metadata, request.sessionId);
  const session = server.store.require(request.sessionId, server.clock.nowMs());
  server.watchStreams.checkQuota();
  new StreamCall(server, session, call, request, header, work);
}
