/**
 * The API over a worker pool: HTTP/2, gRPC, protobuf and reconnecting happen in workers, this thread runs the watchers.
 * Path: slot client -> [bridged state] -> dispatcher. Closed: pending calls are answered, watches end, a pool of its own ends too.
 */
import { Deadlines } from '../shared/deadlines.js';
import type { ErrorWire } from '../shared/errors.js';
import {
  type BridgeError,
  ClosedError,
  errorFromWire,
  InvalidArgumentError,
  InvalidOptionsError,
  MessageTooLargeError,
  UnsupportedError,
  VariablesNotFoundError,
} from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import type { StateOptions, StateOptionsInput, WatchOptionsInput } from '../shared/options.js';
import { parseStateOptions, parseWatchOptions } from '../shared/options.js';
import type { AttachCommand, BridgeConfig, Call } from '../shared/port/commands.js';
import { fromPortValue, toPortValue } from '../shared/port/port-value.js';
import type { PortBatchResult, PortStats, PortVariable, PortVersion } from '../shared/port/replies.js';
import { joinStates } from '../shared/port/stream-states.js';
import type { ExportedState } from '../shared/state/exported-state.js';
import { checkExportedState, EXPORT_FORMAT } from '../shared/state/exported-state.js';
import { systemClock } from '../shared/system-clock.js';
import type { Constraints } from '../shared/values/constraint.js';
import { NO_CONSTRAINTS, parseConstraints } from '../shared/values/constraint.js';
import { constraintsToJson } from '../shared/values/constraint-text.js';
import { checkName } from '../shared/values/identifier.js';
import { copyInput } from '../shared/values/input-copy.js';
import { parseJson } from '../shared/values/json.js';
import { copyMetadata } from '../shared/values/metadata.js';
import type { VariableInput, VariableType, VariableValue } from '../shared/values/variable-type.js';
import { parseVariableType } from '../shared/values/variable-type.js';
import { bytesToOpen, bytesToResume } from '../shared/wire/request-size.js';
import { batchRefused, checkExpectedVersionOption, checkLimit, copyBatch, refusedOf } from './call-arguments.js';
import { slotOf } from './pool/placement.js';
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
} from './state-provider.js';
import type { WatchedVariable, Watcher } from './watch/dispatcher.js';
import { releaseDue, watchedVariable } from './watch/dispatcher.js';
import type { WatchBackend } from './watch/watch.js';
import { checkIdentifiers, WatchRun } from './watch/watch.js';
import { iterateWatch } from './watch/watch-iterator.js';
import { WatchRegistry } from './watch/watch-registry.js';
import type { WatchShareOwner } from './watch/watch-share.js';
import { WatchShare } from './watch/watch-share.js';

export interface BridgedStateOptions extends StateOptionsInput {
  /** Workers to share; without it the state makes and closes its own. */
  readonly pool?: WorkerPool;
  /** Brought to the session when it opens: another provider, or what one exported. */
  readonly existingState?: ExportedState | { exportState(): Promise<ExportedState> };
}

export class BridgedState implements StateProvider, WatchBackend, WatchShareOwner, SlotBridge {
  readonly supportsWatching = true;
  readonly deadlines = new Deadlines();
  readonly logger: Logger;
  readonly sessionId: string;
  /** Conditions are asked in the workers. */
  readonly asksConditions = false;
  readonly bridge: number;
  readonly #options: StateOptions;
  readonly #pool: WorkerPool;
  readonly #ownsPool: boolean;
  readonly #registry = new WatchRegistry<WatchRun>();
  readonly #shares = new Map<WatchRun, WatchShare[]>();
  /** Watches that hold back calls until their turn is over. */
  readonly #heldThisTurn = new Set<WatchRun>();
  readonly #callSlot: SlotClient;
  #closing: Promise<void> | undefined;

  private constructor(options: StateOptions, pool: WorkerPool, ownsPool: boolean) {
    this.#options = options;
    this.#pool = pool;
    this.#ownsPool = ownsPool;
    this.logger = options.logger;
    this.sessionId = options.sessionId;
    this.bridge = pool.nextBridge();
    // One slot makes all calls of a session: that keeps sets of one variable in the order they were made, single or in batches.
    this.#callSlot = pool.slots[slotOf(options.sessionId, '', pool.slots.length)]!;
  }

