import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeVariable, peekVariable, recordReader } from '../../../../src/server/engine/record-codec.js';
import type { RegistrationRecord } from '../../../../src/server/engine/records.js';
import { VariableRow } from '../../../../src/server/engine/sqlite/variable-row.js';

const registration = (place: number): RegistrationRecord => ({
  ...{ id: `id of ${place}`, name: `n${place}`, type: 'string', constraints: {}, metadata: {}, description: '' },
  ...{ ttlMs: 0, createdAt: 1, place, firstVersion: 1 },
});
const versions = [{ version: 1, value: 'x', timestamp: 2, source: '', custom: {}, revision: 3 }];

/** Two rows, one behind the other. */
function rowsOf(edit: (bytes: Uint8Array) => void = () => undefined): VariableRow[] {
  const records = [1, 2].map((place) => encodeVariable({ session: 1, registration: registration(place), versions }));
  const bytes = Buffer.concat(records);
  const reader = recordReader(bytes);
  let from = 0;
  const rows = records.map(({ length }) => {
    reader.pos = from;
    const row = new VariableRow(peekVariable(reader, from + length)!, reader, from, from + length);
    from += length;
    return row;
  });
  edit(bytes);
  return rows;
}

test('a row is found by its name, place and id, and read in any order, as often as it is asked', () => {
  const rows = rowsOf();
  for (const row of [...rows.reverse(), ...rows]) {
    const { place } = row;
    assert.deepEqual([row.name, row.id], [`n${place}`, `id of ${place}`]);
    const { registration: said, versions: held } = row.read();
    assert.deepEqual([said, held], [registration(place), versions]);
    assert.ok(row.packedBytes > 20);
  }
});

test('versions that come to a row are behind its own, and none is there twice', () => {
  const [row] = rowsOf();
  const added = Array.from({ length: 101 }, (_, index) => row!.add({ ...versions[0]!, version: index + 1 }));
  assert.deepEqual([added.indexOf(false), row!.add(versions[0]!)], [100, false], 'it is to be read then');
  assert.deepEqual(
    row!.read().versions.map(({ version }) => version),
    Array.from({ length: 100 }, (_, index) => index + 1),
  );
});

test('one that cannot be read says which it is, and what to do', () => {
  // Its last field, which nobody has looked at, is longer than the row.
  const [, row] = rowsOf((bytes) => bytes.fill(0xff, bytes.length - 3));
  assert.throws(() => row!.read(), {
    code: 'ENGINE_FORMAT',
    message: /variable "n2" has a record that this server cannot read .*: upgrade it, or restore a backup/,
  });
});
