/**
 * The API in process: no port, no wire. Path: your set -> variable table -> [local state] -> ring -> dispatcher -> watcher.
 * Watchers are called after the set, never inside it. Slow: each watch has a bounded ring and its `overflow`. Closed: every watch is over.
 */

import { Deadlines } from '../shared/deadlines.js';
import { BASELINE, flagsOfReason, INITIAL, UpdateRecord } from '../shared/delivery/update.js';
import type { RingEntry } from '../shared/delivery/update-ring.js';
import { UpdateRing } from '../shared/delivery/update-ring.js';
import {
  type BridgeError,
  BufferOverflowError,
  ClosedError,
  InvalidArgumentError,
  VariablesNotFoundError,
} from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import { silentLogger } from '../shared/logger.js';
import type { WatchOptionsInput } from '../shared/options.js';
import { parseWatchOptions } from '../shared/options.js';
import { queueMicrotask, setImmediate } from '../shared/platform-timers.js';
import type { ExportedState } from '../shared/state/exported-state.js';
import { checkExportedState, EXPORT_FORMAT } from '../shared/state/exported-state.js';
import { DEFAULT_HISTORY_LIMITS } from '../shared/state/history.js';
import type { Change, Variable, VersionedValue } from '../shared/state/variable.js';
import type { Setter } from '../shared/state/variable-table.js';
import { NO_SETTER, VariableTable } from '../shared/state/variable-table.js';
import { randomId, systemClock } from '../shared/system-clock.js';
import type { Deadline } from '../shared/timer-wheel.js';
import { copyMetadata } from '../shared/values/metadata.js';
import type { VariableInput, VariableType, VariableValue } from '../shared/values/variable-type.js';
import {
  batchRefused,
  checkExpectedVersionOption,
  checkIdentifier,
  checkLimit,
  checkValuesRecord,
} from './call-arguments.js';
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
import { deliver, releaseDue, watchedVariable } from './watch/dispatcher.js';
import type { WatchBackend } from './watch/watch.js';
import { checkIdentifiers, WatchRun } from './watch/watch.js';
import { iterateWatch } from './watch/watch-iterator.js';
import { WatchRegistry } from './watch/watch-registry.js';

export interface LocalStateOptions {
  /** Shows in `metadata.sessionId`. Default `local`. */
  readonly sessionId?: string;
  /** Who sets, unless a set says its own source. Default `typescript`. */
  readonly source?: string;
  readonly logger?: Logger;
}

/** One change on its way to one watch. */
interface LocalEntry extends RingEntry {
  readonly key: WatchedVariable;
  readonly value: VariableValue;
  old: VariableValue | undefined;
  readonly entry: VersionedValue;
}

interface Observation {
  readonly run: WatchRun;
  readonly ring: UpdateRing<LocalEntry>;
  isInLine: boolean;
}

