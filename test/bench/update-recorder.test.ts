import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { benchModule } from './bench-module.js';

const { UpdateRecorder } = await import(benchModule('processes/update-recorder'));

/** Two watches on two variables, sets 0 and 1 warm up; the clock stands where the test puts it. */
function recorderAt(clock: { us: number }) {
  const recorder = new UpdateRecorder(2, 2, () => clock.us);
  recorder.begin({ fromUs: 1_000, toUs: 5_000, firstSet: 2 });
  return recorder;
}

describe('update recorder', () => {
  test('latency counts from the scheduled time, and the warm-up does not count', () => {
    const clock = { us: 900 };
    const recorder = recorderAt(clock);
    recorder.handleUpdate(0, 500, 2, 0);
    clock.us = 4_000;
    recorder.handleUpdate(0, 1_000, 3, 0);
    const recording = recorder.read();
    assert.equal(recording.delivered, 1);
    assert.equal(recording.deliveredInAll, 2);
    assert.equal(recording.callsInTime, 1);
    assert.equal(recording.lastAtUs, 4_000);
    assert.ok(Math.abs(recording.latencyMs.max - 3) < 0.01);
  });

  test('a gap that nobody told is lost', () => {
    const recorder = recorderAt({ us: 2_000 });
    recorder.handleUpdate(0, 1_500, 5, 1);
    assert.equal(recorder.read().lost, 2);
    assert.equal(recorder.read().disordered, 0);
  });

  test('a version that came before, or twice, is disorder', () => {
    const recorder = recorderAt({ us: 2_000 });
    recorder.handleUpdate(0, 1_500, 2, 0);
    recorder.handleUpdate(0, 1_500, 2, 0);
    assert.equal(recorder.read().disordered, 1);
    assert.equal(recorder.read().lost, 0);
  });

  test('of what was missed only the sets that count are counted', () => {
    const recorder = recorderAt({ us: 2_000 });
    // Versions 2, 3 and 4 of variable 1 are sets 1, 3 and 5: the first of them was warm-up.
    recorder.handleUpdate(1, 1_500, 5, 3);
    const recording = recorder.read();
    assert.equal(recording.missedInAll, 3);
    assert.equal(recording.missed, 2);
    assert.equal(recording.lost, 0);
    assert.equal(recorder.accounted, 4);
  });

  test('with nothing delivered there is no latency', () => {
    assert.equal(recorderAt({ us: 0 }).read().latencyMs, undefined);
  });
});
