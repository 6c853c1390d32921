import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeUtf8, encodeUtf8, isWellFormed, utf8Length } from '../../../src/shared/values/utf8.js';

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.string({ unit: 'binary-ascii', maxLength: 200 }),
);

test('what is encoded is what Node encodes, short and long, ASCII and beyond', () => {
  fc.assert(
    fc.property(text, (given) => {
      assert.deepEqual([...encodeUtf8(given)], [...Buffer.from(given, 'utf8')]);
    }),
  );
});

test('what was encoded is decoded to the same text', () => {
  fc.assert(fc.property(text, (given) => decodeUtf8(encodeUtf8(given)) === given));
});

test('the bytes fill memory of their own', () => {
  for (const given of ['short', 'x'.repeat(1000), 'ü']) {
    const bytes = encodeUtf8(given);
    assert.equal(bytes.buffer.byteLength, bytes.length);
  }
});

test('bytes that are not UTF-8 are refused', () => {
  for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
    assert.throws(() => decodeUtf8(Uint8Array.from(bytes)), TypeError);
  }
});

test('a byte order mark is not swallowed', () => {
  assert.equal(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31)), '\ufeff1');
});

test('half of a surrogate pair is not well-formed, a whole one is', () => {
  assert.ok(isWellFormed('😀'));
  for (const half of ['\ud83d', '\ude00', 'a\ud83db', '\ude00\ud83d']) assert.ok(!isWellFormed(half));
});

test('the length of a text in UTF-8 is that of its bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      assert.equal(utf8Length(text), new TextEncoder().encode(text).length);
    }),
  );
});
