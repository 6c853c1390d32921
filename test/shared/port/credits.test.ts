import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InternalError } from '../../../src/shared/errors.js';
import { Credits } from '../../../src/shared/port/credits.js';

test('never more is spent than there is, nor granted back than was spent; what is refused changes nothing', () => {
  fc.assert(
    fc.property(fc.nat(20), fc.array(fc.tuple(fc.boolean(), fc.nat(12))), (limit, moves) => {
      const credits = new Credits(limit);
      let available = limit;
      for (const [isSpent, updates] of moves) {
        const after = isSpent ? available - updates : available + updates;
        const move = () => (isSpent ? credits.spend(updates) : credits.grant(updates));
        if (after < 0 || after > limit) assert.throws(move, InternalError);
        else {
          move();
          available = after;
        }
        assert.equal(credits.available, available);
      }
    }),
  );
});