  /**
   * Resolves when every worker is connected and the session is there.
   * @throws InvalidOptionsError, UnavailableError when no endpoint answers, ProtocolError when it is no bridge server, UnauthenticatedError, WorkerError
   */
  static async open(input: BridgedStateOptions): Promise<BridgedState> {
    const { pool: givenPool, existingState, ...data } = input ?? {};
    if (givenPool !== undefined && !(givenPool instanceof WorkerPool)) {
      throw new InvalidOptionsError('BridgedState.open: pool: give what WorkerPool.open returned');
    }
    if (givenPool !== undefined && data.workers !== undefined) {
      throw new InvalidOptionsError('BridgedState.open: workers belongs to the pool: leave it out, or leave out pool');
    }
    const options = parseStateOptions(data);
    if (options.transport === 'link') {
      throw new UnsupportedError("transport 'link' is not in this version: use 'auto' or 'stream'");
    }
    const exported = existingState === undefined ? undefined : await exportedOf(existingState);
    const pool =
      givenPool ??
      (await WorkerPool.open({
        logger: options.logger,
        ...(options.workers === undefined ? {} : { workers: options.workers }),
      }));
    const state = new BridgedState(options, pool, givenPool === undefined);
    try {
      const attached = await Promise.allSettled(pool.slots.map((slot) => slot.attach(state)));
      for (const result of attached) if (result.status === 'rejected') throw result.reason;
      if (exported !== undefined) await state.importState(exported);
    } catch (error) {
      await state.close();
      throw error;
    }
    return state;
  }

