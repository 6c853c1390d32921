import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { valuesEqual } from '../../../src/shared/values/value-equality.js';
import type { VariableValue } from '../../../src/shared/values/variable-type.js';
import { OpaqueBinary } from '../../../src/shared/values/variable-type.js';

const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<VariableValue | null>;

test('a value equals its copy, whatever the order of keys', () => {
  const reversed = (value: unknown): VariableValue => {
    if (Array.isArray(value)) return value.map(reversed) as VariableValue;
    if (typeof value !== 'object' || value === null) return value as VariableValue;
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, inner]) => [key, reversed(inner)]),
    ) as VariableValue;
  };
  fc.assert(fc.property(json, (value) => valuesEqual(value, reversed(value)) && valuesEqual(reversed(value), value)));
});

test('two JSON values are equal exactly when Node finds them so, but for the sign of zero', () => {
  const unsigned = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
  fc.assert(
    fc.property(json, json, (a, b) => valuesEqual(a, b) === isDeepStrictEqual(unsigned(a), unsigned(b))),
    { numRuns: 1000 },
  );
});

const equal: [string, VariableValue, VariableValue][] = [
  ['NaN and NaN', Number.NaN, Number.NaN],
  ['0 and -0', 0, -0],
  ['bigints', 2n ** 60n, 2n ** 60n],
  ['texts', 'ab', `${'a'}b`],
  ['embeddings with NaN', Float32Array.of(Number.NaN, 0), Float32Array.of(Number.NaN, -0)],
  ['embeddings of two widths', Float32Array.of(1, 0.5, Number.NaN), Float64Array.of(1, 0.5, Number.NaN)],
  ['tensors of two widths', { shape: [1], data: Float32Array.of(1) }, { shape: [1], data: Float64Array.of(1) }],
  ['tensors', { shape: [1], data: Float64Array.of(1) }, { shape: [1], data: Float64Array.of(1) }],
  ['binaries', new OpaqueBinary('{}', Uint8Array.of(1)), new OpaqueBinary('{}', Buffer.from([1]))],
  ['a key named __proto__', JSON.parse('{"__proto__":[1]}'), JSON.parse('{"__proto__":[1]}')],
];

const different: [string, VariableValue, VariableValue][] = [
  ['a number and its bigint', 3, 3n],
  ['NaN and 0', Number.NaN, 0],
  ['NaN and "NaN"', Number.NaN, 'NaN'],
  ['0 and false', 0, false],
  ['texts', 'a', 'b'],
  ['a number and what float32 makes of it', Float32Array.of(0.1), Float64Array.of(0.1)],
  ['an embedding and a list', Float64Array.of(1), [1]],
  ['lengths of embeddings', Float64Array.of(1), Float64Array.of(1, 2)],
  ['elements', Float64Array.of(1, 2), Float64Array.of(1, 3)],
  ['shapes', { shape: [1, 2], data: Float64Array.of(1, 2) }, { shape: [2, 1], data: Float64Array.of(1, 2) }],
  ['headers of binaries', new OpaqueBinary('{}', Uint8Array.of(1)), new OpaqueBinary('{ }', Uint8Array.of(1))],
  ['bytes of binaries', new OpaqueBinary('{}', Uint8Array.of(1)), new OpaqueBinary('{}', Uint8Array.of(2))],
  ['a list and a map', ['a'], { 0: 'a' }],
  ['the keys of maps', { a: 1, b: 2 }, { a: 1, c: 2 }],
  ['a key and none', {}, JSON.parse('{"__proto__":null}')],
  ['an inherited key and an own one', JSON.parse('{"toString":null}'), { a: null }],
  ['null inside and an empty map', { a: null }, { a: {} }],
];

for (const [name, a, b] of equal) test(`${name} are equal`, () => assert.ok(valuesEqual(a, b) && valuesEqual(b, a)));
for (const [name, a, b] of different) test(`${name} differ`, () => assert.ok(!valuesEqual(a, b) && !valuesEqual(b, a)));
