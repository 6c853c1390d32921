import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { HeapEntry } from '../../../src/main/watch/due-heap.js';
import { DueHeap } from '../../../src/main/watch/due-heap.js';

const entries = (count: number): HeapEntry[] => Array.from({ length: count }, () => ({ dueAtMs: 0, heapPlace: -1 }));

describe('a heap of what is due', () => {
  test('has first what is due first, whatever was added, moved and removed', () => {
    const steps = fc.array(fc.record({ place: fc.nat(9), dueAtMs: fc.option(fc.nat(50)) }), { maxLength: 100 });
    fc.assert(
      fc.property(steps, (given) => {
        const heap = new DueHeap<HeapEntry>();
        const all = entries(10);
        const held = new Set<HeapEntry>();
        for (const { place, dueAtMs } of given) {
          const entry = all[place]!;
          if (dueAtMs === null) {
            heap.remove(entry);
            held.delete(entry);
          } else {
            heap.schedule(entry, dueAtMs);
            held.add(entry);
          }
          assert.equal(heap.size, held.size);
          const earliest = Math.min(...[...held].map((one) => one.dueAtMs));
          assert.equal(heap.first?.dueAtMs, held.size === 0 ? undefined : earliest);
        }
        const taken: number[] = [];
        for (let first = heap.first; first !== undefined; first = heap.first) {
          taken.push(first.dueAtMs);
          heap.remove(first);
          assert.equal(first.heapPlace, -1);
        }
        assert.deepEqual(
          taken,
          taken.toSorted((a, b) => a - b),
        );
      }),
    );
  });

  test('looks at a few entries for each that moves, however many there are', () => {
    let looks = 0;
    class Counted implements HeapEntry {
      heapPlace = -1;
      #dueAtMs = 0;
      get dueAtMs(): number {
        looks += 1;
        return this.#dueAtMs;
      }
      set dueAtMs(dueAtMs: number) {
        this.#dueAtMs = dueAtMs;
      }
    }
    const heap = new DueHeap<Counted>();
    const all = Array.from({ length: 2 ** 14 }, () => new Counted());
    for (const [place, entry] of all.entries()) heap.schedule(entry, place);
    looks = 0;
    // A debounced watch: each update moves its variable behind all others.
    for (const [place, entry] of all.entries()) heap.schedule(entry, all.length + place);
    // Two children a level, and the entry itself.
    assert.ok(looks <= all.length * 3 * 15, `${looks / all.length} looks an entry`);
  });
});
