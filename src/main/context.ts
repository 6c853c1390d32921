/**
 * Starts local and moves to a bridge when it is asked to, taking values, versions and live watches along. Path: your code -> [context] -> LocalState, later BridgedState.
 * While it moves, calls wait: nothing is set between the copy and the move. A move that fails leaves it local, as it was.
 */

import type { BridgeError } from '../shared/errors.js';
import { ClosedError, WatchNotFoundError } from '../shared/errors.js';
import type { WatchOptionsInput } from '../shared/options.js';
import { parseWatchOptions } from '../shared/options.js';
import { setImmediate } from '../shared/platform-timers.js';
import type { ExportedState } from '../shared/state/exported-state.js';
import type { VariableInput, VariableType, VariableValue } from '../shared/values/variable-type.js';
import type { BridgedStateOptions } from './bridged-state.js';
import { BridgedState } from './bridged-state.js';
import type { LocalStateOptions } from './local-state.js';
import { LocalState } from './local-state.js';
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
  WatchState,
} from './state-provider.js';
import type { Watcher } from './watch/dispatcher.js';
import { whenOver } from './watch/watch.js';
import { iterateWatch } from './watch/watch-iterator.js';

export class Context implements StateProvider {
  readonly supportsWatching = true;
  #provider: StateProvider;
  readonly #watches = new Map<string, MovingWatch>();
  #moving: Promise<BridgedState> | undefined;
  #isClosed = false;
  #watchesMade = 0;

  constructor(options: LocalStateOptions = {}) {
    this.#provider = new LocalState(options);
  }

  get isBridged(): boolean {
    return this.#provider instanceof BridgedState;
  }

  get capabilities(): Capabilities {
    return this.#provider.capabilities;
  }

