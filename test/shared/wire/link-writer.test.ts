import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../../src/shared/errors.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';
import { decodeUtf8 } from '../../../src/shared/values/utf8.js';
import type { VariableType, VariableValue } from '../../../src/shared/values/variable-type.js';
import { snakepit } from '../../../src/shared/wire/gen/bridge.js';
import type { ReadValue } from '../../../src/shared/wire/link-reader.js';
import { LinkReader } from '../../../src/shared/wire/link-reader.js';
import { ROW } from '../../../src/shared/wire/link-row.js';
import type { LinkEnd, LinkUpdate } from '../../../src/shared/wire/link-writer.js';
import { encodeWelcome, LinkWriter } from '../../../src/shared/wire/link-writer.js';

const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(fields, { noNullPrototype: true }) as fc.Arbitrary<T>;
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const safe = fc.maxSafeNat();
const announcement = record({
  feed: fc.nat(0xffff_ffff),
  id: text,
  name: text,
  type: text,
  identifiers: fc.option(fc.array(text, { minLength: 1, maxLength: 3 }), { nil: undefined }),
});
const update = record({
  row: fc.constantFrom(ROW.CHANGE, ROW.INITIAL, ROW.RESYNC, ROW.DELETED),
  handle: fc.nat(0xffff_ffff),
  announcement: fc.option(announcement, { nil: undefined }),
  version: fc.nat(0x7fff_ffff),
  versionBefore: fc.nat(0x7fff_ffff),
  revision: fc.oneof(fc.nat(1_000), safe),
  timestamp: fc.constantFrom(0, 1.5, 1_732_600_000_000.125),
  source: fc.oneof(fc.constant(''), text),
  custom: fc.oneof(
    fc.constant(EMPTY_METADATA),
    fc.dictionary(fc.oneof(text, fc.constant('__proto__')), text, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
  ),
  missed: fc.oneof(fc.constant(0), safe),
  reason: fc.constantFrom('deleted', 'expired'),
  more: fc.boolean(),
});
const value = fc.oneof(
  fc.double().map((one): [VariableType, VariableValue] => ['float', one]),
  fc.maxSafeInteger().map((one): [VariableType, VariableValue] => ['integer', one]),
  fc.boolean().map((one): [VariableType, VariableValue] => ['boolean', one]),
  text.map((one): [VariableType, VariableValue] => ['string', one]),
);
type Row =
  | {
      readonly name: 'update';
      readonly update: LinkUpdate;
      readonly typed: [VariableType, VariableValue];
      readonly hasBefore: boolean;
    }
  | { readonly name: 'kept'; readonly number: number; readonly id: string | undefined; readonly version: number }
  | { readonly name: 'registered' | 'synced'; readonly feed: number }
  | { readonly name: 'heartbeat' }
  | { readonly name: 'ended'; readonly end: LinkEnd };
const feed = fc.nat(0xffff_ffff);
const end = record({ feed, status: fc.nat(16), code: text, message: text });
const row: fc.Arbitrary<Row> = fc.oneof(
  {
    weight: 5,
    arbitrary: record({ name: fc.constant('update' as const), update, typed: value, hasBefore: fc.boolean() }),
  },
  record({
    name: fc.constant('kept' as const),
    number: fc.nat(0x7fff_ffff),
    id: fc.option(text, { nil: undefined }),
    version: safe,
  }),
  record({ name: fc.constantFrom('registered' as const, 'synced' as const), feed }),
  fc.constant<Row>({ name: 'heartbeat' }),
  record({ name: fc.constant('ended' as const), end }),
);
const rows = fc.array(row, { maxLength: 12 });

function written(all: readonly Row[], writer = new LinkWriter()): Uint8Array {
  for (const one of all) {
    if (one.name === 'heartbeat') writer.heartbeat();
    else if (one.name === 'ended') writer.ended(one.end);
    else if (one.name === 'update') {
      const [type, given] = one.typed;
      const before = one.hasBefore ? given : undefined;
      const isGone = one.update.row === ROW.DELETED;
      writer.update({ ...one.update, before }, type, isGone ? undefined : given, { encoded: undefined });
    } else if (one.name === 'kept') writer.kept(one.number, one.id, one.version);
    else writer[one.name](one.feed);
  }
  return writer.take();
}

/** Reads all of it, and checks each row against what was written. */
function checkRead(bytes: Uint8Array, all: readonly Row[]): void {
  const reader = new LinkReader(bytes);
  for (const one of all) {
    if (one.name === 'kept') continue;
    assert.ok(reader.next());
    switch (one.name) {
      case 'update': {
        const { row: kind, handle, version, versionBefore, announcement: announced } = one.update;
        assert.equal(reader.row, kind);
        assert.equal(reader.target, handle);
        if (announced === undefined) assert.equal(reader.versionStep, version - versionBefore);
        else assert.equal(reader.announcedVersion, version);
        assert.deepEqual(reader.announcement, announced);
        assert.equal(reader.isMore, one.update.more);
        for (const key of ['revision', 'timestamp', 'source', 'missed', 'custom'] as const) {
          assert.deepEqual(reader[key], one.update[key], key);
        }
        if (one.hasBefore) assert.deepEqual(valueRead(reader.before!), one.typed[1]);
        else assert.equal(reader.before, undefined);
        if (kind === ROW.DELETED) assert.equal(reader.reason, one.update.reason);
        else assert.deepEqual(valueRead(reader), one.typed[1]);
        break;
      }
      case 'ended':
        assert.deepEqual(reader.end, one.end);
        break;
      case 'heartbeat':
        assert.equal(reader.row, ROW.HEARTBEAT);
        break;
      default:
        assert.equal(reader.row, one.name === 'synced' ? ROW.SYNCED : ROW.REGISTERED);
        assert.equal(reader.target, one.feed);
    }
  }
  assert.equal(reader.next(), false);
  for (const one of all) {
    if (one.name !== 'kept') continue;
    const { name: _, ...kept } = one;
    assert.deepEqual(reader.nextKept(), kept);
  }
  assert.equal(reader.nextKept(), undefined);
}

function valueRead(reader: ReadValue): unknown {
  switch (reader.form) {
    case 1:
    case 2:
      return reader.number;
    case 3:
      return true;
    case 4:
      return false;
    default:
      return decodeUtf8(reader.payload);
  }
}

describe('rows of the link', () => {
  test('are read as they were written, message after message', () => {
    const writer = new LinkWriter();
    fc.assert(fc.property(rows, (all) => checkRead(written(all, writer), all)));
  });

  test('are columns that any protobuf reader reads', () => {
    fc.assert(
      fc.property(rows, (all) => {
        const message = snakepit.bridge.LinkDown.decode(written(all));
        const kept = all.filter((one) => one.name === 'kept');
        assert.equal(message.kinds?.length ?? 0, all.length - kept.length);
        assert.equal(message.keptTargets?.length ?? 0, kept.length);
        const updates = all.filter((one) => one.name === 'update');
        assert.equal(message.versionSteps?.length ?? 0, updates.length);
        const announced = updates.filter((one) => one.update.announcement !== undefined);
        assert.deepEqual(
          message.announcedNames ?? [],
          announced.map((one) => one.update.announcement?.name),
        );
        assert.deepEqual(
          message.announcedFeeds ?? [],
          announced.map((one) => one.update.announcement?.feed),
        );
        assert.deepEqual(
          message.missed ?? [],
          updates.map((one) => one.update.missed).filter((missed) => missed !== 0),
        );
      }),
    );
  });

  test('written by any protobuf writer are read', () => {
    fc.assert(
      fc.property(rows, (all) => {
        const bytes = written(all);
        checkRead(snakepit.bridge.LinkDown.encode(snakepit.bridge.LinkDown.decode(bytes)).finish(), all);
      }),
    );
  });

  test('share the bytes of a large value', () => {
    const writer = new LinkWriter();
    const shared = { encoded: undefined };
    const base = { row: ROW.CHANGE, announcement: undefined, version: 2, versionBefore: 1, revision: 1 } as const;
    const rest = { timestamp: 1, source: '', custom: EMPTY_METADATA, missed: 0, reason: '', more: false } as const;
    writer.update({ ...base, ...rest, handle: 1 }, 'embedding', Float32Array.of(1, 2), shared);
    const before: unknown = shared.encoded;
    assert.ok(before !== undefined);
    writer.update({ ...base, ...rest, handle: 2 }, 'embedding', Float32Array.of(1, 2), shared);
    assert.equal(shared.encoded, before);
  });

  test('knows its size and when it is empty', () => {
    const writer = new LinkWriter();
    assert.ok(writer.isEmpty);
    writer.registered(7);
    assert.ok(!writer.isEmpty && writer.size > 0);
    writer.clear();
    assert.ok(writer.isEmpty);
    assert.equal(writer.take().length, 0);
  });
});

describe('a message of the link that was changed on its way', () => {
  test('is read to its end or refused as what it is, and takes no time', () => {
    const change = record({ at: fc.nat(4_000), to: fc.nat(255) });
    fc.assert(
      fc.property(rows, fc.array(change, { minLength: 1, maxLength: 6 }), fc.nat(4_000), (all, changes, cut) => {
        const bytes = written(all);
        for (const { at, to } of changes) if (at < bytes.length) bytes[at] = to;
        try {
          const reader = new LinkReader(bytes.subarray(0, bytes.length - (cut % (bytes.length + 1))));
          let read = 0;
          while (reader.next()) read += 1;
          while (reader.nextKept() !== undefined) read += 1;
          assert.ok(read <= bytes.length);
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

test('a welcome is read', () => {
  const welcome = {
    ...{ epoch: 'e1', heartbeatMs: 5_000, maxBytes: 4_194_304 },
    ...{ setsContinue: true, setsMade: 7, setsLost: 2, lost: false, asksConditions: true },
  };
  const reader = new LinkReader(encodeWelcome(welcome));
  assert.deepEqual(reader.welcome, welcome);
  assert.equal(reader.next(), false);
});

test('another epoch is read before the rows, the last one where there are several', () => {
  const writer = new LinkWriter();
  writer.heartbeat();
  assert.equal(new LinkReader(writer.take()).epoch(), undefined);
  writer.epoch('e~1');
  writer.epoch('e~2');
  writer.heartbeat();
  const reader = new LinkReader(writer.take());
  assert.equal(reader.epoch(), 'e~2');
  assert.ok(reader.next());
});
