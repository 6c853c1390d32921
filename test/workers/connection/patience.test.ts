import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Patience } from '../../../src/workers/connection/patience.js';

const NOTHING = { timeMs: undefined, timeoutMs: undefined };

suite('a silent server', () => {
  test('is waited for shortly where another can go on, and for long where none can', () => {
    const patience = new Patience(NOTHING);
    assert.deepEqual(patience.waits(true, 0), { silenceMs: 400, answerMs: 1_000 });
    assert.deepEqual(patience.waits(false, 0), { silenceMs: 10_000, answerMs: 3_000 });
  });

  test('is waited for as long as was asked for', () => {
    const patience = new Patience({ timeMs: 5_000, timeoutMs: 200 });
    patience.handleSilence(0);
    for (const hasOthers of [true, false]) {
      assert.deepEqual(patience.waits(hasOthers, 0), { silenceMs: 5_000, answerMs: 200 });
    }
    assert.deepEqual(new Patience({ ...NOTHING, timeMs: 2_000 }).waits(true, 0), { silenceMs: 2_000, answerMs: 1_000 });
  });

  test('is waited for twice as long behind each other that fell silent, until one has stood for long', () => {
    const patience = new Patience(NOTHING);
    patience.handleSilence(60_000);
    assert.deepEqual(patience.waits(true, 0), { silenceMs: 800, answerMs: 2_000 });
    patience.handleSilence(3_000);
    assert.deepEqual(patience.waits(true, 9_999), { silenceMs: 1_600, answerMs: 3_000 });
    for (let more = 0; more < 20; more += 1) patience.handleSilence(0);
    assert.deepEqual(patience.waits(true, 0), { silenceMs: 10_000, answerMs: 3_000 });
    assert.deepEqual(patience.waits(true, 10_000), { silenceMs: 400, answerMs: 1_000 });
    patience.handleSilence(10_000);
    assert.equal(patience.waits(true, 0).silenceMs, 800);
  });
});
