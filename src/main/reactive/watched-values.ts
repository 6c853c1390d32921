/**
 * One watch of some variables, by which the reactive helpers know the present values. Path: batch watcher -> [watched values] -> variable, group, value.
 * Slow callbacks: they run in the watch's turn on the main thread; what comes meanwhile conflates as the watch says. Closed: nothing is called any more.
 */

import { AsyncResource } from 'node:async_hooks';
import { ClosedError, InvalidArgumentError, InvalidOptionsError, WatcherError } from '../../shared/errors.js';
import { isSignal, type Signal } from '../../shared/signal.js';
import { callUser, sentenceOf } from '../../shared/thrown.js';
import { describeValue } from '../../shared/values/describe-value.js';
import { checkIdentifiers, checkProvider, readReactiveOptions } from '../call-arguments.js';
import type { Identifiers, StateProvider, Watch } from '../state-provider.js';
import { followOwner } from '../watch/owner.js';
import type { VariableChange } from '../watch/watcher.js';
import type { ReactiveOptions } from './reactive-options.js';

/** Ends what it was returned for; a second time it does nothing. */
export type Unsubscribe = () => void;

// biome-ignore lint/suspicious/noExplicitAny: what a subscriber takes is known to the class that has it
type Callback = (...args: any[]) => unknown;

interface Subscriber {
  readonly callback: Callback;
  /** Of whoever subscribed: it sees that one's AsyncLocalStorage. */
  readonly context: AsyncResource;
}

/** Ends with its watch: by `close`, its signal, its owner, when its last variable was deleted, and with the state. */
export abstract class WatchedValues implements AsyncDisposable {
  /** As they were asked for: names or ids. */
  readonly names: readonly string[];
  protected readonly provider: StateProvider;
  protected readonly options: ReactiveOptions;
  readonly #subscribers = new Set<Subscriber>();
  readonly #sets = new Set<Promise<unknown>>();
  /** Whose present value has not come; with none left it is ready. */
  readonly #unknown: Set<string>;
  readonly #ready: Promise<void>;
  #handleReady: () => void = () => undefined;
  #handleNeverReady: (error: Error) => void = () => undefined;
  /** Aborted at the end: one that is still being opened is not waited for. */
  readonly #over = new AbortController();
  #unfollow: () => void = () => undefined;
  #opening: Promise<Watch> | undefined;
  #isClosed = false;

