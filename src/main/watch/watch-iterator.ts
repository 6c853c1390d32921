/**
 * `for await` over a watch. Path: dispatcher -> [watch iterator] -> your loop. Full: `bufferLimit` changes, then `overflow`; `missed` stays exact.
 * Closed: by leaving the loop, by its signal or owner, or when the iterator itself is collected.
 */

import { flagsOfReason, INITIAL, RESYNC } from '../../shared/delivery/update.js';
import type { Overflow, RingEntry } from '../../shared/delivery/update-ring.js';
import { UpdateRing } from '../../shared/delivery/update-ring.js';
import { BufferOverflowError } from '../../shared/errors.js';
import type { Watch, WatchIterable } from '../state-provider.js';
import { Milestone } from './milestone.js';
import type { BatchWatcher, VariableChange, Watcher } from './watcher.js';

interface Entry extends RingEntry {
  readonly change: VariableChange;
}

/** Starts the watch with a watcher of ours; `onOver` is told when it ends by itself, `onBegun` what stops it before it is registered. */
export type StartWatch = (
  watcher: Watcher | BatchWatcher,
  onOver: (error: Error | undefined) => void,
  onBegun: (begun: Begun) => void,
) => Promise<Watch>;

/** A watch that may still wait for its registration, for as long as its server is away. */
export interface Begun {
  stop(): Promise<void>;
}

/**
 * An iterator that nobody holds any more ends its watch. While somebody waits for its next change the buffer holds it.
 * Weakly, or a state that is dropped together with its watches could never be collected.
 */
const collected = new FinalizationRegistry<WeakRef<IteratorBuffer>>((buffer) => void buffer.deref()?.stop());

export interface IteratorOptions {
  readonly bufferLimit: number;
  readonly overflow: Overflow;
  /** Yields arrays: all that waits. */
  readonly batch: boolean;
}

/** Which of the two `batch` says; the providers' overloads tell it to the compiler. */
// biome-ignore lint/suspicious/noExplicitAny: what it yields is an option, known to the overloads of `watch`
export type AnyWatchIterable = WatchIterable<any>;

export function iterateWatch(start: StartWatch, options: IteratorOptions): AnyWatchIterable {
  // The buffer is held by its watch, the iterator by its user, and by the buffer while a `next` waits.
  const buffer = new IteratorBuffer(start, options);
  const iterator: AnyWatchIterable = {
    get ready() {
      return buffer.ready;
    },
    next: () => buffer.next(iterator),
    return: async (value: unknown) => {
      await buffer.stop();
      return { done: true, value: await value };
    },
    throw: async (error: unknown) => {
      await buffer.stop();
      throw error;
    },
    [Symbol.asyncIterator]: () => iterator,
    [Symbol.asyncDispose]: () => buffer.stop(),
  };
  collected.register(iterator, new WeakRef(buffer));
  return iterator;
}

type Yielded = VariableChange | readonly VariableChange[];

interface Taker {
  /** Nobody else may hold it: `await state.watch('t').next()`. */
  readonly iterator: AnyWatchIterable;
  resolve(result: IteratorResult<Yielded>): void;
  reject(error: unknown): void;
}

class IteratorBuffer {
  readonly #ring: UpdateRing<Entry>;
  readonly #limit: number;
  readonly #yieldsArrays: boolean;
  readonly #takers: Taker[] = [];
  /** The value that the loop saw last, by identifier: what the ring leaves out must not break the chain. */
  readonly #seen = new Map<string, VariableChange['newValue']>();
  #watch: Promise<Watch> | undefined;
  /** Until it is registered. */
  #begun: Begun | undefined;
  readonly #registered = new Milestone();
  #isOver = false;
  #error: unknown;

  constructor(start: StartWatch, { bufferLimit, overflow, batch }: IteratorOptions) {
    this.#limit = bufferLimit;
    this.#yieldsArrays = batch;
    this.#ring = new UpdateRing(bufferLimit, overflow);
    this.#open(start);
  }

  get ready(): Promise<void> {
    return this.#registered.promise;
  }

