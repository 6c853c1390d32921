import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConstraintViolationError, InvalidConstraintError } from '../../../src/shared/errors.js';
import type { ConstraintsInput } from '../../../src/shared/values/constraint.js';
import { checkConstraints, NO_CONSTRAINTS, parseConstraints } from '../../../src/shared/values/constraint.js';
import type { VariableType, VariableValue } from '../../../src/shared/values/variable-type.js';
import { OpaqueBinary } from '../../../src/shared/values/variable-type.js';

const violation = (type: VariableType, input: string | ConstraintsInput, value: VariableValue): string => {
  try {
    checkConstraints(type, parseConstraints(type, input, 'variable "v"'), value, 'variable "v"');
  } catch (error) {
    assert.ok(error instanceof ConstraintViolationError, String(error));
    return error.message;
  }
  return 'fits';
};

const opaque = (header: string): OpaqueBinary => new OpaqueBinary(header, Uint8Array.of(1));
const tensor = (...shape: number[]) => ({
  shape,
  data: new Float64Array(shape.reduce((product, size) => product * size, 1)),
});

describe('what fits', () => {
  const fits: [string, VariableType, string | ConstraintsInput, VariableValue][] = [
    ['the limits themselves', 'float', { min: 0, max: 100 }, 100],
    ['infinity without that limit', 'float', { min: 0 }, Number.POSITIVE_INFINITY],
    ['NaN without limits', 'float', '{"unit":"rpm"}', Number.NaN],
    ['a bigint below a bigint', 'integer', '{"max":9007199254740993}', 9007199254740992n],
    ['a number below a bigint', 'integer', { max: 2n ** 60n }, 5],
    ['an integer above a fraction', 'integer', { min: 0.5 }, 1],
    ['as many characters as allowed', 'string', { min_length: 2, max_length: 2 }, '😀😀'],
    ['a listed text', 'string', { enum: ['a', 'b'] }, 'b'],
    ['a pattern inside', 'string', { pattern: '\\d' }, 'a1b'],
    ['a choice', 'choice', { choices: ['fast', 'slow'] }, 'slow'],
    ['a module of the namespace', 'module', { namespace: 'Foo' }, 'Foo.Bar.Baz'],
    ['the namespace itself', 'module', { namespace: 'Foo' }, 'Foo'],
    ['an allowed module', 'module', { allowed_modules: ['A', 'B'], choices: ['B'] }, 'B'],
    ['any module where the lists are empty', 'module', { choices: [], allowed_modules: [] }, 'X'],
    ['the dimensions', 'embedding', { dimensions: 3 }, new Float32Array(3)],
    ['the dimensions that a pickle claims', 'embedding', { dimensions: 3 }, opaque('{"shape":[3]}')],
    ['the shape', 'tensor', { shape: [2, 3] }, tensor(2, 3)],
    ['any size of an axis', 'tensor', '{"shape":[null,-1,1]}', tensor(2, 3, 1)],
    ['the shape that a pickle claims', 'tensor', { shape: [2, null] }, opaque('{"shape":[2,9]}')],
    ['a boolean, which knows no constraint', 'boolean', '{"min":5}', false],
    ['a map, which knows none', 'map', '{"min_length":5}', {}],
  ];
  for (const [name, type, constraints, value] of fits)
    test(name, () => assert.equal(violation(type, constraints, value), 'fits'));
});

