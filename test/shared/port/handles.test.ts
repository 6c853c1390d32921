import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FoundHandles, generationOf, HANDLE_PLACES, placeOf } from '../../../src/shared/port/handles.js';

describe('handles that a worker allots', () => {
  test('are below 0, and a place is given on with another generation', () => {
    const handles = new FoundHandles();
    const [first, second] = [handles.allot(), handles.allot()];
    handles.release(first);
    const third = handles.allot();
    assert.ok(first < 0 && second < 0 && third < 0);
    assert.equal(new Set([first, second, third]).size, 3);
    assert.deepEqual(
      [first, second, third].map((handle) => [placeOf(handle), generationOf(handle)]),
      [
        [0, 1],
        [1, 1],
        [0, 2],
      ],
    );
  });

  test('released twice, or by another owner, give their place on once', () => {
    const handles = new FoundHandles();
    const first = handles.allot();
    handles.release(first);
    handles.release(first);
    const second = handles.allot();
    handles.release(first);
    handles.release(-second);
    assert.equal(placeOf(handles.allot()), 1);
  });

  test('say their place up to the last generation', () => {
    const handle = (2 ** 29 - 1) * HANDLE_PLACES + 12_345;
    assert.deepEqual([placeOf(handle), generationOf(handle)], [12_345, 2 ** 29 - 1]);
    assert.deepEqual([placeOf(-handle), generationOf(-handle)], [12_345, 2 ** 29 - 1]);
  });
});
