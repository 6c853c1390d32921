import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CarrierBudget } from '../../../src/server/watch/carrier-budget.js';
import { MessagePace } from '../../../src/server/watch/message-pace.js';
import { StreamEncoder } from '../../../src/server/watch/stream-encoder.js';

const at = { revision: 0, timestamp: 0 };
const seeker = { handleRoom: () => undefined };

function setup(budget = new CarrierBudget(1e9)) {
  const encoder = new StreamEncoder('e1', { generation: 0 }, false);
  const written: Uint8Array[] = [];
  const pace = new MessagePace(encoder, { write: (bytes) => void written.push(bytes) }, budget, 1_000);
  const send = (nowMs: number): void => {
    encoder.mark('heartbeat', at);
    pace.send(nowMs);
  };
  return { pace, written, send, budget };
}

describe('the pace of a stream', () => {
  test('sends what its encoder was told, and takes no more than 64 messages at once', () => {
    const { pace, written, send } = setup();
    pace.send(0);
    assert.equal(pace.isUnderWay, false);
    while (pace.takesWrites(seeker)) send(7);
    assert.equal(written.length, 64);
    assert.equal(pace.lastWriteAtMs, 7);
    pace.handleWritten(8);
    assert.ok(pace.takesWrites(seeker));
  });

  test('is stuck when nothing went through for as long as it may', () => {
    const { pace, send } = setup();
    send(100);
    send(500);
    assert.deepEqual([pace.isStuck(1_099), pace.isStuck(1_100)], [false, true]);
    pace.handleWritten(900);
    assert.deepEqual([pace.isStuck(1_899), pace.stuckAtMs], [false, 1_900]);
    pace.handleWritten(950);
    assert.equal(pace.isStuck(1e9), false);
  });

  test('is looked at for a heartbeat, and sooner where nothing goes through', () => {
    const { pace, send } = setup();
    send(100);
    assert.deepEqual([pace.nextLookMs(200, 5_000), pace.nextLookMs(200, 300)], [1_100, 400]);
    pace.handleWritten(250);
    assert.deepEqual([pace.nextLookMs(300, 5_000), pace.nextLookMs(9_000, 5_000)], [5_100, 14_000]);
  });

  test('gives back to its connection what went through, and the rest when it is closed', () => {
    const { pace, send, budget } = setup(new CarrierBudget(10));
    send(0);
    assert.ok(budget.underWay > 0);
    assert.equal(pace.takesWrites(seeker), false);
    pace.handleWritten(1);
    assert.equal(budget.underWay, 0);
    send(2);
    pace.close(3);
    pace.handleWritten(4);
    pace.close(5);
    assert.deepEqual([budget.underWay, pace.isUnderWay], [0, false]);
  });
});
