import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromPortValue, toPortValue } from '../../../src/shared/port/port-value.js';
import { OpaqueBinary } from '../../../src/shared/values/variable-type.js';
import { anyValue } from '../../support/any-value.js';

test('a value that crosses a port alone comes out as it was', () => {
  fc.assert(
    fc.property(anyValue, (given) => {
      const back = fromPortValue(structuredClone(toPortValue(given)));
      assert.deepEqual(back, given);
      assert.equal(back instanceof OpaqueBinary, given instanceof OpaqueBinary);
    }),
  );
});
