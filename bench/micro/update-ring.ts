import type { RingEntry } from '../../src/shared/delivery/update-ring.js';
import { UpdateRing } from '../../src/shared/delivery/update-ring.js';
import type { Kernel } from './kernel.js';
import { repeat } from './kernel.js';

export function updateRingKernels(): Kernel[] {
  const flowing = new UpdateRing<RingEntry>(1_024, 'conflate');
  for (let index = 0; index < 100; index += 1) flowing.push(entryOf(index));
  const full = new UpdateRing<RingEntry>(KEYS, 'conflate');
  return [
    repeat('update ring: push and take, 100 waiting', (index) => {
      flowing.push(entryOf(index));
      return flowing.take();
    }),
    repeat('update ring: push, full, conflating', (index) => full.push(entryOf(index % KEYS))),
  ];
}

function entryOf(key: number): RingEntry {
  return { key, value: key, old: undefined, missed: 0, filtered: 0, flags: 0 };
}

const KEYS = 64;
