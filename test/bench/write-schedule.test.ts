import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { benchModule } from './bench-module.js';

const { WriteSchedule, MAX_BATCH, meanSetsPerSecond } = await import(benchModule('processes/write-schedule'));

interface SetBatch {
  readonly first: number;
  readonly count: number;
}

describe('write schedule', () => {
  test('what falls due in one millisecond is one batch with that millisecond as its time', () => {
    const schedule = new WriteSchedule({ startUs: 1_000, setsPerSecond: 10_000, sets: 20, variables: 100 });
    assert.deepEqual(schedule.takeDue(1_000), [{ first: 0, count: 10 }]);
    assert.equal(schedule.scheduledAtUs(9), 1_000);
    assert.equal(schedule.scheduledAtUs(10), 2_000);
    assert.equal(schedule.nextAtUs, 2_000);
  });

  test('nothing is due before its time', () => {
    const schedule = new WriteSchedule({ startUs: 1_000, setsPerSecond: 10, sets: 2, variables: 2 });
    assert.deepEqual(schedule.takeDue(999), []);
    assert.deepEqual(schedule.takeDue(1_000), [{ first: 0, count: 1 }]);
    assert.deepEqual(schedule.takeDue(100_999), []);
  });

  test('after a stall a late set keeps the time that it should have had', () => {
    const schedule = new WriteSchedule({ startUs: 0, setsPerSecond: 1_000, sets: 50, variables: 100 });
    assert.deepEqual(schedule.takeDue(49_000), [{ first: 0, count: 50 }]);
    assert.equal(schedule.scheduledAtUs(7), 7_000);
    assert.equal(schedule.isDone, true);
  });

  test('a batch never names a variable twice', () => {
    const schedule = new WriteSchedule({ startUs: 0, setsPerSecond: 2_000, sets: 10, variables: 4 });
    const batches: SetBatch[] = schedule.takeDue(1_000_000);
    assert.deepEqual(
      batches.map(({ count }) => count),
      [4, 4, 2],
    );
  });

  test('more than one set of a variable in a millisecond is refused: both would carry one value', () => {
    assert.throws(
      () => new WriteSchedule({ startUs: 0, setsPerSecond: 1_001, sets: 1, variables: 1 }),
      /more than one a millisecond/,
    );
  });

  test('a burst makes ten times as many sets in the last part of each period, and the calm goes on after it', () => {
    const burst = { everyMs: 1_000, lengthMs: 100, factor: 10 };
    const plan = { startUs: 0, setsPerSecond: 1_000, sets: 3_800, variables: 5_000, burst };
    assert.equal(meanSetsPerSecond(plan), 1_900);
    const schedule = new WriteSchedule(plan);
    const dueIn = (fromMs: number, toMs: number) =>
      Array.from({ length: plan.sets }, (_, set) => schedule.scheduledAtUs(set) / 1_000).filter(
        (ms) => ms >= fromMs && ms < toMs,
      ).length;
    assert.deepEqual(
      [dueIn(0, 900), dueIn(900, 1_000), dueIn(1_000, 1_900), dueIn(1_900, 2_000), dueIn(2_000, 9_000)],
      [900, 1_000, 900, 1_000, 0],
    );
  });

  test('a burst of more than one set of a variable in a millisecond is refused', () => {
    const burst = { everyMs: 1_000, lengthMs: 100, factor: 10 };
    assert.throws(
      () => new WriteSchedule({ startUs: 0, setsPerSecond: 101, sets: 1, variables: 1, burst }),
      /more than one a millisecond/,
    );
  });

  test('every set is made once, in order, never early, whatever the rate and however late the writer wakes', () => {
    const plans = fc.record({
      variables: fc.integer({ min: 1, max: 3_000 }),
      setsPerSecond: fc.double({ min: 0.5, max: 1_000, noNaN: true }),
      sets: fc.integer({ min: 1, max: 5_000 }),
    });
    fc.assert(
      fc.property(plans, fc.array(fc.integer({ min: 1, max: 500_000 }), { maxLength: 30 }), (plan, waits) => {
        const schedule = new WriteSchedule({ startUs: 7, ...plan });
        let next = 0;
        let nowUs = 7;
        const take = () => {
          for (const { first, count } of schedule.takeDue(nowUs) as SetBatch[]) {
            assert.equal(first, next);
            assert.ok(count >= 1 && count <= Math.min(MAX_BATCH, plan.variables));
            next += count;
            assert.ok(schedule.scheduledAtUs(next - 1) <= nowUs);
          }
        };
        for (const wait of waits) {
          nowUs += wait;
          take();
        }
        nowUs = Number.MAX_SAFE_INTEGER;
        take();
        assert.equal(next, plan.sets);
      }),
    );
  });
});