  get capabilities(): Capabilities {
    return { transport: 'stream', resume: true, waitForMissing: true, conditionsOffMainThread: this.#pool.workers > 0 };
  }

  /** Worker threads that carry this state's streams. */
  get workers(): number {
    return this.#pool.workers;
  }

  async registerVariable(
    name: string,
    type: VariableType,
    initial: VariableInput,
    options: RegisterOptions = {},
  ): Promise<string> {
    checkName(name);
    const subject = `variable "${name}"`;
    const input = copyInput(initial, subject);
    const checkedType = parseVariableType(type);
    const constraints = constraintsToJson(parseConstraints(checkedType, options.constraints, subject));
    return this.#register(name, checkedType, input, constraints, options, 1);
  }

  async getVariable(identifier: string): Promise<VariableValue> {
    return (await this.getVariableInfo(identifier)).value;
  }

  async getVariables(identifiers: Identifiers): Promise<Map<string, VariableValue>> {
    const found = await this.#get(checkIdentifiers(identifiers));
    return new Map(found.map(([identifier, variable]) => [identifier, fromPortValue(variable.value)]));
  }

  async getVariableInfo(identifier: string): Promise<VariableInfo> {
    const [found] = await this.#get(checkIdentifiers([identifier]));
    if (found === undefined) throw VariablesNotFoundError.of([identifier]);
    return infoOf(found[1]);
  }

  async listVariables(pattern = ''): Promise<VariableInfo[]> {
    return ((await this.#call({ name: 'list', pattern })) as PortVariable[]).map(infoOf);
  }

  async setVariable(identifier: string, value: VariableInput, options: SetOptions = {}): Promise<number> {
    checkIdentifiers([identifier]);
    const input = copyInput(value, `variable "${identifier}"`);
    const expectedVersion = checkExpectedVersionOption(options.expectedVersion, identifier);
    const result = await this.#call({
      name: 'set',
      identifier,
      value: toPortValue(input as VariableValue),
      source: options.source ?? this.#options.source,
      metadata: copyMetadata(options.metadata, `set of "${identifier}"`),
      expectedVersion,
    });
    return result as number;
  }

  async updateVariables(
    values: Readonly<Record<string, VariableInput>>,
    options: UpdateOptions = {},
  ): Promise<Map<string, number>> {
    const atomic = options.atomic ?? false;
    const copied = copyBatch(values, atomic);
    const result = (await this.#call({
      name: 'update',
      values: copied.values.map(([identifier, value]) => [identifier, toPortValue(value as VariableValue)] as const),
      atomic,
      source: options.source ?? this.#options.source,
      metadata: copyMetadata(options.metadata, 'update'),
    })) as PortBatchResult;
    if (copied.refused.length + result.refused.length > 0) {
      const later = result.refused.map(([identifier, error]) => [identifier, errorFromWire(error)] as const);
      throw batchRefused(refusedOf(copied, later), result.versions, atomic);
    }
    return new Map(result.versions);
  }

  async deleteVariable(identifier: string): Promise<void> {
    checkIdentifiers([identifier]);
    await this.#call({ name: 'delete', identifier });
  }

  async history(identifier: string, options: { readonly limit?: number } = {}): Promise<HistoryEntry[]> {
    checkIdentifiers([identifier]);
    const limit = checkLimit(options.limit);
    const entries = (await this.#call({ name: 'history', identifier, limit })) as PortVersion[];
    return entries.map(({ value, ...entry }) => ({ ...entry, value: fromPortValue(value) }));
  }

  async rollback(identifier: string, version: number): Promise<number> {
    checkIdentifiers([identifier]);
    if (!Number.isSafeInteger(version) || version < 1) {
      throw new InvalidArgumentError(`rollback of "${identifier}": version ${version} is not a whole number from 1`);
    }
    return (await this.#call({ name: 'rollback', identifier, version })) as number;
  }

  async watchVariables(identifiers: Identifiers, watcher: Watcher, options: WatchOptionsInput = {}): Promise<Watch> {
    return (await this.#watch(identifiers, watcher, options, undefined)).handle;
  }

  watch(identifiers: Identifiers, options: WatchOptionsInput = {}): WatchIterable {
    const { bufferLimit, overflow } = parseWatchOptions(options);
    return iterateWatch(
      async (watcher, onOver) => (await this.#watch(identifiers, watcher, options, onOver)).handle,
      bufferLimit,
      overflow,
    );
  }

  async unwatchVariables(refOrWatch: string | Watch): Promise<void> {
    await this.#registry.require(typeof refOrWatch === 'string' ? refOrWatch : refOrWatch.ref).stop();
  }

  async listWatchers(): Promise<WatcherInfo[]> {
    const { slots } = this.#pool;
    const answers = (await Promise.all(slots.map((slot) => slot.stats()))) as PortStats[];
    const stats: SlotStats = new Map(
      slots.map((slot, place) => [slot, new Map(answers[place]!.subscriptions.map((one) => [one.subscription, one]))]),
    );
    return this.#registry.all().map((run) => watcherInfo(run, this.#shares.get(run) ?? [], stats));
  }

  /** Streams, connections and busyness of each worker: what `bridged-state demo` shows. */
  async workerStats(): Promise<{ workerId: number; streams: number; channels: number; utilization: number }[]> {
    const slots = (await Promise.all(this.#pool.slots.map((slot) => slot.stats()))) as PortStats[];
    return slots.map(({ streams, channels, utilization }, workerId) => ({ workerId, streams, channels, utilization }));
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
    const { variables } = checkExportedState(exported);
    if (variables.length === 0) return;
    const present = await this.getVariables(variables.map((variable) => variable.name));
    for (const variable of variables) {
      const { name, type, value, constraints, version } = variable;
      if (present.has(name)) await this.setVariable(name, value as VariableInput);
      else {
        checkName(name);
        const input = copyInput(value, `variable "${name}"`);
        await this.#register(name, type, input, constraintsToJson(constraints), variable, version);
      }
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

  // --- WatchBackend

  releaseAtTurnEnd(run: WatchRun): void {
    this.#heldThisTurn.add(run);
  }

  async add(run: WatchRun, identifiers: readonly string[]): Promise<void> {
    await this.#openShares(run, identifiers);
  }

  async remove(run: WatchRun, identifiers: readonly string[]): Promise<void> {
    const unwanted = new Set(identifiers);
    await Promise.all(
      (this.#shares.get(run) ?? []).map(async (share) => {
        const variables = share.variables.filter((variable) => unwanted.has(variable.identifier));
        if (variables.length === 0) return;
        for (const variable of variables) {
          variable.isGone = true;
          run.dropHeld(variable);
          run.variables.delete(variable.identifier);
        }
        share.variables = share.variables.filter((variable) => !unwanted.has(variable.identifier));
        if (share.variables.length > 0) await share.drop(variables);
        else await this.#closeShare(share);
      }),
    );
  }

  async stop(run: WatchRun): Promise<void> {
    const shares = this.#shares.get(run) ?? [];
    this.#shares.delete(run);
    await Promise.all(shares.map((share) => this.#closeShare(share)));
  }

  lastWordAtMs(run: WatchRun): number {
    let last = Number.POSITIVE_INFINITY;
    for (const share of this.#shares.get(run) ?? []) last = Math.min(last, share.lastWordAtMs);
    if (last === Number.POSITIVE_INFINITY) last = run.createdAt;
    return Math.max(last, run.stats.lastUpdateAtOrUndefined ?? 0);
  }

  // --- WatchShareOwner

  handleShareState(run: WatchRun, error: ErrorWire | undefined): void {
    const shares = this.#shares.get(run);
    if (shares === undefined || run.isStopped) return;
    const state = joinStates(shares.map((share) => share.state));
    if (state === 'failed') run.handleEnded(error === undefined ? undefined : errorFromWire(error));
    else if (shares.every((share) => share.isOver)) run.handleEnded(undefined);
    else run.handleState(state);
  }

  handleShareSynced(run: WatchRun): void {
    const shares = this.#shares.get(run) ?? [];
    if (shares.every((share) => share.isSynced || share.isOver)) run.handleSynced();
  }

  // --- SlotBridge

  attachCommand(isRecovery: boolean): Omit<AttachCommand, 'id'> {
    return { kind: 'attach', bridge: this.bridge, config: configOf(this.#options), isRecovery };
  }

  handleTurnEnd(): void {
    if (this.#heldThisTurn.size === 0) return;
    const runs = [...this.#heldThisTurn];
    this.#heldThisTurn.clear();
    const nowMs = systemClock.nowMs();
    for (const run of runs) releaseDue(run, nowMs);
  }

  // --- inside

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

  #call(call: Call): Promise<unknown> {
    if (this.#closing !== undefined) return Promise.reject(closedState());
    return this.#callSlot.call(this.bridge, call);
  }

  async #watch(
    identifiers: Identifiers,
    watcher: Watcher,
    input: WatchOptionsInput,
    onOver: ((error: BridgeError | undefined) => void) | undefined,
  ): Promise<WatchRun> {
    const wanted = checkIdentifiers(identifiers);
    if (typeof watcher !== 'function')
      throw new InvalidArgumentError('the watcher is a function (identifier, old, new, metadata)');
    const options = parseWatchOptions(input);
    if (this.#closing !== undefined) throw closedState();
    const remove = (run: WatchRun) => this.#registry.remove(run);
    const run = new WatchRun(this.#registry.nextRef(), watcher, options, this, remove, this.#options.verify);
    this.#registry.add(run);
    this.#shares.set(run, []);
    run.onOver = onOver;
    try {
      await this.#openShares(run, wanted);
    } catch (error) {
      // Told to the caller, and not as the end of a watch that never was.
      run.onOver = undefined;
      await run.stop();
      throw error;
    }
    if (run.isStopped) await run.ready;
    run.handleReady();
    return run;
  }

  /** Opens a subscription per slot; on a failure none of them stays. */
  async #openShares(run: WatchRun, identifiers: readonly string[]): Promise<void> {
    this.#checkFits(identifiers, run.options.atomic);
    const bySlot = new Map<SlotClient, WatchedVariable[]>();
    for (const identifier of identifiers) {
      const slot = this.#slotFor(run, identifier);
      const variables = bySlot.get(slot) ?? [];
      bySlot.set(slot, variables);
      variables.push(watchedVariable(run, identifier));
    }
    // Each slot, and each stream, alone would begin to deliver although another refuses its share.
    const isSplit = bySlot.size > 1 || bytesToResume(identifiers) > this.#options.limits.maxMessageBytes;
    if (isSplit && run.options.missing === 'fail') await this.#checkAllThere(identifiers);
    const shares: WatchShare[] = [];
    for (const [slot, variables] of bySlot) {
      const share = new WatchShare(this.bridge, slot, run, variables, this);
      shares.push(share);
      this.#shares.get(run)?.push(share);
      for (const variable of variables) run.variables.set(variable.identifier, variable);
    }
    const results = await Promise.allSettled(shares.map((share) => share.slot.open(share)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) return;
    await Promise.all(shares.map((share) => this.#closeShare(share)));
    const all = this.#shares.get(run);
    for (const share of shares) {
      all?.splice(all.indexOf(share), 1);
      for (const variable of share.variables) run.variables.delete(variable.identifier);
    }
    if (failed.reason instanceof VariablesNotFoundError) await this.#checkAllThere(identifiers);
    throw failed.reason;
  }

  /**
   * The names of one call fit one message, so that nobody watches what cannot be asked for; what a return adds to them is split over streams,
   * unless the watch is atomic, which is whole on one stream only. @throws MessageTooLargeError
   */
  #checkFits(identifiers: readonly string[], isAtomic: boolean): void {
    const { maxMessageBytes } = this.#options.limits;
    const bytes = isAtomic ? bytesToResume(identifiers) : bytesToOpen(identifiers);
    if (bytes <= maxMessageBytes || identifiers.length === 1) return;
    const what = isAtomic ? 'an atomic watch and the versions that it resumes from' : 'the names of a watch';
    throw new MessageTooLargeError(
      `${what} take ${bytes} bytes for ${identifiers.length} variables, above limits.maxMessageBytes ${maxMessageBytes}: ` +
        'watch them by several calls, or raise it at both ends',
    );
  }

  /** @throws VariablesNotFoundError naming every one that is not there */
  async #checkAllThere(identifiers: readonly string[]): Promise<void> {
    const found = new Set((await this.#get(identifiers)).map(([identifier]) => identifier));
    const missing = identifiers.filter((identifier) => !found.has(identifier));
    if (missing.length > 0) throw VariablesNotFoundError.of(missing);
  }

  #slotFor(run: WatchRun, identifier: string): SlotClient {
    const { slots } = this.#pool;
    // All of an atomic watch on one slot: a batch set atomically arrives in one turn.
    const key = run.options.atomic ? run.ref : identifier;
    return slots[slotOf(this.sessionId, key, slots.length)]!;
  }

  async #closeShare(share: WatchShare): Promise<void> {
    if (share.isOver) return;
    share.isOver = true;
    await share.close().catch((error: unknown) => {
      if (!(error instanceof ClosedError)) throw error;
    });
  }

  async #close(): Promise<void> {
    await Promise.all(this.#registry.all().map((run) => run.stop()));
    await Promise.all(this.#pool.slots.map((slot) => slot.detach(this).catch(ignore)));
    this.deadlines.close();
    if (this.#ownsPool) await this.#pool.close();
  }
}

function configOf(options: StateOptions): BridgeConfig {
  const { endpoints, sessionId, tls, token, reconnect, breaker, keepalive, limits } = options;
  const tlsConfig = tls === false ? undefined : tls === true ? {} : tls;
  return {
    endpoints,
    sessionId,
    tls: tlsConfig === undefined ? undefined : { ca: tlsConfig.ca, cert: tlsConfig.cert, key: tlsConfig.key },
    token,
    reconnect,
    breaker,
    keepalive,
    limits,
  };
}

async function exportedOf(existing: NonNullable<BridgedStateOptions['existingState']>): Promise<ExportedState> {
  return checkExportedState('exportState' in existing ? await existing.exportState() : existing);
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

type SlotStats = ReadonlyMap<SlotClient, ReadonlyMap<number, PortStats['subscriptions'][number]>>;

function watcherInfo(run: WatchRun, shares: readonly WatchShare[], stats: SlotStats): WatcherInfo {
  const sum = { received: 0, filtered: 0, missedWaiting: 0, errors: 0, reconnects: 0, buffered: 0 };
  for (const share of shares) {
    const one = stats.get(share.slot)?.get(share.subscription);
    if (one === undefined) continue;
    sum.received += one.received;
    sum.filtered += one.filtered;
    sum.missedWaiting += one.missedWaiting;
    sum.errors += one.errors;
    sum.reconnects += one.reconnects;
    sum.buffered += one.buffered;
  }
  return {
    ref: run.ref,
    identifiers: run.identifiers,
    alive: !run.isStopped,
    state: run.state,
    workerId: shares[0]?.slot.number ?? -1,
    createdAt: systemClock.wallAtMs(run.createdAt),
    stats: {
      updatesReceived: sum.received,
      updatesDelivered: run.stats.delivered,
      updatesFiltered: run.stats.filtered + sum.filtered,
      updatesRateLimited: run.stats.rateLimited,
      updatesMissed: run.stats.missed + sum.missedWaiting,
      errors: run.stats.errors,
      reconnects: sum.reconnects,
      buffered: sum.buffered + (run.limit?.size ?? 0),
      uptimeMs: systemClock.nowMs() - run.createdAt,
      lastUpdateAt: run.stats.lastUpdateAtOn(systemClock),
      latencyMs: run.stats.latencyMs(),
    },
  };
}

const closedState = (): ClosedError => new ClosedError('the state was closed: open another');

function ignore(): void {
  // The slot is gone with its worker; there is nothing left to detach from.
}
