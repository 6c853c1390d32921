/** Calls about sessions and the connection itself: messages <-> session store. */
import type { Metadata, UntypedServiceImplementation } from '@grpc/grpc-js';
import { copyMetadata, putOwn } from '../../shared/values/metadata.js';
import { valueBytes } from '../../shared/values/value-codec.js';
import { endpointListText } from '../../shared/wire/endpoint-list.js';
import { snakepit } from '../../shared/wire/gen/bridge.js';
import { timestampToWire, variableToWire } from '../../shared/wire/messages.js';
import type { ResponseOf } from '../../shared/wire/services.js';
import { METHODS } from '../../shared/wire/services.js';
import { SERVERS_HEADER } from '../../shared/wire/status.js';
import type { ServerContext } from '../server-context.js';
import type { Session } from '../session.js';
import { serverHeader } from './server-header.js';
import { unaryCall } from './unary-call.js';

export function sessionHandlers(server: ServerContext): UntypedServiceImplementation {
  const { store, clock } = server;
  const header = serverHeader(server.options);
  const headerOf = (sessionId: string): Metadata => {
    const servers = server.options.engine.serversOf?.(sessionId) ?? [];
    if (servers.length === 0) return header;
    const said = header.clone();
    said.set(SERVERS_HEADER, endpointListText(servers));
    return said;
  };
  return {
    Ping: unaryCall(server, METHODS.Ping, (request, { nowMs }) => ({
      message: `pong: ${request.message ?? ''}`,
      serverTime: timestampToWire(clock.wallAtMs(nowMs)),
    })),

    InitializeSession: unaryCall(
      server,
      METHODS.InitializeSession,
      async (request, call) => {
        const { nowMs } = call;
        const sessionId = request.sessionId ?? '';
        call.sendHeader(headerOf(sessionId));
        if (store.isEnding(sessionId)) await store.whenEnded(sessionId);
        const metadata = copyMetadata(request.metadata ?? undefined, `session "${sessionId}"`);
        const session = await store.initialise(sessionId, metadata, nowMs);
        if (request.withoutVariables === true) return { success: true };
        const maxBytes = Math.min(MAX_INITIAL_BYTES, server.options.maxMessageBytes / 4);
        return { success: true, initialVariables: firstVariables(session, maxBytes) };
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
        return { success: true, resourcesCleaned: await resources };
      },
      () => ({ success: false, resourcesCleaned: 0 }),
    ),

    GetSession: unaryCall(server, METHODS.GetSession, (request, { nowMs }) => {
      const session = store.require(request.sessionId ?? '', nowMs);
      return {
        sessionId: session.id,
        metadata: session.metadata,
        createdAt: timestampToWire(clock.wallAtMs(session.createdAtMs)),
        variableCount: session.size,
        toolCount: 0,
      };
    }),

    Heartbeat: unaryCall(server, METHODS.Heartbeat, (request, { nowMs }) => {
      const session = store.find(request.sessionId ?? '');
      if (session !== undefined) store.use(session, nowMs);
      return { serverTime: timestampToWire(clock.wallAtMs(nowMs)), sessionValid: session !== undefined };
    }),

    GetExposedElixirTools: unaryCall(server, METHODS.GetExposedElixirTools, () => ({ tools: [] })),
  };
}

type InitialVariables = NonNullable<ResponseOf<'InitializeSession'>['initialVariables']>;

/** As many as any client takes, whatever the session holds: it reads what it wants by GetVariables. */
function firstVariables(session: Session, maxBytes: number): InitialVariables {
  const variables: InitialVariables = {};
  let bytes = 0;
  for (const variable of session.variables()) {
    // A large value is not encoded in vain.
    if (bytes + valueBytes(variable.current.value) > maxBytes) break;
    const wire = variableToWire(variable);
    bytes += MAX_BYTES_A_UNIT * variable.name.length + BYTES_AROUND_AN_ENTRY;
    bytes += snakepit.bridge.Variable.encode(wire).finish().length;
    if (bytes > maxBytes) break;
    putOwn(variables, variable.name, wire);
  }
  return variables;
}

/** A client may take less than the server does: this much everybody takes. */
const MAX_INITIAL_BYTES = 64 * 1024;
/** UTF-8 of a UTF-16 unit. */
const MAX_BYTES_A_UNIT = 3;
const BYTES_AROUND_AN_ENTRY = 12;
