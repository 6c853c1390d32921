/**
 * The API over a worker pool: HTTP/2, gRPC, protobuf and reconnecting happen in workers, this thread runs the watchers.
 * Path: slot client -> [bridged state] -> dispatcher. Closed: pending calls are answered, watches end, a pool of its own ends too.
 */
import { Deadlines } from '../shared/deadlines.js';
import {
  AlreadyExistsError,
  aboutVariable,
  ClosedError,
  errorFromWire,
  InvalidOptionsError,
  readAboutVariable,
  VariablesNotFoundError,
} from '../shared/errors.js';
import { copyOptions } from '../shared/option-reader.js';
import type {
  AnyWatchOptionsInput,
  BatchWatchOptionsInput,
  StateOptions,
  StateOptionsInput,
  WatchOptionsInput,
} from '../shared/options.js';
import { parseStateOptions } from '../shared/options.js';
import type { AttachCommand, BridgeConfig, Call, SetValue } from '../shared/port/commands.js';
import { fromPortValue, toPortValue } from '../shared/port/port-value.js';
import type { AttachResult, PortBatchResult, PortStats, PortVariable, PortVersion } from '../shared/port/replies.js';
import type { CellValue } from '../shared/port/value-cells.js';
import type { ExportedState, ExportedVariable } from '../shared/state/exported-state.js';
import { checkExportedState, EXPORT_FORMAT } from '../shared/state/exported-state.js';
import type { Constraints } from '../shared/values/constraint.js';
import { NO_CONSTRAINTS, parseConstraints } from '../shared/values/constraint.js';
import { constraintsToJson } from '../shared/values/constraint-text.js';
import { checkName } from '../shared/values/identifier.js';
import { copyInput } from '../shared/values/input-copy.js';
import { parseJson } from '../shared/values/json.js';
import type { Metadata } from '../shared/values/metadata.js';
import { copyMetadata } from '../shared/values/metadata.js';
import type { VariableInput, VariableType, VariableValue } from '../shared/values/variable-type.js';
import { OpaqueBinary, parseVariableType } from '../shared/values/variable-type.js';
import { wireVersion } from '../shared/wire/wire-version.js';
import { BridgedWatches } from './bridged-watches.js';
import {
  batchRefused,
  type CopiedBatch,
  checkExpectedVersionOption,
  checkIdentifier,
  checkIdentifiers,
  checkLimit,
  checkPattern,
  checkVersion,
  copyBatch,
  importedOptions,
  readHistoryOptions,
  readRegisterOptions,
  readSetOptions,
  readUpdateOptions,
  refusedOf,
} from './call-arguments.js';
import { slotOf } from './pool/placement.js';
import type { SetEntries } from './pool/set-batches.js';
import type { SlotBridge, SlotClient } from './pool/slot-client.js';
import { WorkerPool } from './pool/worker-pool.js';
import type {
  Capabilities,
  HistoryEntry,
  Identifiers,
  RegisterOptions,
  SetOptions,
  StateProvider,
  UpdateOptions,
  VariableInfo,
  Watch,
  WatcherInfo,
  WatchIterable,
  WatchTarget,
} from './state-provider.js';
import type { AnyWatcher, WatchPosition } from './watch/watch.js';
import type { AnyWatchIterable } from './watch/watch-iterator.js';
import type { BatchWatcher, VariableChange, Watcher } from './watch/watcher.js';

export interface BridgedStateOptions extends StateOptionsInput {
  /** Workers to share; without it the state makes and closes its own. */
  readonly pool?: WorkerPool;
  /** Brought to the session when it opens: another provider, or what one exported. */
  readonly existingState?: ExportedState | { exportState(): Promise<ExportedState> };
}

export class BridgedState implements StateProvider, SlotBridge {
  readonly supportsWatching = true;
  readonly sessionId: string;
  /** For its pool only. */
  readonly bridge: number;
  readonly #deadlines = new Deadlines();
  /** For a context only. */
  readonly watches: BridgedWatches;
  /** Of the server that took its calls when it opened; '' of one that says none. */
  #epoch = '';
  #transport: AttachResult['transport'] = 'stream';
  readonly #options: StateOptions;
  readonly #pool: WorkerPool;
  readonly #ownsPool: boolean;
  readonly #callSlot: SlotClient;
  #closing: Promise<void> | undefined;

