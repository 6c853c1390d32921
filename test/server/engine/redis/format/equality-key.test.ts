import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { equalityKey } from '../../../../../src/server/engine/redis/format/equality-key.js';
import { copyJson } from '../../../../../src/shared/values/json-copy.js';
import { jsonTextOf } from '../../../../../src/shared/values/json-text.js';
import { valuesEqual } from '../../../../../src/shared/values/value-equality.js';
import type { VariableValue } from '../../../../../src/shared/values/variable-type.js';
import { OpaqueBinary } from '../../../../../src/shared/values/variable-type.js';

// Few of each, so that pairs are often equal.
const scalar = fc.oneof(
  fc.constantFrom(0, -0, 1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53),
  fc.constantFrom(0n, 1n, 2n ** 70n),
  fc.boolean(),
  fc.constantFrom('', 'a', '1', 'true', '1n', '"a', '=', 'é', '\ud800', 'x'.repeat(31), 'x'.repeat(30), 'é'.repeat(30)),
);
const elements = fc.array(fc.constantFrom(0, -0, 1, Number.NaN), { maxLength: 3 });
const array = fc.oneof(
  elements.map((list) => Float32Array.from(list)),
  elements.map((list) => Float64Array.from(list)),
);
const json: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>(null, true, 0, 1, 'a', ''),
    fc.array(tie('value'), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', '1'), tie('value'), { maxKeys: 3 }),
  ),
})).value;
const container = json
  .filter((value) => typeof value === 'object' && value !== null)
  .map((value) => copyJson(value, 'value') as VariableValue);
const text = fc.constantFrom('{}', '{"a":1}', '{"a": 1}').map((said) => jsonTextOf(Buffer.from(said)) as VariableValue);
const opaque = fc
  .tuple(fc.constantFrom('{}', '{"format":"pickle"}'), fc.uint8Array({ maxLength: 2 }))
  .map(([header, bytes]) => new OpaqueBinary(header, bytes));
const tensor = array.map((data) => ({ shape: [data.length], data }));
const anything = fc.oneof<fc.Arbitrary<VariableValue>[]>(scalar, array, container, text, opaque, tensor);

test('two values have the same key when, and only when, one set over the other changes nothing', () => {
  fc.assert(
    fc.property(anything, anything, (one, other) => {
      assert.equal(sameKey(one, other), valuesEqual(one, other));
    }),
    { numRuns: 20_000 },
  );
});

test('keys of maps do not depend on the order of their keys', () => {
  assert.ok(sameKey({ a: 1, b: [2] }, { b: [2], a: 1 }));
  assert.ok(!sameKey({ a: 1, b: [2] }, { b: [2], a: 2 }));
});

test('a key has 32 bytes at most', () => {
  fc.assert(fc.property(anything, (value) => assert.ok(Buffer.byteLength(equalityKey(value)) <= 62)));
  assert.ok(Buffer.byteLength(equalityKey('x'.repeat(100_000))) <= 32);
});

function sameKey(one: VariableValue, other: VariableValue): boolean {
  return Buffer.from(equalityKey(one) as string).equals(Buffer.from(equalityKey(other) as string));
}
