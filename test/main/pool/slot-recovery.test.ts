import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CrashCounter, fateOf, resumePoints } from '../../../src/main/pool/slot-recovery.js';
import type { DispatchedWatch, WatchedVariable } from '../../../src/main/watch/dispatched-watch.js';
import { UnknownOutcomeError, WorkerError } from '../../../src/shared/errors.js';
import type { Command } from '../../../src/shared/port/commands.js';

const call = (name: 'get' | 'set'): Command =>
  (name === 'get'
    ? { kind: 'call', id: 1, bridge: 1, call: { name, identifiers: ['fan'] } }
    : {
        kind: 'call',
        id: 1,
        bridge: 1,
        call: {
          name,
          identifier: 'fan',
          value: { value: 1, isOpaque: false },
          source: '',
          metadata: {},
          expectedVersion: 0,
        },
      }) satisfies Command;

describe('the fate of a command whose worker died', () => {
  test('a read is repeated, a change has an unknown outcome', () => {
    assert.deepEqual(fateOf(call('get')), { name: 'repeat' });
    const fate = fateOf(call('set'));
    assert.equal(fate.name, 'failed');
    assert.ok(fate.name === 'failed' && fate.error instanceof UnknownOutcomeError);
  });

  test('what opens is opened again, what closes is closed by the death', () => {
    assert.equal(fateOf({ kind: 'stats', id: 1 }).name, 'repeat');
    assert.equal(fateOf({ kind: 'close', id: 1, subscription: 1 }).name, 'done');
    assert.equal(fateOf({ kind: 'detach', id: 1, bridge: 1 }).name, 'done');
    assert.equal(fateOf({ kind: 'stop', id: 1 }).name, 'done');
  });
});

describe('where a watch goes on', () => {
  const variable = (lastVersion: number, lastValue: WatchedVariable['lastValue'] = 'eco'): WatchedVariable => ({
    handle: 1,
    identifier: 'fan',
    cells: undefined,
    watch: {} as DispatchedWatch,
    group: undefined,
    variableId: 'v1',
    name: '',
    epoch: 'e1',
    lastVersion,
    lastValue,
    missed: 0,
    isGone: false,
  });

  test('behind the last version that main has dispatched, and nowhere when nothing came', () => {
    assert.deepEqual(resumePoints([variable(7), variable(0)], false), [
      { version: 7, epoch: 'e1', variableId: 'v1', last: undefined },
      undefined,
    ]);
  });

  test('with the value seen last, for a condition', () => {
    assert.deepEqual(resumePoints([variable(7)], true)[0]?.last, { value: 'eco', isOpaque: false });
  });

  test('with the value seen last, where it can be peeked', () => {
    const points = resumePoints([variable(7, 20.5), variable(7, false), variable(7, 2n ** 60n)], false);
    assert.deepEqual(
      points.map((point) => point?.last),
      [{ value: 20.5, isOpaque: false }, { value: false, isOpaque: false }, undefined],
    );
  });
});

describe('a worker that dies again and again', () => {
  const limits = { deaths: 3, withinMs: 1_000 };

  test('is given up after that many fast deaths in a row', () => {
    const counter = new CrashCounter(limits);
    const died = (at: number) => {
      counter.handleStart(at);
      return counter.handleDeath(at + 10, new Error('out of memory'));
    };
    assert.equal(died(0), undefined);
    assert.equal(died(100), undefined);
    const error = died(200);
    assert.ok(error instanceof WorkerError);
    assert.match(error.message, /3 times.*out of memory/);
  });

  test('starts its count anew after a long life', () => {
    const counter = new CrashCounter(limits);
    for (const life of [10, 10, 5_000, 10, 10]) {
      counter.handleStart(0);
      // The long life's death is the first of a new row.
      const error = counter.handleDeath(life, 'x');
      if (life === 5_000) assert.equal(error, undefined);
    }
    counter.handleStart(0);
    assert.ok(counter.handleDeath(10, 'x') instanceof WorkerError);
  });
});
