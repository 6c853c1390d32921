import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Variable } from '../../../src/shared/state/variable.js';
import type { PackedVariable } from '../../../src/shared/state/variable-index.js';
import { VariableIndex } from '../../../src/shared/state/variable-index.js';

interface Packed extends PackedVariable {
  readonly isBroken?: boolean;
}

const packed = (place: number, name = `n${place}`, more: Partial<Packed> = {}): Packed => ({
  ...{ id: `i${place}`, name, place, packedBytes: 10, ...more },
});

/** An index, and the places of what it has unpacked. */
function setup() {
  const opened: number[] = [];
  const index = new VariableIndex<Packed>(({ id, name, place, isBroken }) => {
    if (isBroken === true) throw new Error(`${name} cannot be read`);
    opened.push(place);
    return { id, name, place } as Variable;
  });
  return { index, opened };
}

test('whatever is asked, packed and unpacked ones are told alike, and each is unpacked once', () => {
  const ask = fc.oneof(
    fc.record({ kind: fc.constantFrom('name', 'id', 'place', 'after', 'remove'), at: fc.integer({ min: 0, max: 22 }) }),
    fc.record({ kind: fc.constantFrom('some', 'all'), at: fc.nat(60) }),
  );
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), fc.array(ask), (kinds, asked) => {
      const { index, opened } = setup();
      const there = new Map<number, Variable | undefined>();
      for (const [before, isPacked] of kinds.entries()) {
        const entry = packed(before + 1);
        index.add(isPacked ? entry : ({ id: entry.id, name: entry.name, place: entry.place } as Variable));
        there.set(entry.place, undefined);
      }
      const check = (place: number, found: Variable | undefined): void => {
        assert.equal(found?.place, there.has(place) ? place : undefined);
        if (found === undefined) return;
        assert.equal(there.get(place) ?? found, found, 'one object a variable');
        there.set(place, found);
      };
      for (const { kind, at } of asked) {
        if (kind === 'name') check(at, index.find(`n${at}`));
        else if (kind === 'id') check(at, index.findById(`i${at}`));
        else if (kind === 'place') check(at, index.at(at));
        else if (kind === 'some') index.unpackSome(at);
        else if (kind === 'all') for (const variable of index.variables()) check(variable.place, variable);
        else if (kind === 'after') {
          const next = [...there.keys()].filter((place) => place > at).sort((a, b) => a - b)[0];
          assert.equal(index.after(at)?.place, next);
        } else {
          const variable = index.at(at);
          if (variable !== undefined) index.remove(variable);
          there.delete(at);
        }
        assert.equal(index.size, there.size);
      }
      while (index.unpackSome(10));
      assert.equal(new Set(opened).size, opened.length);
      assert.equal([...index.unpacked()].length, there.size);
    }),
  );
});

test('a name is that of the later one of two, in whichever order they come and go', () => {
  for (const order of [
    [1, 2],
    [2, 1],
  ]) {
    const { index } = setup();
    for (const place of order) index.add(packed(place, 'fan'));
    assert.deepEqual([index.find('fan')?.id, index.findById('i1')?.id, index.size], ['i2', 'i1', 1]);
    index.remove(index.findById('i1')!);
    assert.deepEqual([index.find('fan')?.id, index.findById('i1'), index.size], ['i2', undefined, 1]);
    index.remove(index.findById('i2')!);
    assert.deepEqual([index.find('fan'), index.size], [undefined, 0]);
  }
});

test('a name goes before an id, packed or not', () => {
  const { index } = setup();
  index.add(packed(1, 'i2'));
  index.add(packed(2));
  assert.equal(index.find('i2')?.place, 1);
  assert.equal(index.find('i1')?.place, 1);
});

test('as much is unpacked as is asked for, and what cannot be read is passed over and fails whoever asks for it', () => {
  const { index, opened } = setup();
  for (const place of [1, 2, 4]) index.add(packed(place));
  index.add(packed(5, 'broken', { isBroken: true }));
  index.add(packed(6));
  assert.equal(index.unpackSome(15), true);
  assert.deepEqual(opened, [1, 2]);
  assert.equal(index.unpackSome(1), true);
  assert.throws(() => index.unpackSome(100), /cannot be read/);
  assert.equal(index.unpackSome(100), false);
  assert.deepEqual(opened, [1, 2, 4, 6]);
  for (const identifier of ['broken', 'i5']) assert.throws(() => index.find(identifier), /cannot be read/);
  assert.equal(index.nextPlace(), 7);
});
