/** A value that is computed of variables and written to one. Path: watch -> reactive value -> [derived variable] -> set. */
import { InternalError, LostSetsError } from '../../shared/errors.js';
import type { VariableInput, VariableValue } from '../../shared/values/variable-type.js';
import { checkIdentifier } from '../call-arguments.js';
import type { Identifiers, StateProvider } from '../state-provider.js';
import type { VariableChange } from '../watch/watcher.js';
import { DEPTH_KEY, DERIVED_SOURCE, Derivations, depthOf, MAX_DEPTH } from './derivations.js';
import type { ReactiveOptions } from './reactive-options.js';
import { type Compute, ReactiveValue } from './reactive-value.js';
import { checkFunction, readNames } from './watched-values.js';
import { WrittenValue } from './written-value.js';

/** Of each state. */
const derivationsOf = new WeakMap<StateProvider, Derivations>();

export class DerivedVariable<R = VariableInput> extends ReactiveValue<R> {
  readonly target: string;
  readonly #derivations: Derivations;
  #depth = 0;
  #written: WrittenValue | undefined;

  /** By `derive`. @internal */
  static define<R>(
    provider: StateProvider,
    target: string,
    names: readonly string[],
    compute: Compute<never, R>,
    options: ReactiveOptions,
  ): Promise<DerivedVariable<R>> {
    return new DerivedVariable<R>(provider, target, names, compute, options).open();
  }

  private constructor(
    provider: StateProvider,
    target: string,
    names: readonly string[],
    compute: Compute<never, R>,
    options: ReactiveOptions,
  ) {
    super(provider, names, compute, options);
    this.target = target;
    this.#derivations = derivationsOf.get(provider) ?? new Derivations();
    derivationsOf.set(provider, this.#derivations);
    this.#derivations.add(target, names);
  }

  protected override handleEnd(): void {
    this.#derivations.remove(this.target);
    this.#written?.giveUp();
  }

  /** What was written may be among the sets that are lost. */
  protected override handleTrouble(error: Error): void {
    if (error instanceof LostSetsError) this.#write();
  }

  protected override handleComputed(isOther: boolean, changes: readonly VariableChange[]): void {
    // A server that lost its state has lost what was written, too.
    if (!isOther && !changes.some(({ metadata }) => metadata.resync)) return;
    this.#depth = 0;
    for (const { metadata } of changes) this.#depth = Math.max(this.#depth, depthOf(metadata));
    this.#write();
  }

  #write(): void {
    const { value, target } = this;
    this.#written?.giveUp();
    if (value === undefined || this.isClosed) return;
    if (this.#depth >= MAX_DEPTH) {
      // Through other processes too: each passes on how long the chain is.
      this.tell(
        new InternalError(
          `"${target}" was not set: ${MAX_DEPTH} derived variables were set one because of the other, so they go in a circle that does not settle`,
        ),
      );
      return;
    }
    const options = { source: DERIVED_SOURCE, metadata: { [DEPTH_KEY]: String(this.#depth + 1) } };
    this.#written = new WrittenValue(
      () => this.provider.setVariable(target, value as VariableInput, options),
      (error) => this.tell(error),
    );
    this.followSet(this.#written.done);
  }
}

/**
 * Sets `target` to `compute` of the values in the order of the names, now, whenever one of them changes, and again when a server has lost its state. A set that fails for what passes by
 * itself, such as a server that is away or a target that is not registered yet, is told and made again until it stands or the value is another. A circle of derived variables is refused, and named; one through other processes that does not settle is stopped after 32 sets, and `onError` is told.
 * @throws InvalidArgumentError for a circle and for a target that is derived already, VariablesNotFoundError, and what `watchVariables` throws
 */
export async function derive<V extends readonly unknown[] = readonly VariableValue[], R = VariableInput>(
  provider: StateProvider,
  target: string,
  names: Identifiers,
  compute: Compute<V, R>,
  options: ReactiveOptions = {},
): Promise<DerivedVariable<R>> {
  checkIdentifier(target);
  checkFunction(compute, 'derive');
  return DerivedVariable.define(provider, target, readNames(names), compute, options);
}
