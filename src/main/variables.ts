/** The typed face over any provider: a handle knows its variable's type, and so does the compiler. Path: your code -> [variables] -> StateProvider. */

import type { Condition } from '../shared/delivery/condition.js';
import { AlreadyExistsError, InvalidArgumentError, InvalidTypeError } from '../shared/errors.js';
import type { AnyWatchOptionsInput, BatchWatchOptionsInput, WatchOptionsInput } from '../shared/options.js';
import type { Signal } from '../shared/signal.js';
import { describeValue } from '../shared/values/describe-value.js';
import type { InputOf, ValueOf, VariableInput, VariableType } from '../shared/values/variable-type.js';
import { checkProvider } from './call-arguments.js';
import type { WaitOptions } from './reactive/reactive-options.js';
import { waitFor } from './reactive/wait-for.js';
import type { RegisterOptions, SetOptions, StateProvider, UpdateOptions, Watch } from './state-provider.js';
import type { BatchWatcher, UpdateMetadata, VariableChange, Watcher } from './watch/watcher.js';

/** Names a variable together with its type. */
export interface VariableHandle<T extends VariableType = VariableType> {
  readonly name: string;
  readonly type: T;
}

/** A change of a variable whose type is known. */
export interface ChangeOf<T extends VariableType> extends VariableChange {
  readonly oldValue: ValueOf<T> | undefined;
  readonly newValue: ValueOf<T> | undefined;
}

/** Of one variable, with the types of its handle. */
type WatcherOfOne<T extends VariableType> = (
  newValue: ValueOf<T> | undefined,
  oldValue: ValueOf<T> | undefined,
  metadata: UpdateMetadata,
) => unknown;

type ValuesOf<H extends readonly VariableHandle[]> = { [K in keyof H]: ValueOf<H[K]['type']> };

export interface CombineOptions {
  readonly signal?: Signal;
  readonly onError?: (error: Error) => void;
}

export class Variables {
  readonly provider: StateProvider;

  constructor(provider: StateProvider) {
    checkProvider(provider);
    this.provider = provider;
  }

  /** Registers the variable, or takes the one that is there. @throws InvalidTypeError when that has another type, and what registerVariable throws */
  async define<T extends VariableType>(
    name: string,
    type: T,
    initial: InputOf<T>,
    options?: RegisterOptions,
  ): Promise<VariableHandle<T>> {
    try {
      await this.provider.registerVariable(name, type, initial as VariableInput, options);
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error;
      const present = (await this.provider.getVariableInfo(name)).type;
      if (present !== type) {
        throw new InvalidTypeError(
          `variable "${name}" is there as ${present}, not ${type}: define it as that, or under another name`,
          {
            cause: error,
          },
        );
      }
    }
    return { name, type };
  }

  async get<T extends VariableType>(variable: VariableHandle<T>): Promise<ValueOf<T>> {
    return (await this.provider.getVariable(nameOf(variable))) as ValueOf<T>;
  }

  /** The present value at once, of a variable that is watched; undefined where it is not known, as `peek` of the provider says. */
  peek<T extends 'float' | 'integer' | 'boolean'>(
    variable: VariableHandle<T>,
  ): Extract<ValueOf<T>, number | boolean> | undefined {
    return this.provider.peek(nameOf(variable)) as Extract<ValueOf<T>, number | boolean> | undefined;
  }

  async set<T extends VariableType>(
    variable: VariableHandle<T>,
    value: InputOf<T>,
    options?: SetOptions,
  ): Promise<number> {
    return this.provider.setVariable(nameOf(variable), value as VariableInput, options);
  }

  /** Sets several; `[[temperature, 20.5], [fan, true]]`. */
  async update(
    values: readonly (readonly [VariableHandle, VariableInput])[],
    options?: UpdateOptions,
  ): Promise<Map<string, number>> {
    if (!Array.isArray(values) || !values.every(Array.isArray))
      throw new InvalidArgumentError('an update is a list of pairs: give [[variable, value], …]');
    const pairs: typeof values = values;
    return this.provider.updateVariables(
      Object.fromEntries(pairs.map(([variable, value]) => [nameOf(variable), value])),
      options,
    );
  }

