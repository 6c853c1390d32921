import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeftWindows } from '../../../src/server/watch/left-windows.js';

test('what was left first is forgotten when there is no room, and what came back is not', () => {
  const left = new LeftWindows(100);
  const forgotten: string[] = [];
  const add = (entry: object, name: string, bytes: number) => left.add(entry, bytes, () => forgotten.push(name));
  const [a, b, c, d] = [{}, {}, {}, {}];
  add(a, 'a', 40);
  add(b, 'b', 40);
  left.remove(a);
  add(c, 'c', 40);
  assert.deepEqual(forgotten, []);
  add(d, 'd', 90);
  assert.deepEqual(forgotten, ['b', 'c']);
  left.remove(b);
  add(a, 'a', 200);
  assert.deepEqual(forgotten, ['b', 'c', 'd'], 'one alone may be as large as it is');
});
