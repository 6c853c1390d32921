import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { InvalidValueError, UnavailableError, UnknownOutcomeError } from '../../../src/shared/errors.js';
import type { ChangeCall, SetsCommand } from '../../../src/shared/port/commands.js';
import type { CallOutcome, LinkChange, SetsOwner } from '../../../src/workers/calls/slot-set.js';
import { SlotSet } from '../../../src/workers/calls/slot-set.js';

const COMMAND: SetsCommand = {
  ...{ kind: 'sets', id: 1, bridge: 1, identifiers: ['a', 'b'], values: [1, true], source: 'me' },
  ...{ metadata: undefined, expectedVersions: [0, 7], batches: [] },
};

let told: string[];
let calls: [LinkChange, ChangeCall, CallOutcome][];
let sent: unknown[];
let hasLink: boolean;
let owner: SetsOwner;

beforeEach(() => {
  told = [];
  calls = [];
  sent = [];
  hasLink = true;
  owner = {
    tell: (place, version, error) => told.push(`${place}=${error?.code ?? version}`),
    handleEnd: () => told.push('end'),
    sendByLink: (set) => hasLink && sent.push(set) > 0,
    call: (...call) => calls.push(call),
  };
});

test('a set goes by the link, is told and ends together, unless its time is up before', () => {
  const set = new SlotSet(COMMAND, 0, 1, 1_000, owner);
  set.start();
  set.settle(3);
  new SlotSet(COMMAND, 1, true, 1_000, owner).fail(new InvalidValueError('no'));
  const late = new SlotSet(COMMAND, 1, true, 1_000, owner);
  late.expire(new UnknownOutcomeError('?'));
  assert.deepEqual(told.splice(0), ['0=3', 'end', '1=INVALID_VALUE', 'end', '1=UNKNOWN_OUTCOME']);
  late.end();
  assert.deepEqual(told, ['end']);
  assert.deepEqual([sent, calls], [[set], []]);
});

test('one that never had its turn is told, and has no end', () => {
  new SlotSet(COMMAND, 0, 1, 1_000, owner).refuse(new UnavailableError('too late'));
  assert.deepEqual(told, ['0=UNAVAILABLE']);
});

test('by a call it is the same set, in its own time, and comes to what the call comes to', () => {
  new SlotSet(COMMAND, 0, 1, 900, owner).reroute();
  hasLink = false;
  new SlotSet(COMMAND, 1, true, 1_000, owner).start();
  assert.deepEqual(sent, []);
  assert.deepEqual(
    calls.map(([{ identifiers, deadlineMs }]) => [identifiers, deadlineMs]),
    [
      [['a'], 900],
      [['b'], 1_000],
    ],
  );
  assert.deepEqual(calls[1]![1], {
    ...{ name: 'set', identifier: 'b', value: { value: true, isOpaque: false } },
    ...{ source: 'me', metadata: {}, expectedVersion: 7 },
  });
  const [done, failed] = calls.map(([, , outcome]) => outcome);
  done!.handleDone(9);
  failed!.handleFailed(new UnknownOutcomeError('?'));
  assert.deepEqual(told.splice(0), ['0=9', '1=UNKNOWN_OUTCOME']);
  done!.handleEnd();
  assert.deepEqual(told, ['end']);
});
