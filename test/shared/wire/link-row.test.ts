import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import protobuf from 'protobufjs/minimal.js';
import { snakepit } from '../../../src/shared/wire/gen/bridge.js';
import { ASKS, DOWN, DOWN_FIELDS, FORM, FORM_SHIFT, HAS, ROW, ROW_MASK } from '../../../src/shared/wire/link-row.js';

describe('the bits of a row', () => {
  test('do not meet', () => {
    for (const row of Object.values(ROW)) assert.equal(row & ROW_MASK, row);
    const forms = Object.values(FORM).map((form) => form << FORM_SHIFT);
    for (const form of forms) assert.equal(form & ROW_MASK, 0);
    const bits = Object.values(HAS);
    for (const [place, bit] of bits.entries()) {
      for (const other of [...forms, ROW_MASK, ...bits.slice(place + 1)]) assert.equal(bit & other, 0);
    }
    const asks: number[] = Object.values(ASKS);
    assert.equal(new Set(asks).size, asks.length);
    assert.equal(
      asks.reduce((sum, bit) => sum | bit),
      asks.reduce((sum, bit) => sum + bit),
    );
  });

  test('stand in fields that the contract has under these numbers', () => {
    for (const [name, field] of Object.entries(DOWN)) {
      assert.ok(field < DOWN_FIELDS);
      const camel = name.toLowerCase().replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
      const texts =
        ['texts', 'payloads', 'sources', 'reasons'].includes(camel) ||
        /(Texts|Ids|Names|Types|Identifiers|Codes|Messages)$/.test(camel);
      const value =
        camel === 'welcome' ? { epoch: 'e' } : camel === 'payloads' ? [Uint8Array.of(1)] : texts ? ['a'] : [1];
      const bytes = snakepit.bridge.LinkDown.encode({ [camel]: value }).finish();
      assert.equal(protobuf.Reader.create(bytes).uint32(), field * 8 + 2, name);
    }
  });
});
