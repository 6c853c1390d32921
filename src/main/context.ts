/**
 * Starts local and moves to a bridge when it is asked to, taking values, versions and live watches along. Path: your code -> [context] -> LocalState, later BridgedState.
 * While it moves, calls wait: nothing is set between the copy and the move. A move that fails leaves it local, as it was.
 */
import { AbortedError, ClosedError, InvalidOptionsError } from '../shared/errors.js';
import { copyOptions } from '../shared/option-reader.js';
import type { AnyWatchOptionsInput, BatchWatchOptionsInput, WatchOptionsInput } from '../shared/options.js';
import { parseWatchOptions } from '../shared/options.js';
import { setImmediate } from '../shared/platform-timers.js';
import type { Signal } from '../shared/signal.js';
import type { ExportedState } from '../shared/state/exported-state.js';
import type { VariableInput, VariableType, VariableValue } from '../shared/values/variable-type.js';
import type { BridgedStateOptions } from './bridged-state.js';
import { BridgedState } from './bridged-state.js';
import { checkWatch } from './call-arguments.js';
import type { LocalStateOptions } from './local-state.js';
import { LocalState } from './local-state.js';
import { type Move, MovingWatch, type OnOver } from './moving-watch.js';
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
import { type AnyWatchIterable, iterateWatch } from './watch/watch-iterator.js';
import { WatchRegistry } from './watch/watch-registry.js';
import type { OnBegun } from './watch/watch-set.js';
import type { BatchWatcher, VariableChange, Watcher } from './watch/watcher.js';

export class Context implements StateProvider {
  readonly supportsWatching = true;
  readonly #local: LocalState;
  #provider: LocalState | BridgedState;
  readonly #watches = new WatchRegistry<MovingWatch>();
  #moving: Promise<BridgedState> | undefined;
  #closing: Promise<void> | undefined;
  /** The bridge's ids of variables that are watched by their ids of the local state. */
  readonly #movedIds = new Map<string, string>();

  constructor(options: LocalStateOptions = {}) {
    this.#local = new LocalState(options);
    this.#provider = this.#local;
  }

  get isBridged(): boolean {
    return this.#provider instanceof BridgedState;
  }

  get capabilities(): Capabilities {
    return this.#provider.capabilities;
  }

