import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SmallMap } from '../../src/shared/small-map.js';

const key = fc.constantFrom('a', 'b', 'c');
const step = fc.oneof(
  fc.record({ name: fc.constant('set' as const), key, value: fc.nat(9) }),
  fc.record({ name: fc.constant('delete' as const), key }),
  fc.record({ name: fc.constant('clear' as const) }),
);

describe('a small map', () => {
  test('is as a Map, whatever is done with it', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const map = new Map<string, number>();
        const small = new SmallMap<string, number>();
        for (const one of steps) {
          if (one.name === 'set') {
            map.set(one.key, one.value);
            assert.equal(small.set(one.key, one.value), small);
          } else if (one.name === 'delete') assert.equal(small.delete(one.key), map.delete(one.key));
          else {
            map.clear();
            small.clear();
          }
          assert.equal(small.size, map.size);
          assert.deepEqual([...small], [...map]);
          assert.deepEqual([...small.keys()], [...map.keys()]);
          assert.deepEqual([...small.values()], [...map.values()]);
          for (const name of ['a', 'b', 'c']) {
            assert.equal(small.get(name), map.get(name));
            assert.equal(small.has(name), map.has(name));
          }
        }
      }),
    );
  });

  test('meets what is set while it is walked through, and each entry once', () => {
    const small = new SmallMap<string, number>();
    small.set('a', 1);
    const met: string[] = [];
    for (const [name] of small) {
      met.push(name);
      if (name === 'a') small.set('b', 2);
    }
    assert.deepEqual(met, ['a', 'b']);
  });
});
