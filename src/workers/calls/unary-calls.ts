/**
 * The calls of a state as the published unary calls, and their answers back. Path: slot -> [unary calls] -> connection.
 * Values are encoded by the variable's declared type, which is learned once and kept; a value that does not fit is refused here, before it travels.
 */
import {
  aboutVariable,
  BatchRefusedError,
  BridgeError,
  errorFromWire,
  InvalidValueError,
  MessageTooLargeError,
  ProtocolError,
  QuotaExceededError,
  readAboutVariable,
  VariablesNotFoundError,
  VersionConflictError,
  VersionNotFoundError,
} from '../../shared/errors.js';
import type { Call, ChangeCall, ReadCall } from '../../shared/port/commands.js';
import type { PortValue } from '../../shared/port/port-value.js';
import { fromPortValue, toPortValue } from '../../shared/port/port-value.js';
import type { PortBatchResult, PortVariable, PortVersion } from '../../shared/port/replies.js';
import { checkFirstVersion, checkTtlMs } from '../../shared/state/registration-numbers.js';
import type { Metadata } from '../../shared/values/metadata.js';
import { EMPTY_METADATA, ownValue, putOwn } from '../../shared/values/metadata.js';
import { normalizeValue, typeUrlOf } from '../../shared/values/value-codec.js';
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
import type { ResponseOf } from '../../shared/wire/services.js';
import { codeOfSentence } from '../../shared/wire/status.js';
import { ERA_SPAN } from '../../shared/wire/wire-version.js';
import type { Connection } from '../connection/connection.js';
import type { Change } from './change.js';
import type { NameSource } from './name-gate.js';

/** Names and types kept; beyond this they are learned anew. */
const MAX_KNOWN_VARIABLES = 100_000;

/** Of one GetVariables or SetVariables: an answer has a sentence for each that is refused. */
const MAX_IDENTIFIERS_A_CALL = 4_096;

/** Of a history, as the published field says it: all that is kept is less. */
const MAX_LIMIT = 2 ** 31 - 1;

/** Its JSON is an empty text. */
const NO_VALUE: google.protobuf.IAny = {};

/** Type URL, keys and lengths. */
const BYTES_AROUND_AN_UPDATE = 96;

interface KnownVariable {
  readonly name: string;
  readonly type: VariableType;
}

export class UnaryCalls implements NameSource {
  readonly #connection: Connection;
  readonly #sessionId: string;
  /** By name and by id, as it was called. */
  readonly #known = new Map<string, KnownVariable>();

  constructor(connection: Connection, sessionId: string) {
    this.#connection = connection;
    this.#sessionId = sessionId;
  }

  /** @throws BridgeError of the class that the API promises */
  read(call: ReadCall): Promise<unknown> {
    switch (call.name) {
      case 'get':
        return this.#get(call.identifiers);
      case 'list':
        return this.#list(call.pattern);
      case 'history':
        return this.#history(call.identifier, call.limit);
      default:
        return call satisfies never;
    }
  }

  /** @throws BridgeError of the class that the API promises */
  change(call: ChangeCall, change: Change): Promise<unknown> {
    switch (call.name) {
      case 'register':
        return this.#register(call, change);
      case 'set':
        return this.#set(call, change);
      case 'update':
        return this.#update(call, change);
      case 'delete':
        return this.#delete(call.identifier, change);
      case 'rollback':
        return this.#rollback(call, change);
      default:
        return call satisfies never;
    }
  }