  watch(variables: readonly VariableHandle[], watcher: Watcher, options?: WatchOptionsInput): Promise<Watch>;
  watch(variables: readonly VariableHandle[], watcher: BatchWatcher, options: BatchWatchOptionsInput): Promise<Watch>;
  async watch(
    variables: readonly VariableHandle[],
    watcher: Watcher | BatchWatcher,
    options?: AnyWatchOptionsInput,
  ): Promise<Watch> {
    const names = namesOf(variables);
    if (options?.batch === true) return this.provider.watchVariables(names, watcher as BatchWatcher, options);
    return this.provider.watchVariables(names, watcher as Watcher, options);
  }

  watchOne<T extends VariableType>(
    variable: VariableHandle<T>,
    watcher: WatcherOfOne<T>,
    options?: WatchOptionsInput,
  ): Promise<Watch>;
  watchOne<T extends VariableType>(
    variable: VariableHandle<T>,
    watcher: (changes: readonly ChangeOf<T>[]) => unknown,
    options: BatchWatchOptionsInput,
  ): Promise<Watch>;
  async watchOne<T extends VariableType>(
    variable: VariableHandle<T>,
    watcher: WatcherOfOne<T> | ((changes: readonly ChangeOf<T>[]) => unknown),
    options?: AnyWatchOptionsInput,
  ): Promise<Watch> {
    const name = nameOf(variable);
    checkFunction(watcher, 'the watcher', '(new, old, metadata), with batch: true (changes)');
    if (options?.batch === true) return this.provider.watchVariables(name, watcher as BatchWatcher, options);
    const tell = watcher as WatcherOfOne<T>;
    return this.provider.watchVariables(
      name,
      (_, oldValue, newValue, metadata) =>
        tell(newValue as ValueOf<T> | undefined, oldValue as ValueOf<T> | undefined, metadata),
      options,
    );
  }

  unwatch(refOrWatch: string | Watch): Promise<void> {
    return this.provider.unwatchVariables(refOrWatch);
  }

  /** Calls `onValues` with all values, first when each is known and then at each change of one of them. */
  async combine<const H extends readonly VariableHandle[]>(
    variables: H,
    onValues: (values: ValuesOf<H>) => unknown,
    options: CombineOptions = {},
  ): Promise<Watch> {
    const names = namesOf(variables);
    checkFunction(onValues, 'what combine calls', '(values)');
    const values = new Map<string, unknown>();
    // One that is given twice is watched once.
    const all = new Set(names).size;
    return this.provider.watchVariables(
      names,
      (name, _, newValue) => {
        if (newValue === undefined) values.delete(name);
        else values.set(name, newValue);
        return values.size === all
          ? onValues(names.map((one) => values.get(one)) as unknown as ValuesOf<H>)
          : undefined;
      },
      { includeInitial: true, ...options },
    );
  }

  /**
   * Resolves with the first value that fits: the present one, or one to come.
   * @throws DeadlineExceededError after `timeoutMs`, VariablesNotFoundError also when it is deleted meanwhile; rejects with the signal's reason when it aborts
   */
  async waitFor<T extends VariableType>(
    variable: VariableHandle<T>,
    condition: Condition | ((value: ValueOf<T>) => boolean),
    options?: WaitOptions,
  ): Promise<ValueOf<T>> {
    const name = nameOf(variable);
    const values = await waitFor<[ValueOf<T>]>(this.provider, name, condition, options);
    return values[name] as ValueOf<T>;
  }
}

function nameOf(variable: VariableHandle): string {
  if (typeof variable === 'object' && typeof variable?.name === 'string') return variable.name;
  throw new InvalidArgumentError(`a variable is given as define returned it, not as ${describeValue(variable)}`);
}

function namesOf(variables: readonly VariableHandle[]): string[] {
  if (Array.isArray(variables)) return variables.map(nameOf);
  throw new InvalidArgumentError(`variables are given as a list, not as ${describeValue(variables)}`);
}

function checkFunction(input: unknown, what: string, takes: string): void {
  if (typeof input !== 'function')
    throw new InvalidArgumentError(`${what} is a function ${takes}, not ${describeValue(input)}`);
}
