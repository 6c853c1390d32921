import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs/minimal.js';
import { ByteColumn } from '../../../src/shared/wire/byte-column.js';

test('a column holds what protobufjs writes', () => {
  const column = new ByteColumn();
  fc.assert(
    fc.property(
      fc.array(fc.nat(0xffff_ffff)),
      fc.array(fc.integer()),
      fc.array(fc.double()),
      fc.array(fc.string({ unit: 'grapheme', maxLength: 200 })),
      (counts, steps, doubles, texts) => {
        const writer = protobuf.Writer.create();
        column.clear();
        for (const count of counts) writer.uint32(count);
        for (const step of steps) writer.sint32(step);
        for (const double of doubles) writer.double(double);
        for (const text of texts) writer.uint32(3 * 8 + 2).string(text);
        for (const count of counts) column.count(count);
        for (const step of steps) column.step(step);
        for (const double of doubles) column.double(double);
        for (const text of texts) column.text(3, text);
        assert.deepEqual(column.bytes, new Uint8Array(writer.finish()));
      },
    ),
  );
});

test('columns become fields of another, and what a large one needed is given back', () => {
  const column = new ByteColumn();
  column.payload(2, new Uint8Array(200_000));
  assert.equal(column.length, 200_004);
  const whole = new ByteColumn();
  whole.append(column);
  whole.column(5, new ByteColumn());
  assert.deepEqual(whole.bytes, column.bytes);
  column.clear();
  assert.equal(column.length, 0);
  assert.equal(column.bytes.buffer.byteLength, 64);
});
