import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  claimedShape,
  copyOpaque,
  isOpaqueBinary,
  readBinary,
  writeBinary,
} from '../../../src/shared/values/binary-array.js';
import { OpaqueBinary } from '../../../src/shared/values/variable-type.js';

const subject = 'variable "v"';

test('an embedding comes back from its bytes, element by element and of its kind', () => {
  fc.assert(
    fc.property(fc.oneof(fc.float32Array(), fc.float64Array()), (elements) => {
      const { header, bytes } = writeBinary([elements.length], elements);
      assert.deepEqual(readBinary('embedding', header, bytes, subject), elements);
    }),
  );
});

test('the bytes are little-endian, and a part of a larger array is written alone', () => {
  const part = Float32Array.of(9, 1, 9).subarray(1, 2);
  assert.deepEqual(writeBinary([1], part), {
    header: '{"dtype":"float32","shape":[1]}',
    bytes: Uint8Array.of(0, 0, 128, 63),
  });
});

test('elements are copied out of a receive buffer, whatever their alignment', () => {
  const received = Buffer.concat([Buffer.from([7]), Buffer.from(writeBinary([2], Float64Array.of(0.1, -0)).bytes)]);
  const elements = readBinary(
    'embedding',
    '{"dtype":"float64","shape":[2]}',
    received.subarray(1),
    subject,
  ) as Float64Array;
  received.fill(0);
  assert.deepEqual(elements, Float64Array.of(0.1, -0));
  assert.equal(elements.buffer.byteLength, 16);
});

describe('a header in our form', () => {
  const bytes = new Uint8Array(8);

  for (const [name, header, length] of [
    ['too few bytes', '{"dtype":"float32","shape":[2]}', 7],
    ['too many bytes', '{"dtype":"float64","shape":[1]}', 9],
    ['no bytes', '{"dtype":"float32","shape":[2]}', 0],
    ['a negative axis', '{"dtype":"float32","shape":[-2]}', 8],
    ['a shape beyond all numbers', '{"dtype":"float32","shape":[9007199254740993,2]}', 8],
  ] as const) {
    test(`with ${name} is refused`, () => {
      assert.throws(() => readBinary('tensor', header, new Uint8Array(length), subject), {
        name: 'InvalidValueError',
        message: /^variable "v": \d bytes are not float(32|64) of shape \[.*\]: send them little-endian/,
      });
    });
  }

  test('gives an embedding one axis only', () => {
    assert.throws(() => readBinary('embedding', '{"dtype":"float32","shape":[1,2]}', bytes, subject), /send one axis/);
    assert.throws(
      () => readBinary('embedding', '{"dtype":"float32","shape":[]}', new Uint8Array(4), subject),
      /send one axis/,
    );
  });

  test('gives a frozen tensor', () => {
    const tensor = readBinary('tensor', '{"dtype":"float32","shape":[2,1]}', bytes, subject);
    assert.deepEqual(tensor, { shape: [2, 1], data: new Float32Array(2) });
    assert.ok(Object.isFrozen(tensor));
  });
});

describe('bytes in another form', () => {
  const pickle = Uint8Array.of(0x80, 4, 0x5d, 0x94, 0x2e);

  for (const header of [
    '{"shape":[2],"dtype":"float32","binary_format":"pickle"}',
    '{"shape":[2],"dtype":"float32"}',
    '{"shape":[5],"dtype":"uint8"}',
    '{"dtype":"float32"}',
    '"pickle"',
    '[1]',
    'null',
  ]) {
    test(`${header} is carried as it came`, () => {
      const given = Uint8Array.from(pickle);
      const binary = readBinary('tensor', header, given, subject) as OpaqueBinary;
      given.fill(0);
      assert.ok(binary instanceof OpaqueBinary);
      assert.equal(binary.header, header);
      assert.deepEqual(binary.bytes, pickle);
    });
  }

  test('are not of use when there are none, or the header is no JSON', () => {
    assert.throws(
      () => readBinary('tensor', '{"dtype":"uint8"}', new Uint8Array(0), subject),
      /the binary field is empty/,
    );
    assert.throws(
      () => readBinary('tensor', 'float32', pickle, subject),
      /^InvalidValueError: variable "v": binary header: "float32" is not valid JSON/,
    );
    assert.throws(() => copyOpaque('{', pickle, subject), /not valid JSON/);
  });

  test('are known again after structured clone, which takes the class away', () => {
    const binary = new OpaqueBinary('{}', pickle);
    assert.ok(isOpaqueBinary(binary) && isOpaqueBinary(structuredClone(binary)));
    for (const other of [{ header: '{}', bytes: [1] }, { header: 1, bytes: pickle }, pickle, null, 'x'])
      assert.ok(!isOpaqueBinary(other));
  });

  test('may claim a shape', () => {
    assert.deepEqual(claimedShape(new OpaqueBinary('{"shape":[2,3]}', pickle)), [2, 3]);
    for (const header of ['{"shape":"x"}', '{}', '[]', 'null'])
      assert.equal(claimedShape(new OpaqueBinary(header, pickle)), undefined);
  });
});
