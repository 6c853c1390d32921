import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { arePlain, isPlain, isShort } from '../../src/main/plain-set.js';

suite('which sets share a message', () => {
  test('numbers, truths and short texts do', () => {
    for (const value of [0, -0, Number.NaN, true, '', 'a'.repeat(4_096)]) assert.ok(isPlain(value));
  });

  test('long texts, texts that UTF-8 cannot hold, and what needs its type do not', () => {
    for (const value of ['a'.repeat(4_097), '\ud800', [1], new Float32Array(2), { a: 1 }]) assert.ok(!isPlain(value));
  });

  test('an atomic batch does when it is one message', () => {
    const entries = Array.from({ length: 4_097 }, (_, place) => [`v${place}`, place] as const);
    assert.ok(arePlain(entries, false));
    assert.ok(arePlain(entries.slice(1), true));
    assert.ok(!arePlain(entries, true));
    assert.ok(!arePlain([['a', [1]]], false));
  });

  test('what is said beside the value counts together', () => {
    assert.ok(isShort('a'.repeat(4_000), 'me', { k: 'v' }));
    assert.ok(!isShort('a'.repeat(4_000), 'me', { k: 'v'.repeat(96) }));
  });
});
