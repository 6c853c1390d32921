import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConstraintViolationError, InvalidValueError, VersionConflictError } from '../../../src/shared/errors.js';
import { DEFAULT_HISTORY_LIMITS } from '../../../src/shared/state/history.js';
import { LAST_VERSION } from '../../../src/shared/state/registration-numbers.js';
import type { Variable } from '../../../src/shared/state/variable.js';
import { acceptValue, changesNothing, checkExpectedVersion } from '../../../src/shared/state/variable.js';
import { VariableTable } from '../../../src/shared/state/variable-table.js';

function variableOf(type: string, initial: unknown, constraints?: string): Variable {
  const table = new VariableTable({ maxVariables: 1, history: DEFAULT_HISTORY_LIMITS, newId: () => 'v1' });
  return table.register({ name: 'fan', type, initial, constraints, version: 7 }, 0).variable;
}

test('a value is accepted in the form of its type, and copied', () => {
  const given = [1, 2];
  const accepted = acceptValue(variableOf('embedding', [0]), given) as Float64Array;
  given[0] = 9;
  assert.deepEqual([...accepted], [1, 2]);
});

test('a value of another type is refused, and so is one that the constraints refuse; both name the variable', () => {
  const variable = variableOf('float', 1, '{"max":10}');
  assert.throws(
    () => acceptValue(variable, '2'),
    (error) => error instanceof InvalidValueError && error.message.startsWith('variable "fan"'),
  );
  assert.throws(
    () => acceptValue(variable, 11),
    (error) => error instanceof ConstraintViolationError && error.message.startsWith('variable "fan"'),
  );
  assert.equal(variable.current.value, 1);
});

test('a version conflicts unless it is the present one or none is expected', () => {
  const variable = variableOf('float', 1);
  checkExpectedVersion(variable, 7);
  checkExpectedVersion(variable, undefined);
  for (const version of [0, 6, 8]) assert.throws(() => checkExpectedVersion(variable, version), VersionConflictError);
});

test('an equal value changes nothing, another does', () => {
  assert.equal(changesNothing(variableOf('float', Number.NaN), Number.NaN), true);
  assert.equal(changesNothing(variableOf('float', 0), -0), true);
  assert.equal(changesNothing(variableOf('map', { a: 1, b: 2 }), { b: 2, a: 1 }), true);
  assert.equal(changesNothing(variableOf('float', 1), 2), false);
});

test('a set that no version is left for is refused, unless it changes nothing', () => {
  const variable = variableOf('float', 1);
  variable.decided = { ...variable.decided, version: LAST_VERSION };
  assert.equal(changesNothing(variable, 1), true);
  assert.throws(() => changesNothing(variable, 2), { code: 'INVALID_ARGUMENT', message: /at its last version/ });
});
