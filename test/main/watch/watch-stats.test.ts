import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WatchStats } from '../../../src/main/watch/watch-stats.js';

test('a watch that got nothing has no latency', () => {
  assert.equal(new WatchStats().latencyMs(), undefined);
});

test('percentiles lie within one bucket above the latency that they stand for', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.02, max: 50_000, noNaN: true }), { minLength: 1, maxLength: 200 }),
      (latencies) => {
        const stats = new WatchStats();
        for (const ms of latencies) stats.recordLatency(ms);
        const sorted = [...latencies].sort((a, b) => a - b);
        const { p50, p99 } = stats.latencyMs()!;
        for (const [share, told] of [
          [0.5, p50],
          [0.99, p99],
        ] as const) {
          const exact = sorted[Math.ceil(sorted.length * share) - 1]!;
          assert.ok(told >= exact * 0.999 && told <= exact * 1.5, `${told} for ${exact}`);
        }
      },
    ),
  );
});

test('a latency below nothing, from clocks that differ, counts as the least', () => {
  const stats = new WatchStats();
  stats.recordLatency(-5);
  assert.deepEqual(stats.latencyMs(), { p50: 0.01, p99: 0.01 });
});
