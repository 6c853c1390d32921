import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { HeldCall, RateLimits } from '../../../src/main/watch/rate-limit.js';
import { GO, isLimited, RateLimit } from '../../../src/main/watch/rate-limit.js';

interface Call extends HeldCall<string> {
  readonly value: number;
}

const NONE: RateLimits = { debounceMs: 0, maxWaitMs: 0, throttleMs: 0, conflate: false };
const call = (value: number, variable = 'fan', missed = 0): Call => ({
  variable,
  value,
  missed,
  flags: 0,
  oldValue: value - 1,
});

describe('rate limit', () => {
  test('a watch that asks for nothing has none', () => {
    assert.equal(isLimited(NONE), false);
    assert.ok(isLimited({ ...NONE, conflate: true }) && isLimited({ ...NONE, throttleMs: 1 }));
  });

  test('debouncing waits for quiet, and calls with the newest value and the oldest old one', () => {
    const limit = new RateLimit<string, Call>({ ...NONE, debounceMs: 100 });
    assert.equal(limit.offer(call(1), 0), 0);
    assert.equal(limit.offer(call(2, 'fan', 3), 50), 1);
    assert.deepEqual(limit.takeDue(149), []);
    assert.equal(limit.wakeAtMs(), 150);
    assert.deepEqual(limit.takeDue(150), [{ variable: 'fan', value: 2, missed: 3, flags: 0, oldValue: 0 }]);
    assert.equal(limit.size, 0);
  });

  test('debouncing holds nothing back longer than maxWaitMs', () => {
    const limit = new RateLimit<string, Call>({ ...NONE, debounceMs: 100, maxWaitMs: 250 });
    for (let at = 0; at < 250; at += 50) limit.offer(call(at), at);
    assert.equal(limit.wakeAtMs(), 250);
    assert.equal(limit.takeDue(250)[0]?.value, 200);
  });

  test('throttling lets the first go at once and the newest follow when the time is up', () => {
    const limit = new RateLimit<string, Call>({ ...NONE, throttleMs: 100 });
    assert.equal(limit.offer(call(1), 0), GO);
    assert.equal(limit.offer(call(2), 10), 0);
    assert.equal(limit.offer(call(3), 20), 1);
    assert.equal(limit.wakeAtMs(), 100);
    assert.equal(limit.takeDue(100)[0]?.value, 3);
    assert.equal(limit.offer(call(4), 150), 0);
    assert.equal(limit.offer(call(5, 'lamp'), 150), GO);
  });

  test('conflation holds until its turn is over', () => {
    const limit = new RateLimit<string, Call>({ ...NONE, conflate: true });
    assert.equal(limit.offer(call(1), 5), 0);
    assert.equal(limit.offer(call(2), 5), 1);
    assert.deepEqual(
      limit.takeDue(5).map(({ value }) => value),
      [2],
    );
  });

  test('whatever comes, nothing is called twice, missed adds up and old values chain', () => {
    const limits = fc.record({
      debounceMs: fc.integer({ min: 0, max: 50 }),
      maxWaitMs: fc.constant(0),
      throttleMs: fc.integer({ min: 0, max: 50 }),
      conflate: fc.boolean(),
    });
    fc.assert(
      fc.property(limits, fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 60 }), (given, gaps) => {
        const limit = new RateLimit<string, Call>(given);
        const called: Call[] = [];
        let replaced = 0;
        let now = 0;
        gaps.forEach((gap, place) => {
          now += gap;
          called.push(...limit.takeDue(now));
          const offered = call(place + 1, 'fan', 1);
          const result = limit.offer(offered, now);
          if (result === GO) called.push(offered);
          else replaced += result;
        });
        called.push(...limit.takeDue(Number.POSITIVE_INFINITY));
        assert.equal(called.length + replaced, gaps.length);
        assert.equal(
          called.reduce((sum, { missed }) => sum + missed, 0),
          gaps.length,
        );
        let last = 0;
        for (const { value, oldValue } of called) {
          assert.equal(oldValue, last);
          last = value;
        }
        assert.equal(last, gaps.length);
      }),
    );
  });
});