  private constructor(options: StateOptions, pool: WorkerPool, ownsPool: boolean) {
    this.#options = options;
    this.#pool = pool;
    this.#ownsPool = ownsPool;
    this.sessionId = options.sessionId;
    this.bridge = pool.nextBridge();
    this.watches = new BridgedWatches({
      bridge: this.bridge,
      slots: pool.slots,
      sessionId: options.sessionId,
      logger: options.logger,
      deadlines: this.#deadlines,
      verifies: options.verify,
      maxMessageBytes: options.limits.maxMessageBytes,
      maxMainMs: options.maxMainMs,
      epoch: () => this.#epoch,
      present: async (identifiers) => new Set((await this.#get(identifiers)).map(([identifier]) => identifier)),
      checkOpen: () => {
        if (this.#closing !== undefined) throw closedState();
      },
    });
    // One slot makes all calls of a session: that keeps sets of one variable in the order they were made, single or in batches.
    this.#callSlot = pool.slots[slotOf(options.sessionId, '', pool.slots.length)]!;
  }

  /**
   * Resolves when every worker is connected and the session is there.
   * @throws InvalidOptionsError, UnavailableError when no endpoint answers, ProtocolError when it is no bridge server, UnauthenticatedError, WorkerError
   */
  static async open(input: BridgedStateOptions): Promise<BridgedState> {
    const { pool: givenPool, existingState, ...data } = copyOptions(input, 'BridgedState.open');
    if (givenPool !== undefined && !(givenPool instanceof WorkerPool)) {
      throw new InvalidOptionsError('BridgedState.open: pool: give what WorkerPool.open returned');
    }
    for (const name of ['workers', 'workerUrl'] as const) {
      if (givenPool === undefined || data[name] === undefined) continue;
      throw new InvalidOptionsError(`BridgedState.open: ${name} belongs to the pool: leave it out, or leave out pool`);
    }
    const options = parseStateOptions(data);
    const exported = existingState === undefined ? undefined : await exportedOf(existingState);
    const pool =
      givenPool ??
      (await WorkerPool.open({
        logger: options.logger,
        ...(options.workers === undefined ? {} : { workers: options.workers }),
        ...(options.workerUrl === undefined ? {} : { workerUrl: options.workerUrl }),
      }));
    const state = new BridgedState(options, pool, givenPool === undefined);
    try {
      const attached = await Promise.allSettled(pool.slots.map((slot) => slot.attach(state)));
      for (const result of attached) if (result.status === 'rejected') throw result.reason;
      const calls = attached[pool.slots.indexOf(state.#callSlot)] as PromiseFulfilledResult<AttachResult>;
      state.#epoch = calls.value.epoch;
      state.#transport = calls.value.transport;
      if (exported !== undefined) await state.importState(exported);
    } catch (error) {
      await state.close();
      throw error;
    }
    return state;
  }

  get capabilities(): Capabilities {
    return {
      transport: this.#transport,
      resume: true,
      waitForMissing: true,
      conditionsOffMainThread: this.#pool.workers > 0,
    };
  }

  /** Worker threads that carry this state's streams. */
  get workers(): number {
    return this.#pool.workers;
  }

  async registerVariable(
    name: string,
    type: VariableType,
    initial: VariableInput,
    options?: RegisterOptions,
  ): Promise<string> {
    checkName(name);
    const subject = `variable "${name}"`;
    const { given, input, checkedType, constraints } = readAboutVariable(name, () => {
      const read = readRegisterOptions(options, subject);
      const copied = copyInput(initial, subject);
      const known = parseVariableType(type);
      const text = constraintsToJson(parseConstraints(known, read.constraints, subject));
      return { given: read, input: copied, checkedType: known, constraints: text };
    });
    return this.#register(name, checkedType, input, constraints, given, 1);
  }

  async getVariable(identifier: string): Promise<VariableValue> {
    return (await this.getVariableInfo(identifier)).value;
  }

  async getVariables(identifiers: Identifiers): Promise<Map<string, VariableValue>> {
    const found = await this.#get(checkIdentifiers(identifiers));
    return new Map(found.map(([identifier, variable]) => [identifier, fromPortValue(variable.value)]));
  }

  async getVariableInfo(identifier: string): Promise<VariableInfo> {
    checkIdentifier(identifier);
    const [found] = await this.#get([identifier]);
    if (found === undefined) throw VariablesNotFoundError.of([identifier]);
    return infoOf(found[1]);
  }

  async listVariables(pattern = ''): Promise<VariableInfo[]> {
    checkPattern(pattern);
    return ((await this.#call({ name: 'list', pattern })) as PortVariable[]).map(infoOf);
  }

  async setVariable(identifier: string, value: VariableInput, options?: SetOptions): Promise<number> {
    checkIdentifier(identifier);
    const { input, expectedVersion, metadata, source } = this.#setOf(identifier, value, options);
    if (isForLink(input)) {
      if (this.#closing !== undefined) throw closedState();
      return this.#callSlot.set(this.bridge, identifier, input, source, metadata, expectedVersion);
    }
    const result = await this.#call({
      name: 'set',
      identifier,
      value: toPortValue(input as VariableValue),
      source,
      metadata,
      expectedVersion,
    });
    return result as number;
  }

  async updateVariables(
    values: Readonly<Record<string, VariableInput>>,
    options?: UpdateOptions,
  ): Promise<Map<string, number>> {
    const given = readUpdateOptions(options);
    const atomic = given.atomic ?? false;
    const copied = copyBatch(values, atomic);
    const source = given.source ?? this.#options.source;
    const metadata = copyMetadata(given.metadata, 'update');
    const result = await this.#update(copied.values, atomic, source, metadata);
    if (copied.refused.length + result.refused.length > 0) {
      const later = result.refused.map(([identifier, error]) => [identifier, errorFromWire(error)] as const);
      throw batchRefused(refusedOf(copied, later), result.versions, atomic);
    }
    return new Map(result.versions);
  }

  async deleteVariable(identifier: string): Promise<void> {
    checkIdentifier(identifier);
    await this.#call({ name: 'delete', identifier });
  }

  async history(identifier: string, options?: { readonly limit?: number }): Promise<HistoryEntry[]> {
    checkIdentifier(identifier);
    const limit = checkLimit(readHistoryOptions(options).limit);
    const entries = (await this.#call({ name: 'history', identifier, limit })) as PortVersion[];
    return entries.map(({ value, ...entry }) => ({ ...entry, value: fromPortValue(value) }));
  }

  async rollback(identifier: string, version: number): Promise<number> {
    checkIdentifier(identifier);
    checkVersion(version, identifier);
    return (await this.#call({ name: 'rollback', identifier, version, source: this.#options.source })) as number;
  }

  watchVariables(target: WatchTarget, watcher: BatchWatcher, options: BatchWatchOptionsInput): Promise<Watch>;
  watchVariables(target: WatchTarget, watcher: Watcher, options?: WatchOptionsInput): Promise<Watch>;
  watchVariables(target: WatchTarget, watcher: AnyWatcher, options: AnyWatchOptionsInput = {}): Promise<Watch> {
    return this.watches.set.start(target, watcher, options, undefined);
  }

  watch(target: WatchTarget, options: BatchWatchOptionsInput): WatchIterable<readonly VariableChange[]>;
  watch(target: WatchTarget, options?: WatchOptionsInput): WatchIterable;
  watch(target: WatchTarget, options: AnyWatchOptionsInput = {}): AnyWatchIterable {
    return this.watches.set.iterate(target, options);
  }

  peek(identifier: string): CellValue | undefined {
    checkIdentifier(identifier);
    return this.watches.peek(identifier);
  }

  unwatchVariables(refOrWatch: string | Watch): Promise<void> {
    return this.watches.set.stop(refOrWatch);
  }

  listWatchers(): Promise<WatcherInfo[]> {
    return this.watches.list();
  }

  /** Watches, streams, connections and busyness of each worker, of all states of its pool: what `bridged-state demo` shows. */
  async workerStats(): Promise<
    { workerId: number; watches: number; streams: number; channels: number; utilization: number }[]
  > {
    const slots = (await Promise.all(this.#pool.slots.map((slot) => slot.stats()))) as PortStats[];
    return slots.map(({ subscriptions, streams, channels, utilization }, workerId) => ({
      workerId,
      watches: subscriptions.length,
      streams,
      channels,
      utilization,
    }));
  }

  async exportState(): Promise<ExportedState> {
    const variables = await this.listVariables();
    return {
      format: EXPORT_FORMAT,
      variables: variables.map(({ name, type, value, version, constraints, metadata, description, ttlMs }) => ({
        name,
        type,
        value,
        version,
        constraints,
        metadata,
        description,
        ttlMs,
      })),
    };
  }

  async importState(exported: ExportedState): Promise<void> {
    await this.bring(exported);
  }

  /** For a context only: imports, and says where each variable then stands, by name. `registered` is told what was not there, also where it fails. */
  async bring(
    exported: ExportedState,
    registered: Map<string, number> = new Map(),
  ): Promise<ReadonlyMap<string, WatchPosition>> {
    const { variables } = checkExportedState(exported);
    const positions = new Map<string, WatchPosition>();
    if (variables.length === 0) return positions;
    const present = new Map(await this.#get(variables.map((variable) => variable.name)));
    for (let from = 0; from < variables.length; from += IMPORTED_AT_ONCE) {
      const imports = variables.slice(from, from + IMPORTED_AT_ONCE).map(async (variable) => {
        const { name, value } = variable;
        const known = present.get(name)?.id;
        const { id, version } =
          known === undefined ? await this.#bringNew(variable, registered) : await this.#bringValue(known, variable);
        positions.set(name, { name, variableId: id, epoch: this.#epoch, version, value: value as VariableValue });
      });
      for (const result of await Promise.allSettled(imports)) if (result.status === 'rejected') throw result.reason;
    }
    return positions;
  }

  /**
   * For a context only: deletes what an import registered, by id and version, unless somebody has set it since. No call deletes a variable at a
   * version only: a set that comes between the look and the deletion goes with it.
   */
  async takeBack(registered: ReadonlyMap<string, number>): Promise<void> {
    if (registered.size === 0) return;
    const found = await this.#get([...registered.keys()]);
    const untouched = found.filter(([id, { version }]) => version === registered.get(id));
    for (let from = 0; from < untouched.length; from += IMPORTED_AT_ONCE) {
      const part = untouched.slice(from, from + IMPORTED_AT_ONCE);
      // One that another client deletes first is gone as well.
      await Promise.allSettled(part.map(([id]) => this.deleteVariable(id)));
    }
  }

  /** Lets the process exit although this state is open; with 0 workers it has no effect. */
  unref(): void {
    this.#pool.unref();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // --- SlotBridge

  attachCommand(isRecovery: boolean): Omit<AttachCommand, 'id'> {
    return { kind: 'attach', bridge: this.bridge, config: configOf(this.#options), isRecovery };
  }

  handleTurnEnd(): void {
    this.watches.handleTurnEnd();
  }

  // --- inside

  /** @throws BridgeError that names the variable */
  #setOf(identifier: string, value: VariableInput, options: SetOptions | undefined) {
    try {
      const input = copyInput(value, `variable "${identifier}"`);
      const given = readSetOptions(options, `set of "${identifier}"`);
      const expectedVersion = checkExpectedVersionOption(given.expectedVersion, identifier);
      const metadata = copyMetadata(given.metadata, `set of "${identifier}"`);
      return { input, expectedVersion, metadata, source: given.source ?? this.#options.source };
    } catch (error) {
      throw aboutVariable(error, identifier);
    }
  }

  async #bringNew(
    variable: ExportedVariable,
    registered: Map<string, number>,
  ): Promise<{ id: string; version: number }> {
    const { name, type, value, version } = variable;
    const options = importedOptions(variable);
    const input = copyInput(value, `variable "${name}"`);
    try {
      const id = await this.#register(name, type, input, constraintsToJson(variable.constraints), options, version);
      // A server that knows no epochs knows no first versions either.
      const first = this.#epoch === '' ? 1 : version;
      registered.set(id, wireVersion(first));
      return { id, version: first };
    } catch (error) {
      // Another client was faster: it gets the value.
      if (!(error instanceof AlreadyExistsError)) throw error;
      return this.#bringValue((await this.getVariableInfo(name)).id, variable);
    }
  }

  async #bringValue(id: string, { name, value }: ExportedVariable): Promise<{ id: string; version: number }> {
    return { id, version: await this.setVariable(name, value as VariableInput) };
  }

  async #register(
    variable: string,
    type: VariableType,
    initial: VariableInput,
    constraints: string,
    options: RegisterOptions,
    firstVersion: number,
  ): Promise<string> {
    const id = await this.#call({
      name: 'register',
      variable,
      type,
      initial: toPortValue(initial as VariableValue),
      constraints,
      source: this.#options.source,
      metadata: copyMetadata(options.metadata, `variable "${variable}"`),
      description: options.description ?? '',
      ttlMs: options.ttlMs ?? 0,
      firstVersion,
    });
    return id as string;
  }

  async #get(identifiers: readonly string[]): Promise<[string, PortVariable][]> {
    return (await this.#call({ name: 'get', identifiers })) as [string, PortVariable][];
  }

  async #update(
    values: CopiedBatch['values'],
    atomic: boolean,
    source: string,
    metadata: Metadata,
  ): Promise<PortBatchResult> {
    if (areForLink(values)) {
      if (this.#closing !== undefined) throw closedState();
      return this.#callSlot.update(this.bridge, values, source, metadata, atomic);
    }
    const result = await this.#call({
      name: 'update',
      values: values.map(([identifier, value]) => [identifier, toPortValue(value as VariableValue)] as const),
      atomic,
      source,
      metadata,
    });
    return result as PortBatchResult;
  }

  #call(call: Call): Promise<unknown> {
    if (this.#closing !== undefined) return Promise.reject(closedState());
    return this.#callSlot.call(this.bridge, call);
  }

  async #close(): Promise<void> {
    await this.watches.set.stopAll();
    await Promise.all(this.#pool.slots.map((slot) => slot.detach(this).catch(ignore)));
    this.#deadlines.close();
    if (this.#ownsPool) await this.#pool.close();
  }
}

function configOf(options: StateOptions): BridgeConfig {
  const { endpoints, sessionId, tls, token, transport, reconnect, breaker, keepalive, limits } = options;
  const tlsConfig = tls === false ? undefined : tls === true ? {} : tls;
  return {
    endpoints,
    sessionId,
    tls: tlsConfig === undefined ? undefined : { ca: tlsConfig.ca, cert: tlsConfig.cert, key: tlsConfig.key },
    token,
    transport,
    reconnect,
    breaker,
    keepalive: { timeMs: keepalive.timeMs, timeoutMs: keepalive.timeoutMs },
    limits,
  };
}

/** Asks a provider, takes anything else for what one exported. */
async function exportedOf(existing: NonNullable<BridgedStateOptions['existingState']>): Promise<ExportedState> {
  const isProvider = typeof existing === 'object' && existing !== null && 'exportState' in existing;
  return checkExportedState(isProvider ? await existing.exportState() : existing);
}

function infoOf({ value, constraints, type, ...variable }: PortVariable): VariableInfo {
  const checkedType = parseVariableType(type);
  return {
    ...variable,
    type: checkedType,
    value: fromPortValue(value),
    // Shown as the server says it: a foreign one may allow what ours refuses.
    constraints: constraints === '' ? NO_CONSTRAINTS : (parseJson(constraints) as unknown as Constraints),
  };
}

/** Its worker decides by which way it goes. */
function isForLink(input: VariableInput): input is SetValue {
  return !(input instanceof OpaqueBinary);
}

function areForLink(entries: CopiedBatch['values']): entries is SetEntries {
  return entries.every(([, value]) => isForLink(value));
}

/** Calls of an import under way: each costs a round trip. */
const IMPORTED_AT_ONCE = 256;

const closedState = (): ClosedError => new ClosedError('the state was closed: open another');

function ignore(): void {
  // The slot is gone with its worker; there is nothing left to detach from.
}
