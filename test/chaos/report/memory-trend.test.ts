import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryTrend, trendLine } from './memory-trend.js';

const samples = (bytesAt: (minute: number) => number) =>
  Array.from({ length: 30 }, (_, minute) => ({ atMs: minute * 60_000, bytes: bytesAt(minute) }));

test('what grows at first and then stays is flat', () => {
  const trend = memoryTrend(samples((minute) => Math.min(minute, 8) * 1_000_000));
  assert.equal(Math.round(trend!.bytesPerMinute), 0);
  assert.equal(trend!.minutes, 19);
});

test('what grows by a megabyte a minute is said to', () => {
  const trend = memoryTrend(samples((minute) => 2 ** 26 + minute * 2 ** 20));
  assert.equal(Math.round(trend!.bytesPerMinute), 2 ** 20);
  assert.match(trendLine('heap', trend), /^heap: 74\.0 to 93\.0 MB over the last 19\.0 min, 1\.0 MB a minute/);
});

test('a few samples make no trend', () => {
  assert.equal(memoryTrend(samples(() => 1).slice(0, 5)), undefined);
  assert.match(trendLine('heap', undefined), /too few/);
});
