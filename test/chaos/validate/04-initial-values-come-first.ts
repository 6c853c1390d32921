/** Promise 4: with `includeInitial` the present value comes first, and once; without it, never. */
import { placeOf, type Stretch } from './stretch.js';
import type { Violation } from './violation.js';

export function initialValuesComeFirst(stretch: Stretch): Violation[] {
  const { includeInitial, filter } = stretch.watch.traits;
  return stretch.calls.flatMap(({ initial, old, version }, place) => {
    const broken =
      initial && !includeInitial
        ? 'an initial value that nobody asked for'
        : initial && place > 0
          ? `an initial value after ${place} calls`
          : // One that was registered later begins with whatever the filter lets through.
            includeInitial && filter === 'none' && place === 0 && !initial && old !== undefined
            ? 'the first call has an old value, and is not the initial one'
            : undefined;
    return broken === undefined
      ? []
      : [{ rule: '04-initial-values-come-first', sentence: `${placeOf(stretch)}, version ${version}: ${broken}` }];
  });
}