  /**
   * Moves to a bridge, once: further calls return the same state. Variables that the session has already get the local value.
   * @throws what BridgedState.open throws; the context is local then, and may be asked again
   */
  ensureBridged(options: BridgedStateOptions): Promise<BridgedState> {
    if (this.#isClosed) return Promise.reject(new ClosedError('the context was closed: make another'));
    this.#moving ??= this.#move(options).catch((error: unknown) => {
      this.#moving = undefined;
      throw error;
    });
    return this.#moving;
  }

  async registerVariable(
    name: string,
    type: VariableType,
    initial: VariableInput,
    options?: RegisterOptions,
  ): Promise<string> {
    return (await this.#settled()).registerVariable(name, type, initial, options);
  }

  async getVariable(identifier: string): Promise<VariableValue> {
    return (await this.#settled()).getVariable(identifier);
  }

  async getVariables(identifiers: Identifiers): Promise<Map<string, VariableValue>> {
    return (await this.#settled()).getVariables(identifiers);
  }

  async getVariableInfo(identifier: string): Promise<VariableInfo> {
    return (await this.#settled()).getVariableInfo(identifier);
  }

  async listVariables(pattern?: string): Promise<VariableInfo[]> {
    return (await this.#settled()).listVariables(pattern);
  }

  async setVariable(identifier: string, value: VariableInput, options?: SetOptions): Promise<number> {
    return (this.#idle ?? (await this.#settled())).setVariable(identifier, value, options);
  }

  async updateVariables(
    values: Readonly<Record<string, VariableInput>>,
    options?: UpdateOptions,
  ): Promise<Map<string, number>> {
    return (this.#idle ?? (await this.#settled())).updateVariables(values, options);
  }

  async deleteVariable(identifier: string): Promise<void> {
    return (this.#idle ?? (await this.#settled())).deleteVariable(identifier);
  }

  async history(identifier: string, options?: { readonly limit?: number }): Promise<HistoryEntry[]> {
    return (await this.#settled()).history(identifier, options);
  }

  async rollback(identifier: string, version: number): Promise<number> {
    return (this.#idle ?? (await this.#settled())).rollback(identifier, version);
  }

  async watchVariables(identifiers: Identifiers, watcher: Watcher, options: WatchOptionsInput = {}): Promise<Watch> {
    return this.#watch(identifiers, watcher, options, undefined);
  }

  watch(identifiers: Identifiers, options: WatchOptionsInput = {}): WatchIterable {
    const { bufferLimit, overflow } = parseWatchOptions(options);
    return iterateWatch((watcher, onOver) => this.#watch(identifiers, watcher, options, onOver), bufferLimit, overflow);
  }

  async unwatchVariables(refOrWatch: string | Watch): Promise<void> {
    const ref = typeof refOrWatch === 'string' ? refOrWatch : refOrWatch.ref;
    const moving = this.#watches.get(ref);
    if (moving === undefined) {
      throw new WatchNotFoundError(`Watch not found: ${ref}: it was stopped, or it belongs to another state`);
    }
    await moving.stop();
  }

  async listWatchers(): Promise<WatcherInfo[]> {
    const infos = await (await this.#settled()).listWatchers();
    const refs = new Map([...this.#watches.values()].map((watch) => [watch.currentRef, watch.ref]));
    return infos.map((info) => ({ ...info, ref: refs.get(info.ref) ?? info.ref }));
  }

  async exportState(): Promise<ExportedState> {
    return (await this.#settled()).exportState();
  }

  async importState(exported: ExportedState): Promise<void> {
    return (await this.#settled()).importState(exported);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // A move that fails has told whoever asked for it.
    await this.#moving?.catch(() => undefined);
    await this.#provider.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #watch(
    identifiers: Identifiers,
    watcher: Watcher,
    options: WatchOptionsInput,
    onOver: OnOver | undefined,
  ): Promise<Watch> {
    // Registered at once, where that is possible.
    const provider = this.#idle ?? (await this.#settled());
    this.#watchesMade += 1;
    const ref = `watch-${this.#watchesMade}`;
    const end: OnOver = (error) => {
      this.#watches.delete(ref);
      onOver?.(error);
    };
    let watch: MovingWatch;
    try {
      watch = await MovingWatch.start(provider, ref, identifiers, watcher, options, end);
    } catch (error) {
      // Its maker's own doing, although it was not registered yet: a loop just ends.
      if (error instanceof ClosedError && options.signal?.aborted === true) end(undefined);
      throw error;
    }
    if (!watch.isOver) this.#watches.set(ref, watch);
    return watch;
  }

  /** The provider when nothing has to be waited for: what a watcher sets is then set within its call, and told in a later turn. */
  get #idle(): StateProvider | undefined {
    return this.#isClosed || this.#moving !== undefined ? undefined : this.#provider;
  }

  /** The provider, when no move is under way. */
  async #settled(): Promise<StateProvider> {
    if (this.#isClosed) throw new ClosedError('the context was closed: make another');
    await this.#moving?.catch(() => undefined);
    return this.#provider;
  }

  async #move(options: BridgedStateOptions): Promise<BridgedState> {
    const local = this.#provider;
    // Calls begun before this one still reach the local state: copied before they do, they would be lost.
    await new Promise((resolve) => setImmediate(resolve));
    const bridged = await BridgedState.open({ ...options, existingState: await local.exportState() });
    const moves: Move[] = [];
    try {
      for (const watch of this.#watches.values()) moves.push(await watch.prepareMove(bridged));
    } catch (error) {
      for (const move of moves) await move.undo();
      await bridged.close();
      throw error;
    }
    this.#provider = bridged;
    for (const move of moves) await move.make();
    await local.close();
    return bridged;
  }
}

type OnOver = (error: BridgeError | undefined) => void;

/** One watch's part of a move: until it is made or undone the watch runs on both providers. */
interface Move {
  make(): Promise<void>;
  undo(): Promise<void>;
}

/** A watch that keeps its handle while the provider behind it changes. */
class MovingWatch implements Watch {
  /** The context's own: each provider counts its refs from 1. */
  readonly ref: string;
  readonly #watcher: Watcher;
  readonly #options: WatchOptionsInput;
  /** An owner that only its watch holds could never be collected. */
  readonly #owner: WeakRef<object> | undefined;
  readonly #onOver: OnOver;
  #current!: Watch;
  /** Stands for the watch whose states are told: the one before stops when it has moved, which is no end. */
  #told: object = {};
  #isOver = false;

  private constructor(ref: string, watcher: Watcher, { owner, ...options }: WatchOptionsInput, onOver: OnOver) {
    this.ref = ref;
    this.#watcher = watcher;
    this.#options = options;
    this.#owner = owner === undefined ? undefined : new WeakRef(owner);
    this.#onOver = onOver;
  }

  /** @throws what watchVariables throws */
  static async start(
    provider: StateProvider,
    ref: string,
    identifiers: Identifiers,
    watcher: Watcher,
    options: WatchOptionsInput,
    onOver: OnOver,
  ): Promise<MovingWatch> {
    const watch = new MovingWatch(ref, watcher, parseWatchOptions(options), onOver);
    watch.#follow(await watch.#open(provider, identifiers, options, watch.#told));
    return watch;
  }

  get currentRef(): string {
    return this.#current.ref;
  }

  get identifiers(): readonly string[] {
    return this.#current.identifiers;
  }

  get state(): WatchState {
    return this.#current.state;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get ready(): Promise<void> {
    return this.#current.ready;
  }

  get synced(): Promise<void> {
    return this.#current.synced;
  }

  get freshnessMs(): number {
    return this.#current.freshnessMs;
  }

  stop(): Promise<void> {
    return this.#current.stop();
  }

  add(identifiers: Identifiers): Promise<void> {
    return this.#current.add(identifiers);
  }

  remove(identifiers: Identifiers): Promise<void> {
    return this.#current.remove(identifiers);
  }

  /** The same watch on another provider; its values were brought there, so nothing is initial any more. */
  async prepareMove(provider: StateProvider): Promise<Move> {
    const told = {};
    const next = await this.#open(provider, this.identifiers, { ...this.#options, includeInitial: false }, told);
    return {
      make: async () => {
        if (this.#isOver) {
          await next.stop();
          return;
        }
        const previous = this.#current;
        // Changed by its maker meanwhile.
        const added = previous.identifiers.filter((identifier) => !next.identifiers.includes(identifier));
        const removed = next.identifiers.filter((identifier) => !previous.identifiers.includes(identifier));
        this.#told = told;
        this.#follow(next);
        await previous.stop();
        if (added.length > 0) await next.add(added);
        if (removed.length > 0) await next.remove(removed);
      },
      undo: () => next.stop(),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #open(provider: StateProvider, identifiers: Identifiers, options: WatchOptionsInput, told: object): Promise<Watch> {
    const owner = this.#owner?.deref();
    const { onState } = this.#options;
    return provider.watchVariables(identifiers, this.#watcher, {
      ...options,
      ...(owner === undefined ? {} : { owner }),
      ...(onState === undefined ? {} : { onState: (state) => (this.#told === told ? onState(state) : undefined) }),
    });
  }

  #follow(watch: Watch): void {
    this.#current = watch;
    whenOver(watch, (error) => {
      if (this.#current !== watch || this.#isOver) return;
      this.#isOver = true;
      this.#onOver(error);
    });
  }
}
