import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PatternCache } from '../../../src/shared/values/pattern-cache.js';

test('a pattern is compiled once, and matches as itself', () => {
  const cache = new PatternCache(1_000_000);
  const pattern = cache.get('^a+$', 'x');
  assert.equal(cache.get('^a+$', 'x'), pattern);
  assert.ok(pattern.matches('aaa') && !pattern.matches('b'));
});

test('more patterns than there is room for leave the newest, and those that went match all the same', () => {
  const cache = new PatternCache(20_000);
  const first = cache.get('^a$', 'x');
  for (let count = 1; count < 200; count += 1) cache.get(`^b{${count}}$`, 'x');
  assert.ok(cache.size < 20, `${cache.size}`);
  assert.notEqual(cache.get('^a$', 'x'), first);
  assert.ok(first.matches('a'));
});

test('what a pattern grows by while it is asked counts', () => {
  const cache = new PatternCache(1_000_000);
  for (const source of ['a', 'b', 'c']) cache.get(source, 'x');
  const grown = cache.get('c', 'x');
  for (let count = 0; count < 10; count += 1) grown.matches('x'.repeat(1_000));
  assert.ok(cache.size < 3);
});

test('what is no pattern is refused each time', () => {
  const cache = new PatternCache(1_000);
  for (let count = 0; count < 2; count += 1) assert.throws(() => cache.get('(', 'x'), { code: 'INVALID_CONSTRAINT' });
  assert.equal(cache.size, 0);
});
