import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Durations } from '../../../src/server/engine/durations.js';

test('nothing measured is 0', () => {
  const { atMost, ...rest } = new Durations().read();
  assert.deepEqual(rest, { p50: 0, p99: 0, sum: 0, count: 0 });
  assert.ok(atMost.every(({ count }) => count === 0));
});

test('quantiles are of the last 1,024, sum and count of all', () => {
  const durations = new Durations();
  for (let ms = 0; ms < 5_000; ms += 1) durations.add(1_000);
  for (let ms = 1; ms <= 1_024; ms += 1) durations.add(ms);
  const { p50, p99, sum, count } = durations.read();
  assert.deepEqual([p50, p99, count], [512, 1_013, 6_024]);
  assert.equal(sum, 5_000_000 + (1_024 * 1_025) / 2);
});

test('a bucket counts all that took its ms or less, the slowest none', () => {
  const durations = new Durations();
  for (const ms of [0, 1, 1.01, 60_000]) durations.add(ms);
  const { atMost, count } = durations.read();
  const countAt = (ms: number) => atMost.find((bucket) => bucket.ms === ms)?.count;
  assert.deepEqual([countAt(0.5), countAt(1), countAt(2.5), atMost.at(-1)?.count, count], [1, 2, 3, 3, 4]);
});