describe('what violates', () => {
  const violations: [VariableType, string | ConstraintsInput, VariableValue, RegExp | string][] = [
    ['float', { max: 100 }, 120, 'variable "v": 120 is not at most max 100: give 100 or less'],
    ['float', { min: 0 }, -0.5, 'variable "v": -0.5 is not at least min 0: give 0 or more'],
    ['float', { min: 0 }, Number.NaN, /NaN is not at least min 0/],
    ['float', { max: 0 }, Number.NaN, /NaN is not at most max 0/],
    ['integer', '{"max":9007199254740992}', 9007199254740993n, /9007199254740993n is not at most max 9007199254740992/],
    ['integer', '{"min":9007199254740993}', 9007199254740992n, /is not at least min 9007199254740993/],
    ['integer', { min: 0.5 }, 0, /0 is not at least min 0.5/],
    ['string', { min_length: 3 }, '😀😀', /has 2 characters, fewer than min_length 3/],
    ['string', { max_length: 0 }, 'a', /has 1 characters, more than max_length 0/],
    ['string', { enum: ['a', 'b'] }, 'c', 'variable "v": "c" is not in enum: give one of "a", "b"'],
    [
      'string',
      { pattern: '^\\d+$' },
      '12a',
      'variable "v": "12a" does not match pattern "^\\\\d+$": give a text that does',
    ],
    [
      'string',
      { pattern: '[ab].{900}[cd]' },
      'a'.repeat(1_000_000),
      /has 1000000 characters, and \d+ is the most that pattern/,
    ],
    ['choice', { choices: ['fast'] }, 'constructor', /"constructor" is not in choices/],
    ['module', { namespace: 'Foo' }, 'Foobar', /"Foobar" is not in namespace "Foo"/],
    ['module', { choices: ['A', 'B'], allowed_modules: ['B'] }, 'A', /is not in allowed_modules/],
    ['module', { pattern: '^A' }, 'B', /does not match pattern/],
    ['embedding', { dimensions: 3 }, new Float64Array(2), /the embedding has 2 elements, and dimensions is 3/],
    ['embedding', { dimensions: 3 }, opaque('{}'), /has a binary that does not tell its shape/],
    ['tensor', { shape: [2, 3] }, tensor(3, 2), /the tensor has shape \[3,2\], and constraint shape is \[2,3\]/],
    ['tensor', { shape: [null] }, tensor(1, 1), /has shape \[1,1\]/],
    ['tensor', { shape: [] }, tensor(1), /has shape \[1\], and constraint shape is \[\]/],
    ['tensor', { shape: [1] }, opaque('"x"'), /the tensor is a binary that does not tell its shape/],
  ];
  for (const [type, constraints, value, expected] of violations) {
    test(`${type}: ${String(expected)}`, () => {
      const sentence = violation(type, constraints, value);
      if (typeof expected === 'string') assert.equal(sentence, expected);
      else assert.match(sentence, expected);
    });
  }

  test('a long list of choices is cut', () => {
    const choices = Array.from({ length: 1000 }, (_, index) => `choice ${index}`);
    assert.match(violation('choice', { choices }, 'x'), /"choice 9", … \(1000 in all\)$/);
  });
});

describe('constraints that cannot be kept are refused', () => {
  for (const [type, input, expected] of [
    ['float', { min: 2, max: 1 }, /constraint min 2 is above max 1/],
    ['integer', '{"min":9007199254740993,"max":9007199254740992}', /min 9007199254740993 is above max/],
    ['string', { min_length: 2, max_length: 1 }, /min_length 2 is above max_length 1/],
    ['string', { pattern: '(?=a)' }, /use RE2 syntax/],
    ['module', { pattern: '(' }, /use RE2 syntax/],
    ['choice', undefined, /a choice has no choices: give the constraint choices, or register a string/],
    ['choice', { choices: [] }, /a choice has no choices/],
    ['choice', '', /a choice has no choices/],
  ] as const) {
    test(`${type}: ${String(expected)}`, () => {
      assert.throws(
        () => parseConstraints(type, input, 'variable "v"'),
        (error: unknown) => error instanceof InvalidConstraintError && expected.test(error.message),
      );
    });
  }

  test('but not by a type that does not know them', () => {
    assert.deepEqual(parseConstraints('float', { pattern: '(' }, 'v'), { pattern: '(' });
    assert.deepEqual(parseConstraints('map', '{"min":2,"max":1}', 'v'), { min: 2, max: 1 });
  });
});

test('no constraints are one object', () => {
  for (const none of [undefined, '', '{}', {}, { min: undefined }])
    assert.equal(parseConstraints('float', none, 'v'), NO_CONSTRAINTS);
});

test('constraints that have crossed a port are checked as before', () => {
  const constraints = structuredClone(parseConstraints('string', { pattern: '^a' }, 'v'));
  checkConstraints('string', constraints, 'abc', 'v');
  assert.throws(() => checkConstraints('string', constraints, 'b', 'v'), ConstraintViolationError);
});
