import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import protobuf from 'protobufjs/minimal.js';
import { ByteColumn } from '../../../src/shared/wire/byte-column.js';
import { ColumnMessage, isStep, writeMetadata, writeNumber } from '../../../src/shared/wire/column-message.js';
import { FORM } from '../../../src/shared/wire/link-row.js';

describe('a message of columns', () => {
  test('is its fields, its columns that have something, and what has keys', () => {
    const message = new ColumnMessage();
    const [counts] = [message.packed(2), message.packed(3)];
    counts!.count(7);
    message.keyed.text(4, 'text');
    assert.equal(message.size, 1 + 6);
    message.double(9, 1.5);
    const writer = protobuf.Writer.create();
    writer.uint32(9 * 8 + 1).double(1.5);
    writer
      .uint32(2 * 8 + 2)
      .fork()
      .uint32(7)
      .ldelim();
    writer.uint32(4 * 8 + 2).string('text');
    assert.deepEqual(message.take(), new Uint8Array(writer.finish()));
    assert.deepEqual([message.size, message.take().length], [0, 0]);
  });
});

test('a number goes where it is shorter and stays what it is', () => {
  const [integers, doubles] = [new ByteColumn(), new ByteColumn()];
  const forms = [0, -1, 2 ** 31 - 1, 2 ** 31, 1.5, -0, Number.NaN].map((value) =>
    writeNumber(value, integers, doubles),
  );
  const { INTEGER, DOUBLE } = FORM;
  assert.deepEqual(forms, [INTEGER, INTEGER, INTEGER, DOUBLE, DOUBLE, DOUBLE, DOUBLE]);
  assert.equal(doubles.length, 4 * 8);
  assert.deepEqual([isStep(-(2 ** 31)), isStep(2 ** 31)], [true, false]);
});

test('metadata that is empty takes no row', () => {
  const [counts, keyed] = [new ByteColumn(), new ByteColumn()];
  assert.equal(writeMetadata({}, counts, keyed, 3), false);
  assert.equal(counts.length + keyed.length, 0);
  assert.equal(writeMetadata({ key: 'value' }, counts, keyed, 3), true);
  assert.deepEqual(counts.bytes, Uint8Array.of(1));
});
