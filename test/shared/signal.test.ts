import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSignal } from '../../src/shared/signal.js';

test('a signal is what says whether it aborted and can be listened to, of whatever class', () => {
  const listening = { addEventListener: () => undefined, removeEventListener: () => undefined };
  assert.ok(isSignal(new AbortController().signal));
  assert.ok(isSignal({ aborted: false, ...listening }));
  for (const other of [undefined, null, 1, 'signal', {}, listening, { aborted: true }, new EventTarget()]) {
    assert.ok(!isSignal(other));
  }
});
