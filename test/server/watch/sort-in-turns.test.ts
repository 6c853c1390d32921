import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sortInTurns } from '../../../src/server/watch/sort-in-turns.js';

test('many are sorted as an array sorts them, equal ones in their order, in turns that are asked for all along', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 9_000 }), fc.integer(), async (count, seed) => {
      let state = seed;
      const items = Array.from({ length: count }, (_, place) => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
        return { key: state % 1_000, place };
      });
      const compare = (a: { key: number }, b: { key: number }) => a.key - b.key;
      let steps = 0;
      let most = 0;
      const spend = (more: number): Promise<void> => {
        steps += more;
        most = Math.max(most, more);
        return Promise.resolve();
      };
      const expected = [...items].sort(compare);
      assert.deepEqual(await sortInTurns(items, compare, { spend }), expected);
      assert.ok(most <= 200);
      if (count > 2_000) assert.ok(steps >= count / 16);
    }),
    { numRuns: 30 },
  );
});
