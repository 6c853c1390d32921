import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptRegistration } from '../../../src/shared/state/operation.js';
import { variableOf } from '../../../src/shared/state/registered-variable.js';

test('a variable has what it was registered with, its first version, and no history yet', () => {
  const { value, source, ...facts } = acceptRegistration(
    { name: 'fan', type: 'integer', initial: 3, constraints: { max: 9 }, ttlMs: 50, version: 7, source: 'me' },
    'var_1',
  );
  const current = { version: 7, value, timestamp: 10, source, custom: {}, revision: 4 };
  const variable = variableOf({ bytes: 0 }, facts, current, 2, 8, 'var_2');
  assert.deepEqual(
    [variable.id, variable.name, variable.type, variable.constraints, variable.ttlMs, variable.firstVersion],
    ['var_2', 'fan', 'integer', { max: 9 }, 50, 7],
  );
  assert.deepEqual([variable.place, variable.createdAt, variable.history.length], [2, 8, 0]);
  assert.equal(variable.current, variable.decided);
  assert.deepEqual([variable.isLeaving, variable.isGone], [false, false]);
});
