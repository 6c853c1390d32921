import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { VariableValue } from '../../../src/main/index.js';
import { decodeTag, encodeTag, TAGGED_TYPES } from './value-tag.js';

const anyTag = fc.record({
  session: fc.nat(15),
  variable: fc.nat(255),
  seq: fc.nat(10_000_000),
});

test('a value of any type says whose it is, and which set made it', () => {
  fc.assert(
    fc.property(anyTag, fc.constantFrom(...TAGGED_TYPES), fc.nat(50), (tag, type, padding) => {
      assert.deepEqual(decodeTag(encodeTag(type, tag, padding) as VariableValue), { ...tag });
    }),
  );
});

test('a value that no set of ours made says nothing', () => {
  for (const value of [undefined, 'abc', '1/2', true, Number.NaN, -1, [1, 'x', 2], { session: 1 }, 10n]) {
    assert.equal(decodeTag(value as VariableValue | undefined), undefined);
  }
});
