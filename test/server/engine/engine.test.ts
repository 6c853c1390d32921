import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mapKept } from '../../../src/server/engine/engine.js';

test('what follows on something kept follows at once where that is kept at once', async () => {
  assert.equal(
    mapKept(2, (value) => value + 1),
    3,
  );
  const later = mapKept(Promise.resolve(2), (value) => value + 1);
  assert.ok(later instanceof Promise);
  assert.equal(await later, 3);
});
