import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinkHandles } from '../../../src/server/watch/link-handles.js';

test('handles stay small: what was given back is given again', () => {
  const handles = new LinkHandles();
  assert.deepEqual([handles.take(), handles.take(), handles.take()], [0, 1, 2]);
  handles.giveBack(1);
  assert.deepEqual([handles.take(), handles.take()], [1, 3]);
});
