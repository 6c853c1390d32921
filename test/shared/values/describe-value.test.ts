import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidValueError } from '../../../src/shared/errors.js';
import { describeValue } from '../../../src/shared/values/describe-value.js';
import { refuseValue } from '../../../src/shared/values/variable-type.js';

test('each kind of value has its words', () => {
  const words: [unknown, string][] = [
    [12.5, '12.5'],
    [-0, '-0'],
    [Number.NaN, 'NaN'],
    [9n, '9n'],
    ['high', '"high"'],
    ['a\nb', '"a\\nb"'],
    [true, 'true'],
    [undefined, 'undefined'],
    [null, 'null'],
    [Symbol('s'), 'a symbol'],
    [() => 1, 'a function'],
    [[1], 'a list'],
    [{}, 'a map'],
    [Object.create(null), 'a map'],
    [new Float32Array(1), 'a Float32Array'],
    [new Int8Array(1), 'an Int8Array'],
    [new Date(0), 'a Date'],
    [new (class {})(), 'an object'],
  ];
  for (const [value, expected] of words) assert.equal(describeValue(value), expected);
});

test('a long text is cut, so that a sentence stays one', () => {
  assert.ok(describeValue('x'.repeat(10_000)).length < 60);
});

test('a bigint of a million digits is not written out', () => {
  assert.equal(describeValue(1n << 3_000_000n), 'a huge bigint');
});

test('a refusal names the subject, the fact and the remedy', () => {
  assert.throws(
    () => refuseValue('integer', 12.5, 'variable "fan"'),
    (error: unknown) =>
      error instanceof InvalidValueError &&
      error.message === 'variable "fan": 12.5 is not an integer: give a whole number or a bigint',
  );
});
