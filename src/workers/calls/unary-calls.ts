/**
 * The calls of a state as the published unary calls, and their answers back. Path: slot -> [unary calls] -> connection.
 * Values are encoded by the variable's declared type, which is learned once and kept; a value that does not fit is refused here, before it travels.
 */
import {
  BatchRefusedError,
  BridgeError,
  errorFromWire,
  InvalidValueError,
  VariablesNotFoundError,
} from '../../shared/errors.js';
import type { Call } from '../../shared/port/commands.js';
import type { PortValue } from '../../shared/port/port-value.js';
import { fromPortValue, toPortValue } from '../../shared/port/port-value.js';
import type { PortBatchResult, PortVariable, PortVersion } from '../../shared/port/replies.js';
import { checkFirstVersion, checkTtlMs } from '../../shared/state/registration-numbers.js';
import type { Metadata } from '../../shared/values/metadata.js';
import { EMPTY_METADATA, ownValue, putOwn } from '../../shared/values/metadata.js';
import { normalizeValue } from '../../shared/values/value-codec.js';
import type { VariableType } from '../../shared/values/variable-type.js';
import { parseVariableType } from '../../shared/values/variable-type.js';
import type { google, snakepit } from '../../shared/wire/gen/bridge.js';
import {
  numberFromLong,
  setterFromWire,
  setterToWire,
  timestampFromWire,
  valueFromWire,
  valueToWire,
  type WireValue,
} from '../../shared/wire/messages.js';
import { codeOfSentence } from '../../shared/wire/status.js';
import type { Connection } from '../connection/connection.js';

/** Declared types kept; beyond this they are learned anew. */
const MAX_KNOWN_TYPES = 100_000;

export class Calls {
  readonly #connection: Connection;
  readonly #sessionId: string;
  readonly #types = new Map<string, VariableType>();

  constructor(connection: Connection, sessionId: string) {
    this.#connection = connection;
    this.#sessionId = sessionId;
  }

  /** @throws BridgeError of the class that the API promises */
  make(call: Call): Promise<unknown> {
    switch (call.name) {
      case 'register':
        return this.#register(call);
      case 'get':
        return this.#get(call.identifiers);
      case 'list':
        return this.#list(call.pattern);
      case 'set':
        return this.#set(call);
      case 'update':
        return this.#update(call);
      case 'delete':
        return this.#delete(call.identifier);
      case 'history':
        return this.#history(call.identifier, call.limit);
      case 'rollback':
        return this.#rollback(call.identifier, call.version);
      default:
        return call satisfies never;
    }
  }

