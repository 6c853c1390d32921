/**
 * What is decided of operations in their order: versions, equality, expected versions, atomic groups, names. Made by chance with one seed; every
 * form of `decide`, in whatever language, has to come to the same.
 */
import fc from 'fast-check';
import { DEFAULT_HISTORY_LIMITS } from '../../src/shared/state/history.js';
import type { OperationResult, TableOperation } from '../../src/shared/state/operation.js';
import { acceptDecoded, acceptRegistration, NO_SETTER } from '../../src/shared/state/operation.js';
import type { Variable } from '../../src/shared/state/variable.js';
import { VariableTable } from '../../src/shared/state/variable-table.js';
import type { VariableType, VariableValue } from '../../src/shared/values/variable-type.js';

/** Names are of variables registered before, whether they are still there or not: `v0` is the first of the case. */
export type AskedOperation =
  | { readonly set: string; readonly value: VariableValue; readonly expected?: number }
  | { readonly register: string; readonly type: VariableType; readonly value: VariableValue }
  | { readonly delete: string };

export interface DecideStep {
  readonly atomic: boolean;
  readonly operations: readonly AskedOperation[];
  /** A version, or the code of a refusal. */
  readonly results: readonly (number | string)[];
  /** Of the session behind it. */
  readonly revision: number;
}

export interface DecideVectors {
  readonly about: string;
  readonly cases: readonly { readonly name: string; readonly steps: readonly DecideStep[] }[];
}

/** The operations of a step, by variables that were found when the step began; a set of one that never was is left out. */
export function operationsOf(
  asked: readonly AskedOperation[],
  known: ReadonlyMap<string, Variable>,
  newId: () => string,
): TableOperation[] {
  return asked.map((one) => {
    if ('register' in one) {
      return acceptRegistration({ name: one.register, type: one.type, initial: one.value }, newId());
    }
    const name = 'set' in one ? one.set : one.delete;
    const variable = known.get(name)!;
    return 'set' in one
      ? acceptDecoded(name, variable, one.value, one.expected)
      : { kind: 'delete', identifier: name, variable, reason: 'deleted' };
  });
}

export function resultOf(result: OperationResult): number | string {
  return typeof result === 'number' ? result : result.code;
}

export function decideVectors(): DecideVectors {
  const cases = fc.sample(fc.array(stepArbitrary, { minLength: 4, maxLength: 12 }), { seed: 12, numRuns: 120 });
  return {
    about: 'decide: each step as it was asked, and what came of it',
    cases: cases.map((steps, index) => ({ name: `case ${index}`, steps: decided(steps) })),
  };
}

interface GivenStep {
  readonly atomic: boolean;
  readonly operations: readonly {
    readonly kind: 'set' | 'register' | 'delete';
    readonly name: string;
    readonly value: number;
    readonly expected: number | undefined;
  }[];
}

const VALUES: readonly VariableValue[] = [0, -0, 1, 0.1, 1e300, -5e-324];
const MAPS: readonly VariableValue[] = [{ a: 1, b: 2 }, { b: 2, a: 1 }, { a: 1 }, {}, { a: [] }, { a: { b: '' } }];
const TYPES: Readonly<Record<string, VariableType>> = { a: 'float', b: 'float', c: 'map' };

const stepArbitrary: fc.Arbitrary<GivenStep> = fc.record({
  atomic: fc.boolean(),
  operations: fc.array(
    fc.record({
      kind: fc.constantFrom('set', 'set', 'set', 'set', 'register', 'delete'),
      name: fc.constantFrom('a', 'b', 'c'),
      value: fc.nat({ max: 5 }),
      expected: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined, freq: 3 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
});

function decided(steps: readonly GivenStep[]): DecideStep[] {
  let ids = 0;
  const newId = (): string => {
    ids += 1;
    return `id${ids}`;
  };
  const table = new VariableTable({ maxVariables: 100, history: DEFAULT_HISTORY_LIMITS, newId });
  const known = new Map<string, Variable>();
  return steps.flatMap(({ atomic, operations: given }) => {
    const asked = given
      // All or none is a matter of sets; what was never there cannot be named.
      .filter(({ kind, name }) => (kind === 'register' ? !atomic : known.has(name) && (kind === 'set' || !atomic)))
      .map(({ kind, name, value: place, expected }): AskedOperation => {
        const type = TYPES[name]!;
        const value = (type === 'map' ? MAPS : VALUES)[place]!;
        if (kind === 'register') return { register: name, type, value };
        if (kind === 'delete') return { delete: name };
        return expected === undefined ? { set: name, value } : { set: name, value, expected };
      });
    if (asked.length === 0) return [];
    const operations = operationsOf(asked, known, newId);
    const { results, changes } = table.decide({ operations, isAtomic: atomic, setter: NO_SETTER, nowMs: 0 });
    for (const change of changes) table.apply(change, 0);
    for (const { variable, previous } of changes) if (previous === undefined) known.set(variable.name, variable);
    return [{ atomic, operations: asked, results: results.map(resultOf), revision: table.revision }];
  });
}
