import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { BackoffOptions } from '../../../src/shared/resilience/backoff.js';
import { Backoff } from '../../../src/shared/resilience/backoff.js';

const OPTIONS: BackoffOptions = { baseMs: 100, factor: 2, capMs: 5_000, jitter: 1, spreadMs: 50 };
const always = (number: number) => ({ next: () => number });

function after(failures: number, options: Partial<BackoffOptions> = {}): Backoff {
  let backoff = new Backoff({ ...OPTIONS, ...options });
  for (let failure = 0; failure < failures; failure += 1) backoff = backoff.next();
  return backoff;
}

describe('a backoff', () => {
  test('lets the first retry come within the spread', () => {
    assert.equal(after(0).delayMs(always(0)), 0);
    assert.equal(after(0).delayMs(always(0.5)), 25);
    assert.equal(after(0, { spreadMs: 0 }).delayMs(always(0.9)), 0);
  });

  test('doubles its ceiling from the base to the cap', () => {
    const ceilings = [1, 2, 3, 6, 7, 60].map((failures) => after(failures).delayMs(always(0)));
    assert.deepEqual(ceilings, [100, 200, 400, 3_200, 5_000, 5_000]);
  });

  test('keeps its cap after any number of failures: the ceiling does not overflow', () => {
    assert.equal(new Backoff(OPTIONS, 1_000_000).delayMs(always(0)), 5_000);
    assert.equal(new Backoff({ ...OPTIONS, factor: 10, jitter: 0 }, 2 ** 53).delayMs(always(0)), 5_000);
  });

  test('takes away at most its jitter', () => {
    assert.equal(after(3, { jitter: 0.1 }).delayMs(always(0.5)), 380);
    assert.equal(after(3, { jitter: 0 }).delayMs(always(0.99)), 400);
  });

  test('is never below 0 nor above its ceiling, whatever the options and the dice', () => {
    const options = fc.record({
      baseMs: fc.integer({ min: 1, max: 10_000 }),
      factor: fc.double({ min: 1, max: 10, noNaN: true }),
      capMs: fc.integer({ min: 1, max: 100_000 }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      spreadMs: fc.nat(1_000),
    });
    const dice = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(options, fc.nat(50), dice, (given, failures, number) => {
        const delayMs = new Backoff(given, failures).delayMs(always(number));
        const ceilingMs = failures === 0 ? given.spreadMs : given.capMs;
        assert.ok(delayMs >= 0 && delayMs <= ceilingMs);
      }),
    );
  });

  test('never changes: each failure and each reset makes another', () => {
    const first = after(2);
    const next = first.next();
    assert.deepEqual([first.attempt, next.attempt, next.reset().attempt], [2, 3, 0]);
    assert.equal(next.reset().delayMs(always(0.5)), 25);
  });
});