export class LocalState implements StateProvider, WatchBackend {
  readonly supportsWatching = true;
  readonly capabilities: Capabilities = {
    transport: 'local',
    resume: true,
    waitForMissing: true,
    conditionsOffMainThread: false,
  };
  readonly deadlines = new Deadlines({ keepsProcessAlive: false });
  readonly logger: Logger;
  readonly sessionId: string;
  readonly asksConditions = true;
  readonly #source: string;
  readonly #update = new UpdateRecord();
  readonly #table = new VariableTable({
    maxVariables: Number.MAX_SAFE_INTEGER,
    history: DEFAULT_HISTORY_LIMITS,
    newId: () => randomId('var'),
    timestampAt: (nowMs) => systemClock.wallAtMs(nowMs),
  });
  readonly #observers = new Map<Variable, Set<WatchedVariable>>();
  /** Watched variables that do not exist yet, by name. */
  readonly #awaited = new Map<string, Set<WatchedVariable>>();
  readonly #observations = new Map<WatchRun, Observation>();
  readonly #registry = new WatchRegistry<WatchRun>();
  readonly #expiries = new Map<Variable, Deadline>();
  /** Watches with updates to deliver, in the order that they got them. */
  #line: Observation[] = [];
  readonly #heldThisTurn = new Set<WatchRun>();
  #isFlushScheduled = false;
  #isFlushing = false;
  #flushesThisTurn = 0;
  #isClosed = false;

  constructor(options: LocalStateOptions = {}) {
    this.sessionId = options.sessionId ?? 'local';
    this.#source = options.source ?? 'typescript';
    this.logger = options.logger ?? silentLogger;
  }

  async registerVariable(
    name: string,
    type: VariableType,
    initial: VariableInput,
    options: RegisterOptions = {},
  ): Promise<string> {
    return this.#register(name, type, initial, options, 1);
  }

  async getVariable(identifier: string): Promise<VariableValue> {
    return this.#require(identifier).current.value;
  }

  async getVariables(identifiers: Identifiers): Promise<Map<string, VariableValue>> {
    const table = this.#open();
    const found = new Map<string, VariableValue>();
    for (const identifier of checkIdentifiers(identifiers)) {
      const variable = table.find(identifier);
      if (variable !== undefined) found.set(identifier, variable.current.value);
    }
    return found;
  }

  async getVariableInfo(identifier: string): Promise<VariableInfo> {
    return infoOf(this.#require(identifier));
  }

  async listVariables(pattern = ''): Promise<VariableInfo[]> {
    return this.#open().list(pattern).map(infoOf);
  }

  async setVariable(identifier: string, value: VariableInput, options?: SetOptions): Promise<number> {
    const table = this.#open();
    checkIdentifier(identifier);
    const expected = checkExpectedVersionOption(options?.expectedVersion, identifier);
    const assignment = { identifier, input: value, expectedVersion: expected === 0 ? undefined : expected };
    const { version, change } = table.set(assignment, this.#setter(options, identifier), systemClock.nowMs());
    if (change !== undefined) this.#publish(change);
    this.#renew(identifier);
    if (this.#flushesThisTurn >= FLUSHES_A_TURN) await loopTurn();
    return version;
  }

  async updateVariables(
    values: Readonly<Record<string, VariableInput>>,
    options: UpdateOptions = {},
  ): Promise<Map<string, number>> {
    const table = this.#open();
    const assignments = checkValuesRecord(values).map(([identifier, input]) => ({ identifier, input }));
    const atomic = options.atomic ?? false;
    const result = table.update(assignments, atomic, this.#setter(options, 'update'), systemClock.nowMs());
    for (const change of result.changes) this.#publish(change);
    for (const identifier of result.versions.keys()) this.#renew(identifier);
    if (this.#flushesThisTurn >= FLUSHES_A_TURN) await loopTurn();
    if (result.refused.size > 0) throw batchRefused([...result.refused], [...result.versions], atomic);
    return result.versions;
  }

  async deleteVariable(identifier: string): Promise<void> {
    checkIdentifier(identifier);
    this.#remove(this.#open().delete(identifier, 'deleted', systemClock.nowMs()));
  }

  async history(identifier: string, options: { readonly limit?: number } = {}): Promise<HistoryEntry[]> {
    const { history } = this.#require(identifier);
    const limit = checkLimit(options.limit);
    return history
      .last(limit === 0 ? history.length : limit)
      .map(({ version, value, timestamp, source, custom }) => ({ version, value, timestamp, source, custom }));
  }

  async rollback(identifier: string, version: number): Promise<number> {
    checkIdentifier(identifier);
    if (!Number.isSafeInteger(version) || version < 1) {
      throw new InvalidArgumentError(`rollback of "${identifier}": version ${version} is not a whole number from 1`);
    }
    const setter: Setter = { source: this.#source, custom: NO_SETTER.custom };
    const result = this.#open().rollback(identifier, version, setter, systemClock.nowMs());
    if (result.change !== undefined) this.#publish(result.change);
    return result.version;
  }

  async watchVariables(identifiers: Identifiers, watcher: Watcher, options: WatchOptionsInput = {}): Promise<Watch> {
    return this.#watch(identifiers, watcher, options, undefined).handle;
  }

  watch(identifiers: Identifiers, options: WatchOptionsInput = {}): WatchIterable {
    const { bufferLimit, overflow } = parseWatchOptions(options);
    return iterateWatch(
      async (watcher, onOver) => this.#watch(identifiers, watcher, options, onOver).handle,
      bufferLimit,
      overflow,
    );
  }

  async unwatchVariables(refOrWatch: string | Watch): Promise<void> {
    await this.#registry.require(typeof refOrWatch === 'string' ? refOrWatch : refOrWatch.ref).stop();
  }

  async listWatchers(): Promise<WatcherInfo[]> {
    return this.#registry.all().map((run) => this.#infoOf(run));
  }

  async exportState(): Promise<ExportedState> {
    const variables = this.#open().list();
    return {
      format: EXPORT_FORMAT,
      variables: variables.map(({ name, type, current, constraints, metadata, description, ttlMs }) => ({
        name,
        type,
        value: current.value,
        version: current.version,
        constraints,
        metadata,
        description,
        ttlMs,
      })),
    };
  }

  async importState(exported: ExportedState): Promise<void> {
    const table = this.#open();
    for (const variable of checkExportedState(exported).variables) {
      const { name, type, value, version } = variable;
      if (table.find(name) !== undefined) await this.setVariable(name, value as VariableInput);
      else this.#register(name, type, value as VariableInput, variable, version);
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all(this.#registry.all().map((run) => run.stop()));
    this.deadlines.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // --- WatchBackend

  async add(run: WatchRun, identifiers: readonly string[]): Promise<void> {
    this.#observe(run, identifiers);
  }

  async remove(run: WatchRun, identifiers: readonly string[]): Promise<void> {
    for (const identifier of identifiers) {
      const variable = run.variables.get(identifier);
      if (variable === undefined) continue;
      run.variables.delete(identifier);
      this.#forget(variable);
    }
  }

  async stop(run: WatchRun): Promise<void> {
    for (const variable of run.variables.values()) this.#forget(variable);
    this.#observations.get(run)?.ring.clear();
    this.#observations.delete(run);
  }

  lastWordAtMs(): number {
    // In process there is no silence.
    return systemClock.nowMs();
  }

  releaseAtTurnEnd(run: WatchRun): void {
    this.#heldThisTurn.add(run);
  }

  // --- inside

  #open(): VariableTable {
    if (this.#isClosed) throw new ClosedError('the state was closed: open another');
    return this.#table;
  }

  /** @throws InvalidArgumentError, VariablesNotFoundError */
  #require(identifier: string): Variable {
    checkIdentifier(identifier);
    return this.#open().require(identifier);
  }

  #setter(options: SetOptions | UpdateOptions | undefined, subject: string): Setter {
    return { source: options?.source ?? this.#source, custom: copyMetadata(options?.metadata, subject) };
  }

  #register(
    name: string,
    type: VariableType,
    initial: VariableInput,
    options: RegisterOptions,
    version: number,
  ): string {
    const { constraints, metadata, description, ttlMs } = options;
    const registration = {
      name,
      type,
      initial,
      constraints,
      metadata: copyMetadata(metadata, `variable "${name}"`),
      description,
      ttlMs,
      source: this.#source,
      version,
    };
    const change = this.#open().register(registration, systemClock.nowMs());
    const { variable } = change;
    const awaited = this.#awaited.get(name);
    if (awaited !== undefined) {
      this.#awaited.delete(name);
      for (const watched of awaited) this.#attach(watched, variable);
      this.#publish(change);
    }
    this.#renew(name);
    return variable.id;
  }

  #watch(
    identifiers: Identifiers,
    watcher: Watcher,
    input: WatchOptionsInput,
    onOver: ((error: BridgeError | undefined) => void) | undefined,
  ): WatchRun {
    const wanted = checkIdentifiers(identifiers);
    if (typeof watcher !== 'function')
      throw new InvalidArgumentError('the watcher is a function (identifier, old, new, metadata)');
    const options = parseWatchOptions(input);
    this.#open();
    const remove = (one: WatchRun) => this.#registry.remove(one);
    const run = new WatchRun(this.#registry.nextRef(), watcher, options, this, remove, false);
    const ring = new UpdateRing<LocalEntry>(options.bufferLimit, options.overflow);
    this.#observations.set(run, { run, ring, isInLine: false });
    try {
      this.#observe(run, wanted);
    } catch (error) {
      void run.stop();
      throw error;
    }
    this.#registry.add(run);
    run.onOver = onOver;
    run.handleReady();
    run.handleState('live');
    // In a turn of its own, behind the initial values: nothing is told before the caller has the watch.
    setImmediate(() => run.handleSynced());
    return run;
  }

  /** @throws VariablesNotFoundError naming every unknown one; then none is watched */
  #observe(run: WatchRun, identifiers: readonly string[]): void {
    const missing = identifiers.filter((identifier) => this.#table.find(identifier) === undefined);
    if (missing.length > 0 && run.options.missing === 'fail') throw VariablesNotFoundError.of(missing);
    for (const identifier of identifiers) {
      const watched = watchedVariable(run, identifier);
      run.variables.set(identifier, watched);
      const variable = this.#table.find(identifier);
      if (variable === undefined) {
        addTo(this.#awaited, identifier, watched);
        continue;
      }
      this.#attach(watched, variable);
      this.#offer(watched, variable.current, run.options.includeInitial ? INITIAL : BASELINE);
    }
  }

  #attach(watched: WatchedVariable, variable: Variable): void {
    watched.variableId = variable.id;
    addTo(this.#observers, variable, watched);
  }

  #forget(watched: WatchedVariable): void {
    watched.isGone = true;
    removeFrom(this.#awaited, watched.identifier, watched);
    const variable = this.#table.find(watched.identifier);
    if (variable !== undefined) removeFrom(this.#observers, variable, watched);
  }

  #publish(change: Change): void {
    const observers = this.#observers.get(change.variable);
    if (observers === undefined) return;
    const flags = flagsOfReason(change.reason);
    for (const watched of observers) this.#offer(watched, change.current, flags);
  }

  #remove(change: Change): void {
    this.#publish(change);
    this.#observers.delete(change.variable);
    const expiry = this.#expiries.get(change.variable);
    if (expiry !== undefined) this.deadlines.cancel(expiry);
    this.#expiries.delete(change.variable);
  }

  #offer(watched: WatchedVariable, entry: VersionedValue, flags: number): void {
    const observation = this.#observations.get(watched.watch as WatchRun);
    if (observation === undefined) return;
    const isTaken = observation.ring.push({
      key: watched,
      value: entry.value,
      old: undefined,
      missed: 0,
      filtered: 0,
      flags,
      entry,
    });
    if (!isTaken) {
      const { bufferLimit } = observation.run.options;
      observation.run.handleEnded(
        new BufferOverflowError(
          `the watcher fell ${bufferLimit} updates behind and asked for overflow 'error': take updates faster, raise bufferLimit, or conflate`,
        ),
      );
      return;
    }
    if (!observation.isInLine) {
      observation.isInLine = true;
      this.#line.push(observation);
    }
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    // What watchers cause comes in a later turn: a watcher that sets must not keep the loop from everything else.
    // One that sets after an await, and a loop of awaited sets, neither: after so many flushes they wait for a turn too.
    if (this.#isFlushing || this.#flushesThisTurn >= FLUSHES_A_TURN) setImmediate(() => this.#flush());
    else queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushScheduled = false;
    this.#isFlushing = true;
    if (this.#flushesThisTurn === 0) setImmediate(() => (this.#flushesThisTurn = 0));
    this.#flushesThisTurn += 1;
    const line = this.#line;
    this.#line = [];
    const nowMs = systemClock.nowMs();
    for (const observation of line) {
      observation.isInLine = false;
      this.#deliverAll(observation, nowMs);
    }
    if (this.#heldThisTurn.size > 0) {
      const runs = [...this.#heldThisTurn];
      this.#heldThisTurn.clear();
      for (const run of runs) releaseDue(run, nowMs);
    }
    this.#isFlushing = false;
  }

  #deliverAll({ run, ring }: Observation, nowMs: number): void {
    // Only what is there now: a watcher that sets its own variable gets that in a later turn.
    for (let left = ring.size; left > 0 && !run.isStopped; left -= 1) {
      const waiting = ring.take();
      if (waiting === undefined) return;
      const { key, entry, missed, filtered, flags, old } = waiting;
      const update = this.#update;
      update.version = entry.version;
      update.value = entry.value;
      update.old = old;
      update.timestamp = entry.timestamp;
      update.receivedAt = nowMs;
      update.revision = entry.revision;
      update.missed = missed;
      update.filtered = filtered;
      update.flags = flags;
      update.source = entry.source;
      update.custom = entry.custom;
      deliver(key, update, nowMs);
    }
    if ([...run.variables.values()].every((variable) => variable.isGone)) run.handleEnded(undefined);
  }

  /** A set, also of an equal value, begins a variable's time to live anew. */
  #renew(identifier: string): void {
    const variable = this.#table.find(identifier);
    if (variable === undefined || variable.ttlMs === 0) return;
    let expiry = this.#expiries.get(variable);
    if (expiry === undefined) {
      expiry = {
        dueAtMs: 0,
        wheelSlot: -1,
        handleDeadline: (nowMs) => this.#remove(this.#table.delete(variable.name, 'expired', nowMs)),
      };
      this.#expiries.set(variable, expiry);
    }
    this.deadlines.schedule(expiry, systemClock.nowMs() + variable.ttlMs);
  }

  #infoOf(run: WatchRun): WatcherInfo {
    const { stats } = run;
    const ring = this.#observations.get(run)?.ring;
    const buffered = (ring?.size ?? 0) + (run.limit?.size ?? 0);
    return {
      ref: run.ref,
      identifiers: run.identifiers,
      alive: !run.isStopped,
      state: run.state,
      workerId: -1,
      createdAt: systemClock.wallAtMs(run.createdAt),
      stats: {
        updatesReceived: stats.delivered + stats.filtered + stats.rateLimited + buffered,
        updatesDelivered: stats.delivered,
        updatesFiltered: stats.filtered,
        updatesRateLimited: stats.rateLimited,
        updatesMissed: stats.missed + (ring?.missedWaiting() ?? 0),
        errors: stats.errors,
        reconnects: 0,
        buffered,
        uptimeMs: systemClock.nowMs() - run.createdAt,
        lastUpdateAt: stats.lastUpdateAtOn(systemClock),
        latencyMs: stats.latencyMs(),
      },
    };
  }
}

function infoOf(variable: Variable): VariableInfo {
  const { id, name, type, current, constraints, metadata, description, ttlMs } = variable;
  return {
    id,
    name,
    type,
    value: current.value,
    version: current.version,
    constraints,
    metadata,
    description,
    ttlMs,
    lastUpdatedAt: current.timestamp,
  };
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}

function removeFrom<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set === undefined) return;
  set.delete(value);
  if (set.size === 0) sets.delete(key);
}

function loopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Flushes in microtasks, which nothing else comes between, before the loop goes round. */
const FLUSHES_A_TURN = 1_000;
