import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DueSets } from '../../../src/cli/demo/demo-pacer.js';
import { DemoPacer } from '../../../src/cli/demo/demo-pacer.js';

const takeAll = (pacer: DemoPacer, nowUs: number): DueSets[] => {
  const taken: DueSets[] = [];
  for (let due = pacer.take(nowUs); due !== undefined; due = pacer.take(nowUs)) taken.push(due);
  return taken;
};

test('what falls due in one millisecond is due together, and nothing is due early', () => {
  const pacer = new DemoPacer(10_000, 5_000);
  assert.equal(pacer.take(9_999), undefined);
  assert.deepEqual(pacer.take(10_000), { scheduledUs: 10_000, first: 0, count: 5 });
  assert.equal(pacer.take(10_999), undefined);
  assert.deepEqual(pacer.take(11_000), { scheduledUs: 11_000, first: 5, count: 5 });
});

test('after a stall every set is due with the moment it was scheduled for', () => {
  const pacer = new DemoPacer(0, 2_000);
  assert.deepEqual(
    takeAll(pacer, 2_500).map(({ scheduledUs, count }) => [scheduledUs, count]),
    [
      [0, 2],
      [1_000, 2],
      [2_000, 2],
    ],
  );
});

test('whatever the rate and however it is asked, a second has exactly that many sets, each once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), fc.array(fc.integer({ min: 1, max: 50_000 })), (rate, steps) => {
      const pacer = new DemoPacer(0, rate);
      const taken: DueSets[] = [];
      let nowUs = 0;
      for (const step of steps) {
        nowUs = Math.min(999_999, nowUs + step);
        taken.push(...takeAll(pacer, nowUs));
      }
      taken.push(...takeAll(pacer, 999_999));
      let next = 0;
      for (const { first, count, scheduledUs } of taken) {
        assert.equal(first, next);
        assert.ok(count > 0 && scheduledUs % 1_000 === 0);
        next += count;
      }
      assert.equal(next, rate);
    }),
  );
});
