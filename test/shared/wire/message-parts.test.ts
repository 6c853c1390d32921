import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { snakepit } from '../../../src/shared/wire/gen/bridge.js';
import { LINK_UP } from '../../../src/shared/wire/link-request.js';
import { partsOf } from '../../../src/shared/wire/message-parts.js';
import { METHODS } from '../../../src/shared/wire/services.js';

const together = (parts: readonly Uint8Array[]): number[] => parts.flatMap((part) => [...part]);

test('parts together are the message, whatever its bytes are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 50 }), (bytes, bytesAPart) => {
      assert.deepEqual(together(partsOf(bytes, bytesAPart)), [...bytes]);
    }),
  );
});

test('each part of a message can be read alone, and has all fields that are not in the others', () => {
  const identifiers = fc.array(fc.string({ maxLength: 40 }), { maxLength: 60 });
  fc.assert(
    fc.property(identifiers, fc.string(), fc.integer({ min: 1, max: 200 }), (variableIdentifiers, sessionId, size) => {
      const bytes = METHODS.GetVariables.encodeRequest({ sessionId, variableIdentifiers, maxBytes: 7 });
      const parts = partsOf(bytes, size);
      const read = parts.map((part) => METHODS.GetVariables.decodeRequest(part));
      assert.deepEqual(
        read.flatMap((part) => part.variableIdentifiers ?? []),
        variableIdentifiers,
      );
      assert.equal(read.map((part) => part.sessionId ?? '').join(''), sessionId);
      assert.equal(read.filter((part) => part.maxBytes === 7).length, 1);
      for (const part of parts) {
        assert.ok(part.length <= size || METHODS.GetVariables.decodeRequest(part).variableIdentifiers!.length <= 1);
      }
    }),
  );
});

test('what is cut off is in the last part, which cannot be read', () => {
  const bytes = METHODS.GetVariables.encodeRequest({ variableIdentifiers: ['first', 'second', 'third'] });
  const parts = partsOf(bytes.subarray(0, bytes.length - 1), 8);
  assert.ok(parts.length > 1);
  for (const part of parts.slice(0, -1)) METHODS.GetVariables.decodeRequest(part);
  assert.throws(() => METHODS.GetVariables.decodeRequest(parts.at(-1)!));
});

test('a column of a message is cut between its numbers, whatever they are, and none is lost', () => {
  const { LinkUp } = snakepit.bridge;
  const numbers = fc.array(fc.nat(2 ** 31 - 1), { maxLength: 200 });
  fc.assert(
    fc.property(
      numbers,
      fc.array(fc.double(), { maxLength: 60 }),
      numbers,
      fc.integer({ min: 8, max: 90 }),
      (unwatchFeeds, setDoubles, setIntegers, size) => {
        const message = { unwatchFeeds, setDoubles, setIntegers, setTexts: ['a', ''], setSequence: 3 };
        const parts = partsOf(LinkUp.encode(message).finish(), size, LINK_UP.packed);
        const read = parts.map((part) => LINK_UP.decodeRequest(part));
        assert.deepEqual(
          read.flatMap((part) => part.unwatchFeeds ?? []),
          unwatchFeeds,
        );
        assert.deepEqual(
          read.flatMap((part) => part.setDoubles ?? []),
          setDoubles,
        );
        assert.deepEqual(
          read.flatMap((part) => part.setIntegers ?? []),
          setIntegers,
        );
        assert.deepEqual(
          read.flatMap((part) => part.setTexts ?? []),
          ['a', ''],
        );
        assert.ok(parts.every(({ length }) => length <= size + 16));
      },
    ),
  );
});

test('every column of numbers of a link is known to be one', async () => {
  const proto = await readFile(new URL('../../../../proto/bridge.proto', import.meta.url), 'utf8');
  const [, linkUp] = /message LinkUp \{([^}]*)\}/.exec(proto)!;
  const columns = [...linkUp!.matchAll(/repeated (uint32|sint32|double) \w+ = (\d+);/g)];
  assert.ok(columns.length > 10);
  const told = columns.map(([, type, field]) => [Number(field), type === 'double' ? 'doubles' : 'varints'] as const);
  assert.deepEqual(LINK_UP.packed, new Map(told));
});
