import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FORM } from '../../../src/shared/wire/link-row.js';
import { LinkSetRows, SetNames } from '../../../src/shared/wire/link-set-rows.js';

test('a payload is given as it came, with the bytes beside it', () => {
  const payloads = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)];
  const message = { setKinds: [14, 7], setTargets: [0, 0], setNames: ['a'], setPayloads: payloads };
  const rows = new LinkSetRows([message], new SetNames());
  assert.ok(rows.next());
  assert.deepEqual([rows.form, rows.payload, rows.binary], [FORM.PAYLOAD, payloads[0], undefined]);
  assert.ok(rows.next());
  assert.deepEqual([rows.form, rows.payload, rows.binary], [FORM.HEADER_AND_BYTES, payloads[1], payloads[2]]);
  assert.equal(rows.next(), false);
});
