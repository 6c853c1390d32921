import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MAX_OUTCOMES, SetWindow } from '../../../src/server/watch/set-window.js';

describe('the window of sets', () => {
  test('knows what became of each, until its client has it', () => {
    const window = new SetWindow();
    assert.ok(window.begin(1, 0, 0));
    window.handleDone(5);
    window.handleRefused('INVALID_VALUE', 'no');
    window.handleDone(6);
    assert.equal(window.last, 3);
    assert.deepEqual(
      [1, 2, 3].map((sequence) => window.outcomeOf(sequence).version || window.outcomeOf(sequence).code),
      [5, 'INVALID_VALUE', 6],
    );
    window.handleAnswered(2);
    assert.equal(window.lostTo, 2);
    assert.equal(window.outcomeOf(3).version, 6);
    assert.equal(window.outcomeOf(1).code, 'UNKNOWN_OUTCOME');
  });

  test('takes sets in their order alone; a client that comes from a window that is gone begins where it is', () => {
    const window = new SetWindow();
    assert.equal(window.begin(0, 0, 0), false);
    assert.equal(window.begin(1.5, 0, 0), false);
    assert.ok(window.begin(700, 0, 0));
    window.handleDone(1);
    assert.deepEqual([window.last, window.lostTo], [700, 699]);
    assert.deepEqual(
      [700, 702, 701].map((sequence) => window.begin(sequence, 0, 0)),
      [false, false, true],
    );
    assert.ok(window.begin(703, 2, 0), 'two are made and not told');
    assert.equal(window.begin(705, 1, 704), false);
    assert.equal(window.begin(705, 0, 703), false);
    assert.ok(window.begin(705, 0, 704), 'the client asks for none before');
    assert.equal(window.begin(704, 0, 703), false, 'nothing comes twice');
  });

  test('that outlives its server says of one that was not kept before others that it was not made', () => {
    const window = new SetWindow();
    window.skipTo(1);
    for (const [sequence, version] of [
      [4, 7],
      [6, 8],
    ] as const) {
      window.restore({ sequence, version, code: '', message: '' });
    }
    assert.deepEqual([window.last, window.lostTo], [6, 1]);
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6].map((sequence) => window.outcomeOf(sequence).version || window.outcomeOf(sequence).code),
      ['UNKNOWN_OUTCOME', 'UNAVAILABLE', 'UNAVAILABLE', 7, 'UNAVAILABLE', 8],
    );
    window.restore({ sequence: 3 * MAX_OUTCOMES, version: 9, code: '', message: '' });
    assert.deepEqual([window.last, window.lostTo], [3 * MAX_OUTCOMES, 3 * MAX_OUTCOMES - 1]);
  });

  test('holds no more than it has to', () => {
    const window = new SetWindow();
    window.begin(1, 0, 0);
    for (let count = 0; count < 5 * MAX_OUTCOMES; count += 1) window.handleDone(count + 1);
    assert.ok(window.last - window.lostTo <= 2 * MAX_OUTCOMES);
    assert.ok(window.last - window.lostTo >= MAX_OUTCOMES);
    assert.equal(window.outcomeOf(window.last).version, 5 * MAX_OUTCOMES);
    const refusing = new SetWindow();
    refusing.begin(1, 0, 0);
    for (let count = 0; count < 1_000; count += 1) refusing.handleRefused('INVALID_VALUE', 'x'.repeat(1_000));
    assert.equal(refusing.outcomeOf(1).code, 'INVALID_VALUE');
    assert.equal(refusing.outcomeOf(1_000).code, 'UNKNOWN_OUTCOME');
    refusing.handleAnswered(1_000);
    refusing.handleRefused('INVALID_VALUE', 'again');
    assert.equal(refusing.outcomeOf(1_001).message, 'again');
  });
});
