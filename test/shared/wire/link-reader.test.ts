import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import protobuf from 'protobufjs/minimal.js';
import { ProtocolError } from '../../../src/shared/errors.js';
import { snakepit } from '../../../src/shared/wire/gen/bridge.js';
import { LinkReader } from '../../../src/shared/wire/link-reader.js';
import { DOWN, ROW } from '../../../src/shared/wire/link-row.js';

const packed = (field: number) => field * 8 + 2;

describe('the reader of the link', () => {
  test('passes over fields of a later contract', () => {
    const writer = protobuf.Writer.create();
    writer.uint32(200 * 8).uint64(7);
    writer.uint32(201 * 8 + 1).double(1);
    writer.uint32(202 * 8 + 5).float(1);
    writer.uint32(packed(203)).string('later');
    writer.uint32(packed(DOWN.KINDS)).fork().uint32(ROW.SYNCED).ldelim();
    writer.uint32(packed(DOWN.TARGETS)).fork().uint32(9).ldelim();
    const reader = new LinkReader(writer.finish());
    assert.ok(reader.next());
    assert.equal(reader.row, ROW.SYNCED);
    assert.equal(reader.target, 9);
    assert.equal(reader.next(), false);
  });

  test('refuses versions, revisions and counts that are none', () => {
    const update = {
      ...{
        kinds: [8 | 64 | 512 | 2_048],
        targets: [1],
        versionSteps: [0],
        timestamps: [1],
        revisions: [1],
        missed: [0],
      },
      ...{ doubles: [1], announcedFeeds: [1], announcedIds: ['i'], announcedNames: ['n'], announcedTypes: ['float'] },
      ...{ announcedVersions: [1], announcedIdentifierCounts: [0] },
    };
    const read = (down: object): void => {
      const reader = new LinkReader(snakepit.bridge.LinkDown.encode(down).finish());
      while (reader.next());
      reader.position();
      reader.nextKept();
      reader.nextOutcome();
    };
    read(update);
    for (const odd of [Number.NaN, -1, 0.5, 2 ** 53, Number.POSITIVE_INFINITY]) {
      for (const down of [
        ...[
          { ...update, revisions: [odd] },
          { ...update, missed: [odd] },
          { ...update, announcedVersions: [odd] },
        ],
        ...[
          { positions: [odd] },
          { setVersions: [odd] },
          { welcome: { setsMade: odd } },
          { welcome: { setsLost: odd } },
        ],
        { keptTargets: [1], keptIds: ['i'], keptVersions: [odd] },
      ]) {
        assert.throws(() => read(down), { code: 'PROTOCOL' });
      }
    }
  });

  test('says what does not fit', () => {
    const bad: [RegExp, (writer: protobuf.Writer) => void][] = [
      [/do not fit each other/, (writer) => writer.uint32(packed(DOWN.KINDS)).fork().uint32(ROW.SYNCED).ldelim()],
      [/is not packed/, (writer) => writer.uint32(DOWN.KINDS * 8).uint32(1)],
      [/has no text/, (writer) => writer.uint32(DOWN.TEXTS * 8).uint32(1)],
      [/wire type 3/, (writer) => writer.uint32(DOWN.KINDS * 8 + 3)],
      [
        /in parts/,
        (writer) => {
          writer.uint32(packed(DOWN.KINDS)).fork().uint32(6).ldelim();
          writer.uint32(packed(DOWN.KINDS)).fork().uint32(6).ldelim();
        },
      ],
    ];
    for (const [sentence, write] of bad) {
      const writer = protobuf.Writer.create();
      write(writer);
      assert.throws(
        () => {
          const reader = new LinkReader(writer.finish());
          while (reader.next());
        },
        (error: unknown) => error instanceof ProtocolError && sentence.test(error.message),
      );
    }
  });
});
