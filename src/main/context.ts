/**
 * Starts local and moves to a bridge when it is asked to, taking values, versions and live watches along. Path: your code -> [context] -> LocalState, later BridgedState.
 * While it moves, calls wait: nothing is set between the copy and the move. A move that fails leaves it local, as it was.
 */

import type { BridgeError } from '../shared/errors.js';
import { ClosedError, DeadlineExceededError, WatchNotFoundError } from '../shared/errors.js';
import type { WatchOptionsInput } from '../shared/options.js';
import { parseWatchOptions } from '../shared/options.js';
import { clearTimeout, setImmediate, setTimeout } from '../shared/platform-timers.js';
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
import type { WatchPosition } from './watch/watch.js';
import { checkIdentifiers, runOf, whenOver } from './watch/watch.js';
import { iterateWatch } from './watch/watch-iterator.js';

export class Context implements StateProvider {
  readonly supportsWatching = true;
  readonly #local: LocalState;
  #provider: StateProvider;
  readonly #watches = new Map<string, MovingWatch>();
  #moving: Promise<BridgedState> | undefined;
  #isClosed = false;
  #watchesMade = 0;

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
    await this.#moved();
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
      watch = await MovingWatch.start(provider, ref, identifiers, watcher, options, end, () => this.#moved());
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
    await this.#moved();
    return this.#provider;
  }

  /** A move that fails has told whoever asked for it. */
  async #moved(): Promise<void> {
    await this.#moving?.catch(() => undefined);
  }

  async #move({ existingState: _, ...options }: BridgedStateOptions): Promise<BridgedState> {
    const local = this.#local;
    // Calls begun before this one still reach the local state: copied before they do, they would be lost.
    await new Promise((resolve) => setImmediate(resolve));
    const bridged = await BridgedState.open(options);
    local.holdsExpiries = true;
    const moves: Move[] = [];
    try {
      const positions = await bridged.bring(await local.exportState());
      const limitMs = Math.max(options.limits?.openTimeoutMs ?? 0, LONGEST_MOVE_MS);
      const prepared = await Promise.allSettled(
        [...this.#watches.values()].map(async (watch) => {
          moves.push(await watch.prepareMove(local, bridged, positions, limitMs));
        }),
      );
      for (const result of prepared) if (result.status === 'rejected') throw result.reason;
    } catch (error) {
      local.holdsExpiries = false;
      await Promise.all(moves.map((move) => move.undo()));
      await bridged.close();
      throw error;
    }
    this.#provider = bridged;
    for (const move of moves) move.make();
    await local.close();
    return bridged;
  }
}

type OnOver = (error: BridgeError | undefined) => void;

/** One watch's part of a move: until it is made or undone the watch on the bridge is silent. */
interface Move {
  /** At once: what the local watch has is told, and the one on the bridge goes on from there. */
  make(): void;
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
  /** Resolves when no move is under way: what is watched does not change within one. */
  readonly #moved: () => Promise<void>;
  /** The caller's identifiers by those of the bridge, where they are ids: the bridge gives its own. */
  #callersOf: ReadonlyMap<string, string> = new Map();
  #current!: Watch;
  #isOver = false;

  private constructor(
    ref: string,
    watcher: Watcher,
    { owner, ...options }: WatchOptionsInput,
    onOver: OnOver,
    moved: () => Promise<void>,
  ) {
    this.ref = ref;
    this.#watcher = watcher;
    this.#options = options;
    this.#owner = owner === undefined ? undefined : new WeakRef(owner);
    this.#onOver = onOver;
    this.#moved = moved;
  }

  /** @throws what watchVariables throws */
  static async start(
    provider: StateProvider,
    ref: string,
    identifiers: Identifiers,
    watcher: Watcher,
    options: WatchOptionsInput,
    onOver: OnOver,
    moved: () => Promise<void>,
  ): Promise<MovingWatch> {
    const watch = new MovingWatch(ref, watcher, parseWatchOptions(options), onOver, moved);
    watch.#follow(await provider.watchVariables(identifiers, watcher, options));
    return watch;
  }

  get currentRef(): string {
    return this.#current.ref;
  }