  async #register(call: Extract<Call, { name: 'register' }>, change: Change): Promise<string> {
    const type = parseVariableType(call.type);
    const subject = `variable "${call.variable}"`;
    const initial = firstValueOf(call, type, subject);
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
      change,
    );
    refuseUnless(response.success, response.errorMessage, errorCode, [call.variable]);
    this.#learn(call.variable, call.variable, type);
    return response.variableId ?? '';
  }

  nameOf(identifier: string): string | undefined {
    return this.#known.get(identifier)?.name;
  }

  async learnNames(identifiers: readonly string[]): Promise<boolean> {
    try {
      await this.#get(identifiers);
      return true;
    } catch {
      // The call that needs them says what is wrong.
      return false;
    }
  }

  /** In as many calls as the answers need. A server that is not ours knows no pages: it is asked for fewer. */
  async #get(identifiers: readonly string[]): Promise<[string, PortVariable][]> {
    const found: [string, PortVariable][] = [];
    let left = [...identifiers];
    let most = MAX_IDENTIFIERS_A_CALL;
    while (left.length > 0) {
      const page = left.slice(0, fitting(left, most, this.#connection.maxRequestBytes));
      let response: ResponseOf<'GetVariables'>;
      try {
        response = await this.#getPage(page);
      } catch (error) {
        if (page.length === 1 || !isTooLarge(error)) throw error;
        most = Math.ceil(page.length / 2);
        continue;
      }
      const variables = response.variables ?? {};
      for (const identifier of Object.keys(variables)) {
        const variable = this.#fromWire(variables[identifier]!);
        this.#learn(identifier, variable.name, variable.type as VariableType);
        found.push([identifier, variable]);
      }
      const remaining = response.remainingIdentifiers ?? [];
      if (remaining.length >= page.length) throw noProgress('GetVariables');
      left = [...remaining, ...left.slice(page.length)];
    }
    return found;
  }

  async #getPage(identifiers: readonly string[]): Promise<ResponseOf<'GetVariables'>> {
    const { response } = await this.#connection.call('GetVariables', {
      sessionId: this.#sessionId,
      variableIdentifiers: [...identifiers],
      includeMetadata: true,
      maxBytes: this.#connection.maxRequestBytes,
    });
    return response;
  }

  async #list(pattern: string): Promise<PortVariable[]> {
    const found: PortVariable[] = [];
    let pageToken = '';
    do {
      const { response } = await this.#connection.call('ListVariables', {
        sessionId: this.#sessionId,
        pattern,
        pageToken,
        maxBytes: this.#connection.maxRequestBytes,
      });
      for (const variable of response.variables ?? []) found.push(this.#fromWire(variable));
      const next = response.nextPageToken ?? '';
      if (next !== '' && next === pageToken) throw noProgress('ListVariables');
      pageToken = next;
    } while (pageToken !== '');
    return found;
  }

  async #set(call: Extract<Call, { name: 'set' }>, change: Change): Promise<number> {
    const { identifier } = call;
    if (call.expectedVersion > ERA_SPAN) {
      throw new VersionConflictError(
        `variable "${identifier}" is at no version as large as ${call.expectedVersion}: read it again, then set`,
      );
    }
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
      change,
    );
    refuseUnless(response.success, response.errorMessage, errorCode, [identifier]);
    return response.newVersion ?? 0;
  }

  async #update(call: Extract<Call, { name: 'update' }>, change: Change): Promise<PortBatchResult> {
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
    if (isNothingLeft) return batchResult([], refused);
    if (call.atomic && refused.length > 0) {
      for (const one of await this.#otherRefusals(call, refused, updates, binaryUpdates, change)) refused.push(one);
      return batchResult([], refused);
    }
    const versions: [string, number][] = [];
    for (const [index, part] of this.#partsOf(updates, binaryUpdates, call.atomic).entries()) {
      const { keepPlace } = change;
      const { response } = await this.#connection.call(
        'SetVariables',
        { sessionId: this.#sessionId, ...part, atomic: call.atomic, ...this.#setterOf(call) },
        // Each is a call of its own.
        { deadlineMs: index === 0 ? change.deadlineMs : this.#connection.deadlineMs, keepPlace },
      );
      const errors = refusalsOf(response);
      refused.push(...errors);
      if (response.success !== true && errors.length === 0) {
        throw new BatchRefusedError(
          'the server refused the batch and named no reason: set the variables one by one to find it',
        );
      }
      versions.push(...Object.entries(response.newVersions ?? {}));
    }
    return batchResult(versions, refused);
  }

  /**
   * What the server would refuse of an atomic batch of which something was refused here: that goes along without a value, which no type takes, so
   * that none is set. Of a server that is not ours nobody knows whether it would set the others: it is not asked.
   */
  async #otherRefusals(
    call: Extract<Call, { name: 'update' }>,
    refused: readonly (readonly [identifier: string, error: BridgeError])[],
    updates: Record<string, google.protobuf.IAny>,
    binaryUpdates: Readonly<Record<string, Uint8Array>>,
    change: Change,
  ): Promise<[string, BridgeError][]> {
    if (!this.#isOurServer) return [];
    const known = new Set(refused.map(([identifier]) => identifier));
    for (const identifier of known) putOwn(updates, identifier, NO_VALUE);
    try {
      const { response } = await this.#connection.call(
        'SetVariables',
        { sessionId: this.#sessionId, updates, binaryUpdates, atomic: true, ...this.#setterOf(call) },
        change,
      );
      return refusalsOf(response).filter(([identifier]) => !known.has(identifier));
    } catch (error) {
      // Refused it is in any case, and for what is known here.
      if (error instanceof BridgeError) return [];
      throw error;
    }
  }

  /** An atomic batch is one message; another is as many as it needs. */
  #partsOf(
    updates: Readonly<Record<string, google.protobuf.IAny>>,
    binaryUpdates: Readonly<Record<string, Uint8Array>>,
    atomic: boolean,
  ): { updates: Record<string, google.protobuf.IAny>; binaryUpdates: Record<string, Uint8Array> }[] {
    // Half of it: the setter's map comes beside.
    const maxBytes = atomic ? Number.POSITIVE_INFINITY : this.#connection.maxRequestBytes / 2;
    const most = atomic ? Number.POSITIVE_INFINITY : MAX_IDENTIFIERS_A_CALL;
    const parts: { updates: Record<string, google.protobuf.IAny>; binaryUpdates: Record<string, Uint8Array> }[] = [];
    let bytes = 0;
    let count = 0;
    for (const identifier of Object.keys(updates)) {
      const any = updates[identifier]!;
      const binary = Object.hasOwn(binaryUpdates, identifier) ? binaryUpdates[identifier] : undefined;
      const own = 3 * identifier.length + (any.value?.length ?? 0) + (binary?.length ?? 0) + BYTES_AROUND_AN_UPDATE;
      if (parts.length === 0 || (count > 0 && bytes + own > maxBytes) || count === most) {
        parts.push({ updates: {}, binaryUpdates: {} });
        bytes = 0;
        count = 0;
      }
      putOwn(parts.at(-1)!.updates, identifier, any);
      if (binary !== undefined) putOwn(parts.at(-1)!.binaryUpdates, identifier, binary);
      bytes += own;
      count += 1;
    }
    return parts;
  }

  async #delete(identifier: string, change: Change): Promise<void> {
    const { response, errorCode } = await this.#connection.call(
      'DeleteVariable',
      { sessionId: this.#sessionId, variableIdentifier: identifier },
      change,
    );
    refuseUnless(response.success, response.errorMessage, errorCode, [identifier]);
    this.#known.delete(identifier);
  }

  async #history(identifier: string, limit: number): Promise<PortVersion[]> {
    let type = await this.#typeOf(identifier);
    const entries: PortVersion[] = [];
    let beforeVersion = 0;
    for (;;) {
      const response = await this.#historyPage(identifier, limit === 0 ? 0 : limit - entries.length, beforeVersion);
      const page = response.entries ?? [];
      if (beforeVersion === 0 && page.some(({ value }) => value?.type_url !== typeUrlOf(type))) {
        // It may have been registered anew as another type since that was learned.
        this.#known.delete(identifier);
        type = await this.#typeOf(identifier);
      }
      entries.unshift(...page.map((entry) => this.#versionFromWire(identifier, type, entry)));
      const oldest = page[0]?.version ?? 0;
      if (response.hasMore !== true || (limit > 0 && entries.length >= limit)) return entries;
      if (oldest === 0 || oldest === beforeVersion) throw noProgress('GetVariableHistory');
      beforeVersion = oldest;
    }
  }

  async #historyPage(
    identifier: string,
    limit: number,
    beforeVersion: number,
  ): Promise<ResponseOf<'GetVariableHistory'>> {
    try {
      const { response } = await this.#connection.call('GetVariableHistory', {
        sessionId: this.#sessionId,
        variableIdentifier: identifier,
        limit: Math.min(limit, MAX_LIMIT),
        beforeVersion,
        maxBytes: this.#connection.maxRequestBytes,
      });
      return response;
    } catch (error) {
      // A status names nobody.
      if (error instanceof VariablesNotFoundError) throw VariablesNotFoundError.of([identifier]);
      throw error;
    }
  }

  #versionFromWire(identifier: string, type: VariableType, entry: snakepit.bridge.IVariableHistoryEntry): PortVersion {
    return {
      version: entry.version ?? 0,
      value: toPortValue(valueFromWire(type, entry.value, undefined, `variable "${identifier}"`)),
      timestamp: timestampFromWire(entry.timestamp),
      source: entry.changedBy ?? '',
      // A server that is not ours keeps who set among the setter's own keys.
      custom: setterFromWire(entry.metadata, this.#isOurServer ? {} : undefined).custom,
    };
  }

  async #rollback(call: Extract<Call, { name: 'rollback' }>, change: Change): Promise<number> {
    const { identifier, version, source } = call;
    if (version > ERA_SPAN) {
      throw new VersionNotFoundError(
        `variable "${identifier}" has no version ${version}: over a bridge the largest is ${ERA_SPAN}`,
      );
    }
    const { response, errorCode } = await this.#connection.call(
      'RollbackVariable',
      { sessionId: this.#sessionId, variableIdentifier: identifier, targetVersion: version, setter: { source } },
      change,
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
    const known = this.#known.get(identifier)?.type;
    try {
      const type = known ?? (await this.#typeOf(identifier));
      return valueToWire(type, normalizeValue(type, value, subject));
    } catch (error) {
      if (known === undefined || !(error instanceof InvalidValueError)) throw aboutVariable(error, identifier);
    }
    this.#known.delete(identifier);
    const type = await this.#typeOf(identifier);
    return readAboutVariable(identifier, () => valueToWire(type, normalizeValue(type, value, subject)));
  }

  async #typeOf(identifier: string): Promise<VariableType> {
    await this.#learnTypes([identifier]);
    const type = this.#known.get(identifier)?.type;
    if (type === undefined) throw VariablesNotFoundError.of([identifier]);
    return type;
  }

  async #learnTypes(identifiers: readonly string[]): Promise<void> {
    const unknown = identifiers.filter((identifier) => !this.#known.has(identifier));
    if (unknown.length > 0) await this.#get(unknown);
  }

  #learn(identifier: string, name: string, type: VariableType): void {
    if (this.#known.size >= MAX_KNOWN_VARIABLES) this.#known.clear();
    this.#known.set(identifier, { name, type });
  }

  #fromWire(variable: snakepit.bridge.IVariable): PortVariable {
    const type = parseVariableType(variable.type ?? '');
    const name = variable.name ?? '';
    const metadata = variable.metadata ?? EMPTY_METADATA;
    this.#learn(name, name, type);
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

