import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BASELINE,
  DELETED_MASK,
  flagsOfReason,
  HAS_OLD,
  INITIAL,
  RESYNC,
  reasonOfFlags,
  SUPERSEDED,
} from '../../../src/shared/delivery/update.js';

const ALL = [INITIAL, RESYNC, BASELINE, HAS_OLD, DELETED_MASK, SUPERSEDED];

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
  assert.equal(
    ALL.reduce((sum, flag) => sum | flag, 0),
    ALL.reduce((sum, flag) => sum + flag, 0),
  );
});
