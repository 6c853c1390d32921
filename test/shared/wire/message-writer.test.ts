import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs/minimal.js';
import { MessageWriter } from '../../../src/shared/wire/message-writer.js';

type Field =
  | { readonly kind: 'text'; readonly field: number; readonly value: string }
  | { readonly kind: 'bytes'; readonly field: number; readonly value: Uint8Array }
  | { readonly kind: 'count'; readonly field: number; readonly value: number }
  | { readonly kind: 'message'; readonly field: number; readonly value: readonly Field[] };

const number = fc.integer({ min: 1, max: 2 ** 29 - 1 });
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.integer({ min: 100, max: 300 }).map((length) => 'x'.repeat(length)),
  fc.integer({ min: 100, max: 150 }).map((length) => `${'x'.repeat(length)}é`),
);
const length = fc.oneof(fc.nat(20), fc.constantFrom(127, 128, 2_000, 16_383, 16_384, 70_000));
const { message } = fc.letrec<{ field: Field; message: readonly Field[] }>((tie) => ({
  field: fc.oneof(
    { depthSize: 'small' },
    fc.record({ kind: fc.constant('text'), field: number, value: text }),
    fc.record({
      kind: fc.constant('bytes'),
      field: number,
      value: length.map((bytes) => new Uint8Array(bytes).fill(7)),
    }),
    fc.record({
      kind: fc.constant('count'),
      field: number,
      value: fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.constantFrom(0, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1)),
    }),
    fc.record({ kind: fc.constant('message'), field: number, value: tie('message') }),
  ) as fc.Arbitrary<Field>,
  message: fc.array(tie('field'), { maxLength: 5 }),
}));

function write(writer: MessageWriter, fields: readonly Field[]): void {
  for (const { kind, field, value } of fields) {
    if (kind === 'text') writer.fullText(field, value);
    else if (kind === 'bytes') writer.fullBytes(field, value);
    else if (kind === 'count') writer.count(field, value);
    else {
      const start = writer.open(field);
      write(writer, value);
      writer.close(start);
    }
  }
}

function writeGenerated(writer: protobuf.Writer, fields: readonly Field[]): protobuf.Writer {
  for (const { kind, field, value } of fields) {
    const key = (wireType: number) => writer.uint32(((field << 3) | wireType) >>> 0);
    if (kind === 'text') key(2).string(value);
    else if (kind === 'bytes') key(2).bytes(value);
    else if (kind === 'message') writeGenerated(key(2).fork(), value).ldelim();
    else if (value !== 0) key(0).uint64(value);
  }
  return writer;
}

describe('a message writer', () => {
  const writer = new MessageWriter();

  test('writes the bytes that protobufjs writes, message after message', () => {
    fc.assert(
      fc.property(message, (fields) => {
        write(writer, fields);
        assert.deepEqual(writer.finish(), Uint8Array.from(writeGenerated(protobuf.Writer.create(), fields).finish()));
      }),
      { numRuns: 300 },
    );
  });

  test('leaves out what is assumed anyway', () => {
    writer.text(1, '');
    writer.bytes(2, new Uint8Array(0));
    writer.count(3, 0);
    assert.equal(writer.finish().length, 0);
  });

  test('leaves every message as it was, whatever is written after it', () => {
    const messages = Array.from({ length: 200 }, (_, place) => {
      writer.text(1, `message ${'x'.repeat(place * 10)}`);
      return writer.finish();
    });
    for (const [place, bytes] of messages.entries()) {
      const reader = protobuf.Reader.create(bytes);
      assert.equal(reader.uint32(), 10);
      assert.equal(reader.string(), `message ${'x'.repeat(place * 10)}`);
      assert.equal(reader.pos, bytes.length);
    }
  });
});
