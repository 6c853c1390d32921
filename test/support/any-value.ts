/** Values of every form that crosses a port. */
import fc from 'fast-check';
import type { VariableValue } from '../../src/shared/values/variable-type.js';
import { OpaqueBinary } from '../../src/shared/values/variable-type.js';

export const anyValue: fc.Arbitrary<VariableValue> = fc.oneof(
  fc.double(),
  fc.boolean(),
  fc.bigInt(),
  fc.string(),
  fc.constantFrom<VariableValue>({ a: [1, null] }, Float32Array.of(1, 2), { shape: [1], data: Float64Array.of(1) }),
  fc.uint8Array({ maxLength: 4 }).map((bytes) => new OpaqueBinary('{"format":"pickle"}', bytes)),
);
