import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Opening } from '../../../src/server/watch/opening.js';
import { bytesOfOpening, heldOf, isSnapshot } from '../../../src/server/watch/opening.js';
import { SentState } from '../../../src/server/watch/sent-state.js';
import { SampleTable } from '../sample-table.js';

test('what the history has let go of is not held, unless the opening holds it itself, which counts', () => {
  const sample = new SampleTable({ maxVersions: 16, maxAgeMs: 0 });
  const fan = sample.variable('fan');
  const first = fan.current;
  const sent = new SentState(fan, 1);
  const opening = { type: 'initial_value', sent, version: 1, revision: first.revision, missed: 0 } as const;
  assert.equal(heldOf(opening), first);
  for (let value = 1; value < 20; value += 1) sample.set(fan, value);
  assert.equal(heldOf(opening), undefined);
  const holding = { ...opening, current: first };
  assert.equal(heldOf(holding), first);
  assert.ok(bytesOfOpening([holding]) > bytesOfOpening([opening]));
});

test('a replay and a deletion that is remembered tell each step, all else where a variable is', () => {
  const sample = new SampleTable();
  const fan = sample.variable('fan');
  const sent = new SentState(fan, 1);
  const replay: Opening = { type: 'replay', sent, version: 1, upTo: 1, revision: 1 };
  const gone = (change: ReturnType<SampleTable['delete']> | undefined): Opening => ({
    type: 'gone',
    variable: { id: fan.id, change, identifiers: undefined },
    revision: 1,
    kept: { missed: 0, before: undefined },
  });
  assert.deepEqual(
    [replay, gone(sample.delete(fan)), gone(undefined)].map((opening) => isSnapshot(opening)),
    [false, false, true],
  );
});
