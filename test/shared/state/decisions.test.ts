import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Decisions } from '../../../src/shared/state/decisions.js';
import { DEFAULT_HISTORY_LIMITS } from '../../../src/shared/state/history.js';
import type { Accepted, OperationResult, TableOperation } from '../../../src/shared/state/operation.js';
import { acceptRegistration, NO_SETTER, OTHER_REFUSED } from '../../../src/shared/state/operation.js';
import { TableBytes } from '../../../src/shared/state/table-bytes.js';
import type { DecidedChange, Variable } from '../../../src/shared/state/variable.js';
import { VariableIndex } from '../../../src/shared/state/variable-index.js';

const MAX_VARIABLES = 3;

/** Of a table of which nothing that is decided is applied, unless a test does. */
function decisions(): { readonly decisions: Decisions; readonly bytes: TableBytes; keep(change: DecidedChange): void } {
  const index = new VariableIndex<never>((never) => never);
  const bytes = new TableBytes({ history: DEFAULT_HISTORY_LIMITS }, () => index.variables());
  let ids = 0;
  const newId = () => {
    ids += 1;
    return `id${ids}`;
  };
  const made = new Decisions(index, bytes, { maxVariables: MAX_VARIABLES, newId });
  const keep = (change: DecidedChange) => {
    index.add(change.variable);
    made.handleArrived(change.variable);
    bytes.applyRegistration(change.variable);
    bytes.applyVersion(change);
    change.variable.history.push(change.current, DEFAULT_HISTORY_LIMITS, 0, change.bytes);
  };
  return { decisions: made, bytes, keep };
}

const register = (name: string): TableOperation => acceptRegistration({ name, type: 'integer', initial: 0 });
const set = (variable: Variable, value: number, expectedVersion?: number): Accepted => {
  return { kind: 'set', identifier: variable.name, variable, value, expectedVersion };
};
const remove = (variable: Variable): TableOperation => {
  return { kind: 'delete', identifier: variable.name, variable, reason: 'deleted' };
};

/** Versions, and the codes of refusals. */
const said = (results: readonly OperationResult[]) =>
  results.map((result) => (typeof result === 'number' ? result : result === OTHER_REFUSED ? 'other' : result.code));

describe('decisions', () => {
  const asked = (operations: readonly TableOperation[], isAtomic = false) => {
    return { operations, isAtomic, setter: NO_SETTER, nowMs: 0 };
  };

  test('stand upon those before, whether they are kept or not', () => {
    const { decisions: made } = decisions();
    const { results, changes } = made.decide(asked([register('a'), register('a'), register('b')]));
    assert.deepEqual(said(results), [1, 'ALREADY_EXISTS', 1]);
    const [a, b] = changes.map(({ variable }) => variable);
    assert.deepEqual(said(made.decide(asked([set(a!, 1), set(a!, 1), set(a!, 2, 1), set(a!, 2, 2)])).results), [
      ...[2, 2],
      ...['VERSION_CONFLICT', 3],
    ]);
    assert.deepEqual(said(made.decide(asked([remove(b!), set(b!, 1), register('c'), register('d')])).results), [
      ...[2, 'VARIABLE_NOT_FOUND'],
      // One is on its way out, which makes room once it is kept: it is decided already.
      ...[1, 1],
    ]);
    assert.deepEqual(said(made.decide(asked([register('e')])).results), ['QUOTA_EXCEEDED']);
    assert.equal(made.revision, 7);
  });

  test('of an atomic group are of one revision, or none of it is made and those not to blame say so', () => {
    const { decisions: made } = decisions();
    const { changes } = made.decide(asked([register('a'), register('b')]));
    const [a, b] = changes.map(({ variable }) => variable);
    const whole = made.decide(asked([set(a!, 1), set(b!, 1)], true));
    assert.deepEqual(
      whole.changes.map(({ current }) => current.revision),
      [3, 3],
    );
    const torn = made.decide(asked([set(a!, 2), set(b!, 2, 9)], true));
    assert.deepEqual([said(torn.results), torn.changes], [['other', 'VERSION_CONFLICT'], []]);
    const twice = made.decide(asked([set(a!, 2), { ...set(a!, 3), identifier: a!.id }], true));
    assert.deepEqual(said(twice.results), ['other', 'INVALID_ARGUMENT']);
    assert.deepEqual(said(made.refuseAll([set(a!, 2), set(b!, 2, 9)])), ['other', 'VERSION_CONFLICT']);
    assert.equal(made.revision, 3);
  });

  test('that are undone have never been, whatever they were', () => {
    const step = fc.oneof(
      fc.record({ does: fc.constant('register' as const), name: fc.constantFrom('a', 'b', 'c', 'd') }),
      fc.record({ does: fc.constantFrom('set' as const, 'delete' as const), name: fc.constantFrom('kept', 'other') }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const { decisions: made, bytes, keep } = decisions();
        const { changes: kept } = made.decide(asked([register('kept'), register('other')]));
        for (const change of kept) keep(change);
        const before = { revision: made.revision, held: bytes.held };
        const ahead: DecidedChange[] = [];
        for (const [value, { does, name }] of steps.entries()) {
          const variable = kept.find((change) => change.variable.name === name)?.variable;
          const operation =
            variable === undefined ? register(name) : does === 'delete' ? remove(variable) : set(variable, value + 1);
          ahead.push(...made.decide(asked([operation])).changes);
        }
        made.undo(ahead, before.revision);
        assert.deepEqual({ revision: made.revision, held: bytes.held }, before);
        const again = made.decide(asked([register('d'), ...kept.map(({ variable }) => set(variable, -1))]));
        assert.deepEqual(said(again.results), [1, 2, 2]);
      }),
    );
  });

  test('of an earlier life are repeated as they were', () => {
    const { decisions: made } = decisions();
    const [registered] = made.decide(asked([register('a')])).changes;
    const [changed] = made.decide(asked([set(registered!.variable, 5)])).changes;
    made.undo([registered!, changed!], 0);
    made.repeat(registered!);
    made.repeat(changed!);
    assert.equal(made.revision, 2);
    assert.deepEqual(said(made.decide(asked([set(registered!.variable, 5), register('a')])).results), [
      2,
      'ALREADY_EXISTS',
    ]);
  });
});