  async #register(call: Extract<Call, { name: 'register' }>): Promise<string> {
    const type = parseVariableType(call.type);
    const subject = `variable "${call.variable}"`;
    const initial = valueToWire(type, normalizeValue(type, fromPortValue(call.initial), subject));
    // The fields have 64 bits: what is no whole number would travel as another.
    checkTtlMs(call.ttlMs, subject);
    checkFirstVersion(call.firstVersion, subject);
    const { response, errorCode } = await this.#connection.call(
      'RegisterVariable',
      {
        sessionId: this.#sessionId,
        name: call.variable,
        type,
        initialValue: initial.any,
        constraintsJson: call.constraints,
        description: call.description,
        ttlMs: call.ttlMs,
        firstVersion: call.firstVersion === 1 ? 0 : call.firstVersion,
        metadata: call.metadata as Record<string, string>,
        // A server that is not ours would show who registered among the variable's own keys.
        ...(this.#isOurServer ? { setter: { source: call.source } } : {}),
        ...(initial.binary === undefined ? {} : { initialBinaryValue: initial.binary }),
      },
      true,
    );
    refuseUnless(response.success, response.errorMessage, errorCode, [call.variable]);
    this.#learn(call.variable, type);
    return response.variableId ?? '';
  }

  async #get(identifiers: readonly string[]): Promise<[string, PortVariable][]> {
    const { response } = await this.#connection.call(
      'GetVariables',
      { sessionId: this.#sessionId, variableIdentifiers: [...identifiers], includeMetadata: true },
      false,
    );
    const variables = response.variables ?? {};
    return Object.keys(variables).map((identifier) => {
      const variable = this.#fromWire(variables[identifier]!);
      this.#learn(identifier, variable.type as VariableType);
      return [identifier, variable];
    });
  }

  async #list(pattern: string): Promise<PortVariable[]> {
    const { response } = await this.#connection.call('ListVariables', { sessionId: this.#sessionId, pattern }, false);
    return (response.variables ?? []).map((variable) => this.#fromWire(variable));
  }

  async #set(call: Extract<Call, { name: 'set' }>): Promise<number> {
    const { identifier } = call;
    const value = await this.#encode(identifier, call.value);
    const { response, errorCode } = await this.#connection.call(
      'SetVariable',
      {
        sessionId: this.#sessionId,
        variableIdentifier: identifier,
        value: value.any,
        ...this.#setterOf(call),
        expectedVersion: call.expectedVersion,
        ...(value.binary === undefined ? {} : { binaryValue: value.binary }),
      },
      true,
    );
    refuseUnless(response.success, response.errorMessage, errorCode, [identifier]);
    return response.newVersion ?? 0;
  }

  async #update(call: Extract<Call, { name: 'update' }>): Promise<PortBatchResult> {
    const refused: [string, BridgeError][] = [];
    const updates: Record<string, google.protobuf.IAny> = {};
    const binaryUpdates: Record<string, Uint8Array> = {};
    await this.#learnTypes(call.values.map(([identifier]) => identifier));
    for (const [identifier, portValue] of call.values) {
      try {
        const value = await this.#encode(identifier, portValue);
        putOwn(updates, identifier, value.any);
        if (value.binary !== undefined) putOwn(binaryUpdates, identifier, value.binary);
      } catch (error) {
        if (!(error instanceof BridgeError) || !isRefusal(error)) throw error;
        refused.push([identifier, error]);
      }
    }
    const isNothingLeft = Object.keys(updates).length === 0;
    if (isNothingLeft || (call.atomic && refused.length > 0)) return batchResult([], refused);
    const { response } = await this.#connection.call(
      'SetVariables',
      {
        sessionId: this.#sessionId,
        updates,
        binaryUpdates,
        ...this.#setterOf(call),
        atomic: call.atomic,
      },
      true,
    );
    const errors = response.errors ?? {};
    const codes = response.errorCodes ?? {};
    for (const identifier of Object.keys(errors)) {
      const sentence = errors[identifier]!;
      refused.push([identifier, refusal(sentence, ownValue(codes, identifier), [identifier])]);
    }
    if (response.success !== true && refused.length === 0) {
      throw new BatchRefusedError(
        'the server refused the batch and named no reason: set the variables one by one to find it',
      );
    }
    return batchResult(Object.entries(response.newVersions ?? {}), refused);
  }

  async #delete(identifier: string): Promise<void> {
    const { response, errorCode } = await this.#connection.call(
      'DeleteVariable',
      { sessionId: this.#sessionId, variableIdentifier: identifier },
      true,
    );
    refuseUnless(response.success, response.errorMessage, errorCode, [identifier]);
    this.#types.delete(identifier);
  }

  async #history(identifier: string, limit: number): Promise<PortVersion[]> {
    const type = await this.#typeOf(identifier);
    const { response } = await this.#connection.call(
      'GetVariableHistory',
      { sessionId: this.#sessionId, variableIdentifier: identifier, limit },
      false,
    );
    return (response.entries ?? []).map((entry) => ({
      version: entry.version ?? 0,
      value: toPortValue(valueFromWire(type, entry.value, undefined, `variable "${identifier}"`)),
      timestamp: timestampFromWire(entry.timestamp),
      source: entry.changedBy ?? '',
      // A server that is not ours keeps who set among the setter's own keys.
      custom: setterFromWire(entry.metadata, this.#isOurServer ? {} : undefined).custom,
    }));
  }

  async #rollback(identifier: string, version: number): Promise<number> {
    const { response, errorCode } = await this.#connection.call(
      'RollbackVariable',
      { sessionId: this.#sessionId, variableIdentifier: identifier, targetVersion: version },
      true,
    );
    refuseUnless(response.success, response.errorMessage, errorCode, [identifier]);
    return response.variable?.version ?? 0;
  }

  get #isOurServer(): boolean {
    return this.#connection.facts.epoch !== '';
  }

  #setterOf({ source, metadata }: { readonly source: string; readonly metadata: Metadata }) {
    return setterToWire(source, metadata, this.#isOurServer);
  }

  /** By the declared type. A type learned earlier may be out of date: it is learned again before a value is refused for it. */
  async #encode(identifier: string, portValue: PortValue): Promise<WireValue> {
    const value = fromPortValue(portValue);
    const subject = `variable "${identifier}"`;
    const known = this.#types.get(identifier);
    try {
      const type = known ?? (await this.#typeOf(identifier));
      return valueToWire(type, normalizeValue(type, value, subject));
    } catch (error) {
      if (known === undefined || !(error instanceof InvalidValueError)) throw error;
      this.#types.delete(identifier);
      const type = await this.#typeOf(identifier);
      return valueToWire(type, normalizeValue(type, value, subject));
    }
  }

  async #typeOf(identifier: string): Promise<VariableType> {
    await this.#learnTypes([identifier]);
    const type = this.#types.get(identifier);
    if (type === undefined) throw VariablesNotFoundError.of([identifier]);
    return type;
  }

  async #learnTypes(identifiers: readonly string[]): Promise<void> {
    const unknown = identifiers.filter((identifier) => !this.#types.has(identifier));
    if (unknown.length > 0) await this.#get(unknown);
  }

  #learn(identifier: string, type: VariableType): void {
    if (this.#types.size >= MAX_KNOWN_TYPES) this.#types.clear();
    this.#types.set(identifier, type);
  }

  #fromWire(variable: snakepit.bridge.IVariable): PortVariable {
    const type = parseVariableType(variable.type ?? '');
    const name = variable.name ?? '';
    const metadata = variable.metadata ?? EMPTY_METADATA;
    this.#learn(name, type);
    return {
      id: variable.id ?? '',
      name,
      type,
      value: toPortValue(valueFromWire(type, variable.value, variable.binaryValue, `variable "${name}"`)),
      version: variable.version ?? 0,
      constraints: variable.constraintsJson ?? '',
      metadata: { ...metadata },
      description: variable.description ?? '',
      ttlMs: numberFromLong(variable.ttlMs),
      lastUpdatedAt: timestampFromWire(variable.lastUpdatedAt),
    };
  }
}

function batchResult(versions: [string, number][], refused: [string, BridgeError][]): PortBatchResult {
  return {
    versions,
    refused: refused.map(([identifier, { code, message, details }]) => [identifier, { code, message, details }]),
  };
}

/** What the arguments caused, as against what happened on the way. */
function isRefusal(error: BridgeError): boolean {
  return error instanceof InvalidValueError || error instanceof VariablesNotFoundError;
}

function refuseUnless(
  success: boolean | null | undefined,
  sentence: string | null | undefined,
  code: string | undefined,
  identifiers: readonly string[],
): void {
  if (success !== true) throw refusal(sentence || 'the server refused and named no reason', code, identifiers);
}

function refusal(sentence: string, code: string | undefined, identifiers: readonly string[]): BridgeError {
  return errorFromWire({ code: code ?? codeOfSentence(sentence), message: sentence, details: { identifiers } });
}
