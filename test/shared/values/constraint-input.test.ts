import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InvalidConstraintError } from '../../../src/shared/errors.js';
import { knowsConstraint, readConstraintInput } from '../../../src/shared/values/constraint-input.js';
import type { VariableType } from '../../../src/shared/values/variable-type.js';

const read = (type: VariableType, input: unknown): unknown => readConstraintInput(type, input, 'variable "v"');

test('JSON text and object say the same', () => {
  assert.deepEqual(read('float', '{"min":0,"max":1.5}'), { min: 0, max: 1.5 });
  assert.deepEqual(read('float', { min: 0, max: 1.5 }), { min: 0, max: 1.5 });
});

test('nothing, empty text, null and an empty map are no constraints', () => {
  for (const input of [undefined, null, '', 'null', '{}', {}, { min: undefined }])
    assert.deepEqual(read('float', input), {});
});

test('a limit beyond 2^53 keeps its digits', () => {
  assert.deepEqual(read('integer', '{"max":9007199254740993}'), { max: 9007199254740993n });
});

test('keys that the type does not know are kept as they are', () => {
  assert.deepEqual(
    read('float', '{"unit":"rpm","pattern":5,"__proto__":{"a":1}}'),
    JSON.parse('{"unit":"rpm","pattern":5,"__proto__":{"a":1}}'),
  );
});

test('null, an empty text and an empty list of texts set no limit', () => {
  assert.deepEqual(read('float', '{"min":null}'), {});
  assert.deepEqual(read('module', { choices: [], allowed_modules: [], namespace: '', pattern: '' }), {});
  assert.deepEqual(read('tensor', { shape: [] }), { shape: [] });
});

test('the result is frozen and shares nothing with what was given', () => {
  const choices = ['a'];
  const constraints = read('choice', { choices }) as { choices: string[] };
  choices.push('b');
  assert.deepEqual(constraints, { choices: ['a'] });
  assert.ok(Object.isFrozen(constraints) && Object.isFrozen(constraints.choices));
});

describe('a wrong kind is refused', () => {
  for (const [type, input, expected] of [
    ['float', '{"min":"0"}', /^variable "v": constraint min is "0": give a number$/],
    ['float', '{"min":1e999}', /\.min is too large for a double/],
    ['integer', '{"max":-1e999}', /\.max is too large for a double/],
    ['float', `{"min":1${'0'.repeat(400)}}`, /constraint min is a huge bigint, beyond what a float can hold/],
    ['float', { max: Number.NaN }, /\.max is NaN, which JSON cannot say/],
    ['float', { max: Number.POSITIVE_INFINITY }, /\.max is Infinity, which JSON cannot say: leave it out/],
    ['integer', { min: true }, /constraint min is true: give a number/],
    ['string', { min_length: -1 }, /constraint min_length is -1: give a whole number from 0/],
    ['string', { max_length: 1.5 }, /constraint max_length is 1.5/],
    ['string', { max_length: 2n ** 60n }, /constraint max_length is 1152921504606846976n/],
    ['string', { pattern: 5 }, /constraint pattern is 5: give a string/],
    ['string', { pattern: /a/ }, /\.pattern is a RegExp/],
    ['string', { enum: 'a' }, /constraint enum is "a": give a list of strings/],
    ['choice', { choices: ['a', 1] }, /constraint choices is a list: give a list of strings/],
    ['module', { namespace: ['Foo'] }, /constraint namespace is a list: give a string/],
    ['embedding', { dimensions: '3' }, /constraint dimensions is "3"/],
    ['tensor', { shape: [2, -2] }, /constraint shape is a list: give a list of up to 32/],
    ['tensor', { shape: 2 }, /constraint shape is 2/],
    ['float', '[1]', /constraints are a list, not a map/],
    ['float', '{"min":', /constraints: .* is not valid JSON/],
    ['float', 5, /constraints are 5, not a map/],
    ['float', '['.repeat(100_000), /nests deeper than 100 levels/],
  ] as const) {
    test(`${type}: ${String(expected)}`, () => {
      assert.throws(
        () => read(type, input),
        (error: unknown) => error instanceof InvalidConstraintError && expected.test(error.message),
      );
    });
  }
});

test('a type knows its own keys only', () => {
  assert.ok(knowsConstraint('float', 'min') && knowsConstraint('module', 'pattern'));
  assert.ok(!knowsConstraint('float', 'pattern') && !knowsConstraint('boolean', 'min'));
});
