import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../src/shared/logger.js';

test('the silent logger takes every level and returns nothing', () => {
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    assert.equal(silentLogger[level]({}, 'unheard'), undefined);
  }
});
