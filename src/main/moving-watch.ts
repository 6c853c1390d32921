/**
 * A watch of a context: it keeps its handle while the provider behind it changes. Path: context -> [moving watch] -> watch of LocalState, later of BridgedState.
 * While it moves the local one speaks; at the move that one tells what it has left, and the one on the bridge goes on from there.
 */
import type { BridgeError } from '../shared/errors.js';
import { DeadlineExceededError } from '../shared/errors.js';
import type { AnyWatchOptionsInput } from '../shared/options.js';
import { parseWatchOptions } from '../shared/options.js';
import { clearTimeout, setTimeout } from '../shared/platform-timers.js';
import type { BridgedState } from './bridged-state.js';
import { checkIdentifiers } from './call-arguments.js';
import type { LocalState } from './local-state.js';
import type { Identifiers, Watch, WatchState, WatchTarget } from './state-provider.js';
import type { AnyWatcher, WatchPosition } from './watch/watch.js';
import { runOf, whenOver } from './watch/watch-handle.js';
import type { OnBegun } from './watch/watch-set.js';
import type { BatchWatcher, Watcher } from './watch/watcher.js';

/** Told when the watch is over, with the error if it failed. */
export type OnOver = (error: BridgeError | undefined) => void;

/** One watch's part of a move: until it is made or undone the watch on the bridge is silent. */
export interface Move {
  /** At once: what the local watch has is told, and the one on the bridge goes on from there. */
  make(): void;
  undo(): Promise<void>;
}

/** A watch that keeps its handle while the provider behind it changes. */
export class MovingWatch implements Watch {
  /** The context's own: each provider counts its refs from 1. */
  readonly ref: string;
  readonly #watcher: AnyWatcher;
  readonly #options: AnyWatchOptionsInput;
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
    watcher: AnyWatcher,
    { owner, ...options }: AnyWatchOptionsInput,
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
    provider: LocalState | BridgedState,
    ref: string,
    target: WatchTarget,
    watcher: AnyWatcher,
    options: AnyWatchOptionsInput,
    onOver: OnOver,
    moved: () => Promise<void>,
    onBegun?: OnBegun,
  ): Promise<MovingWatch> {
    const watch = new MovingWatch(ref, watcher, parseWatchOptions(options) as AnyWatchOptionsInput, onOver, moved);
    watch.#follow(await provider.watches.set.start(target, watcher, options, undefined, undefined, onBegun));
    return watch;
  }

  /** As its maker holds it. */
  get handle(): Watch {
    return this;
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

  /** The caller's ids by those of the bridge. */
  get movedIds(): ReadonlyMap<string, string> {
    return this.#callersOf;
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
    const { context, patterns } = runOf(previous);
    const names = local.watches.namesOf(runOf(previous));
    if (this.#isOver || (names.size === 0 && patterns.length === 0)) return NOTHING_TO_MOVE;
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
      patterns.length === 0 ? [...there.values()] : { pattern: patterns },
      callersOf.size === 0
        ? this.#watcher
        : withCallersIdentifiers(this.#watcher, callersOf, this.#options.batch === true),
      { ...this.#options, ...(owner === undefined ? {} : { owner }) },
      undefined,
      { context, positions: begin },
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

function withCallersIdentifiers(
  watcher: AnyWatcher,
  callersOf: ReadonlyMap<string, string>,
  isBatch: boolean,
): AnyWatcher {
  const callers = (identifier: string): string => callersOf.get(identifier) ?? identifier;
  if (isBatch) {
    const tell = watcher as BatchWatcher;
    const together: BatchWatcher = (changes) =>
      tell(changes.map((change) => ({ ...change, identifier: callers(change.identifier) })));
    return together;
  }
  const tell = watcher as Watcher;
  const each: Watcher = (identifier, ...rest) => tell(callers(identifier), ...rest);
  return each;
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
