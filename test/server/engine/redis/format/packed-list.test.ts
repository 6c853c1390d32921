import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PackedList } from '../../../../../src/server/engine/redis/format/packed-list.js';

describe('a packed list', () => {
  test('is the MessagePack of its texts and bytes, whatever their length', () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.string({ minLength: 80, maxLength: 300 }));
    const bytes = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(fc.array(fc.oneof(text, bytes, fc.nat())), (parts) => {
        const list = new PackedList();
        for (const part of parts) {
          if (typeof part === 'string') list.text(part);
          else if (typeof part === 'number') list.number(part);
          else list.bytes(part);
        }
        const wanted = parts.map((part) => Buffer.from(typeof part === 'number' ? String(part) : part));
        assert.deepEqual(unpack(Buffer.from(list.finish())), wanted);
      }),
    );
  });

  test('grows with what it is given', () => {
    const list = new PackedList();
    const large = new Uint8Array(100_000).fill(7);
    for (let count = 0; count < 5; count += 1) list.bytes(large);
    list.text('é'.repeat(70_000));
    const [first, , , , fifth, text] = unpack(Buffer.from(list.finish()));
    assert.deepEqual([first?.length, fifth?.at(-1), text?.toString().length], [100_000, 7, 70_000]);
  });
});

/** By the description of the format: a list of texts of 8 or 32 bits of length. */
function unpack(bytes: Buffer): Buffer[] {
  assert.equal(bytes[0], 0xdd);
  const parts: Buffer[] = [];
  let at = 5;
  for (let left = bytes.readUInt32BE(1); left > 0; left -= 1) {
    const isShort = bytes[at] === 0xd9;
    assert.ok(isShort || bytes[at] === 0xdb);
    const size = isShort ? bytes[at + 1]! : bytes.readUInt32BE(at + 1);
    at += isShort ? 2 : 5;
    parts.push(bytes.subarray(at, at + size));
    at += size;
  }
  assert.equal(at, bytes.length);
  return parts;
}
