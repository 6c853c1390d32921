import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InternalError, InvalidValueError } from '../../../src/shared/errors.js';
import type { Call, SetsCommand } from '../../../src/shared/port/commands.js';
import { SlotSet } from '../../../src/workers/calls/slot-set.js';

const command: SetsCommand = {
  ...{ kind: 'sets', id: 1, bridge: 1, identifiers: ['a', 'b'], values: [1, true], source: 'me' },
  ...{ metadata: undefined, expectedVersions: [0, 7], batches: [] },
};

test('a set by a call is the same set, and settles with what the call comes to', async () => {
  const calls: Call[] = [];
  const settled: unknown[] = [];
  const outcomes = [
    () => 9,
    () => {
      throw new InvalidValueError('no');
    },
    () => {
      throw new Error('a mistake');
    },
  ];
  for (const outcome of outcomes) {
    await new Promise<void>((resolve) => {
      new SlotSet(command, 1, 1_000, {
        settle: (version, error) => {
          settled.push(error === undefined ? version : error.constructor);
          resolve();
        },
        call: async (call) => {
          calls.push(call);
          return outcome();
        },
      }).reroute();
    });
  }
  assert.deepEqual(settled, [9, InvalidValueError, InternalError]);
  assert.deepEqual(calls[0], {
    ...{ name: 'set', identifier: 'b', value: { value: true, isOpaque: false } },
    ...{ source: 'me', metadata: {}, expectedVersion: 7 },
  });
});
