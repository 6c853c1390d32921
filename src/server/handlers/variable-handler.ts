/** Calls about variables: messages <-> session. Values are decoded by their variable's declared type. */
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { BridgeError, InvalidArgumentError, InvalidValueError } from '../../shared/errors.js';
import type { Variable } from '../../shared/state/variable.js';
import type { Assignment, BatchResult } from '../../shared/state/variable-table.js';
import { copyMetadata, putOwn } from '../../shared/values/metadata.js';
import { encodeValue } from '../../shared/values/value-codec.js';
import { parseVariableType } from '../../shared/values/variable-type.js';
import { setterFromWire, timestampToWire, valueFromWire, variableToWire } from '../../shared/wire/messages.js';
import type { RequestOf, ResponseOf } from '../../shared/wire/services.js';
import { METHODS } from '../../shared/wire/services.js';
import { ERA_SPAN, versionFromWire, wireVersion } from '../../shared/wire/wire-version.js';
import type { ServerContext } from '../server-context.js';
import type { Kept, Session } from '../session.js';
import { wellFormed } from './call-failure.js';
import type { UnaryCall } from './unary-call.js';
import { unaryCall } from './unary-call.js';

export function variableHandlers(server: ServerContext): UntypedServiceImplementation {
  const { store, counters } = server;
  return {
    RegisterVariable: unaryCall(
      server,
      METHODS.RegisterVariable,
      (request, { nowMs }) => {
        const session = store.require(request.sessionId ?? '', nowMs);
        const name = request.name ?? '';
        const subject = `variable "${name}"`;
        const type = parseVariableType(request.type ?? '');
        const initial = valueFromWire(type, request.initialValue, request.initialBinaryValue, subject);
        const metadata = copyMetadata(request.metadata ?? undefined, subject);
        const constraints = request.constraintsJson ?? '';
        const registered = session.register({ name, type, initial, constraints, metadata }, nowMs);
        return mapKept(registered, (variable) => ({ success: true, variableId: variable.id }));
      },
      (errorMessage) => ({ success: false, errorMessage }),
    ),

    GetVariable: unaryCall(server, METHODS.GetVariable, (request, { nowMs }) => {
      const variable = store.require(request.sessionId ?? '', nowMs).require(request.variableIdentifier ?? '');
      return { variable: variableToWire(variable), fromCache: false };
    }),

    GetVariables: unaryCall(server, METHODS.GetVariables, (request, { nowMs }) => {
      const session = store.require(request.sessionId ?? '', nowMs);
      const variables: NonNullable<ResponseOf<'GetVariables'>['variables']> = {};
      const missingVariables: string[] = [];
      for (const identifier of new Set(request.variableIdentifiers)) {
        const variable = session.find(identifier);
        if (variable === undefined) missingVariables.push(identifier);
        else putOwn(variables, identifier, variableToWire(variable));
      }
      return { variables, missingVariables };
    }),

    SetVariable: unaryCall(
      server,
      METHODS.SetVariable,
      (request, { nowMs }) => {
        const session = store.require(request.sessionId ?? '', nowMs);
        const variable = session.require(request.variableIdentifier ?? '');
        const { name, type } = variable;
        const expectedVersion = expectedVersionOf(request.expectedVersion ?? 0, variable);
        const input = valueFromWire(type, request.value, request.binaryValue, `variable "${name}"`);
        const result = session.set(
          { identifier: name, input, expectedVersion },
          setterFromWire(request.metadata),
          nowMs,
        );
        counters.sets += 1;
        return mapKept(result, ({ version }) => ({ success: true, newVersion: wireVersion(version) }));
      },
      (errorMessage) => ({ success: false, errorMessage }),
    ),

    SetVariables: unaryCall(server, METHODS.SetVariables, (request, call) => setVariables(server, request, call)),

    ListVariables: unaryCall(server, METHODS.ListVariables, (request, { nowMs }) => {
      const found = store.require(request.sessionId ?? '', nowMs).list(request.pattern ?? '');
      return { variables: found.map((variable) => variableToWire(variable)) };
    }),

    DeleteVariable: unaryCall(
      server,
      METHODS.DeleteVariable,
      (request, { nowMs }) => {
        const session = store.require(request.sessionId ?? '', nowMs);
        return mapKept(session.delete(request.variableIdentifier ?? '', 'deleted', nowMs), () => ({ success: true }));
      },
      (errorMessage) => ({ success: false, errorMessage }),
    ),

    GetVariableHistory: unaryCall(server, METHODS.GetVariableHistory, (request, { nowMs }) => {
      const variable = store.require(request.sessionId ?? '', nowMs).require(request.variableIdentifier ?? '');
      const limit = request.limit ?? 0;
      if (limit < 0)
        throw new InvalidArgumentError(`limit ${limit} is negative: give 0 for all versions that are kept`);
      const { history, type } = variable;
      const entries = history.last(limit === 0 ? history.length : limit).map((entry) => ({
        version: wireVersion(entry.version),
        // The entry has no field for bytes beside the value.
        value: encodeValue(type, entry.value, { binaryThresholdBytes: Number.POSITIVE_INFINITY }),
        timestamp: timestampToWire(entry.timestamp),
        changedBy: entry.source,
        metadata: entry.custom,
      }));
      return { entries };
    }),

    RollbackVariable: unaryCall(
      server,
      METHODS.RollbackVariable,
      (request, { nowMs }) => {
        const session = store.require(request.sessionId ?? '', nowMs);
        const variable = session.require(request.variableIdentifier ?? '');
        const version = targetVersionOf(request.targetVersion ?? 0, variable);
        counters.sets += 1;
        const rolledBack = session.rollback(variable.name, version, setterFromWire(undefined), nowMs);
        return mapKept(rolledBack, (present) => ({ success: true, variable: variableToWire(present) }));
      },
      (errorMessage) => ({ success: false, errorMessage }),
    ),
  };
}

