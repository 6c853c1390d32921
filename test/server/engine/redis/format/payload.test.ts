import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodePayload,
  decodeRegistration,
  encodePayload,
  encodeRegistration,
} from '../../../../../src/server/engine/redis/format/payload.js';
import { parseConstraints } from '../../../../../src/shared/values/constraint.js';
import { normalizeValue } from '../../../../../src/shared/values/value-codec.js';
import type { VariableType } from '../../../../../src/shared/values/variable-type.js';
import { OpaqueBinary } from '../../../../../src/shared/values/variable-type.js';

const inputs: readonly [VariableType, fc.Arbitrary<unknown>][] = [
  ['float', fc.double()],
  ['integer', fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 100n }))],
  ['boolean', fc.boolean()],
  ['string', fc.string({ unit: 'grapheme' })],
  ['embedding', fc.array(fc.double()).map((list) => Float64Array.from(list))],
  ['embedding', fc.array(fc.float()).map((list) => Float32Array.from(list))],
  ['embedding', fc.uint8Array({ minLength: 1 }).map((bytes) => new OpaqueBinary('{"format":"pickle"}', bytes))],
  [
    'tensor',
    fc
      .array(fc.float(), { minLength: 2, maxLength: 2 })
      .map((list) => ({ shape: [1, 2], data: Float32Array.from(list) })),
  ],
  ['map', fc.dictionary(fc.string(), fc.constantFrom(null, 1, 'a', [true]))],
  ['list', fc.array(fc.constantFrom(null, 1.5, 'a', { b: [] }))],
];

for (const [type, arbitrary] of inputs) {
  test(`a ${type} comes back bit by bit, with who set it`, () => {
    fc.assert(
      fc.property(arbitrary, fc.string(), fc.dictionary(fc.string(), fc.string()), (input, source, custom) => {
        const value = normalizeValue(type, input, 'value');
        const said = decodePayload(type, encodePayload(type, value, source, custom));
        assert.deepEqual({ ...said, custom: { ...said.custom } }, { value, source, custom: { ...custom } });
      }),
    );
  });
}

test('a registration comes back with its constraints', () => {
  const said = {
    ...({
      name: 'mode',
      type: 'choice',
      metadata: { team: 'a' },
      description: 'é',
      ttlMs: 5,
      firstVersion: 7,
    } as const),
    constraints: parseConstraints('choice', { choices: ['eco', 'boost'] }, 'mode'),
  };
  assert.deepEqual(decodeRegistration(encodeRegistration(said)), said);
});

test('bytes that are cut short are refused', () => {
  const whole = encodePayload('string', 'a text', 'me', { a: 'b' });
  for (let size = 1; size < whole.length; size += 1) {
    assert.throws(() => decodePayload('string', whole.subarray(0, size)), { code: 'PROTOCOL' });
  }
});
