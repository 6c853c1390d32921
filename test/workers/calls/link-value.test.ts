import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';
import { decodeValue, normalizeValue } from '../../../src/shared/values/value-codec.js';
import type { VariableType } from '../../../src/shared/values/variable-type.js';
import { VARIABLE_TYPES } from '../../../src/shared/values/variable-type.js';
import { BINARY_TYPE_URL } from '../../../src/shared/wire/link-row.js';
import type { PayloadValue } from '../../../src/shared/wire/link-set-writer.js';
import { bytesOfSet, linkValueOf } from '../../../src/workers/calls/link-value.js';

/** As the server reads a payload of the link; 'refused' where it does not take it. */
function read(type: VariableType, { payload, binary }: PayloadValue): unknown {
  const typeUrl = binary === undefined ? '' : BINARY_TYPE_URL;
  return orRefused(() => decodeValue(type, { typeUrl, value: payload, binary }, 'v'));
}

function orRefused(make: () => unknown): unknown {
  try {
    return plain(make());
  } catch {
    return 'refused';
  }
}

/** A small array of floats is of doubles where it has crossed a wire. */
function plain(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Array.from(value as Float64Array);
  if (typeof value !== 'object' || value === null || !('data' in value)) return value;
  return { ...value, data: plain(value.data) };
}

suite('a value as the link carries it', () => {
  test('every type takes it for what was given, or refuses it as it refuses that', () => {
    const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(-0, 2 ** 60, Number.NaN));
    const odd = fc.oneof(fc.bigInt(), fc.constantFrom('NaN', '-Infinity', 'x', null, true));
    const lists = fc.oneof(fc.array(number), fc.array(fc.oneof(number, odd)), fc.array(fc.array(number)));
    const floats = fc.oneof(fc.float32Array({ maxLength: 9 }), fc.float64Array({ maxLength: 9 }));
    const shapes = fc.array(fc.nat(3), { maxLength: 3 });
    const tensors = fc.record({ shape: shapes, data: fc.oneof(floats, lists) });
    const maps = fc.dictionary(fc.oneof(fc.string(), fc.constant('shape')), fc.oneof(number, odd, lists));
    const large = fc.constantFrom(new Float32Array(3_000).fill(0.1), {
      shape: [2, 2_000],
      data: new Float32Array(4_000),
    });
    fc.assert(
      fc.property(fc.oneof(lists, floats, tensors, maps, large), fc.constantFrom(...VARIABLE_TYPES), (input, type) => {
        const value = linkValueOf(input);
        if (value === undefined) return;
        const given = orRefused(() => normalizeValue(type, input, 'v'));
        assert.deepEqual(read(type, value as PayloadValue), given);
      }),
      { numRuns: 3_000 },
    );
  });

  test('large arrays keep their kind, small ones are of doubles', () => {
    const large = linkValueOf(new Float32Array(3_000)) as PayloadValue;
    assert.ok(
      decodeValue('embedding', { ...large, typeUrl: BINARY_TYPE_URL, value: large.payload }, 'v') instanceof
        Float32Array,
    );
    const small = linkValueOf(Float32Array.of(0.1)) as PayloadValue;
    assert.ok(
      decodeValue('embedding', { ...small, typeUrl: BINARY_TYPE_URL, value: small.payload }, 'v') instanceof
        Float64Array,
    );
  });

  test('what only the type can judge goes by a call', () => {
    for (const input of [1n, '\ud800', null, undefined, [Number.NaN], ['NaN'], [1, 2n], { a: Number.NaN }]) {
      assert.equal(linkValueOf(input), undefined);
    }
    for (const input of [
      { shape: [2], data: [1, 2] },
      { shape: [3], data: Float32Array.of(1) },
    ]) {
      assert.equal(linkValueOf(input), undefined);
    }
  });

  test('numbers, truths and texts are what they are', () => {
    for (const input of [0, -0, Number.NaN, true, '', 'text']) assert.ok(Object.is(linkValueOf(input), input));
  });

  test('takes no more bytes than are said', () => {
    const set = { identifier: 'ü', source: 'me', metadata: EMPTY_METADATA, expectedVersion: 0, isFollowed: false };
    const bytes = bytesOfSet({ ...set, value: linkValueOf({ a: 'é' })! });
    assert.ok(bytes >= Buffer.byteLength('ü{"a":"é"}me'));
    assert.ok(bytesOfSet({ ...set, value: linkValueOf(new Float64Array(2_000))! }) > 16_000);
    assert.ok(bytesOfSet({ ...set, value: '€'.repeat(100) }) >= 300);
    assert.ok(bytesOfSet({ ...set, value: '€'.repeat(20_000) }) >= 60_000);
    assert.ok(bytesOfSet({ ...set, value: 'x'.repeat(65_000) }) <= 64 * 1024, 'a text of 64 KB goes by the link');
  });
});
