import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CancelBudget } from '../../../src/workers/transport/stream-ending.js';

test('a connection makes at most 400 cancels in a burst and 20 a second, below what HTTP/2 servers endure', () => {
  const budget = new CancelBudget();
  let taken = 0;
  while (budget.take(1_000)) taken += 1;
  assert.equal(taken, 400);
  for (let nowMs = 1_000; nowMs < 11_000; nowMs += 10) if (budget.take(nowMs)) taken += 1;
  assert.ok(taken >= 598 && taken <= 600, `${taken} cancels in 10 s`);
});
