import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { benchModule } from './bench-module.js';

const { MEASURED_VALUES, VALUE_KINDS } = await import(benchModule('processes/measured-value'));

describe('values that carry a time', () => {
  // A hundred years of a clock that began with the machine.
  const times = fc.integer({ min: 0, max: 100 * 365 * 86_400 * 1e6 });
  for (const kind of VALUE_KINDS as string[]) {
    const value = MEASURED_VALUES[kind];

    test(`${value.summary}: any time comes out as it went in, also through 32-bit floats`, () => {
      fc.assert(
        fc.property(times, (us) => {
          const read = JSON.parse(value.write(us));
          assert.equal(value.read(read), us);
          if (kind === 'embedding') {
            assert.equal(value.read(Float32Array.from(read)), us);
            assert.equal(read.length, 1_536);
          }
        }),
        { numRuns: 50 },
      );
    });

    test(`${value.summary}: the size that it claims is that of its JSON, within a tenth and ten bytes`, () => {
      const { length } = value.write(1e12);
      assert.ok(Math.abs(length - value.jsonBytes) <= 10 + length / 10, `${length} and ${value.jsonBytes}`);
    });
  }
});
