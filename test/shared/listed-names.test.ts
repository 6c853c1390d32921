import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VariablesNotFoundError } from '../../src/shared/errors.js';
import { listedNames } from '../../src/shared/listed-names.js';

const names = (count: number) => Array.from({ length: count }, (_, place) => `v${place}`);

test('up to ten names are all listed', () => {
  assert.equal(listedNames(['fan']), 'fan');
  assert.equal(listedNames(names(10)), names(10).join(', '));
});

test('of more, the first ten are, and how many there are', () => {
  assert.equal(listedNames(names(100_000)), `${names(10).join(', ')}, … (100000 in all)`);
});

test('an error about 100,000 variables has a sentence that can be read, and names each of them beside it', () => {
  const error = VariablesNotFoundError.of(names(100_000));
  assert.ok(error.message.length < 200, `${error.message.length} characters`);
  assert.deepEqual(error.identifiers, names(100_000));
});
