import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HandleTable } from '../../../src/main/pool/handle-table.js';
import { QuotaExceededError } from '../../../src/shared/errors.js';
import { HANDLE_LIMITS } from '../../../src/shared/port/handles.js';

describe('a handle', () => {
  test('is never given twice, and finds its owner until it is released', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 200 }), (steps) => {
        const table = new HandleTable<number>({ places: 8, generations: 1_000 });
        const owners = new Map<number, number>();
        const given = new Set<number>();
        for (const [owner, step] of steps.entries()) {
          if (step < 6 && owners.size < 8) {
            const handle = table.allot(owner);
            assert.ok(!given.has(handle), `handle ${handle} was given before`);
            given.add(handle);
            owners.set(handle, owner);
          } else {
            const [handle] = [...owners.keys()].slice(step % Math.max(1, owners.size));
            if (handle === undefined) continue;
            owners.delete(handle);
            table.release(handle);
            table.release(handle);
          }
          for (const handle of given) assert.equal(table.find(handle), owners.get(handle));
          assert.equal(table.size, owners.size);
        }
      }),
    );
  });

  test('fits a number exactly up to the last generation of the last place', () => {
    const { places, generations } = HANDLE_LIMITS;
    assert.ok(Number.isSafeInteger(places * generations - 1));
    const last = places * (generations - 1) + places - 1;
    assert.equal(last & (places - 1), places - 1);
  });
});

test('a table that is full refuses another owner, and takes one when another has gone', () => {
  const table = new HandleTable<string>({ places: 2, generations: 10 });
  const first = table.allot('a');
  table.allot('b');
  assert.throws(() => table.allot('c'), QuotaExceededError);
  table.release(first);
  assert.equal(table.find(table.allot('c')), 'c');
});

test('a place whose generations are used up is not given on', () => {
  const table = new HandleTable<string>({ places: 1, generations: 3 });
  for (const owner of ['a', 'b']) table.release(table.allot(owner));
  assert.throws(() => table.allot('c'), QuotaExceededError);
});
