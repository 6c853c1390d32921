/** A variable that knows its present value and can be assigned. Path: watch -> watched values -> [reactive variable] -> your callbacks. */
import type { VariableInput, VariableValue } from '../../shared/values/variable-type.js';
import type { SetOptions, StateProvider } from '../state-provider.js';
import type { UpdateMetadata, VariableChange } from '../watch/watcher.js';
import type { ReactiveOptions } from './reactive-options.js';
import type { ReactiveValue } from './reactive-value.js';
import { combine } from './reactive-value.js';
import { readNames, type Unsubscribe, WatchedValues } from './watched-values.js';

/** `V`: what it holds, `I`: what it may be given. */
export class ReactiveVariable<V = VariableValue, I = VariableInput> extends WatchedValues {
  readonly name: string;
  #value: V | undefined;
  #version = 0;
  #isDeleted = false;

  /** By `reactive`. @internal */
  static open<V, I>(provider: StateProvider, name: string, options: ReactiveOptions): Promise<ReactiveVariable<V, I>> {
    return new ReactiveVariable<V, I>(provider, readNames(name)[0]!, options).open();
  }

  private constructor(provider: StateProvider, name: string, options: ReactiveOptions) {
    super(provider, [name], options);
    this.name = name;
  }

  /** As far as this process has heard it; undefined when it was deleted. */
  get value(): V | undefined {
    return this.#value;
  }

  /**
   * Sets it without waiting, as `set` does: `value` stays what it was until the change comes back. Why it was refused goes to `onError`.
   * @throws ClosedError
   */
  set value(value: I) {
    this.checkOpen();
    this.followSet(this.set(value));
  }

  /** Of the present value. */
  get version(): number {
    return this.#version;
  }

  get isDeleted(): boolean {
    return this.#isDeleted;
  }

  /** Resolves with the version. @throws what `setVariable` throws */
  set(value: I, options?: SetOptions): Promise<number> {
    return this.provider.setVariable(this.name, value as VariableInput, options);
  }

  /** Called at each change, in order, the deletion too (then `newValue` is undefined); not with the value that is there now. @throws ClosedError */
  onChange(
    callback: (oldValue: V | undefined, newValue: V | undefined, metadata: UpdateMetadata) => unknown,
  ): Unsubscribe {
    return this.subscribe(callback, '(oldValue, newValue, metadata)');
  }

  /** The value of `compute(value)`, which follows it; with an end of its own. @throws what `combine` throws */
  map<R>(compute: (value: V) => R): Promise<ReactiveValue<R>> {
    return combine<[V], R>(this.provider, this.name, compute, this.options);
  }

  protected override take(changes: readonly VariableChange[]): void {
    for (const { newValue, metadata } of changes) {
      const oldValue = this.#value;
      this.#value = newValue as V | undefined;
      this.#version = metadata.version;
      this.#isDeleted = metadata.deleted !== undefined;
      if (!metadata.initial) this.callAll(oldValue, this.#value, metadata);
    }
  }
}

/** The variable, once its present value is known. @throws VariablesNotFoundError, and what `watchVariables` throws */
export async function reactive(
  provider: StateProvider,
  name: string,
  options: ReactiveOptions = {},
): Promise<ReactiveVariable> {
  return ReactiveVariable.open(provider, name, options);
}
