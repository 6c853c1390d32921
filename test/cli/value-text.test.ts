import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readValueArgument } from '../../src/cli/value-argument.js';
import { jsonOf, plainOf } from '../../src/cli/value-text.js';
import { OpaqueBinary } from '../../src/main/index.js';

test('JSON keeps digits, names what JSON cannot say, and leaves undefined fields out', () => {
  const printed = jsonOf({
    big: 2n ** 64n,
    nan: Number.NaN,
    embedding: Float32Array.of(1, 0.5, Number.POSITIVE_INFINITY),
    tensor: { shape: [1, 2], data: Float64Array.of(1, 2) },
    opaque: new OpaqueBinary('{"format":"pickle"}', Uint8Array.of(1, 2, 255)),
    absent: undefined,
    nothing: null,
  });
  assert.equal(
    printed,
    '{"big":18446744073709551616,"nan":"NaN","embedding":[1,0.5,"Infinity"],"tensor":{"shape":[1,2],"data":[1,2]},' +
      '"opaque":{"header":"{\\"format\\":\\"pickle\\"}","base64":"AQL/"},"nothing":null}',
  );
  assert.equal(jsonOf(undefined), 'null');
});

test('any string that is printed for people is read back by set as it was, in one line without control characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const printed = plainOf(text);
      assert.equal(readValueArgument('string', printed, 'v'), text);
      assert.doesNotMatch(printed, /[\p{Cc}\u2028\u2029]/u);
    }),
    { numRuns: 2_000 },
  );
});

test('any float and integer that is printed for people is read back by set as it was', () => {
  fc.assert(
    fc.property(fc.double(), (value) => {
      assert.ok(Object.is(readValueArgument('float', plainOf(value), 'v'), value));
    }),
  );
  fc.assert(
    fc.property(fc.bigInt(), (value) => {
      assert.equal(BigInt(readValueArgument('integer', plainOf(value), 'v') as number | bigint), value);
    }),
  );
});
