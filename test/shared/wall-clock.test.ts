import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { WallClock } from '../../src/shared/wall-clock.js';

/** Two clocks that stand where the test puts them. */
function clocks(startMs = 1_000) {
  const state = { monotonicMs: startMs, systemMs: startMs };
  const wall = new WallClock(
    () => state.monotonicMs,
    () => Math.floor(state.systemMs),
  );
  return { state, wall };
}

describe('a wall clock', () => {
  test('keeps the microseconds of the monotonic one while the two agree', () => {
    const { state, wall } = clocks();
    assert.equal(wall.at(1_000.25), 1_000.25);
    state.monotonicMs += 10.5;
    state.systemMs += 10.5;
    assert.equal(wall.at(state.monotonicMs), 1_010.5);
  });

  test('follows a correction within a millisecond, forwards and back', () => {
    for (const stepMs of [3_600_000, -3_600_000, 5, -5]) {
      const { state, wall } = clocks();
      wall.at(state.monotonicMs);
      state.monotonicMs += 1.5;
      state.systemMs += 1.5 + stepMs;
      const told = wall.at(state.monotonicMs);
      assert.ok(Math.abs(told - state.systemMs) <= 1, `${told}, not ${state.systemMs}`);
    }
  });

  test('does not move for what two clocks differ by', () => {
    const { state, wall } = clocks();
    state.systemMs += 2;
    assert.equal(wall.at(state.monotonicMs), 1_000);
  });

  test('tells what was long ago by the same correction', () => {
    const { state, wall } = clocks();
    const longAgoMs = state.monotonicMs;
    state.monotonicMs += 60_000;
    state.systemMs += 60_000 + 3_600_000;
    const [then, now] = [wall.at(longAgoMs), wall.at(state.monotonicMs)];
    assert.equal(wall.at(longAgoMs) - longAgoMs, now - state.monotonicMs);
    assert.ok(then <= now);
  });

  test('takes a pause between its two looks for no correction', () => {
    let monotonicMs = 1_000;
    const wall = new WallClock(
      () => monotonicMs,
      () => {
        const systemMs = monotonicMs;
        monotonicMs += 50;
        return systemMs + 50;
      },
    );
    assert.equal(wall.at(1_000), 1_000);
  });
});
