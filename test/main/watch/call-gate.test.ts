import assert from 'node:assert/strict';
import { AsyncResource } from 'node:async_hooks';
import { describe, test } from 'node:test';
import { CallGate } from '../../../src/main/watch/call-gate.js';
import type { DispatchedCall, DispatchedWatch, WatchedVariable } from '../../../src/main/watch/dispatched-watch.js';
import { watchedVariable } from '../../../src/main/watch/dispatcher.js';
import { WatchStats } from '../../../src/main/watch/watch-stats.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';

const watch: DispatchedWatch = {
  ref: 'watch-1',
  sessionId: 'session',
  watcher: () => undefined,
  filter: undefined,
  condition: undefined,
  hasCondition: false,
  limit: undefined,
  stats: new WatchStats(),
  context: new AsyncResource('test'),
  clock: { wallAtMs: (nowMs) => nowMs },
  verifies: false,
  isStopped: false,
  filterPromises: false,
  gate: undefined,
  batch: undefined,
  turns: undefined,
  handleIdentified: () => undefined,
  handleBatchBegun: () => undefined,
  handleError: () => undefined,
  handleGateFull: () => undefined,
  handleGone: () => undefined,
  handleHeld: () => undefined,
};

function callOf(variable: WatchedVariable, old: number | undefined, value: number, missed = 0): DispatchedCall {
  return {
    variable,
    variableId: 'var_1',
    oldValue: old,
    newValue: value,
    missed,
    version: value,
    timestamp: 0,
    receivedAt: 0,
    revision: value,
    flags: 0,
    source: '',
    custom: EMPTY_METADATA,
  };
}

function taken(gate: CallGate): unknown[] {
  const calls: unknown[] = [];
  for (let call = gate.take(); call !== undefined; call = gate.take()) {
    calls.push([call.variable.identifier, call.oldValue, call.newValue, call.missed]);
  }
  return calls;
}

describe('a gate of calls', () => {
  const [a, b] = ['a', 'b'].map((name) => watchedVariable(watch, name)) as [WatchedVariable, WatchedVariable];

  test('gives them back in their order, as they were', () => {
    const gate = new CallGate(8, 'conflate');
    for (const call of [callOf(a, 1, 2), callOf(b, 5, 6, 2), callOf(a, 2, 3)]) assert.ok(gate.hold(call));
    assert.deepEqual(taken(gate), [
      ['a', 1, 2, 0],
      ['b', 5, 6, 2],
      ['a', 2, 3, 0],
    ]);
  });

  test('chains the first of a variable to what the watch before had told, with what that had missed', () => {
    const gate = new CallGate(8, 'conflate');
    gate.hold(callOf(a, 4, 5));
    gate.hold(callOf(a, 5, 6));
    gate.handleLastTold(a, { value: 1, missed: 3 });
    assert.deepEqual(taken(gate), [
      ['a', 1, 5, 3],
      ['a', 5, 6, 0],
    ]);
  });

  for (const overflow of ['conflate', 'drop-oldest'] as const) {
    test(`that is full keeps the chain, and says how many it left out, with '${overflow}'`, () => {
      const gate = new CallGate(2, overflow);
      for (let value = 2; value <= 9; value += 1) assert.ok(gate.hold(callOf(a, value - 1, value)));
      gate.handleLastTold(a, { value: 1, missed: 0 });
      let [old, told] = [1, 0];
      for (const [, oldValue, newValue, missed] of taken(gate) as [string, number, number, number][]) {
        assert.equal(oldValue, old);
        old = newValue;
        told += 1 + missed;
      }
      assert.deepEqual([old, told], [9, 8]);
    });
  }

  test("that is full takes no more with 'error'", () => {
    const gate = new CallGate(1, 'error');
    assert.ok(gate.hold(callOf(a, 1, 2)));
    assert.ok(!gate.hold(callOf(a, 2, 3)));
    assert.equal(gate.size, 1);
  });
});
