import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PolledLane } from '../../../src/main/pool/lane-poller.js';
import { LanePoller } from '../../../src/main/pool/lane-poller.js';
import { until } from '../../../src/testing/within.js';

class FakeLane implements PolledLane {
  waiting = 0;
  taken = 0;
  isPolled = false;
  onTaken = (): void => undefined;

  get hasNews(): boolean {
    return this.waiting > 0;
  }

  drain(): number {
    const updates = this.waiting;
    this.waiting = 0;
    this.taken += updates;
    if (updates > 0) this.onTaken();
    return updates;
  }
}

describe('a lane poller', () => {
  test('once started looks into all lanes until a period passes without updates, and says so to each', async () => {
    const lanes = [new FakeLane(), new FakeLane()];
    const poller = new LanePoller(1);
    for (const lane of lanes) poller.add(lane);
    assert.equal(poller.isPolling, false);

    poller.start();
    assert.deepEqual(
      lanes.map((lane) => lane.isPolled),
      [true, true],
    );
    // Each update brings the next, to the other lane.
    for (const [place, lane] of lanes.entries()) {
      lane.onTaken = () => {
        if (lanes[0]!.taken + lanes[1]!.taken < 5) lanes[1 - place]!.waiting = 1;
      };
    }
    lanes[0]!.waiting = 1;
    await until(() => !poller.isPolling, 'the end of polling');
    assert.deepEqual(
      lanes.map((lane) => lane.isPolled),
      [false, false],
    );
    assert.deepEqual(
      lanes.map((lane) => lane.taken),
      [3, 2],
    );
    poller.close();
  });

  test('takes what came when it was about to stop', async () => {
    const lane = new FakeLane();
    const poller = new LanePoller(1);
    poller.add(lane);
    // A worker that still saw it polling.
    let stopping = () => {
      stopping = () => undefined;
      lane.waiting = 1;
    };
    Object.defineProperty(lane, 'isPolled', {
      set: (isPolled: boolean) => {
        if (!isPolled) stopping();
      },
    });

    poller.start();

    await until(() => lane.taken === 1, 'the last update');
    poller.close();
  });

  test('never starts with a period of 0', () => {
    const lane = new FakeLane();
    const poller = new LanePoller(0);
    poller.add(lane);
    poller.start();
    assert.deepEqual([poller.isPolling, lane.isPolled], [false, false]);
  });
});
