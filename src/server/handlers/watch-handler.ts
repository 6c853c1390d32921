/**
 * WatchVariables and UnwatchVariables: messages <-> watch streams. Path: outbox -> [watch handler] opens the watch stream -> HTTP/2.
 * Registered before anything is read, and answered with headers at once. Slow, full and closed: see watch-stream.
 */

import type { handleServerStreamingCall, Metadata, UntypedServiceImplementation } from '@grpc/grpc-js';
import { VariablesNotFoundError, WatchNotFoundError } from '../../shared/errors.js';
import type { Variable } from '../../shared/state/variable.js';
import { checkName } from '../../shared/values/identifier.js';
import { METHODS } from '../../shared/wire/services.js';
import { encodeMark } from '../../shared/wire/update-message.js';
import type { ServerContext } from '../server-context.js';
import type { Session } from '../session.js';
import type { WatchCall } from '../watch/stream-call.js';
import { WatchStream } from '../watch/stream-call.js';
import type { Called, GoneVariables } from '../watch/watch-opening.js';
import { goneVariables, openingOf } from '../watch/watch-opening.js';
import type { WatchRequest } from '../watch/watch-request.js';
import { parseWatchRequest } from '../watch/watch-request.js';
import { checkSession } from './admission.js';
import { drainingError, failureOf } from './call-failure.js';
import { decode } from './request-reader.js';
import { serverHeader } from './server-header.js';
import { unaryCall } from './unary-call.js';

export function watchHandlers(server: ServerContext): UntypedServiceImplementation {
  const header = serverHeader(server.options);

  const watchVariables: handleServerStreamingCall<Buffer, Uint8Array> = (call) => {
    // A client that was gone before its request was handled: nothing would ever say that it ended.
    if (call.getPeer() === 'unknown') return;
    try {
      // It may have begun since the headers came.
      if (server.isDraining) throw drainingError();
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
  const { store, watchStreams, clock } = server;
  const { epoch } = server.options;
  const nowMs = clock.nowMs();
  const request = parseWatchRequest(decode(METHODS.WatchVariables, call.request));
  checkSession(server, call.metadata, request.sessionId);
  const session = store.require(request.sessionId, nowMs);
  const gone = goneVariables(request, session, epoch);
  const resolved = resolve(request, session, gone);
  watchStreams.checkQuota();
  const stream = new WatchStream(server, session, call, request);
  // Registered before the read: a set in between would be lost.
  stream.register(resolved.variables, resolved.waiting, request.patterns);
  const timestamp = clock.wallAtMs(nowMs);
  const opening = openingOf(request, stream.states(), gone, resolved.gone, session, epoch, timestamp);
  if (request.wantsSynced) {
    opening.push({ type: 'encoded', bytes: encodeMark('synced', timestamp, session.revision, epoch) });
  }
  stream.open(header, opening);
}

interface Resolved {
  /** With what the request calls each. */
  readonly variables: ReadonlyMap<Variable, Called>;
  /** What it calls those that are gone, by id. */
  readonly gone: ReadonlyMap<string, Called>;
  /** The names that it waits for. */
  readonly waiting: readonly string[];
}

/** What its identifiers mean. @throws VariablesNotFoundError naming all that are missing */
function resolve(request: WatchRequest, session: Session, gone: GoneVariables): Resolved {
  const variables = new Map<Variable, Called>();
  const goneCalled = new Map<string, Called>();
  const missing: string[] = [];
  const seen = request.resume?.seen;
  for (const identifier of request.identifiers) {
    let variable = session.find(identifier);
    // One that it saw before is the one it means, though another were named like its id since.
    if (seen !== undefined && (variable === undefined || !seen.has(variable.id))) {
      const goneId = gone.byIdentifier.get(identifier);
      if (goneId !== undefined) {
        // What a live watch would have ended by is not watched anew under its name.
        callAlso(goneCalled, goneId, session.findGone(goneId)?.variable.name, identifier);
        continue;
      }
      if (seen.has(identifier)) variable = session.findById(identifier) ?? variable;
    }
    if (variable === undefined) missing.push(identifier);
    else callAlso(variables, variable, variable.name, identifier);
  }
  if (missing.length === 0) return { variables, gone: goneCalled, waiting: [] };
  if (request.waitsForMissing) {
    for (const name of missing) checkName(name);
    return { variables, gone: goneCalled, waiting: missing };
  }
  // Names of variables whose deletion is known by id alone.
  if (missing.length > gone.ids.length) throw VariablesNotFoundError.of(missing);
  return { variables, gone: goneCalled, waiting: [] };
}

function callAlso<K>(called: Map<K, Called>, variable: K, name: string | undefined, identifier: string): void {
  const before = called.get(variable) ?? (called.has(variable) && name !== undefined ? [name] : undefined);
  called.set(variable, identifier === name && before === undefined ? undefined : [...(before ?? []), identifier]);
}
