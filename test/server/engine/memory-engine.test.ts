import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Commit } from '../../../src/server/engine/engine.js';
import { MemoryEngine } from '../../../src/server/engine/memory-engine.js';

test('a commit is kept when the call returns, and every subscriber was told in order', () => {
  const engine = new MemoryEngine();
  const told: [string, Commit][] = [];
  engine.subscribe((commit) => told.push(['a', commit]));
  engine.subscribe((commit) => told.push(['b', commit]));
  const first: Commit = { sessionId: 's', changes: [] };
  const second: Commit = { sessionId: 't', changes: [] };
  assert.equal(engine.commit(first), undefined);
  assert.equal(engine.commit(second), undefined);
  assert.deepEqual(told, [
    ['a', first],
    ['b', first],
    ['a', second],
    ['b', second],
  ]);
});

test('who has unsubscribed is told nothing', () => {
  const engine = new MemoryEngine();
  let calls = 0;
  const unsubscribe = engine.subscribe(() => {
    calls += 1;
  });
  unsubscribe();
  engine.commit({ sessionId: 's', changes: [] });
  assert.equal(calls, 0);
});
