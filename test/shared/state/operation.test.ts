import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_HISTORY_LIMITS } from '../../../src/shared/state/history.js';
import { acceptDecoded, acceptRegistration, NO_SETTER } from '../../../src/shared/state/operation.js';
import { VariableTable } from '../../../src/shared/state/variable-table.js';

test('a registration is accepted in its form, with what was left out', () => {
  assert.deepEqual(acceptRegistration({ name: 'fan', type: 'integer', initial: 3 }, 'id'), {
    ...{ kind: 'register', id: 'id', name: 'fan', type: 'integer', constraints: {}, metadata: {}, description: '' },
    ...{ ttlMs: 0, firstVersion: 1, value: 3, source: '' },
  });
});

test('one that no variable can be made of is refused by what is wrong', () => {
  const wrong = [
    [{ name: '' }, 'INVALID_NAME'],
    [{ type: 'number' }, 'INVALID_TYPE'],
    [{ initial: 'x' }, 'INVALID_VALUE'],
    [{ constraints: '{"min":2,"max":1}' }, 'INVALID_CONSTRAINT'],
    [{ constraints: { min: 5 } }, 'CONSTRAINT_VIOLATION'],
    [{ ttlMs: -1 }, 'INVALID_ARGUMENT'],
    [{ version: 0 }, 'INVALID_ARGUMENT'],
  ] as const;
  for (const [more, code] of wrong) {
    assert.throws(() => acceptRegistration({ name: 'fan', type: 'float', initial: 3, ...more }), { code });
  }
});

test('a value is accepted by the constraints of its variable', () => {
  const table = new VariableTable({ maxVariables: 1, history: DEFAULT_HISTORY_LIMITS, newId: () => 'id' });
  const { variable } = table.register({ name: 'fan', type: 'float', initial: 0, constraints: { max: 9 } }, 0);
  assert.throws(() => acceptDecoded('fan', variable, 10), { code: 'CONSTRAINT_VIOLATION' });
  const operations = [acceptDecoded('fan', variable, 9, 1)];
  const { changes } = table.decide({ operations, isAtomic: false, setter: NO_SETTER, nowMs: 0 });
  assert.deepEqual([table.revision, table.decidedRevision, variable.current.value], [1, 2, 0]);
  table.undo(changes);
  assert.deepEqual([table.decidedRevision, variable.decided], [1, variable.current]);
});
