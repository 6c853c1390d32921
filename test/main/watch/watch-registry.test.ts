import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WatchRegistry } from '../../../src/main/watch/watch-registry.js';
import { WatchNotFoundError } from '../../../src/shared/errors.js';

test('a registry finds a watch by its ref until it is removed', () => {
  const registry = new WatchRegistry<{ ref: string; handle: object }>();
  const watch = { ref: registry.nextRef(), handle: {} };
  registry.add(watch);
  assert.equal(registry.require(watch.ref), watch);
  assert.deepEqual(registry.all(), [watch]);

  registry.remove(watch);

  assert.equal(registry.size, 0);
  assert.throws(() => registry.require(watch.ref), WatchNotFoundError);
});

test('a ref is never given twice', () => {
  const registry = new WatchRegistry<{ ref: string; handle: object }>();
  const refs = Array.from({ length: 1_000 }, () => registry.nextRef());
  assert.equal(new Set(refs).size, refs.length);
});

test('a handle finds the watch that it is of, and none that has its ref in another state', () => {
  const registry = new WatchRegistry<{ ref: string; handle: object }>();
  const watch = { ref: registry.nextRef(), handle: {} };
  registry.add(watch);

  assert.equal(registry.require(watch.ref, watch.handle), watch);
  assert.throws(() => registry.require(watch.ref, { ref: watch.ref }), WatchNotFoundError);
});
