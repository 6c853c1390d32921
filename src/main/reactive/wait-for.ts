/** Waits until variables meet a condition. Path: watch -> watched values -> [wait for] -> your promise. */

import type { Condition } from '../../shared/delivery/condition.js';
import { meets } from '../../shared/delivery/condition.js';
import {
  ClosedError,
  DeadlineExceededError,
  InvalidArgumentError,
  InvalidOptionsError,
  VariablesNotFoundError,
} from '../../shared/errors.js';
import { readCondition } from '../../shared/options.js';
import { clearTimeout, setTimeout } from '../../shared/platform-timers.js';
import { isSignal } from '../../shared/signal.js';
import { followRejection } from '../../shared/thrown.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import { readWaitOptions } from '../call-arguments.js';
import type { Identifiers, StateProvider } from '../state-provider.js';
import { followOwner } from '../watch/owner.js';
import type { VariableChange } from '../watch/watcher.js';
import type { WaitOptions } from './reactive-options.js';
import type { Compute } from './reactive-value.js';
import { readNames, subjectOf, WatchedValues } from './watched-values.js';

type Values = Readonly<Record<string, VariableValue>>;
type Holds = (olds: readonly (VariableValue | undefined)[], values: readonly VariableValue[]) => boolean;

/**
 * Resolves with the values by name as soon as the condition holds: a function of the values in the order of the names, or data such as
 * `{ gt: 30 }` that each of them meets. An atomic batch is looked at as a whole, every other change by itself.
 * @throws DeadlineExceededError after `timeoutMs`, VariablesNotFoundError also when one is deleted meanwhile, what the function throws,
 * and the signal's reason when it aborts
 */
export async function waitFor<V extends readonly unknown[] = readonly VariableValue[]>(
  provider: StateProvider,
  names: Identifiers,
  condition: Condition | Compute<V, boolean>,
  options?: WaitOptions,
): Promise<Values> {
  const { timeoutMs = 0, signal } = readWaitOptions(options);
  const wanted = readNames(names);
  const holds = holdsOf(condition);
  if (signal !== undefined && !isSignal(signal)) throw new InvalidOptionsError('waitFor: signal: give an AbortSignal');
  if (signal?.aborted === true) throw signal.reason;
  let waiting: Waiting | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let unfollow = () => {};
  try {
    return await new Promise((resolve, reject) => {
      if (signal !== undefined) unfollow = followOwner(signal, ({ cause }) => reject(cause));
      if (timeoutMs > 0) {
        const late = `${subjectOf(wanted)} did not meet the condition within ${timeoutMs} ms`;
        timer = setTimeout(() => reject(new DeadlineExceededError(late)), timeoutMs);
      }
      waiting = new Waiting(provider, wanted, holds, resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    unfollow();
    await waiting?.close();
  }
}

class Waiting extends WatchedValues {
  readonly #holds: Holds;
  readonly #resolve: (values: Values) => void;
  readonly #reject: (error: unknown) => void;
  readonly #values = new Map<string, VariableValue>();
  readonly #olds = new Map<string, VariableValue | undefined>();

  constructor(
    provider: StateProvider,
    names: readonly string[],
    holds: Holds,
    resolve: (values: Values) => void,
    reject: (error: unknown) => void,
  ) {
    // What ends its watch is heard as its end; anything else leaves it waiting.
    super(provider, names, { onError: () => undefined });
    this.#holds = holds;
    this.#resolve = resolve;
    this.#reject = reject;
    this.open().catch(reject);
  }

  /** Before it is met, that is a failure; after, nobody hears of it. */
  protected override handleEnd(failure: Error | undefined): void {
    const ended = `the watch of ${subjectOf(this.names)} ended before the condition was met: open another`;
    this.#reject(failure ?? new ClosedError(ended));
  }

  protected override take(changes: readonly VariableChange[]): void {
    for (const [place, { identifier, oldValue, newValue, metadata }] of changes.entries()) {
      if (newValue === undefined) {
        this.#reject(
          new VariablesNotFoundError(`"${identifier}" was deleted before it met the condition: register it again`, {
            details: { identifiers: [identifier] },
          }),
        );
        return;
      }
      this.#olds.set(identifier, oldValue);
      this.#values.set(identifier, newValue);
      // Those of an atomic batch share a revision; servers of the published contract alone have none.
      const isWhole = metadata.revision === 0 || changes[place + 1]?.metadata.revision !== metadata.revision;
      if (isWhole && this.#look()) return;
    }
  }

  #look(): boolean {
    if (this.names.some((name) => !this.#values.has(name))) return false;
    try {
      const values = this.names.map((name) => this.#values.get(name)!);
      if (
        !this.#holds(
          this.names.map((name) => this.#olds.get(name)),
          values,
        )
      )
        return false;
      this.#resolve(Object.fromEntries(this.#values));
    } catch (error) {
      this.#reject(error);
    }
    return true;
  }
}

function holdsOf<V extends readonly unknown[]>(condition: Condition | Compute<V, boolean>): Holds {
  if (typeof condition !== 'function') {
    const asked = readCondition(condition, 'waitFor');
    return (olds, values) => values.every((value, place) => meets(asked, olds[place], value));
  }
  const holds = condition as unknown as (...values: readonly VariableValue[]) => unknown;
  return (_, values) => {
    const isMet = holds(...values);
    // A promise is true whatever it resolves to.
    if (followRejection(isMet, () => undefined)) {
      throw new InvalidArgumentError('the condition of waitFor returned a promise: return true or false');
    }
    return Boolean(isMet);
  };
}