  get identifiers(): readonly string[] {
    const { identifiers } = this.#current;
    return this.#callersOf.size === 0 ? identifiers : identifiers.map((one) => this.#callersOf.get(one) ?? one);
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

  async add(identifiers: Identifiers): Promise<void> {
    await this.#moved();
    await this.#current.add(this.#here(identifiers));
  }

  async remove(identifiers: Identifiers): Promise<void> {
    await this.#moved();
    await this.#current.remove(this.#here(identifiers));
  }

  /** The same watch on the bridge, from the positions on to which its values were brought. Silent until the move is made. */
  async prepareMove(
    local: LocalState,
    bridged: BridgedState,
    positions: ReadonlyMap<string, WatchPosition>,
    limitMs: number,
  ): Promise<Move> {
    const previous = this.#current;
    const owner = this.#owner?.deref();
    // Nobody's any more: what tells its watch so has not run yet.
    if (this.#owner !== undefined && owner === undefined) await this.stop();
    const names = local.watches.namesOf(runOf(previous));
    if (this.#isOver || names.size === 0) return NOTHING_TO_MOVE;
    const begin = new Map<string, WatchPosition>();
    const there = new Map<string, string>();
    const callersOf = new Map<string, string>();
    for (const [identifier, name] of names) {
      const position = name === undefined ? undefined : positions.get(name);
      const bridgeIdentifier = position === undefined || identifier === name ? identifier : position.variableId;
      if (bridgeIdentifier !== identifier) callersOf.set(bridgeIdentifier, identifier);
      there.set(identifier, bridgeIdentifier);
      if (position !== undefined) begin.set(bridgeIdentifier, position);
    }
    const opening = bridged.watches.set.start(
      [...there.values()],
      callersOf.size === 0 ? this.#watcher : withCallersIdentifiers(this.#watcher, callersOf),
      { ...this.#options, ...(owner === undefined ? {} : { owner }) },
      undefined,
      { context: runOf(previous).context, positions: begin },
    );
    let next: Watch;
    try {
      next = await withinMove(opening, limitMs);
    } catch (error) {
      // Ended by its own while it moved: nobody waits for it on the bridge.
      if (this.#isOver || this.#options.signal?.aborted === true) return NOTHING_TO_MOVE;
      throw error;
    }
    return {
      make: () => {
        const last = local.watches.handOver(runOf(previous));
        if (this.#isOver) {
          // Stopped, or ended, while it moved.
          void next.stop();
          return;
        }
        const told = new Map([...last].map(([identifier, one]) => [there.get(identifier) ?? identifier, one]));
        const { state } = previous;
        this.#callersOf = callersOf;
        this.#follow(next);
        void runOf(previous).retire();
        runOf(next).takeOver(told, state);
      },
      undo: () => next.stop(),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** The provider's identifiers of the caller's. */
  #here(identifiers: Identifiers): Identifiers {
    if (this.#callersOf.size === 0) return identifiers;
    const there = new Map([...this.#callersOf].map(([one, callers]) => [callers, one]));
    return checkIdentifiers(identifiers).map((one) => there.get(one) ?? one);
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

function withCallersIdentifiers(watcher: Watcher, callersOf: ReadonlyMap<string, string>): Watcher {
  return (identifier, ...rest) => watcher(callersOf.get(identifier) ?? identifier, ...rest);
}

/** @throws DeadlineExceededError; the watch that comes later is stopped */
async function withinMove(opening: Promise<Watch>, limitMs: number): Promise<Watch> {
  let timer: NodeJS.Timeout | undefined;
  let isLate = false;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      isLate = true;
      reject(new DeadlineExceededError(`a watch was not registered on the bridge within ${limitMs} ms: ask again`));
    }, limitMs);
  });
  opening.then(
    (watch) => (isLate ? watch.stop() : undefined),
    () => undefined,
  );
  try {
    return await Promise.race([opening, late]);
  } finally {
    clearTimeout(timer);
  }
}

const NOTHING_TO_MOVE: Move = { make: () => undefined, undo: async () => undefined };

const LONGEST_MOVE_MS = 30_000;
