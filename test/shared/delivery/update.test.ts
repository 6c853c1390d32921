import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DELETED_MASK,
  FLAGS,
  flagsOfReason,
  reasonOfFlags,
  UpdateRecord,
} from '../../../src/shared/delivery/update.js';

const ALL = Object.values(FLAGS);

for (const reason of [undefined, 'deleted', 'expired', 'session-ended'] as const) {
  test(`the reason ${reason} survives its flags, whatever other flags are set`, () => {
    const others = ALL.filter((flag) => flag !== DELETED_MASK).reduce((sum, flag) => sum | flag, 0);
    const flags = flagsOfReason(reason);
    assert.equal(reasonOfFlags(flags), reason);
    assert.equal(reasonOfFlags(flags | others), reason);
    assert.equal(flags & ~DELETED_MASK, 0);
  });
}

test('no two flags share a bit', () => {
  for (const [name, flag] of Object.entries(FLAGS)) {
    for (const [other, bits] of Object.entries(FLAGS)) {
      if (name !== other) assert.equal(flag & bits, 0, `${name} and ${other}`);
    }
  }
});

test('a copy of an update has every field of it', () => {
  const update = new UpdateRecord();
  const fields = Object.keys(update) as (keyof UpdateRecord)[];
  const original = Object.fromEntries(fields.map((field) => [field, { field }])) as unknown as UpdateRecord;
  assert.deepEqual({ ...new UpdateRecord().assign(original) }, original);
});
