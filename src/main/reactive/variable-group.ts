/** Several variables as one: what came together is seen together. Path: watch -> watched values -> [variable group] -> your callbacks. */
import { InvalidArgumentError } from '../../shared/errors.js';
import type { VariableInput, VariableValue } from '../../shared/values/variable-type.js';
import { identifiersOf } from '../call-arguments.js';
import type { Identifiers, StateProvider, UpdateOptions } from '../state-provider.js';
import type { VariableChange } from '../watch/watcher.js';
import type { ReactiveOptions } from './reactive-options.js';
import { readNames, subjectOf, type Unsubscribe, WatchedValues } from './watched-values.js';

type Values = Readonly<Record<string, unknown>>;

/** `V`: what they hold by name, `I`: what they may be given. */
export class VariableGroup<
  V extends Values = Readonly<Record<string, VariableValue>>,
  I extends Values = Readonly<Record<string, VariableInput>>,
> extends WatchedValues {
  /** A new one for each turn: callbacks may keep theirs. */
  #values = new Map<string, unknown>();

  /** By `group`. @internal */
  static open<V extends Values, I extends Values>(
    provider: StateProvider,
    names: readonly string[],
    options: ReactiveOptions,
  ): Promise<VariableGroup<V, I>> {
    return new VariableGroup<V, I>(provider, names, options).open();
  }

  private constructor(provider: StateProvider, names: readonly string[], options: ReactiveOptions) {
    super(provider, names, options);
  }

  /** By name; those that were deleted are left out. */
  get values(): Partial<V> {
    return Object.fromEntries(this.#values) as Partial<V>;
  }

  /** Undefined when it was deleted. */
  get<K extends keyof V & string>(name: K): V[K] | undefined {
    return this.#values.get(name) as V[K] | undefined;
  }

  /**
   * Sets some of them, all or none unless `atomic: false`; resolves with the versions by name.
   * @throws InvalidArgumentError for one that is not of the group, and what `updateVariables` throws
   */
  async set(values: Partial<I>, options: UpdateOptions = {}): Promise<Map<string, number>> {
    for (const name of identifiersOf(values)) {
      if (this.names.includes(name)) continue;
      throw new InvalidArgumentError(`"${name}" is not of ${subjectOf(this.names)}: set it by the state`);
    }
    return this.provider.updateVariables(values as Record<string, VariableInput>, { atomic: true, ...options });
  }

  /** Called once for what changed together, with the names of that and the values of all. @throws ClosedError */
  onChange(callback: (changed: ReadonlySet<keyof V & string>, values: Partial<V>) => unknown): Unsubscribe {
    return this.subscribe(callback, '(changed, values)');
  }

  protected override take(changes: readonly VariableChange[]): void {
    const changed = new Set<string>();
    for (const { identifier, newValue, metadata } of changes) {
      if (newValue === undefined) this.#values.delete(identifier);
      else this.#values.set(identifier, newValue);
      if (!metadata.initial) changed.add(identifier);
    }
    if (changed.size > 0) this.callAll(changed, this.values);
  }
}

/** Several as one, once the present value of each is known. @throws VariablesNotFoundError naming every unknown one, and what `watchVariables` throws */
export async function group(
  provider: StateProvider,
  names: Identifiers,
  options: ReactiveOptions = {},
): Promise<VariableGroup> {
  return VariableGroup.open(provider, readNames(names), options);
}
