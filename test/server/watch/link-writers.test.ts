/** The writers that links share. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkWriters } from '../../../src/server/watch/link-writers.js';
import { LinkReader } from '../../../src/shared/wire/link-reader.js';

const endpointsIn = (message: Uint8Array): readonly string[] => new LinkReader(message).servers();

test('links that write at once have a writer each, and what one leaves behind is not said by the next', () => {
  const writers = new LinkWriters();
  const [one, other] = [writers.take(), writers.take()];
  one.servers(['a:1']);
  other.servers(['b:1']);
  assert.deepEqual(endpointsIn(one.take()), ['a:1']);
  writers.giveBack(one);
  // Its link ended before it was sent.
  writers.giveBack(other);
  const [next, last] = [writers.take(), writers.take()];
  assert.deepEqual([next.isEmpty, last.isEmpty], [true, true]);
  next.servers(['c:1']);
  assert.deepEqual(endpointsIn(next.take()), ['c:1']);
  assert.equal(last.isEmpty, true);
});

test('after a rush no more than a few are held', () => {
  const writers = new LinkWriters();
  const rush = Array.from({ length: 1_000 }, () => writers.take());
  for (const writer of rush) writers.giveBack(writer);
  const again = rush.map(() => writers.take());
  assert.equal(again.filter((writer) => rush.includes(writer)).length, 32);
});