function setVariables(
  server: ServerContext,
  request: RequestOf<'SetVariables'>,
  call: UnaryCall,
): Kept<ResponseOf<'SetVariables'>> {
  const updates = request.updates ?? {};
  const identifiers = Object.keys(updates);
  let session: Session;
  try {
    session = server.store.require(request.sessionId ?? '', call.nowMs);
  } catch (error) {
    // The answer has no sentence of its own: each variable says it.
    if (!(error instanceof BridgeError)) throw error;
    call.errorCode = error.code;
    return { ...batchAnswer(new Map(), new Map(identifiers.map((identifier) => [identifier, error]))), success: false };
  }
  const unreadable = new Map<string, BridgeError>();
  const assignments: Assignment[] = [];
  for (const identifier of identifiers) {
    assignments.push({ identifier, input: inputOf(session, identifier, request, unreadable) });
  }
  for (const identifier of Object.keys(request.binaryUpdates ?? {})) {
    if (Object.hasOwn(updates, identifier)) continue;
    const sentence = `variable "${identifier}": its bytes came in binary_updates without a header: put one in updates too`;
    unreadable.set(identifier, new InvalidValueError(sentence));
    assignments.push({ identifier, input: UNREADABLE });
  }
  const atomic = request.atomic ?? false;
  const result = session.update(assignments, atomic, setterFromWire(request.metadata), call.nowMs);
  return mapKept(result, ({ versions, refused }: BatchResult) => {
    server.counters.sets += versions.size;
    for (const [identifier, error] of unreadable) if (refused.has(identifier)) refused.set(identifier, error);
    if (refused.size > 0) call.errorCode = 'BATCH_REFUSED';
    return batchAnswer(versions, refused);
  });
}

/** The value, or what every type refuses: so the table names the other refused ones too, and an atomic batch stays out as a whole. */
function inputOf(
  session: Session,
  identifier: string,
  request: RequestOf<'SetVariables'>,
  unreadable: Map<string, BridgeError>,
): unknown {
  const variable = session.find(identifier);
  if (variable === undefined) return UNREADABLE;
  try {
    const binary = request.binaryUpdates;
    const bytes =
      binary !== null && binary !== undefined && Object.hasOwn(binary, identifier) ? binary[identifier] : undefined;
    return valueFromWire(variable.type, request.updates?.[identifier], bytes, `variable "${variable.name}"`);
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    unreadable.set(identifier, error);
    return UNREADABLE;
  }
}

function batchAnswer(
  versions: ReadonlyMap<string, number>,
  refused: ReadonlyMap<string, BridgeError>,
): ResponseOf<'SetVariables'> {
  const newVersions: Record<string, number> = {};
  for (const [identifier, version] of versions) putOwn(newVersions, identifier, wireVersion(version));
  if (refused.size === 0) return { success: true, newVersions };
  const errors: Record<string, string> = {};
  const errorCodes: Record<string, string> = {};
  for (const [identifier, error] of refused) {
    putOwn(errors, identifier, wellFormed(error.message));
    putOwn(errorCodes, identifier, error.code);
  }
  return { success: false, newVersions, errors, errorCodes };
}

function expectedVersionOf(wire: number, variable: Variable): number | undefined {
  if (wire === 0) return undefined;
  if (wire < 0) {
    throw new InvalidArgumentError(
      `variable "${variable.name}": expected version ${wire} is negative: give the version that you have read, or 0 for no check`,
    );
  }
  return versionFromWire(wire, variable.current.version);
}

function targetVersionOf(wire: number, variable: Variable): number {
  if (wire < 1) {
    throw new InvalidArgumentError(`variable "${variable.name}": target version ${wire} is none: versions begin at 1`);
  }
  const version = versionFromWire(wire, variable.current.version);
  // Above the present one it can only be of the era before.
  return version > variable.current.version && version > ERA_SPAN ? version - ERA_SPAN : version;
}

function mapKept<T, U>(kept: Kept<T>, map: (value: T) => U): Kept<U> {
  return kept instanceof Promise ? kept.then(map) : map(kept);
}

const UNREADABLE: unique symbol = Symbol('a value that cannot be read');