  protected constructor(provider: StateProvider, names: readonly string[], options: ReactiveOptions) {
    checkProvider(provider);
    this.provider = provider;
    this.names = names;
    this.options = readReactiveOptions(options, subjectOf(names));
    this.#unknown = new Set(names);
    this.#ready = new Promise((resolve, reject) => {
      this.#handleReady = resolve;
      this.#handleNeverReady = reject;
    });
    // Told to whoever waits; nobody may.
    this.#ready.catch(() => undefined);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Resolves when nothing is called any more and what it has set is answered. A second time it does nothing. */
  async close(): Promise<void> {
    this.#end(undefined);
    const watch = await this.#opening?.catch(() => undefined);
    await watch?.stop();
    await Promise.allSettled(this.#sets);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Resolves when the present value of each is known. @throws what `watchVariables` throws, InvalidOptionsError */
  protected async open(): Promise<this> {
    const { signal, owner } = this.options;
    let trouble: Error | undefined;
    let isOpen = false;
    this.#followSignal(signal);
    try {
      this.#opening = this.provider.watchVariables([...this.#unknown], (changes) => this.#handleChanges(changes), {
        ...{ batch: true, includeInitial: true, atomic: this.#unknown.size > 1, signal: this.#over.signal },
        ...(owner === undefined ? {} : { owner }),
        onError: (error) => {
          trouble = error;
          this.tell(error);
          this.handleTrouble(error);
        },
        onState: (state) => {
          // Until it is open, what it throws tells why.
          if (isOpen) this.#handleState(state, trouble);
        },
      });
      const { state } = await this.#opening;
      isOpen = true;
      this.#handleState(state, trouble);
      await this.#ready;
      return this;
    } catch (error) {
      this.#end(error as Error);
      await this.close();
      throw error;
    }
  }

  /** All that came together, in their order. */
  protected abstract take(changes: readonly VariableChange[]): void;

  /** For a class that does more about what its watch tells than to pass it on. */
  protected handleTrouble(_error: Error): void {}

  /** For a class that has something of its own to let go of. `failure`: why it ended, unless it was asked to. */
  protected handleEnd(_failure: Error | undefined): void {}

  protected subscribe(callback: Callback, what: string): Unsubscribe {
    if (typeof callback !== 'function') {
      throw new InvalidArgumentError(`onChange of ${subjectOf(this.names)}: give a function ${what}`);
    }
    this.checkOpen();
    const subscriber = { callback, context: new AsyncResource('BRIDGED_STATE_REACTIVE') };
    this.#subscribers.add(subscriber);
    return () => void this.#subscribers.delete(subscriber);
  }

  protected callAll(...args: unknown[]): void {
    for (const subscriber of [...this.#subscribers]) {
      // One before it may have closed it, or unsubscribed the next.
      if (!this.#subscribers.has(subscriber)) continue;
      const tell = (cause: unknown) =>
        this.tell(new WatcherError(`onChange of ${subjectOf(this.names)} threw: ${sentenceOf(cause)}`, { cause }));
      callUser(() => subscriber.context.runInAsyncScope(subscriber.callback, undefined, ...args), tell);
    }
  }

  /** A set that nobody waits for: its failure is told. */
  protected followSet(set: Promise<unknown>): void {
    const settled = set.then(
      () => undefined,
      (error: Error) => this.tell(error),
    );
    this.#sets.add(settled);
    void settled.then(() => this.#sets.delete(settled));
  }

  /** @throws ClosedError */
  protected checkOpen(): void {
    if (this.#isClosed) throw new ClosedError(`${subjectOf(this.names)} was closed: open another`);
  }

  protected tell(error: Error): void {
    const { onError } = this.options;
    const warn = (what: unknown) => process.emitWarning(what instanceof Error ? what : sentenceOf(what));
    if (onError === undefined) warn(error);
    else callUser(() => onError(error), warn);
  }

  #handleChanges(changes: readonly VariableChange[]): void {
    if (this.#isClosed) return;
    for (const { identifier } of changes) this.#unknown.delete(identifier);
    this.take(changes);
    if (this.#unknown.size === 0) this.#handleReady();
  }

  /** `trouble`: what its watch told last; of one that has failed, why. */
  #handleState(state: string, trouble: Error | undefined): void {
    if (state === 'failed') this.#end(trouble);
    else if (state === 'stopped') this.#end(undefined);
  }

  /** Joined by hand: AbortSignal.any takes none of another realm. */
  #followSignal(signal: Signal | undefined): void {
    if (signal === undefined) return;
    if (!isSignal(signal)) throw new InvalidOptionsError(`${subjectOf(this.names)}: signal: give an AbortSignal`);
    if (signal.aborted) this.#end(undefined, signal.reason);
    else this.#unfollow = followOwner(signal, ({ cause }) => this.#end(undefined, cause));
  }

  #end(failure: Error | undefined, reason?: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unfollow();
    this.#over.abort(reason);
    this.#subscribers.clear();
    this.handleEnd(failure);
    this.#handleNeverReady(
      failure ?? new ClosedError(`${subjectOf(this.names)} was closed before its values had come`),
    );
  }
}

/** Each a name or an id, as often as the caller's function wants it. @throws InvalidArgumentError */
export function readNames(names: Identifiers): readonly string[] {
  checkIdentifiers(names);
  return typeof names === 'string' ? [names] : [...names];
}

/** @throws InvalidArgumentError */
export function checkFunction(compute: unknown, what: string): void {
  if (typeof compute === 'function') return;
  throw new InvalidArgumentError(`${what}: give a function of the values, not ${describeValue(compute)}`);
}

export function subjectOf(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => `"${name}"`);
  return names.length > 3 ? `${shown.join(', ')}, …` : shown.join(', ');
}
