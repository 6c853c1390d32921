import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { BridgeError } from '../../../src/shared/errors.js';
import { ConstraintViolationError, UnavailableError } from '../../../src/shared/errors.js';
import type { ChangeCall, SetsCommand } from '../../../src/shared/port/commands.js';
import type { PortBatchResult } from '../../../src/shared/port/replies.js';
import { SlotBatch } from '../../../src/workers/calls/slot-batch.js';

const COMMAND: SetsCommand = {
  ...{ kind: 'sets', id: 1, bridge: 1, identifiers: ['x', 'a', 'b', 'c'], values: [0, 1, true, 'text'], source: 'me' },
  ...{ metadata: [{}, { m: '1' }, { m: '1' }, { m: '1' }], expectedVersions: undefined, batches: [] },
};

let told: string[];
let calls: ChangeCall[];
let hasLink: boolean;

beforeEach(() => {
  told = [];
  calls = [];
  hasLink = true;
});

function make(atomic: boolean, answer: () => PortBatchResult = () => ({ versions: [], refused: [] })): SlotBatch {
  return new SlotBatch(COMMAND, { from: 1, upTo: 4, atomic }, true, 1_000, {
    tell: (place: number, version: number, error: BridgeError | undefined) =>
      told.push(`${place}=${error?.code ?? version}`),
    handleEnd: () => told.push('end'),
    sendByLink: () => hasLink,
    call: ({ identifiers, deadlineMs }, call, outcome) => {
      assert.deepEqual([identifiers, deadlineMs], [['a', 'b', 'c'], 1_000]);
      calls.push(call);
      try {
        outcome.handleDone(answer());
      } catch (error) {
        outcome.handleFailed(error as BridgeError);
      }
      outcome.handleEnd();
    },
  });
}

describe('a batch of sets', () => {
  test('is as many sets of the link, and ends when each is settled', () => {
    const { sets } = make(false);
    assert.deepEqual(
      sets.map(({ identifier, value, batchLeft, isFollowed }) => [identifier, value, batchLeft, isFollowed]),
      [
        ['a', 1, 1, false],
        ['b', true, 1, false],
        ['c', 'text', 1, false],
      ],
    );
    assert.deepEqual(sets[2]!.metadata, { m: '1' });
    sets[1]!.settle(7);
    sets[0]!.fail(new ConstraintViolationError('no'));
    sets[2]!.settle(8);
    assert.deepEqual(told, ['2=7', '1=CONSTRAINT_VIOLATION', '3=8', 'end']);
  });

  test('that is atomic goes together, and says its metadata once', () => {
    const { sets, isAtomic, isForLink } = make(true);
    assert.deepEqual(
      sets.map(({ batchLeft, isFollowed, metadata }) => [batchLeft, isFollowed, metadata]),
      [
        [3, true, { m: '1' }],
        [2, true, {}],
        [1, false, {}],
      ],
    );
    assert.deepEqual([isAtomic, isForLink], [true, true]);
  });

  test('goes by one call where the link cannot make it, with what became of each', () => {
    const { sets } = make(true, () => ({ versions: [], refused: [['b', { code: 'INVALID_VALUE', message: 'no' }]] }));
    for (const set of sets) set.reroute();
    assert.deepEqual(calls, [
      {
        ...{ name: 'update', atomic: true, source: 'me', metadata: { m: '1' } },
        values: [
          ['a', { value: 1, isOpaque: false }],
          ['b', { value: true, isOpaque: false }],
          ['c', { value: 'text', isOpaque: false }],
        ],
      },
    ]);
    assert.deepEqual(told, ['1=BATCH_REFUSED', '2=INVALID_VALUE', '3=BATCH_REFUSED', 'end']);
  });

  test('calls for those alone that the link did not make', () => {
    const { sets } = make(false, () => ({ versions: [['c', 4]], refused: [] }));
    sets[2]!.reroute();
    sets[0]!.settle(2);
    assert.deepEqual(calls, []);
    sets[1]!.settle(3);
    assert.equal(calls.length, 1);
    assert.deepEqual(told, ['1=2', '2=3', '3=4', 'end']);
  });

  test('ends behind those whose time was up, when it is known what became of them', () => {
    const { sets } = make(false);
    sets[0]!.expire(new UnavailableError('late'));
    sets[1]!.settle(5);
    sets[2]!.settle(6);
    assert.deepEqual(told.splice(0), ['1=UNAVAILABLE', '2=5', '3=6']);
    sets[0]!.end();
    assert.deepEqual(told, ['end']);
  });

  test('begins by the link, or as one call, or is told that its turn came too late', () => {
    make(false).start();
    assert.deepEqual([told, calls.length], [[], 0]);
    make(false).refuse(new UnavailableError('too late'));
    assert.deepEqual(told.splice(0), ['1=UNAVAILABLE', '2=UNAVAILABLE', '3=UNAVAILABLE']);
    hasLink = false;
    make(true).start();
    make(true).reroute();
    assert.deepEqual([calls.length, told.filter((one) => one === 'end').length], [2, 2]);
  });

  test('tells each set by what its call failed', () => {
    const { sets } = make(true, () => {
      throw new UnavailableError('gone');
    });
    for (const set of sets) set.reroute();
    assert.deepEqual(told, ['1=UNAVAILABLE', '2=UNAVAILABLE', '3=UNAVAILABLE', 'end']);
  });
});
