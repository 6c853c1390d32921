/** Calls about sessions and the connection itself: messages <-> session store. */
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { copyMetadata, putOwn } from '../../shared/values/metadata.js';
import { valueBytes } from '../../shared/values/value-codec.js';
import { timestampToWire, variableToWire } from '../../shared/wire/messages.js';
import type { ResponseOf } from '../../shared/wire/services.js';
import { METHODS } from '../../shared/wire/services.js';
import type { ServerContext } from '../server-context.js';
import type { Session } from '../session.js';
import { serverHeader } from './server-header.js';
import { unaryCall } from './unary-call.js';

export function sessionHandlers(server: ServerContext): UntypedServiceImplementation {
  const { store, watchStreams } = server;
  const header = serverHeader(server.options.epoch);
  return {
    Ping: unaryCall(server, METHODS.Ping, (request, { nowMs }) => ({
      message: `pong: ${request.message ?? ''}`,
      serverTime: timestampToWire(nowMs),
    })),

    InitializeSession: unaryCall(
      server,
      METHODS.InitializeSession,
      (request, call) => {
        const { nowMs } = call;
        call.sendHeader(header);
        const sessionId = request.sessionId ?? '';
        const metadata = copyMetadata(request.metadata ?? undefined, `session "${sessionId}"`);
        const session = store.initialise(sessionId, metadata, nowMs);
        const initialVariables = firstVariables(session, server.options.maxMessageBytes / 4);
        return { success: true, initialVariables };
      },
      (errorMessage) => ({ success: false, errorMessage }),
    ),

    CleanupSession: unaryCall(
      server,
      METHODS.CleanupSession,
      async (request, { nowMs, connection }) => {
        const session = store.require(request.sessionId ?? '', nowMs);
        const { isEnded, resources } = store.cleanup(session.id, request.force ?? false, connection, nowMs);
        if (!isEnded) return { success: false, resourcesCleaned: 0 };
        const resourcesCleaned = await resources;
        // Those that wait for variables that can no longer come; the others have ended with their last variable.
        watchStreams.endSession(session);
        return { success: true, resourcesCleaned };
      },
      () => ({ success: false, resourcesCleaned: 0 }),
    ),

    GetSession: unaryCall(server, METHODS.GetSession, (request, { nowMs }) => {
      const session = store.require(request.sessionId ?? '', nowMs);
      return {
        sessionId: session.id,
        metadata: session.metadata,
        createdAt: timestampToWire(session.createdAtMs),
        variableCount: session.size,
        toolCount: 0,
      };
    }),

    Heartbeat: unaryCall(server, METHODS.Heartbeat, (request, { nowMs }) => {
      const session = store.find(request.sessionId ?? '');
      if (session !== undefined) session.usedAtMs = nowMs;
      return { serverTime: timestampToWire(nowMs), sessionValid: session !== undefined };
    }),

    GetExposedElixirTools: unaryCall(server, METHODS.GetExposedElixirTools, () => ({ tools: [] })),
  };
}

type InitialVariables = NonNullable<ResponseOf<'InitializeSession'>['initialVariables']>;

/** As many as an answer may hold whatever the session holds: a client reads what it wants by GetVariables. */
function firstVariables(session: Session, maxBytes: number): InitialVariables {
  const variables: InitialVariables = {};
  let bytes = 0;
  for (const variable of session.variables()) {
    bytes += BYTES_AROUND_A_VALUE + valueBytes(variable.current.value);
    if (bytes > maxBytes) break;
    putOwn(variables, variable.name, variableToWire(variable));
  }
  return variables;
}

/** By estimate: name, id, constraints, metadata. */
const BYTES_AROUND_A_VALUE = 400;