  async next(iterator: AnyWatchIterable): Promise<IteratorResult<Yielded>> {
    const value = this.#take();
    if (value !== undefined) return { done: false, value };
    if (this.#error !== undefined) {
      const error = this.#error;
      this.#error = undefined;
      throw error;
    }
    if (this.#isOver) return { done: true, value: undefined };
    return new Promise((resolve, reject) => this.#takers.push({ iterator, resolve, reject }));
  }

  async stop(): Promise<void> {
    this.#handleOver(undefined);
    // Whoever has left hears of nothing more.
    this.#error = undefined;
    this.#ring.clear();
    await this.stopWatch();
  }

  /** `start` is not kept: it holds the options, and with them an owner that only its watch would keep alive. */
  #open(start: StartWatch): void {
    const single: Watcher = (identifier, oldValue, newValue, metadata) => {
      this.#push({ identifier, oldValue, newValue, metadata });
      this.#serve();
    };
    const batch: BatchWatcher = (changes) => {
      if (this.#handOver(changes)) return;
      for (const change of changes) this.#push(change);
      this.#serve();
    };
    const handleBegun = (begun: Begun) => {
      // Left while its provider was not ready to begin.
      if (this.#isOver) void begun.stop();
      else this.#begun = begun;
    };
    this.#watch = start(this.#yieldsArrays ? batch : single, (error) => this.#handleOver(error), handleBegun);
    this.#watch
      .then(
        () => this.#registered.handleReached(),
        (error: Error) => {
          this.#registered.handleOver(() => error);
          this.#handleOver(error);
        },
      )
      .finally(() => {
        this.#begun = undefined;
      });
  }

  #push(change: VariableChange): void {
    if (this.#isOver) return;
    const { metadata } = change;
    const entry: Entry = {
      key: change.identifier,
      value: change.newValue,
      old: change.oldValue,
      missed: metadata.missed,
      filtered: 0,
      flags: (metadata.initial ? INITIAL : 0) | (metadata.resync ? RESYNC : 0) | flagsOfReason(metadata.deleted),
      change,
    };
    // What the loop sees first chains to where the watch began, however much of it is left out.
    if (!this.#seen.has(change.identifier)) this.#seen.set(change.identifier, change.oldValue);
    // Never past the ring: what it left out before is told by this one.
    if (!this.#ring.push(entry)) {
      this.#handleOver(
        new BufferOverflowError(
          `the loop fell ${this.#limit} changes behind and asked for overflow 'error': take them faster, raise bufferLimit, or conflate`,
        ),
      );
      void this.stopWatch();
    }
  }

  /** A turn goes whole, and past the buffer's limit, to a loop that waits for it. */
  #handOver(changes: readonly VariableChange[]): boolean {
    // Also where something that was left out has still to be told: then by the ring.
    if (this.#isOver || this.#takers.length === 0 || !this.#ring.isIdle) return false;
    for (const { identifier, newValue } of changes) this.#seen.set(identifier, newValue);
    this.#takers.shift()!.resolve({ done: false, value: changes });
    return true;
  }

  /** Gives what is there to those who wait. */
  #serve(): void {
    while (this.#takers.length > 0) {
      const value = this.#take();
      if (value === undefined) return;
      this.#takers.shift()!.resolve({ done: false, value });
    }
  }

  /** The next change, or all that wait; undefined when there is none. */
  #take(): Yielded | undefined {
    const first = this.#ring.take();
    if (first === undefined) return undefined;
    if (!this.#yieldsArrays) return this.#chained(first);
    const changes = [this.#chained(first)];
    for (let entry = this.#ring.take(); entry !== undefined; entry = this.#ring.take())
      changes.push(this.#chained(entry));
    return changes;
  }

  /** As the loop sees it: where the ring left changes out, the old value is the one that was taken last. */
  #chained(entry: Entry): VariableChange {
    const { change } = entry;
    const { identifier, metadata } = change;
    const leftOut = entry.missed - metadata.missed;
    const oldValue = this.#seen.get(identifier);
    this.#seen.set(identifier, change.newValue);
    const initial = (entry.flags & INITIAL) !== 0;
    if (leftOut === 0 && initial === metadata.initial) return change;
    const resync = (entry.flags & RESYNC) !== 0;
    return {
      ...change,
      oldValue: initial ? undefined : oldValue,
      metadata: { ...metadata, missed: entry.missed, initial, resync },
    };
  }

  async stopWatch(): Promise<void> {
    await this.#begun?.stop();
    // One that failed to start was told to whoever waited for it.
    const watch = await this.#watch?.catch(() => undefined);
    await watch?.stop();
  }

  #handleOver(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    const takers = this.#takers.splice(0);
    for (const [place, taker] of takers.entries()) {
      if (place === 0 && error !== undefined) {
        this.#error = undefined;
        taker.reject(error);
      } else {
        taker.resolve({ done: true, value: undefined });
      }
    }
  }
}
