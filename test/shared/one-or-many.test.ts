import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { OneOrMany, ShelvedMany } from '../../src/shared/one-or-many.js';

describe('members by key', () => {
  test('are those of a set a key', () => {
    const keys = fc.nat(2);
    const members = fc.nat(3);
    const step = fc.tuple(fc.constantFrom('add', 'remove', 'removeAll'), keys, members);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const all = [0, 1, 2, 3].map((number) => ({ number }));
        const tested = new OneOrMany<number, { number: number }>();
        const model = new Map<number, Set<object>>();
        for (const [does, key, place] of steps) {
          const member = all[place]!;
          const set = model.get(key) ?? new Set();
          model.set(key, set);
          if (does === 'add') {
            assert.equal(tested.add(key, member), !set.has(member));
            set.add(member);
          } else if (does === 'remove') assert.equal(tested.remove(key, member), set.delete(member));
          else {
            assert.equal(tested.removeAll(key), set.size);
            set.clear();
          }
          assert.equal(tested.count(key), set.size);
          const told = new Set<object>();
          tested.forEach(key, (one) => told.add(one));
          assert.deepEqual(told, set);
          assert.deepEqual(new Set(tested.of(key)), set);
          for (const one of tested.of(key)) assert.ok(tested.has(key, one));
        }
        assert.equal(tested.size, [...model.values()].filter(({ size }) => size > 0).length);
      }),
    );
  });

  test('that come or go while they are told are told, or not', () => {
    const tested = new OneOrMany<string, { name: string }>();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ name }));
    tested.add('key', a!);
    const told: string[] = [];
    tested.forEach('key', ({ name }) => {
      told.push(name);
      if (name !== 'a') return;
      tested.remove('key', a!);
      tested.add('key', b!);
      tested.add('key', c!);
    });
    assert.deepEqual(told, ['a', 'b', 'c']);
  });

  test('on shelves are the same, and no shelf is kept that the others have room for', () => {
    const step = fc.tuple(fc.boolean(), fc.nat(9), fc.nat(3));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const all = [0, 1, 2, 3].map((number) => ({ number }));
        const tested = new ShelvedMany<number, { number: number }>(3);
        const model = new Map<number, Set<object>>();
        let most = 0;
        for (const [isAdded, key, place] of steps) {
          const member = all[place]!;
          const set = model.get(key) ?? new Set();
          model.set(key, set);
          if (!isAdded) tested.remove(key, member);
          else if (!set.has(member)) tested.add(key, member);
          if (isAdded) set.add(member);
          else set.delete(member);
          assert.deepEqual(new Set(tested.of(key)), set);
          most = Math.max(
            most,
            [...model.values()].reduce((members, { size }) => members + size, 0),
          );
        }
        assert.ok(tested.shelves <= Math.ceil(most / 3), `${tested.shelves} shelves for ${most}`);
      }),
    );
  });
});
