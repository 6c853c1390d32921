/** The timer that the server's heartbeats, cuts and expiries hang on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines } from '../../src/shared/deadlines.js';
import { systemClock } from '../../src/shared/system-clock.js';
import type { Deadline } from '../../src/shared/timer-wheel.js';
import { until, within } from '../support/deadline.js';

class Alarm implements Deadline {
  dueAtMs = 0;
  wheelSlot = -1;
  wheelPlace = 0;
  readonly rung: Promise<number>;
  readonly #ring: (nowMs: number) => void;
  readonly #failure: unknown;

  constructor(failure?: unknown) {
    let ring: (nowMs: number) => void = () => undefined;
    this.rung = new Promise((resolve) => {
      ring = resolve;
    });
    this.#ring = ring;
    this.#failure = failure;
  }

  handleDeadline(nowMs: number): void {
    this.#ring(nowMs);
    if (this.#failure !== undefined) throw this.#failure;
  }
}

class LaterFailure extends Alarm {
  override async handleDeadline(nowMs: number): Promise<void> {
    super.handleDeadline(nowMs);
    throw new Error('later');
  }
}

test('every deadline is met, never early, in whatever order they were given', async () => {
  const deadlines = new Deadlines({ onError: failTest });
  const nowMs = systemClock.nowMs();
  const alarms = [300, 100, 200, 0].map((afterMs) => ({ alarm: new Alarm(), atMs: nowMs + afterMs }));
  for (const { alarm, atMs } of alarms) deadlines.schedule(alarm, atMs);
  for (const { alarm, atMs } of alarms) {
    const rungAtMs = await within(5_000, alarm.rung, 'the alarm');
    assert.ok(rungAtMs >= atMs);
  }
  assert.equal(deadlines.size, 0);
  deadlines.close();
});

test('one that fails is told and keeps none of the others', async () => {
  const failures: unknown[] = [];
  const deadlines = new Deadlines({ onError: (error) => failures.push(error) });
  const nowMs = systemClock.nowMs();
  const alarms = [new Alarm(new Error('now')), new LaterFailure(), new Alarm()];
  for (const alarm of alarms) deadlines.schedule(alarm, nowMs + 10);
  await Promise.all(alarms.map((alarm) => within(5_000, alarm.rung, 'the alarm')));
  await until(5_000, () => failures.length === 2, 'two failures');
  deadlines.close();
});

test('a cancelled one is not met', async () => {
  const deadlines = new Deadlines({ onError: failTest });
  const [cancelled, kept] = [new Alarm(), new Alarm()];
  let isMet = false;
  void cancelled.rung.then(() => {
    isMet = true;
  });
  deadlines.schedule(cancelled, systemClock.nowMs() + 10);
  deadlines.schedule(kept, systemClock.nowMs() + 100);
  deadlines.cancel(cancelled);
  await within(5_000, kept.rung, 'the alarm');
  assert.equal(isMet, false);
  deadlines.close();
});

function failTest(error: unknown): void {
  assert.fail(String(error));
}
