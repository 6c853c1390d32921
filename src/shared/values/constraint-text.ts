/** Constraints as the text that travels. Apart from their checking: who only writes them, as every worker does, needs no pattern library (10 ms to load). */
import type { Constraints } from './constraint.js';
import { stringifyJson } from './json.js';

/** '' when there are none. */
export function constraintsToJson(constraints: Constraints): string {
  return Object.keys(constraints).length === 0 ? '' : stringifyJson(constraints, 'constraints');
}