  /**
   * Moves to a bridge, once: further calls return the same state. Variables that the session has already get the local value. The server gives
   * ids of its own: of those from before only watches and `peek` know. Histories begin with the move.
   * @throws what BridgedState.open throws; the context is local then, and may be asked again. What the move has registered is deleted again, as far as
   * the server can be reached and nobody has set it since; variables that the session had before keep the local value
   */
  ensureBridged(options: BridgedStateOptions): Promise<BridgedState> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('the context was closed: make another'));
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
    return (this.#idle ?? (await this.#settled())).registerVariable(name, type, initial, options);
  }

  async getVariable(identifier: string): Promise<VariableValue> {
    return (this.#idle ?? (await this.#settled())).getVariable(identifier);
  }

  async getVariables(identifiers: Identifiers): Promise<Map<string, VariableValue>> {
    return (this.#idle ?? (await this.#settled())).getVariables(identifiers);
  }

  async getVariableInfo(identifier: string): Promise<VariableInfo> {
    return (this.#idle ?? (await this.#settled())).getVariableInfo(identifier);
  }

  async listVariables(pattern?: string): Promise<VariableInfo[]> {
    return (this.#idle ?? (await this.#settled())).listVariables(pattern);
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
    return (this.#idle ?? (await this.#settled())).history(identifier, options);
  }

  async rollback(identifier: string, version: number): Promise<number> {
    return (this.#idle ?? (await this.#settled())).rollback(identifier, version);
  }

  watchVariables(target: WatchTarget, watcher: BatchWatcher, options: BatchWatchOptionsInput): Promise<Watch>;
  watchVariables(target: WatchTarget, watcher: Watcher, options?: WatchOptionsInput): Promise<Watch>;
  watchVariables(target: WatchTarget, watcher: AnyWatcher, options: AnyWatchOptionsInput = {}): Promise<Watch> {
    return this.#watch(target, watcher, options, undefined);
  }

  watch(target: WatchTarget, options: BatchWatchOptionsInput): WatchIterable<readonly VariableChange[]>;
  watch(target: WatchTarget, options?: WatchOptionsInput): WatchIterable;
  watch(target: WatchTarget, options: AnyWatchOptionsInput = {}): AnyWatchIterable {
    const parsed = parseWatchOptions(options);
    return iterateWatch((watcher, onOver, onBegun) => this.#watch(target, watcher, options, onOver, onBegun), parsed);
  }

  /** While it moves, of the local state. Over a bridge by the identifiers that its watches were made with. */
  peek(identifier: string): number | boolean | undefined {
    return this.#provider.peek(this.#movedIds.get(identifier) ?? identifier);
  }

  async unwatchVariables(refOrWatch: string | Watch): Promise<void> {
    const { ref, handle } = checkWatch(refOrWatch);
    await this.#watches.require(ref, handle).stop();
  }

  async listWatchers(): Promise<WatcherInfo[]> {
    await this.#moved();
    if (this.#closing !== undefined) return [];
    const infos = await this.#provider.listWatchers();
    const refs = new Map(this.#watches.all().map((watch) => [watch.currentRef, watch.ref]));
    return infos.map((info) => ({ ...info, ref: refs.get(info.ref) ?? info.ref }));
  }

  async exportState(): Promise<ExportedState> {
    return (this.#idle ?? (await this.#settled())).exportState();
  }

  async importState(exported: ExportedState): Promise<void> {
    return (this.#idle ?? (await this.#settled())).importState(exported);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#moved();
    // Calls that waited for the move have begun then: they were made before.
    await new Promise((resolve) => setImmediate(resolve));
    await this.#provider.close();
  }

  async #watch(
    target: WatchTarget,
    watcher: AnyWatcher,
    options: AnyWatchOptionsInput,
    onOver: OnOver | undefined,
    onBegun?: OnBegun,
  ): Promise<Watch> {
    const parsed = parseWatchOptions(options) as AnyWatchOptionsInput;
    // No closure over the options: `end` would hold it, and with them an owner that only its watch keeps alive.
    const { signal } = parsed;
    const wasAborted = isAborted(signal);
    // Registered at once, where that is possible.
    const provider = this.#idle ?? (await this.#settled());
    const ref = this.#watches.nextRef();
    const end: OnOver = (error) => {
      this.#watches.remove({ ref });
      onOver?.(error);
    };
    let watch: MovingWatch;
    try {
      watch = await MovingWatch.start(provider, ref, target, watcher, parsed, end, () => this.#moved(), onBegun);
    } catch (error) {
      // Its maker's own doing, although it was not registered yet: a loop just ends.
      if (error instanceof AbortedError && !wasAborted && isAborted(signal)) end(undefined);
      throw error;
    }
    if (!watch.isOver) this.#watches.add(watch);
    return watch;
  }

  /** The provider when nothing has to be waited for: calls are made in their order, and what a watcher sets within its call, to be told in a later turn. */
  get #idle(): LocalState | BridgedState | undefined {
    return this.#closing !== undefined || this.#moving !== undefined ? undefined : this.#provider;
  }

  /** The provider, when no move is under way. */
  async #settled(): Promise<LocalState | BridgedState> {
    if (this.#closing !== undefined) throw new ClosedError('the context was closed: make another');
    await this.#moved();
    return this.#provider;
  }

  /** A move that fails has told whoever asked for it. */
  async #moved(): Promise<void> {
    await this.#moving?.catch(() => undefined);
  }

  async #move(input: BridgedStateOptions): Promise<BridgedState> {
    const local = this.#local;
    const options = copyOptions(input, 'ensureBridged');
    if (options.existingState !== undefined)
      throw new InvalidOptionsError('ensureBridged: existingState: a context brings its own: import the other before');
    // Calls begun before this one still reach the local state: copied before they do, they would be lost.
    await new Promise((resolve) => setImmediate(resolve));
    const bridged = await BridgedState.open(options);
    local.holdsExpiries = true;
    const moves: Move[] = [];
    const registered = new Map<string, number>();
    try {
      const positions = await bridged.bring(await local.exportState(), registered);
      const limitMs = Math.max(options.limits?.openTimeoutMs ?? 0, LONGEST_MOVE_MS);
      const prepared = await Promise.allSettled(
        this.#watches.all().map(async (watch) => {
          moves.push(await watch.prepareMove(local, bridged, positions, limitMs));
        }),
      );
      for (const result of prepared) if (result.status === 'rejected') throw result.reason;
    } catch (error) {
      local.holdsExpiries = false;
      await Promise.all(moves.map((move) => move.undo()));
      // The reason of the failure may be that nothing can be asked any more: why it failed is what is said.
      await bridged.takeBack(registered).catch(() => undefined);
      await bridged.close();
      throw error;
    }
    this.#provider = bridged;
    for (const move of moves) move.make();
    for (const watch of this.#watches.all())
      for (const [there, callers] of watch.movedIds) this.#movedIds.set(callers, there);
    await local.close();
    return bridged;
  }
}

function isAborted(signal: Signal | undefined): boolean {
  return signal?.aborted === true;
}

/** For a watch to be registered on the bridge. */
const LONGEST_MOVE_MS = 30_000;
