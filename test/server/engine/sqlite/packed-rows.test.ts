import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LoadedRow } from '../../../../src/server/engine/sqlite/packed-rows.js';
import { packLying, ROW_KINDS, RowPacker, unpackRows } from '../../../../src/server/engine/sqlite/packed-rows.js';

const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const anyRow: fc.Arbitrary<LoadedRow> = fc.record(
  {
    kind: fc.constantFrom(...ROW_KINDS),
    ...{ number, revision: number, forgottenRevision: number },
    bytes: fc.uint8Array({ maxLength: 20 }),
  },
  { noNullPrototype: true },
);

test('rows come out as they went in, empty ones too', () => {
  fc.assert(
    fc.property(fc.array(anyRow), (rows) => {
      const packer = new RowPacker();
      for (const row of rows) packer.add(row);
      const packed = packer.finish();
      const read: LoadedRow[] = [];

      unpackRows(packed, ({ from, to, ...row }) => read.push({ ...row, bytes: packed.bytes.slice(from, to) }));

      assert.deepEqual(read, rows);
    }),
  );
});

test('rows that lie one behind the other are packed as they lie', () => {
  fc.assert(
    fc.property(fc.array(anyRow), (rows) => {
      const bytes = new Uint8Array(Buffer.concat(rows.map((row) => row.bytes)));
      const lengths = rows.map((row) => row.bytes.length);
      const read: Pick<LoadedRow, 'kind' | 'number' | 'bytes'>[] = [];

      unpackRows(
        packLying('gone', lengths, bytes, (index) => rows[index]!.number),
        ({ kind, number: found, from, to }) => read.push({ kind, number: found, bytes: bytes.slice(from, to) }),
      );

      assert.deepEqual(
        read,
        rows.map(({ number: given, bytes: written }) => ({ kind: 'gone', number: given, bytes: written })),
      );
    }),
  );
});
