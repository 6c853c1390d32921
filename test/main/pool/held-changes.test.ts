import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOfCall, bytesOfChange, HeldChanges } from '../../../src/main/pool/held-changes.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';

test('one alone may be as large as it is, one more is refused until there is room', () => {
  const held = new HeldChanges(100);
  held.take(1_000);
  assert.throws(() => held.take(1), { code: 'QUOTA_EXCEEDED' });
  held.giveBack(1_000);
  held.take(60);
  held.take(40);
  assert.throws(() => held.take(1), { code: 'QUOTA_EXCEEDED' });
});

test('a change counts by its value, whatever kind it is, and by its metadata', () => {
  const large = { text: 'x'.repeat(10_000) };
  assert.ok(bytesOfChange(large, EMPTY_METADATA) >= 10_000);
  assert.ok(bytesOfChange(1, { note: 'x'.repeat(10_000) }) >= 10_000);
  const value = { value: new Float64Array(5_000), isOpaque: false };
  const set = {
    name: 'set',
    identifier: 'a',
    value,
    source: '',
    metadata: EMPTY_METADATA,
    expectedVersion: 0,
  } as const;
  assert.ok(bytesOfCall(set) >= 40_000);
  const update = {
    name: 'update',
    values: [
      ['a', value],
      ['b', value],
    ],
    atomic: true,
    source: '',
    metadata: EMPTY_METADATA,
  } as const;
  assert.ok(bytesOfCall(update) >= 80_000);
  assert.ok(bytesOfCall({ name: 'delete', identifier: 'a' }) > 0);
});
