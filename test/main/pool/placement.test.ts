import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { slotOf } from '../../../src/main/pool/placement.js';

const NAMES = Array.from({ length: 10_000 }, (_, number) => `sensor-${number}`);

describe('placement', () => {
  test('a variable has one slot, among those that there are', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.integer({ min: 1, max: 64 }), (session, name, slots) => {
        const slot = slotOf(session, name, slots);
        assert.ok(Number.isInteger(slot) && slot >= 0 && slot < slots);
        assert.equal(slotOf(session, name, slots), slot);
      }),
    );
  });

  test('names that differ by a number spread within a tenth of evenly', () => {
    for (const slots of [2, 3, 4, 8]) {
      const counts = new Array<number>(slots).fill(0);
      for (const name of NAMES) counts[slotOf('session', name, slots)]! += 1;
      const even = NAMES.length / slots;
      for (const count of counts) assert.ok(Math.abs(count - even) < even / 10, `${counts} of ${even} each`);
    }
  });

  test('one slot more moves only what goes to it', () => {
    for (const slots of [1, 2, 4]) {
      for (const name of NAMES.slice(0, 1_000)) {
        const after = slotOf('session', name, slots + 1);
        assert.ok(after === slots || after === slotOf('session', name, slots));
      }
    }
  });
});
