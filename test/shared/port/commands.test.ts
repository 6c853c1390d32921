import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Call } from '../../../src/shared/port/commands.js';
import { changesState } from '../../../src/shared/port/commands.js';

const CHANGES: Record<Call['name'], boolean> = {
  register: true,
  get: false,
  list: false,
  set: true,
  update: true,
  delete: true,
  history: false,
  rollback: true,
};

for (const [name, isChange] of Object.entries(CHANGES)) {
  test(`when the answer to ${name} is lost, its outcome is ${isChange ? 'unknown' : 'of no matter'}`, () => {
    assert.equal(changesState({ name } as Call), isChange);
  });
}
