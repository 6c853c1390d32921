import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HAS_OLD } from '../../../src/shared/delivery/update.js';
import type { UpdateBatch } from '../../../src/shared/port/update-batch.js';
import {
  batchOld,
  batchSource,
  batchValue,
  COLUMNS,
  FILTERED,
  FLAGS,
  fromPortValue,
  HANDLE,
  MISSED,
  RECEIVED_AT,
  REVISION,
  TIMESTAMP,
  toPortValue,
  UpdateBatchWriter,
  VERSION,
} from '../../../src/shared/port/update-batch.js';
import type { Metadata } from '../../../src/shared/values/metadata.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';
import type { VariableValue } from '../../../src/shared/values/variable-type.js';
import { OpaqueBinary } from '../../../src/shared/values/variable-type.js';

interface Row {
  readonly numbers: readonly number[];
  readonly value: VariableValue;
  readonly source: string;
  readonly custom: Metadata;
  readonly old: VariableValue | undefined;
  readonly saysOld: boolean;
}

const count = fc.oneof(fc.nat(9), fc.maxSafeNat());
const value = fc.oneof(
  fc.double(),
  fc.bigInt(),
  fc.string(),
  fc.constantFrom<VariableValue>({ a: [1, null] }, Float32Array.of(1, 2), { shape: [1], data: Float64Array.of(1) }),
  fc.uint8Array({ maxLength: 4 }).map((bytes) => new OpaqueBinary('{"format":"pickle"}', bytes)),
);
const row: fc.Arbitrary<Row> = fc.record({
  numbers: fc.tuple(
    fc.nat(),
    count,
    fc.double({ noNaN: true }),
    fc.double({ noNaN: true }),
    count,
    count,
    count,
    fc.nat(127),
  ),
  value,
  source: fc.constantFrom('', 'typescript', 'python'),
  custom: fc.oneof(
    fc.constant(EMPTY_METADATA),
    fc.dictionary(fc.constantFrom('a', '__proto__'), fc.string(), { noNullPrototype: true }),
  ),
  old: fc.option(value, { nil: undefined }),
  saysOld: fc.boolean(),
});

function write(writer: UpdateBatchWriter, { numbers, value: given, source, custom, old, saysOld }: Row): void {
  const [handle, version, timestamp, receivedAt, revision, missed, filtered, flags] = numbers as number[];
  writer.append(
    handle!,
    version!,
    given,
    timestamp!,
    receivedAt!,
    revision!,
    missed!,
    filtered!,
    flags!,
    source,
    custom,
  );
  if (saysOld) writer.putOld(old);
}

/** As a port does it: the numbers move, the rest is cloned. */
function send(batch: UpdateBatch): UpdateBatch {
  return structuredClone(batch, { transfer: [batch.numbers.buffer as ArrayBuffer] });
}

function read(batch: UpdateBatch): Row[] {
  return Array.from({ length: batch.count }, (_, place) => ({
    numbers: [...batch.numbers.subarray(place * COLUMNS, (place + 1) * COLUMNS)],
    value: batchValue(batch, place),
    source: batchSource(batch, place),
    custom: batch.customs?.get(place) ?? EMPTY_METADATA,
    old: batchOld(batch, place),
    saysOld: batch.olds?.has(place) ?? false,
  }));
}

const said = ({ old, saysOld, custom, ...rest }: Row) => ({
  ...rest,
  custom: Object.entries(custom),
  saysOld,
  old: saysOld ? old : undefined,
});

describe('an update batch', () => {
  test('comes out of the port as it was written, batch after batch', () => {
    fc.assert(
      fc.property(fc.array(fc.array(row, { maxLength: 40 }), { maxLength: 4 }), (batches) => {
        const writer = new UpdateBatchWriter();
        for (const rows of batches) {
          for (const next of rows) write(writer, next);
          assert.equal(writer.count, rows.length);

          const batch = send(writer.take());

          assert.equal(writer.count, 0);
          assert.deepEqual(read(batch).map(said), rows.map(said));
        }
      }),
    );
  });

  const rowOf = (more: Partial<Row> = {}): Row => ({
    numbers: [0, 1, 0, 0, 1, 0, 0, 0],
    value: 1,
    source: 'test',
    custom: EMPTY_METADATA,
    old: undefined,
    saysOld: false,
    ...more,
  });
  const batchOf = (...rows: readonly Row[]): UpdateBatch => {
    const writer = new UpdateBatchWriter();
    for (const next of rows) write(writer, next);
    return send(writer.take());
  };

  test('says one source for all while they are alike, and one each when they are not', () => {
    assert.equal(batchOf(rowOf(), rowOf(), rowOf()).sources, 'test');
    assert.deepEqual(batchOf(rowOf(), rowOf(), rowOf({ source: '' }), rowOf()).sources, ['test', 'test', '', 'test']);
  });

  test('carries maps, old values and marks of opaque ones only where there are any', () => {
    const { customs, olds, opaques } = batchOf(rowOf(), rowOf());
    assert.deepEqual({ customs, olds, opaques }, { customs: undefined, olds: undefined, opaques: undefined });
  });

  test('keeps an old value that is undefined apart from one that is not said', () => {
    const { olds } = batchOf(rowOf(), rowOf({ saysOld: true, numbers: [0, 1, 0, 0, 1, 0, 0, HAS_OLD] }));
    assert.deepEqual([olds?.has(0), olds?.has(1), olds?.get(1)], [false, true, undefined]);
  });

  test('gives opaque binary its class back, as a new and as an old value', () => {
    const sent = new OpaqueBinary('{"format":"pickle"}', Uint8Array.of(1, 2));
    const batch = batchOf(rowOf({ old: sent, saysOld: true }), rowOf({ value: sent }));
    for (const back of [batchOld(batch, 0), batchValue(batch, 1)]) {
      assert.ok(back instanceof OpaqueBinary);
      assert.deepEqual(back, sent);
    }
  });

  test('names its columns in the order in which it writes them', () => {
    const { numbers } = batchOf(rowOf({ numbers: [10, 11, 12, 13, 14, 15, 16, 17] }));
    const columns = [HANDLE, VERSION, TIMESTAMP, RECEIVED_AT, REVISION, MISSED, FILTERED, FLAGS];
    assert.equal(columns.length, COLUMNS);
    assert.deepEqual(
      columns.map((column) => numbers[column]),
      [10, 11, 12, 13, 14, 15, 16, 17],
    );
  });

  test('grows to ten thousand updates', () => {
    const writer = new UpdateBatchWriter();
    for (let version = 1; version <= 10_000; version += 1)
      write(writer, rowOf({ numbers: [0, version, 0, 0, 0, 0, 0, 0] }));
    const batch = writer.take();
    assert.equal(batch.count, 10_000);
    assert.equal(batch.numbers[9_999 * COLUMNS + VERSION], 10_000);
  });
});

test('a value that crosses a port alone comes out as it was', () => {
  fc.assert(
    fc.property(value, (given) => {
      const back = fromPortValue(structuredClone(toPortValue(given)));
      assert.deepEqual(back, given);
      assert.equal(back instanceof OpaqueBinary, given instanceof OpaqueBinary);
    }),
  );
});
