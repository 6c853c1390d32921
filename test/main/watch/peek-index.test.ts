import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DispatchedWatch, WatchedVariable } from '../../../src/main/watch/dispatched-watch.js';
import { watchedVariable } from '../../../src/main/watch/dispatcher.js';
import { PeekIndex } from '../../../src/main/watch/peek-index.js';
import { CellReader, CellWriter } from '../../../src/shared/port/value-cells.js';

const PLACES = 2 ** 24;
const cells = new CellReader();
const writer = new CellWriter(() => undefined);
let places = 0;

function variable(identifier: string, value: number | undefined, hasCondition = false): WatchedVariable {
  const handle = PLACES + places;
  places += 1;
  if (cells.reserve(handle) > 0) for (const [index, chunk] of cells.chunks.entries()) writer.handleChunk(index, chunk);
  if (value !== undefined) writer.write(handle, value);
  const watch = { hasCondition } as DispatchedWatch;
  return Object.assign(watchedVariable(watch, identifier), { handle, cells });
}

describe('what an identifier means', () => {
  test('is found by identifier, by id, and by the name that its server said', () => {
    const index = new PeekIndex();
    const byName = Object.assign(variable('fan', 1), { variableId: 'v1' });
    const byId = Object.assign(variable('v2', 2), { variableId: 'v2', name: 'lamp' });
    index.add([byName, byId]);
    assert.deepEqual(
      ['fan', 'v1', 'v2', 'lamp', 'other', ''].map((one) => index.peek(one)),
      [1, 1, 2, 2, undefined, undefined],
    );
    index.remove([byName, byId]);
    assert.deepEqual(
      ['fan', 'v1', 'v2', 'lamp'].map((one) => index.peek(one)),
      [undefined, undefined, undefined, undefined],
    );
  });

  test('moves to the id of its next life', () => {
    const index = new PeekIndex();
    const fan = variable('fan', 1);
    index.add([fan]);
    fan.variableId = 'v1';
    index.handleIdentified(fan, '');
    assert.equal(index.peek('v1'), 1);
    fan.variableId = 'v2';
    index.handleIdentified(fan, 'v1');
    assert.deepEqual([index.peek('v1'), index.peek('v2'), index.peek('fan')], [undefined, 1, 1]);
  });

  test('one that was taken out is not put in again by its id', () => {
    const index = new PeekIndex();
    const fan = variable('fan', 1);
    index.add([fan]);
    index.remove([fan]);
    fan.variableId = 'v1';
    index.handleIdentified(fan, '');
    assert.equal(index.peek('v1'), undefined);
  });

  test('is the value of a watch that is told everything, before one whose condition keeps some out', () => {
    const index = new PeekIndex();
    const filtered = variable('fan', 1, true);
    const unknown = variable('fan', undefined);
    const whole = variable('fan', 3);
    index.add([filtered, unknown, whole]);
    assert.equal(index.peek('fan'), 3);
    index.remove([whole]);
    assert.equal(index.peek('fan'), 1);
    index.remove([filtered]);
    assert.equal(index.peek('fan'), undefined);
  });
});
