/** A value that is computed of variables and follows them. Path: watch -> watched values -> [reactive value] -> your callbacks. */
import { isDeepStrictEqual } from 'node:util';
import { InvalidArgumentError, WatcherError } from '../../shared/errors.js';
import { followRejection, sentenceOf } from '../../shared/thrown.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import type { Identifiers, StateProvider } from '../state-provider.js';
import type { VariableChange } from '../watch/watcher.js';
import type { ReactiveOptions } from './reactive-options.js';
import { checkFunction, readNames, subjectOf, type Unsubscribe, WatchedValues } from './watched-values.js';

/** Given a value for each name, in their order. */
export type Compute<V extends readonly unknown[] = readonly VariableValue[], R = unknown> = (...values: V) => R;

export class ReactiveValue<R = unknown> extends WatchedValues {
  readonly #compute: Compute<never, R>;
  readonly #inputs = new Map<string, VariableValue | undefined>();
  #value: R | undefined;

  /** By `combine`. @internal */
  static open<R>(
    provider: StateProvider,
    names: readonly string[],
    compute: Compute<never, R>,
    options: ReactiveOptions,
  ): Promise<ReactiveValue<R>> {
    return new ReactiveValue<R>(provider, names, compute, options).open();
  }

  protected constructor(
    provider: StateProvider,
    names: readonly string[],
    compute: Compute<never, R>,
    options: ReactiveOptions,
  ) {
    super(provider, names, options);
    this.#compute = compute;
  }

  /** Undefined while one of its variables is gone, and after `compute` threw, which `onError` is told. */
  get value(): R | undefined {
    return this.#value;
  }

  /** Called when the value has become another; variables that changed together are seen together. @throws ClosedError */
  onChange(callback: (oldValue: R | undefined, newValue: R | undefined) => unknown): Unsubscribe {
    return this.subscribe(callback, '(oldValue, newValue)');
  }

  protected override take(changes: readonly VariableChange[]): void {
    for (const { identifier, newValue } of changes) this.#inputs.set(identifier, newValue);
    const values = this.names.map((name) => this.#inputs.get(name));
    const oldValue = this.#value;
    this.#value = values.includes(undefined) ? undefined : this.#computed(values);
    const isOther = !isDeepStrictEqual(oldValue, this.#value);
    if (isOther) this.callAll(oldValue, this.#value);
    this.handleComputed(isOther, changes);
  }

  /** For a class that does more with it. `isOther`: than the one before. */
  protected handleComputed(_isOther: boolean, _changes: readonly VariableChange[]): void {}

  #computed(values: readonly unknown[]): R | undefined {
    const what = `the function over ${subjectOf(this.names)}`;
    try {
      const value = (this.#compute as Compute<readonly unknown[], R>)(...values);
      if (!followRejection(value, () => undefined)) return value;
      this.tell(new InvalidArgumentError(`${what} returned a promise: give one that returns the value`));
    } catch (cause) {
      this.tell(new WatcherError(`${what} threw: ${sentenceOf(cause)}`, { cause }));
    }
    return undefined;
  }
}

/**
 * `compute` of the values in the order of the names, once all are known and whenever one changes.
 * @throws VariablesNotFoundError, InvalidArgumentError, and what `watchVariables` throws
 */
export async function combine<V extends readonly unknown[] = readonly VariableValue[], R = unknown>(
  provider: StateProvider,
  names: Identifiers,
  compute: Compute<V, R>,
  options: ReactiveOptions = {},
): Promise<ReactiveValue<R>> {
  checkFunction(compute, 'combine');
  return ReactiveValue.open(provider, readNames(names), compute, options);
}
