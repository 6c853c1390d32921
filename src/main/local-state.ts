/**
 * The API in process: no port, no wire. Path: your set -> variable table -> [local state] -> ring -> dispatcher -> watcher.
 * Watchers are called after the set, never inside it. Slow: each watch has a bounded ring and its `overflow`. Closed: every watch is over.
 */

import { Deadlines } from '../shared/deadlines.js';
import { aboutVariable, ClosedError, readAboutVariable } from '../shared/errors.js';
import type { Logger } from '../shared/logger.js';
import type { AnyWatchOptionsInput, BatchWatchOptionsInput, WatchOptionsInput } from '../shared/options.js';
import { parseLocalOptions } from '../shared/options.js';
import type { ExportedState } from '../shared/state/exported-state.js';
import { checkExportedState, EXPORT_FORMAT } from '../shared/state/exported-state.js';
import { DEFAULT_HISTORY_LIMITS } from '../shared/state/history.js';
import type { Setter } from '../shared/state/operation.js';
import { NO_SETTER } from '../shared/state/operation.js';
import type { Change, Variable } from '../shared/state/variable.js';
import { type SetResult, VariableTable } from '../shared/state/variable-table.js';
import { randomId, systemClock } from '../shared/system-clock.js';
import type { Deadline } from '../shared/timer-wheel.js';
import { checkName } from '../shared/values/identifier.js';
import { copyInput } from '../shared/values/input-copy.js';
import { copyMetadata } from '../shared/values/metadata.js';
import type { VariableInput, VariableType, VariableValue } from '../shared/values/variable-type.js';
import {
  batchRefused,
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
import { LocalWatches } from './local-watches.js';
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
import type { AnyWatcher } from './watch/watch.js';
import type { AnyWatchIterable } from './watch/watch-iterator.js';
import type { BatchWatcher, VariableChange, Watcher } from './watch/watcher.js';

export interface LocalStateOptions {
  /** Shows in `metadata.sessionId`. Default `local`. */
  readonly sessionId?: string;
  /** Who sets, unless a set says its own source. Default `typescript`. */
  readonly source?: string;
  /** Time that watchers may take in one turn of the event loop, ms; what is over waits for the next turn, and conflates. Default 0 = no limit. */
  readonly maxMainMs?: number;
  readonly logger?: Logger;
}

export class LocalState implements StateProvider {
  readonly supportsWatching = true;
  readonly capabilities: Capabilities = {
    transport: 'local',
    resume: true,
    waitForMissing: true,
    conditionsOffMainThread: false,
  };
  readonly #sessionId: string;
  readonly #source: string;
  readonly #deadlines = new Deadlines({ keepsProcessAlive: false });
  readonly #table = new VariableTable({
    maxVariables: Number.MAX_SAFE_INTEGER,
    history: DEFAULT_HISTORY_LIMITS,
    newId: () => randomId('var'),
    timestampAt: (nowMs) => systemClock.wallAtMs(nowMs),
  });
  /** For a context only. */
  readonly watches: LocalWatches;
  /** For a context only: while it moves, what would expire here lives on there. */
  holdsExpiries = false;
  readonly #expiries = new Map<Variable, Deadline>();
  #closing: Promise<void> | undefined;

  constructor(options: LocalStateOptions = {}) {
    const { sessionId, source, maxMainMs, logger } = parseLocalOptions(options);
    this.#sessionId = sessionId;
    this.#source = source;
    this.watches = new LocalWatches({
      sessionId: this.#sessionId,
      logger,
      deadlines: this.#deadlines,
      maxMainMs,
      find: (identifier) => this.#table.find(identifier),
      list: (pattern) => this.#table.list(pattern),
      checkOpen: () => void this.#open(),
    });
  }

  get sessionId(): string {
    return this.#sessionId;
  }

  async registerVariable(
    name: string,
    type: VariableType,
    initial: VariableInput,
    options: RegisterOptions = {},
  ): Promise<string> {
    checkName(name);
    return readAboutVariable(name, () =>
      this.#register(name, type, initial, readRegisterOptions(options, `variable "${name}"`), 1),
    );
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
    checkPattern(pattern);
    return this.#open().list(pattern).map(infoOf);
  }

  async setVariable(identifier: string, value: VariableInput, options?: SetOptions): Promise<number> {
    checkIdentifier(identifier);
    const { version, change } = this.#set(identifier, value, options);
    if (change !== undefined) this.watches.handleChange(change);
    this.#renew(identifier);
    const turn = this.watches.turnIfBusy();
    if (turn !== undefined) await turn;
    return version;
  }

  async updateVariables(
    values: Readonly<Record<string, VariableInput>>,
    options?: UpdateOptions,
  ): Promise<Map<string, number>> {
    const given = readUpdateOptions(options);
    const atomic = given.atomic ?? false;
    const copied = copyBatch(values, atomic);
    const assignments = copied.values.map(([identifier, input]) => ({ identifier, input }));
    const setter = this.#setter(given, 'update');
    const result = this.#open().update(assignments, atomic, setter, systemClock.nowMs());
    for (const change of result.changes) this.watches.handleChange(change);
    for (const identifier of result.versions.keys()) this.#renew(identifier);
    const turn = this.watches.turnIfBusy();
    if (turn !== undefined) await turn;
    if (copied.refused.length + result.refused.size > 0)
      throw batchRefused(refusedOf(copied, result.refused), [...result.versions], atomic);
    return result.versions;
  }

  async deleteVariable(identifier: string): Promise<void> {
    checkIdentifier(identifier);
    this.#remove(this.#open().delete(identifier, 'deleted', systemClock.nowMs()));
  }

  async history(identifier: string, options?: { readonly limit?: number }): Promise<HistoryEntry[]> {
    checkIdentifier(identifier);
    const limit = checkLimit(readHistoryOptions(options).limit);
    const { history } = this.#require(identifier);
    return history
      .last(limit === 0 ? history.length : limit)
      .map(({ version, value, timestamp, source, custom }) => ({ version, value, timestamp, source, custom }));
  }

  async rollback(identifier: string, version: number): Promise<number> {
    checkIdentifier(identifier);
    checkVersion(version, identifier);
    const setter: Setter = { source: this.#source, custom: NO_SETTER.custom };
    const result = readAboutVariable(identifier, () =>
      this.#open().rollback(identifier, version, setter, systemClock.nowMs()),
    );
    if (result.change !== undefined) this.watches.handleChange(result.change);
    this.#renew(identifier);
    return result.version;
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

  peek(identifier: string): number | boolean | undefined {
    checkIdentifier(identifier);
    const value = this.#closing !== undefined ? undefined : this.#table.find(identifier)?.current.value;
    return typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
  }

  unwatchVariables(refOrWatch: string | Watch): Promise<void> {
    return this.watches.set.stop(refOrWatch);
  }

  async listWatchers(): Promise<WatcherInfo[]> {
    return this.watches.set.list((run) => this.watches.upstreamOf(run));
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
      else this.#register(name, type, value as VariableInput, importedOptions(variable), version);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.watches.set.stopAll().then(() => this.#deadlines.close());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // --- inside

  #open(): VariableTable {
    if (this.#closing !== undefined) throw new ClosedError('the state was closed: open another');
    return this.#table;
  }

  /** @throws InvalidArgumentError, VariablesNotFoundError */
  #require(identifier: string): Variable {
    checkIdentifier(identifier);
    return this.#open().require(identifier);
  }

  /** @throws BridgeError that names it */
  #set(identifier: string, value: VariableInput, options: SetOptions | undefined): SetResult {
    try {
      const input = copyInput(value, `variable "${identifier}"`);
      const given = readSetOptions(options, `set of "${identifier}"`);
      const expected = checkExpectedVersionOption(given.expectedVersion, identifier);
      const assignment = { identifier, input, expectedVersion: expected === 0 ? undefined : expected };
      return this.#open().set(assignment, this.#setter(given, `set of "${identifier}"`), systemClock.nowMs());
    } catch (error) {
      throw aboutVariable(error, identifier);
    }
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
    checkName(name);
    const { constraints, metadata, description, ttlMs } = options;
    const registration = {
      name,
      type,
      initial: copyInput(initial, `variable "${name}"`),
      constraints,
      metadata: copyMetadata(metadata, `variable "${name}"`),
      description,
      ttlMs,
      source: this.#source,
      version,
    };
    const change = this.#open().register(registration, systemClock.nowMs());
    const { variable } = change;
    this.watches.handleRegistered(change);
    this.#renew(name);
    return variable.id;
  }

  #remove(change: Change): void {
    this.watches.handleRemoved(change);
    const expiry = this.#expiries.get(change.variable);
    if (expiry !== undefined) this.#deadlines.cancel(expiry);
    this.#expiries.delete(change.variable);
  }

  /** A set, also of an equal value, and a rollback begin a variable's time to live anew. */
  #renew(identifier: string): void {
    const variable = this.#table.find(identifier);
    if (variable === undefined || variable.ttlMs === 0) return;
    let expiry = this.#expiries.get(variable);
    if (expiry === undefined) {
      expiry = {
        dueAtMs: 0,
        wheelSlot: -1,
        wheelPlace: 0,
        handleDeadline: (nowMs) => {
          if (this.holdsExpiries) this.#renew(variable.id);
          else this.#remove(this.#table.delete(variable.name, 'expired', nowMs));
        },
      };
      this.#expiries.set(variable, expiry);
    }
    this.#deadlines.schedule(expiry, systemClock.nowMs() + variable.ttlMs);
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
