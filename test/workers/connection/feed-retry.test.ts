import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FeedRetry } from '../../../src/workers/connection/feed-retry.js';

const LIMITS = { baseMs: 100, factor: 2, capMs: 5_000, jitter: 0, spreadMs: 40, resetAfterMs: 10_000, maxAttempts: 0 };
const half = { next: () => 0.5 };
const retryOf = (limits = {}) => new FeedRetry({ ...LIMITS, ...limits }, () => undefined);

test('a feed that is refused again and again waits longer each time, and begins anew when it was live for long', () => {
  const retry = retryOf();
  const waits = [0, 0, 0, 20_000].map((liveForMs) => retry.handleFailure(1_000, liveForMs, half)! - 1_000);
  assert.deepEqual(waits, [20, 100, 200, 20]);
  assert.equal(retry.failures, 1);
});

test('a feed is given up after maxAttempts', () => {
  const retry = retryOf({ maxAttempts: 2 });
  assert.ok(retry.handleFailure(0, 0, half) !== undefined);
  assert.ok(retry.handleFailure(0, 0, half) !== undefined);
  assert.equal(retry.handleFailure(0, 0, half), undefined);
});

test('a retry that is due says so', () => {
  let due = 0;
  new FeedRetry(LIMITS, () => {
    due += 1;
  }).handleDeadline();
  assert.equal(due, 1);
});
