/** Messages of any size, one after the other, become the bytes that the generated encoder makes of each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { snakepit } from '../../../src/shared/wire/gen/bridge.js';
import { bytesOf } from '../../../src/shared/wire/message-bytes.js';

const { PingRequest, SetVariableRequest } = snakepit.bridge;

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.nat(300_000).map((length) => 'ü'.repeat(length)),
);

test('one writer after another message, small or large, writes the same bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { maxLength: 6 }), (messages) => {
      const sent = messages.map(([sessionId, trace]) => ({ sessionId, metadata: { trace }, expectedVersion: 7 }));
      const written = sent.map((message) => bytesOf(SetVariableRequest, message));
      // Compared when all are written: none may be changed by those behind it.
      const expected = sent.map((message) => SetVariableRequest.encode(message).finish());
      assert.deepEqual(written.map(Buffer.from), expected.map(Buffer.from));
    }),
    { numRuns: 60 },
  );
});

test('a large message takes little more memory than it has bytes', () => {
  const bytes = bytesOf(SetVariableRequest, { metadata: { trace: 'x'.repeat(1_000_000) } });
  assert.ok(bytes.buffer.byteLength < bytes.length + 10_000, `${bytes.buffer.byteLength} for ${bytes.length}`);
});

test('a message that cannot be read to its end leaves nothing in the next', () => {
  const broken = {
    sessionId: 'half of it is written',
    get variableIdentifier(): string {
      throw new Error('unreadable');
    },
  };
  assert.throws(() => bytesOf(SetVariableRequest, broken), /unreadable/);
  const bytes = bytesOf(PingRequest, { message: 'x' });
  assert.deepEqual(Buffer.from(bytes), Buffer.from(PingRequest.encode({ message: 'x' }).finish()));
});
