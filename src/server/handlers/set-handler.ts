/** SetVariable and SetVariables: messages <-> session. Path: HTTP/2 -> [set handler] -> session. Values are decoded by their variable's declared type. */
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { BridgeError, InvalidArgumentError, InvalidValueError } from '../../shared/errors.js';
import type { Variable } from '../../shared/state/variable.js';
import type { Assignment, BatchResult, Setter } from '../../shared/state/variable-table.js';
import { putOwn } from '../../shared/values/metadata.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import { setterFromWire, valueFromWire } from '../../shared/wire/messages.js';
import type { RequestOf, ResponseOf } from '../../shared/wire/services.js';
import { METHODS } from '../../shared/wire/services.js';
import { versionFromWire, wireVersion } from '../../shared/wire/wire-version.js';
import type { ServerContext } from '../server-context.js';
import type { Kept, Session } from '../session.js';
import { mapKept } from '../session.js';
import { wellFormed } from './call-failure.js';
import type { UnaryCall } from './unary-call.js';
import { unaryCall } from './unary-call.js';
import { UpdateSize } from './update-size.js';

type WireAny = RequestOf<'SetVariable'>['value'];

export function setHandlers(server: ServerContext): UntypedServiceImplementation {
  const setters = new SetCalls(server);
  return {
    SetVariable: unaryCall(
      server,
      METHODS.SetVariable,
      (request, { nowMs }) => setters.setOne(request, nowMs),
      (errorMessage) => ({ success: false, errorMessage }),
    ),
    SetVariables: unaryCall(server, METHODS.SetVariables, (request, call) => setters.setSeveral(request, call)),
  };
}

class SetCalls {
  readonly #server: ServerContext;
  readonly #updateSize: UpdateSize;

  constructor(server: ServerContext) {
    this.#server = server;
    this.#updateSize = new UpdateSize(server.options.maxMessageBytes);
  }

  setOne(request: RequestOf<'SetVariable'>, nowMs: number): Kept<ResponseOf<'SetVariable'>> {
    const session = this.#server.store.require(request.sessionId ?? '', nowMs);
    const variable = session.require(request.variableIdentifier ?? '');
    const setter = setterFromWire(request.metadata);
    const expectedVersion = expectedVersionOf(request.expectedVersion ?? 0, variable);
    const input = this.#valueOf(variable, request.value, request.binaryValue, setter);
    const result = session.set({ identifier: variable.name, input, expectedVersion }, setter, nowMs);
    this.#server.counters.sets += 1;
    return mapKept(result, ({ version }) => ({ success: true, newVersion: wireVersion(version) }));
  }

  setSeveral(request: RequestOf<'SetVariables'>, call: UnaryCall): Kept<ResponseOf<'SetVariables'>> {
    const updates = request.updates ?? {};
    const identifiers = Object.keys(updates);
    let session: Session;
    try {
      session = this.#server.store.require(request.sessionId ?? '', call.nowMs);
    } catch (error) {
      // The answer has no sentence of its own: each variable says it.
      if (!(error instanceof BridgeError)) throw error;
      call.errorCode = error.code;
      const refused = new Map(identifiers.map((identifier) => [identifier, error]));
      return { ...batchAnswer(new Map(), refused), success: false };
    }
    const setter = setterFromWire(request.metadata);
    const binaries = request.binaryUpdates ?? {};
    const unreadable = new Map<string, BridgeError>();
    const assignments: Assignment[] = [];
    for (const identifier of identifiers) {
      const binary = Object.hasOwn(binaries, identifier) ? binaries[identifier] : undefined;
      const input = this.#inputOf(session, identifier, updates[identifier], binary, setter, unreadable);
      assignments.push({ identifier, input });
    }
    for (const identifier of Object.keys(binaries)) {
      if (Object.hasOwn(updates, identifier)) continue;
      const sentence = `variable "${identifier}": binary_updates has bytes for it but updates no header: put one there too`;
      unreadable.set(identifier, new InvalidValueError(sentence));
      assignments.push({ identifier, input: UNREADABLE });
    }
    const result = session.update(assignments, request.atomic ?? false, setter, call.nowMs);
    return mapKept(result, ({ versions, refused }: BatchResult) => {
      this.#server.counters.sets += versions.size;
      for (const [identifier, error] of unreadable) if (refused.has(identifier)) refused.set(identifier, error);
      if (refused.size > 0) call.errorCode = 'BATCH_REFUSED';
      return batchAnswer(versions, refused);
    });
  }

  /** The value, or what every type refuses: so the table names the other refused ones too, and an atomic batch stays out as a whole. */
  #inputOf(
    session: Session,
    identifier: string,
    any: WireAny,
    binary: Uint8Array | undefined,
    setter: Setter,
    unreadable: Map<string, BridgeError>,
  ): unknown {
    const variable = session.find(identifier);
    if (variable === undefined) return UNREADABLE;
    try {
      return this.#valueOf(variable, any, binary, setter);
    } catch (error) {
      if (!(error instanceof BridgeError)) throw error;
      unreadable.set(identifier, error);
      return UNREADABLE;
    }
  }

  #valueOf(variable: Variable, any: WireAny, binary: Uint8Array | null | undefined, setter: Setter): VariableValue {
    const bytes = (any?.value?.length ?? 0) + (binary?.length ?? 0);
    this.#updateSize.checkValue(variable, bytes, setter.custom);
    return valueFromWire(variable.type, any, binary, `variable "${variable.name}"`);
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
  if (wire > 0) return versionFromWire(wire, variable.current.version);
  throw new InvalidArgumentError(
    `variable "${variable.name}": expected version ${wire} is negative: give the version that you have read, or 0 for no check`,
  );
}

const UNREADABLE: unique symbol = Symbol('a value that cannot be read');