/** How many of the first identifiers one request takes; one in any case. */
function fitting(identifiers: readonly string[], most: number, maxBytes: number): number {
  let bytes = 1_024;
  let count = 0;
  for (const identifier of identifiers) {
    bytes += 3 * identifier.length + 4;
    if (count === most || (count > 0 && bytes > maxBytes)) break;
    count += 1;
  }
  return count;
}

/** What a server that knows no pages, or our own guard, says of an answer that is too large. */
function isTooLarge(error: unknown): boolean {
  return error instanceof MessageTooLargeError || error instanceof QuotaExceededError;
}

function noProgress(name: string): ProtocolError {
  return new ProtocolError(
    `${name}: the server answers with pages that do not go on: check that it is a bridge server`,
  );
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

/** @throws BridgeError that names the variable */
function firstValueOf(call: Extract<Call, { name: 'register' }>, type: VariableType, subject: string): WireValue {
  return readAboutVariable(call.variable, () => {
    // The fields have 64 bits: what is no whole number would travel as another.
    checkTtlMs(call.ttlMs, subject);
    checkFirstVersion(call.firstVersion, subject);
    return valueToWire(type, normalizeValue(type, fromPortValue(call.initial), subject));
  });
}

function refusalsOf({ errors, errorCodes }: ResponseOf<'SetVariables'>): [string, BridgeError][] {
  return Object.entries(errors ?? {}).map(([identifier, sentence]) => [
    identifier,
    refusal(sentence, ownValue(errorCodes ?? {}, identifier), [identifier]),
  ]);
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
