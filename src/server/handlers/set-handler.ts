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
import { shortenSentences, wellFormed } from './call-failure.js';
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
    const setter = setterFromWire(request.metadata, request.setter);
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
      return { ...this.#batchAnswer(new Map(), refused), success: false };
    }
    const setter = setterFromWire(request.metadata, request.setter);
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
      return this.#batchAnswer(versions, refused);
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

  #batchAnswer(
    versions: ReadonlyMap<string, number>,
    refused: ReadonlyMap<string, BridgeError>,
  ): ResponseOf<'SetVariables'> {
    const newVersions: Record<string, number> = {};
    for (const [identifier, version] of versions) putOwn(newVersions, identifier, wireVersion(version));
    if (refused.size === 0) return { success: true, newVersions };
    const errors: Record<string, string> = {};
    const errorCodes: Record<string, string> = {};
    const sentences = [...refused.values()].map(({ message }) => wellFormed(message));
    const shortened = shortenSentences(
      sentences,
      this.#server.options.maxMessageBytes - bytesOfNames(versions, refused),
    );
    let index = 0;
    for (const [identifier, { code }] of refused) {
      putOwn(errors, identifier, shortened[index]!);
      putOwn(errorCodes, identifier, code);
      index += 1;
    }
    return { success: false, newVersions, errors, errorCodes };
  }

  #valueOf(variable: Variable, any: WireAny, binary: Uint8Array | null | undefined, setter: Setter): VariableValue {
    const bytes = (any?.value?.length ?? 0) + (binary?.length ?? 0);
    this.#updateSize.checkValue(variable, bytes, setter.custom);
    return valueFromWire(variable.type, any, binary, `variable "${variable.name}"`);
  }
}

/** Of a batch's answer but its sentences, at most. */
function bytesOfNames(versions: ReadonlyMap<string, number>, refused: ReadonlyMap<string, BridgeError>): number {
  let bytes = 0;
  for (const identifier of versions.keys()) bytes += Buffer.byteLength(identifier) + BYTES_AROUND_A_RESULT;
  for (const [identifier, { code }] of refused) {
    bytes += 2 * (Buffer.byteLength(identifier) + BYTES_AROUND_A_RESULT) + code.length;
  }
  return bytes;
}

function expectedVersionOf(wire: number, variable: Variable): number | undefined {
  if (wire === 0) return undefined;
  if (wire > 0) return versionFromWire(wire, variable.current.version);
  throw new InvalidArgumentError(
    `variable "${variable.name}": expected version ${wire} is negative: give the version that you have read, or 0 for no check`,
  );
}

/** Keys, lengths, a version. */
const BYTES_AROUND_A_RESULT = 20;

const UNREADABLE: unique symbol = Symbol('a value that cannot be read');
