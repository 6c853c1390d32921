import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PRIORITIES, RANKS, rankOf } from '../../../src/shared/delivery/priority.js';

test('ranks rise from urgent to background', () => {
  assert.deepEqual(PRIORITIES.map(rankOf), [...RANKS]);
  assert.ok(rankOf('urgent') < rankOf('normal') && rankOf('normal') < rankOf('background'));
});
