import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { HANDLE_PLACES } from '../../../src/shared/port/handles.js';
import { CellReader, CellWriter } from '../../../src/shared/port/value-cells.js';
import { within } from '../../support/deadline.js';

/** Two ends over the same memory. */
function cells() {
  const reader = new CellReader();
  const writer = new CellWriter((index, chunk) => reader.handleFoundChunk(index, chunk));
  const allot = (place: number, generation = 1): number => {
    const handle = generation * HANDLE_PLACES + place;
    reader.reserve(handle);
    for (const [index, chunk] of reader.chunks.entries()) writer.handleChunk(index, chunk);
    return handle;
  };
  return { reader, writer, allot };
}

describe('cells of present values', () => {
  test('hold every number and both booleans exactly, and nothing else', () => {
    const { reader, writer, allot } = cells();
    const handle = allot(3);
    assert.equal(reader.read(handle), undefined);
    for (const value of [0, -0, 1.5, Number.NaN, Number.NEGATIVE_INFINITY, 2 ** 53 - 1, 5e-324, true, false]) {
      writer.write(handle, value);
      assert.ok(Object.is(reader.read(handle), value), String(value));
    }
    for (const value of ['text', 2n ** 60n, [1], undefined]) {
      writer.write(handle, 1);
      writer.write(handle, value);
      assert.equal(reader.read(handle), undefined);
    }
  });

  test('a value that is hidden is read by nobody until it is shown or written again', () => {
    const { reader, writer, allot } = cells();
    const [kept, written] = [allot(0), allot(1)];
    writer.keep(kept, 7);
    writer.write(written, true);
    writer.hide(written);
    assert.deepEqual([reader.read(kept), reader.read(written)], [undefined, undefined]);
    writer.show(kept);
    writer.show(written);
    assert.deepEqual([reader.read(kept), reader.read(written)], [7, true]);
    writer.clear(kept);
    writer.show(kept);
    assert.equal(reader.read(kept), undefined, 'what was cleared cannot be shown');
  });

  test('a handle reads nothing of the owner that its place had before, and shows nothing of it', () => {
    const { reader, writer, allot } = cells();
    const [first, second] = [allot(5, 1), allot(5, 2)];
    writer.write(first, 1);
    writer.show(second);
    assert.equal(reader.read(second), undefined);
    writer.write(second, 2);
    assert.deepEqual([reader.read(first), reader.read(second)], [undefined, 2]);
  });

  test('places far apart have memory of their own, those of the worker too', () => {
    const { reader, writer, allot } = cells();
    const far = allot(5_000);
    const found = -(HANDLE_PLACES + 5_000);
    writer.reserve(found);
    writer.write(far, 1);
    writer.write(found, 2);
    assert.deepEqual([reader.read(far), reader.read(found), reader.read(allot(4_999))], [1, 2, undefined]);
  });

  test('nothing of a worker that is gone can be read', () => {
    const { reader, writer, allot } = cells();
    const handle = allot(0);
    writer.reserve(-HANDLE_PLACES);
    writer.write(handle, 1);
    writer.write(-HANDLE_PLACES, 2);
    reader.handleWorkerLost();
    assert.deepEqual([reader.read(handle), reader.read(-HANDLE_PLACES)], [undefined, undefined]);
    writer.write(handle, 3);
    assert.equal(reader.read(handle), undefined, 'a writer that has not died yet writes where nobody reads');
  });

  test('whatever is done, a handle reads what was written for it last, or nothing', () => {
    const step = fc.record({
      what: fc.constantFrom('write', 'keep', 'show', 'hide', 'clear'),
      place: fc.nat(2),
      generation: fc.integer({ min: 1, max: 3 }),
      value: fc.oneof(fc.double(), fc.boolean(), fc.constant('text')),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { reader, writer, allot } = cells();
        const model = new Map<number, { generation: number; value: unknown; isLive: boolean }>();
        for (const { what, place, generation, value } of steps) {
          const handle = allot(place, generation);
          const present = model.get(place);
          const isOwn = present?.generation === generation;
          const isPlain = typeof value !== 'string';
          if ((what === 'write' || what === 'keep') && isPlain)
            model.set(place, { generation, value, isLive: what === 'write' });
          else if (isOwn && (what === 'show' || what === 'hide')) present.isLive = what === 'show';
          else if (isOwn && what !== 'show' && what !== 'hide') model.delete(place);
          if (what === 'write' || what === 'keep') writer[what](handle, value);
          else writer[what as 'show' | 'hide' | 'clear'](handle);
          for (const one of [1, 2, 3]) {
            const expected = model.get(place);
            const read = reader.read(allot(place, one));
            assert.ok(Object.is(read, expected?.generation === one && expected.isLive ? expected.value : undefined));
          }
        }
      }),
    );
  });

  test('no read is torn while another thread writes as fast as it can', async () => {
    const { reader, allot } = cells();
    const handle = allot(0);
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const hammer = new Worker(new URL('../../support/cell-hammer.js', import.meta.url), {
      workerData: { handle, chunk: reader.chunks[0], stop },
    });
    try {
      const started = within(10_000, new Promise((resolve) => hammer.once('message', resolve)), 'the other thread');
      await started;
      let last = 0;
      const kinds = { number: 0, boolean: 0, undefined: 0 };
      for (let reads = 0; reads < 2_000_000; reads += 1) {
        const value = reader.read(handle);
        kinds[typeof value as keyof typeof kinds] += 1;
        if (typeof value !== 'number') continue;
        // Each number has a high half that follows from the low one.
        const [low, high] = halvesOf(value);
        if (high !== (0x40000000 | (low & 0xfffff))) assert.fail(`torn: ${low.toString(16)} with ${high.toString(16)}`);
        if (low < last) assert.fail(`${low} was read after ${last}`);
        last = low;
      }
      assert.ok(kinds.number > 0 && kinds.boolean > 0, JSON.stringify(kinds));
      // It gives up when the other thread writes a thousand times in a row between its looks, which only a hammer does.
      assert.ok(kinds.undefined < 2_000, `the writer is in nobody’s way: ${kinds.undefined}`);
    } finally {
      Atomics.store(stop, 0, 1);
      await hammer.terminate();
    }
  });
});

const number = new Float64Array(1);
const halves = new Int32Array(number.buffer);

function halvesOf(value: number): [low: number, high: number] {
  number[0] = value;
  return [halves[0]!, halves[1]!];
}
