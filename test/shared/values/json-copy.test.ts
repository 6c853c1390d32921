import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { InvalidValueError } from '../../../src/shared/errors.js';
import { copyJson } from '../../../src/shared/values/json-copy.js';
import { MAX_JSON_DEPTH } from '../../../src/shared/values/plain-copy.js';

const refusal = (input: unknown): string => {
  try {
    copyJson(input, 'variable "m"');
  } catch (error) {
    assert.ok(error instanceof InvalidValueError);
    return error.message;
  }
  return 'accepted';
};

const nested = (levels: number): unknown => {
  let value: unknown = [];
  for (let level = 1; level < levels; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};

test('the copy shares nothing with what was given, and nobody can change it', () => {
  const given = { list: [{ a: 1 }], text: 'x' };
  const copy = copyJson(given, 'm') as { list: { a: number }[]; text: string };
  given.list[0]!.a = 2;
  assert.deepEqual(copy, { list: [{ a: 1 }], text: 'x' });
  assert.ok(Object.isFrozen(copy) && Object.isFrozen(copy.list) && Object.isFrozen(copy.list[0]));
});

test('a bigint that a number can hold becomes one, a larger one stays', () => {
  assert.deepEqual(copyJson([3n, 2n ** 53n], 'm'), [3, 2n ** 53n]);
});

test('maps without prototype and of another realm are plain maps', () => {
  const bare = Object.assign(Object.create(null), { a: 1 });
  assert.deepEqual(copyJson(bare, 'm'), { a: 1 });
  assert.deepEqual(copyJson(runInNewContext('({ a: [1, { b: 2 }] })'), 'm'), { a: [1, { b: 2 }] });
});

test('the keys __proto__ and constructor are ordinary, and change no prototype', () => {
  const given: unknown = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
  const copy = copyJson(given, 'm') as object;
  assert.deepEqual(Object.keys(copy), ['__proto__', 'constructor']);
  assert.equal(Object.getPrototypeOf(copy), Object.prototype);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

describe('what JSON cannot say is refused with its place', () => {
  class Point {
    x = 1;
  }
  const cases: [string, unknown, RegExp][] = [
    ['NaN', { a: [0, 1, 2, { b: Number.NaN }] }, /^variable "m": \.a\[3\]\.b is NaN, which JSON cannot say/],
    ['Infinity', [Number.POSITIVE_INFINITY], /^variable "m": \[0\] is Infinity/],
    ['undefined', { a: undefined }, /\.a is undefined/],
    ['a hole', Array(2), /\[0\] is undefined/],
    ['a function', { a: () => 1 }, /\.a is a function/],
    ['a symbol', [Symbol('s')], /\[0\] is a symbol/],
    ['a Date', { at: new Date(0) }, /\.at is a Date/],
    ['a Map', new Map(), /the value is a Map/],
    ['a class instance', { p: new Point() }, /\.p is a Point/],
    ['a typed array', { v: new Uint8Array(1) }, /\.v is a Uint8Array/],
    ['a symbol as key', { a: { [Symbol('s')]: 1 } }, /\.a has symbols as keys/],
    ['half a pair', ['\ud800'], /\[0\] holds half of a surrogate pair/],
    ['half a pair as key', { '\ud800': 1 }, /is a key with half of a surrogate pair/],
    ['a key that is no identifier', { 'a b': Number.NaN }, /^variable "m": \["a b"\] is NaN/],
    ['a bigint of 4,301 digits', [10n ** 4300n], /\[0\] has more than 4300 digits/],
  ];
  for (const [name, input, expected] of cases) test(name, () => assert.match(refusal(input), expected));
});

test('100 levels are copied, 101 refused', () => {
  assert.equal(refusal(nested(MAX_JSON_DEPTH)), 'accepted');
  assert.match(refusal(nested(MAX_JSON_DEPTH + 1)), /nests deeper than 100 levels/);
});

test('100,000 levels are refused without running out of stack', () => {
  assert.match(refusal(nested(100_000)), /nests deeper than 100 levels/);
});

test('a cycle is called one, at its place', () => {
  const cyclic: Record<string, unknown> = { a: [{}] };
  (cyclic.a as Record<string, unknown>[])[0]!.back = cyclic;
  assert.match(refusal(cyclic), /^variable "m": \.a\[0\]\.back contains itself/);
});

test('the same object twice is no cycle', () => {
  const shared = { x: 1 };
  assert.deepEqual(copyJson([shared, shared], 'm'), [{ x: 1 }, { x: 1 }]);
});

test('a place with huge keys is cut', () => {
  assert.ok(refusal({ ['k'.repeat(100_000)]: Number.NaN }).length < 400);
});
