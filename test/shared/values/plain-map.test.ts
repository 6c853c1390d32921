import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { isPlainMap } from '../../../src/shared/values/plain-map.js';

class Point {
  x = 1;
}

class Bare extends (null as unknown as ObjectConstructor) {}

test('a literal, a bare map and one of another realm are plain maps', () => {
  for (const map of [{}, { a: 1 }, Object.create(null), runInNewContext('({ a: 1 })') as object])
    assert.equal(isPlainMap(map), true);
});

test('instances, lists and what inherits are not', () => {
  const others = [
    new Point(),
    Object.create(Bare.prototype),
    Object.create({ a: 1 }),
    Object.create(Object.create(null)),
  ];
  for (const other of [...others, [], new Map(), new Date(0), new Proxy([], {}), Object.setPrototypeOf([], null)])
    assert.equal(isPlainMap(other as object), false);
});
