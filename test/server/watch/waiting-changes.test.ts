import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PublishedChange } from '../../../src/server/observer-manager.js';
import type { WaitingChange } from '../../../src/server/watch/sent-state.js';
import { SentState } from '../../../src/server/watch/sent-state.js';
import { WaitingChanges } from '../../../src/server/watch/waiting-changes.js';
import { SampleTable } from '../sample-table.js';

function setup(limit: number, maxBytes = 1e9, variables = 3) {
  const sample = new SampleTable();
  const states = Array.from({ length: variables }, (_, place) => new SentState(sample.variable(`v${place}`), 1));
  const waiting = new WaitingChanges(limit, maxBytes);
  let value = 0;
  const set = (place: number, isPressed = false): number => {
    value += 1;
    const state = states[place]!;
    return waiting.push(state, new PublishedChange(sample.set(state.variable, value), 0), isPressed);
  };
  const takeAll = (): WaitingChange[] => {
    const taken: WaitingChange[] = [];
    for (let next = waiting.take(); next !== undefined; next = waiting.take()) taken.push(next);
    return taken;
  };
  return { sample, states, waiting, set, takeAll };
}

const nameOf = ({ sent, published }: WaitingChange): string =>
  `${sent.variable.name}=${published!.change.current.version}`;

describe('changes that wait', () => {
  test('are all given in order while there are few', () => {
    const { set, takeAll } = setup(4);
    for (const place of [0, 1, 0, 2]) assert.equal(set(place), 0);
    assert.deepEqual(takeAll().map(nameOf), ['v0=2', 'v1=2', 'v0=3', 'v2=2']);
  });

  test('above the limit are the newest of each, in the order of their revisions, until none is left', () => {
    const { set, takeAll, waiting } = setup(3);
    for (const place of [0, 1, 0]) set(place);
    assert.equal(set(2), 1);
    assert.equal(set(1), 1);
    assert.equal(waiting.leftOut, 2);
    assert.deepEqual(takeAll().map(nameOf), ['v0=3', 'v2=2', 'v1=3']);
    assert.deepEqual([waiting.size, waiting.bytes, waiting.leftOut], [0, 0, 0]);
    for (const place of [0, 0]) set(place);
    assert.deepEqual(takeAll().map(nameOf), ['v0=4', 'v0=5']);
  });

  test('of a watch with a condition count what is left out, and know which were right before one another', () => {
    const sample = new SampleTable();
    const fan = sample.variable('fan');
    const sent = new SentState(fan, 1, undefined, false, true);
    const waiting = new WaitingChanges(2, 1e9);
    // Versions 2, 4, 5 and 6 are let through, 3 is not.
    for (const value of [1, 2, 3, 4, 5]) {
      const change = sample.set(fan, value);
      if (value !== 2) waiting.push(sent, new PublishedChange(change, 0), false);
    }
    const entry = waiting.take();
    assert.deepEqual([entry?.published?.change.current.version, entry?.first?.change.current.version], [6, 4]);
    assert.equal(sent.kept?.leftOut, 3);
  });

  test('keep only the newest as soon as their bytes are too many, or their connection is pressed', () => {
    for (const { maxBytes, isPressed } of [
      { maxBytes: 1_000, isPressed: false },
      { maxBytes: 1e9, isPressed: true },
    ]) {
      const { set, takeAll, waiting } = setup(100, maxBytes);
      for (let round = 0; round < 10; round += 1) set(0, isPressed);
      assert.ok(waiting.bytes <= 1_000);
      assert.ok(takeAll().length <= 2);
    }
  });

  test('never leave out a deletion', () => {
    const { sample, states, waiting, set, takeAll } = setup(1);
    set(0);
    waiting.push(states[0]!, new PublishedChange(sample.delete(states[0]!.variable), 0), true);
    set(1);
    set(1);
    assert.deepEqual(takeAll().map(nameOf), ['v0=3', 'v1=3']);
  });
});

test('whatever is pushed and taken: revisions rise, the newest of each is never left out, and the counts are right', () => {
  const step = fc.record({ place: fc.nat(2), takes: fc.boolean(), isPressed: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 8 }), (steps, limit) => {
      const { set, waiting, states, takeAll } = setup(limit);
      const taken: WaitingChange[] = [];
      let leftOut = 0;
      for (const { place, takes, isPressed } of steps) {
        leftOut += set(place, isPressed && limit > 4);
        assert.ok(waiting.size <= Math.max(limit, 3) + 1);
        const next = takes ? waiting.take() : undefined;
        if (next !== undefined) taken.push(next);
      }
      taken.push(...takeAll());
      assert.equal(taken.length + leftOut, steps.length);
      let revision = 0;
      const last = new Map<SentState, number>();
      for (const { sent, published } of taken) {
        const { current } = published!.change;
        assert.ok(current.revision > revision);
        revision = current.revision;
        last.set(sent, current.version);
      }
      for (const state of states) {
        assert.equal(last.get(state) ?? 1, state.variable.current.version);
        assert.equal(state.waiting, undefined);
      }
    }),
  );
});
