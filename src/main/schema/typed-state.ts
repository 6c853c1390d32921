/** A provider through a schema: the compiler knows names and values, in callbacks and loops too. Path: your code -> [typed state] -> provider. */
import type { Condition } from '../../shared/delivery/condition.js';
import { InvalidArgumentError } from '../../shared/errors.js';
import type { AnyWatchOptionsInput, BatchWatchOptionsInput, WatchOptionsInput } from '../../shared/options.js';
import type { VariableInput } from '../../shared/values/variable-type.js';
import { checkIdentifiers } from '../call-arguments.js';
import { type DerivedVariable, derive } from '../reactive/derived-variable.js';
import type { ReactiveOptions, WaitOptions } from '../reactive/reactive-options.js';
import { type Compute, combine, type ReactiveValue } from '../reactive/reactive-value.js';
import { ReactiveVariable } from '../reactive/reactive-variable.js';
import { VariableGroup } from '../reactive/variable-group.js';
import { waitFor } from '../reactive/wait-for.js';
import type { SetOptions, StateProvider, UpdateOptions, Watch, WatchIterable } from '../state-provider.js';
import type { BatchWatcher, UpdateMetadata, VariableChange, Watcher } from '../watch/watcher.js';
import type { Definitions, VariableDefinition } from './definitions.js';

type NameOf<D> = keyof D & string;
// biome-ignore lint/suspicious/noExplicitAny: matches a definition whatever else it says
type Held<D, N extends keyof D> = D[N] extends VariableDefinition<any, infer V, any> ? V : never;
// biome-ignore lint/suspicious/noExplicitAny: as above
type Given<D, N extends keyof D> = D[N] extends VariableDefinition<any, any, infer I> ? I : never;
/** One name, or several. */
type Names<N extends string> = N | readonly N[];
type HeldBy<D, N extends readonly (keyof D)[]> = { [P in keyof N]: Held<D, N[P]> };
type HeldByName<D, N extends keyof D> = { readonly [K in N]: Held<D, K> };

/** A change that tells by its `identifier` which types its values have. */
export type TypedChange<D, N extends keyof D = keyof D> = {
  [K in N]: Omit<VariableChange, 'identifier' | 'oldValue' | 'newValue'> & {
    readonly identifier: K;
    readonly oldValue: Held<D, K> | undefined;
    readonly newValue: Held<D, K> | undefined;
  };
}[N];

/** As Watcher: when the identifier is compared, the compiler knows the values. */
export type TypedWatcher<D, N extends keyof D = keyof D> = (
  ...call: {
    [K in N]: [
      identifier: K,
      oldValue: Held<D, K> | undefined,
      newValue: Held<D, K> | undefined,
      metadata: UpdateMetadata,
    ];
  }[N]
) => unknown;

/** A filter that is a function gets the values of whichever of the variables changed. */
type Filtered<O extends { readonly filter?: unknown }, V> = Omit<O, 'filter'> & {
  readonly filter?: Condition | ((oldValue: V | undefined, newValue: V) => boolean);
};
type TypedOptions<D, N extends keyof D> = Filtered<WatchOptionsInput, Held<D, N>>;
type TypedBatchOptions<D, N extends keyof D> = Filtered<BatchWatchOptionsInput, Held<D, N>>;

/** By `register` and `over` of a schema. Every name is looked at when the program runs too: what is not in the schema is an InvalidArgumentError. */
export class TypedState<D extends Definitions = Definitions> {
  /** For what is not of the schema, and to be closed. */
  readonly provider: StateProvider;
  readonly #names: ReadonlySet<string>;

  constructor(provider: StateProvider, names: readonly string[]) {
    this.provider = provider;
    this.#names = new Set(names);
  }

