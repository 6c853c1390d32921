import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { InvalidArgumentError } from '../../../src/shared/errors.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';
import { LINK_UP } from '../../../src/shared/wire/link-request.js';
import { LinkSetRows, SetNames } from '../../../src/shared/wire/link-set-rows.js';
import type { LinkSet } from '../../../src/shared/wire/link-set-writer.js';
import { LinkSetWriter } from '../../../src/shared/wire/link-set-writer.js';
import { partsOf } from '../../../src/shared/wire/message-parts.js';

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const set: fc.Arbitrary<LinkSet> = fc.record(
  {
    identifier: fc.oneof(text, fc.constantFrom('a', 'b')),
    value: fc.oneof(fc.double(), fc.integer(), fc.boolean(), text, fc.constant(-0)),
    source: fc.constantFrom('', 'me', 'you'),
    metadata: fc.oneof(
      fc.constant(EMPTY_METADATA),
      fc.dictionary(text, text, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
    ),
    expectedVersion: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
    isFollowed: fc.constant(false),
  },
  { noNullPrototype: true },
);

const ONE: LinkSet = {
  ...{ identifier: 'a', value: 1, source: '', metadata: EMPTY_METADATA, expectedVersion: 0, isFollowed: false },
};

function read(rows: LinkSetRows): LinkSet[] {
  const sets: LinkSet[] = [];
  while (rows.next()) {
    const { identifier, plain: value, source, custom: metadata, expectedVersion = 0, isFollowed } = rows;
    sets.push({ identifier, value, source, metadata, expectedVersion, isFollowed });
  }
  return sets;
}

describe('sets of the link', () => {
  test('are read as they were written, message after message, in one part or in several', () => {
    fc.assert(
      fc.property(fc.array(fc.array(set, { minLength: 1, maxLength: 8 }), { maxLength: 4 }), (messages) => {
        const writer = new LinkSetWriter();
        const whole = new SetNames();
        const cut = new SetNames();
        for (const sets of messages) {
          for (const one of sets) writer.add(one);
          assert.ok(!writer.isEmpty);
          const bytes = writer.take(1, 0);
          assert.ok(writer.isEmpty);
          assert.deepEqual(read(new LinkSetRows([LINK_UP.decodeRequest(bytes)], whole)), sets);
          assert.deepEqual(read(new LinkSetRows([...partsOf(bytes, 16)].map(LINK_UP.decodeRequest), cut)), sets);
        }
      }),
    );
  });

  test('of an atomic batch say that more follows, and the last that none does', () => {
    const writer = new LinkSetWriter();
    for (const isFollowed of [true, true, false]) writer.add({ ...ONE, isFollowed });
    const rows = new LinkSetRows([LINK_UP.decodeRequest(writer.take(1, 0))], new SetNames());
    assert.deepEqual(
      read(rows).map(({ isFollowed }) => isFollowed),
      [true, true, false],
    );
    writer.add({ ...ONE, isFollowed: true });
    const cut = new LinkSetRows([LINK_UP.decodeRequest(writer.take(4, 0))], new SetNames());
    assert.throws(() => read(cut), InvalidArgumentError);
  });

  test('name an identifier once a link', () => {
    const writer = new LinkSetWriter();
    const one = { ...ONE, identifier: 'a'.repeat(100) };
    writer.add(one);
    const first = writer.take(1, 0).length;
    writer.add(one);
    assert.ok(writer.take(1, 0).length < first - 100);
  });
});

test('sets whose columns do not fit each other are refused, and so are targets that were not named', () => {
  const bad = [
    { setKinds: [1] },
    { setKinds: [1], setTargets: [0], setDoubles: [1] },
    { setKinds: [9], setTargets: [1], setNames: ['a'], setDoubles: [1] },
    { setKinds: [9], setTargets: [0], setNames: ['a'] },
    { setKinds: [8], setTargets: [0], setNames: ['a'] },
    { setKinds: [25], setTargets: [0], setNames: ['a'], setDoubles: [1], setExpectedVersions: [0.5] },
    {
      setKinds: [73],
      setTargets: [0],
      setNames: ['a'],
      setDoubles: [1],
      setMetadataCounts: [2],
      setMetadataTexts: ['k'],
    },
  ];
  for (const message of bad) {
    assert.throws(() => read(new LinkSetRows([message], new SetNames())), InvalidArgumentError);
  }
});

test('names say what they hold', () => {
  const names = new SetNames();
  names.name(0, 'abc');
  const { heldBytes } = names;
  names.name(0, 'abcdef');
  assert.equal(names.heldBytes, heldBytes + 6);
  assert.equal(names.find(0), 'abcdef');
});
