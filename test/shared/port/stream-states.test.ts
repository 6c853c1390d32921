import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinStates } from '../../../src/shared/port/stream-states.js';

test('a watch is in the state of that part of it that needs most attention', () => {
  assert.equal(joinStates(['live', 'backoff', 'connecting']), 'backoff');
  assert.equal(joinStates(['live', 'stale']), 'stale');
  assert.equal(joinStates(['stopped', 'live']), 'live');
  assert.equal(joinStates(['live', 'failed']), 'failed');
  assert.equal(joinStates([]), 'stopped');
});
