import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SortedThresholds } from '../../../src/server/watch/sorted-thresholds.js';

interface Entry {
  readonly threshold: number;
}

test('what lies below, above and between is found, through any additions and removals', () => {
  const threshold = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constantFrom(0.5, Number.POSITIVE_INFINITY));
  fc.assert(
    fc.property(
      fc.array(threshold, { maxLength: 60 }),
      fc.array(fc.nat(59)),
      threshold,
      threshold,
      (all, removed, a, b) => {
        const sorted = new SortedThresholds<number, Entry>({ steps: 0 });
        const entries = new Set<Entry>(all.map((one) => ({ threshold: one })));
        for (const entry of entries) sorted.add(entry.threshold, entry);
        for (const place of removed) {
          const entry = [...entries][place];
          if (entry === undefined) continue;
          sorted.remove(entry.threshold, entry);
          entries.delete(entry);
        }
        for (const isIncluded of [true, false]) {
          const below: Entry[] = [];
          sorted.below(a, isIncluded, below);
          check(below, entries, (one) => (isIncluded ? one <= a : one < a));
          const above: Entry[] = [];
          sorted.above(a, isIncluded, above);
          check(above, entries, (one) => (isIncluded ? one >= a : one > a));
          const between: Entry[] = [];
          sorted.above(Math.min(a, b), isIncluded, between, Math.max(a, b));
          check(
            between,
            entries,
            (one) => (isIncluded ? one >= Math.min(a, b) : one > Math.min(a, b)) && one <= Math.max(a, b),
          );
        }
      },
    ),
  );
});

test('10,000 are added and removed, and a search among them takes a few steps', () => {
  const count = { steps: 0 };
  const sorted = new SortedThresholds<number, Entry>(count);
  // In an order that is neither rising nor falling.
  const entries = Array.from({ length: 10_000 }, (_, place): Entry => ({ threshold: (place * 7_919) % 10_000 }));
  for (const entry of entries) sorted.add(entry.threshold, entry);
  const before = count.steps;
  const found: Entry[] = [];
  sorted.above(4_000, true, found, 4_002);
  assert.deepEqual(
    found.map((entry) => entry.threshold),
    [4_000, 4_001, 4_002],
  );
  assert.ok(count.steps - before <= 25, `${count.steps - before} steps`);
  for (const entry of entries) sorted.remove(entry.threshold, entry);
  sorted.above(Number.NEGATIVE_INFINITY, true, found);
  assert.equal(found.length, 3, 'none is left');
});

test('numbers and bigints stand in one order', () => {
  const sorted = new SortedThresholds<number | bigint, string>({ steps: 0 });
  for (const one of [2n ** 60n + 1n, 5, 2 ** 60, 2n ** 60n - 1n]) sorted.add(one, String(one));
  const found: string[] = [];
  sorted.above(5, false, found, 2n ** 60n);
  assert.deepEqual(found, [String(2n ** 60n - 1n), String(2 ** 60)]);
});

function check(found: readonly Entry[], entries: ReadonlySet<Entry>, isWanted: (threshold: number) => boolean): void {
  const wanted = [...entries].filter(({ threshold }) => isWanted(threshold));
  assert.equal(found.length, wanted.length);
  assert.deepEqual(new Set(found), new Set(wanted));
}