  /** @throws VariablesNotFoundError */
  async get<N extends NameOf<D>>(name: N): Promise<Held<D, N>> {
    return (await this.provider.getVariable(this.#one(name))) as Held<D, N>;
  }

  /** As `peek` of the provider. */
  peek<N extends NameOf<D>>(name: N): Extract<Held<D, N>, number | boolean> | undefined {
    return this.provider.peek(this.#one(name)) as Extract<Held<D, N>, number | boolean> | undefined;
  }

  /** As `setVariable` of the provider. */
  async set<N extends NameOf<D>>(name: N, value: Given<D, N>, options?: SetOptions): Promise<number> {
    return this.provider.setVariable(this.#one(name), value as VariableInput, options);
  }

  /** As `updateVariables` of the provider. */
  async updateVariables(
    values: { readonly [N in NameOf<D>]?: Given<D, N> },
    options?: UpdateOptions,
  ): Promise<Map<NameOf<D>, number>> {
    this.#several(Object.keys(values));
    return this.provider.updateVariables(values as Record<string, VariableInput>, options) as Promise<
      Map<NameOf<D>, number>
    >;
  }

  /** A loop over the changes; as `watch` of the provider. */
  watch<N extends NameOf<D>>(
    names: Names<N>,
    options: TypedBatchOptions<D, NoInfer<N>>,
  ): WatchIterable<readonly TypedChange<D, N>[]>;
  watch<N extends NameOf<D>>(names: Names<N>, options?: TypedOptions<D, NoInfer<N>>): WatchIterable<TypedChange<D, N>>;
  watch(names: Names<string>, options?: unknown): unknown {
    return this.provider.watch(this.#several(names), options as WatchOptionsInput);
  }

  /** A callback for the changes; as `watchVariables` of the provider. */
  async watchVariables<N extends NameOf<D>>(
    names: Names<N>,
    watcher: (changes: readonly TypedChange<D, NoInfer<N>>[]) => unknown,
    options: TypedBatchOptions<D, NoInfer<N>>,
  ): Promise<Watch>;
  async watchVariables<N extends NameOf<D>>(
    names: Names<N>,
    watcher: TypedWatcher<D, NoInfer<N>>,
    options?: TypedOptions<D, NoInfer<N>>,
  ): Promise<Watch>;
  /** The compiler tells the values apart by the identifier only where the watcher takes all four. */
  async watchVariables<N extends NameOf<D>>(
    names: Names<N>,
    watcher: (
      identifier: NoInfer<N>,
      oldValue: Held<D, NoInfer<N>> | undefined,
      newValue: Held<D, NoInfer<N>> | undefined,
      metadata: UpdateMetadata,
    ) => unknown,
    options?: TypedOptions<D, NoInfer<N>>,
  ): Promise<Watch>;
  async watchVariables(names: Names<string>, watcher: unknown, options?: unknown): Promise<Watch> {
    const given = options as AnyWatchOptionsInput | undefined;
    if (given?.batch === true)
      return this.provider.watchVariables(this.#several(names), watcher as BatchWatcher, given);
    return this.provider.watchVariables(this.#several(names), watcher as Watcher, given);
  }

  /** A value computed of several, in the order of their names. */
  async combine<const N extends readonly NameOf<D>[], R>(
    names: N,
    compute: (...values: HeldBy<D, N>) => R,
    options?: ReactiveOptions,
  ): Promise<ReactiveValue<R>> {
    return combine(this.provider, this.#several(names), compute as Compute<never, R>, options);
  }

  /** A value computed of several and written to `target`. */
  async derive<T extends NameOf<D>, const N extends readonly NameOf<D>[], const R extends Given<D, T>>(
    target: T,
    names: N,
    compute: (...values: HeldBy<D, N>) => R,
    options?: ReactiveOptions,
  ): Promise<DerivedVariable<R>> {
    return derive(this.provider, this.#one(target), this.#several(names), compute as Compute<never, R>, options);
  }

  /** Waits until several meet the condition. */
  async waitFor<const N extends readonly NameOf<D>[]>(
    names: N,
    condition: Condition | ((...values: HeldBy<D, N>) => boolean),
    options?: WaitOptions,
  ): Promise<HeldByName<D, N[number]>> {
    const asked = condition as Condition | Compute<never, boolean>;
    return (await waitFor(this.provider, this.#several(names), asked, options)) as HeldByName<D, N[number]>;
  }

  /** The variable, once its present value is known. */
  async reactive<N extends NameOf<D>>(
    name: N,
    options: ReactiveOptions = {},
  ): Promise<ReactiveVariable<Held<D, N>, Given<D, N>>> {
    return ReactiveVariable.open(this.provider, this.#one(name), options);
  }

  /** Several as one, once the present value of each is known. */
  async group<const N extends readonly NameOf<D>[]>(
    names: N,
    options: ReactiveOptions = {},
  ): Promise<VariableGroup<HeldByName<D, N[number]>, { readonly [K in N[number]]: Given<D, K> }>> {
    return VariableGroup.open(this.provider, this.#several(names), options);
  }

  #one(name: string): string {
    if (this.#names.has(name)) return name;
    throw new InvalidArgumentError(`"${name}" is not in the schema: define it there, or use the provider`);
  }

  #several(names: Names<string>): readonly string[] {
    const given = checkIdentifiers(names);
    for (const name of given) this.#one(name);
    return given;
  }
}
