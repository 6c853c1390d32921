/** The check of a large map's or list's text: it takes what `parseJson` takes, in pieces of any size, and refuses the rest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidValueError } from '../../../src/shared/errors.js';
import { parseJson } from '../../../src/shared/values/json.js';
import { JsonCheck, type JsonText, jsonTextOf } from '../../../src/shared/values/json-text.js';
import { decodeUtf8, encodeUtf8 } from '../../../src/shared/values/utf8.js';
import { encodeValue, normalizeValue, valueBytes } from '../../../src/shared/values/value-codec.js';
import { valuesEqual } from '../../../src/shared/values/value-equality.js';

type Kind = 'map' | 'list';

function check(type: Kind, text: string, pieceBytes = 7): JsonText {
  const checking = new JsonCheck(type, encodeUtf8(text), 'variable "v"');
  while (!checking.advance(pieceBytes));
  return jsonTextOf(encodeUtf8(text)) as unknown as JsonText;
}

function isTaken(text: string, judge: (text: string) => unknown): boolean {
  try {
    judge(text);
    return true;
  } catch (error) {
    assert.ok(error instanceof InvalidValueError, String(error));
    return false;
  }
}

const kindOf = (text: string): Kind => (text.trimStart().startsWith('{') ? 'map' : 'list');

/** JSON with every spelling that JSON has, and what is nearly JSON. */
const spelled = fc.oneof(
  fc.json({ maxDepth: 5 }),
  fc
    .array(
      fc.constantFrom(
        ...['{', '}', '[', ']', ',', ':', ' ', '\n', '"', '"a"', '"\\u00e9"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\x"'],
        ...['0', '-', '-0', '01', '1.5', '1.', '.5', '1e5', '1E+400', '1e-400', '1e', 'true', 'false', 'null', 'nul'],
        ...['"é"', '"\\"', '\t', '\u0001', '"\u0001"', `${'9'.repeat(400)}`, `${'9'.repeat(400)}.5`, '\ufeff'],
      ),
      { maxLength: 12 },
    )
    .map((parts) => `[${parts.join('')}]`),
  fc
    .array(fc.constantFrom('"a":1', '"a":', '"a"', ',', '{}', '[]', ' '), { maxLength: 8 })
    .map((parts) => `{${parts.join('')}}`),
);

test('it takes what parseJson takes of maps and lists, and refuses what that refuses', () => {
  fc.assert(
    fc.property(spelled, fc.integer({ min: 1, max: 20 }), (text, pieceBytes) => {
      const isContainer = /^[ \t\n\r]*[[{]/.test(text);
      const expected = isContainer && isTaken(text, (one) => parseJson(one));
      assert.equal(
        isTaken(text, (one) => check(kindOf(one), one, pieceBytes)),
        expected,
        JSON.stringify(text),
      );
    }),
    { numRuns: 3_000 },
  );
});

test('it refuses the other kind, scalars, depth, long integers and numbers that no double holds', () => {
  assert.throws(() => check('map', '[1]'), /variable "v": a list is not a map/);
  assert.throws(() => check('list', '{"a":1}'), /variable "v": a map is not a list/);
  assert.throws(() => check('list', '"text"'), /is not a list/);
  assert.throws(() => check('list', ''), /not valid JSON/);
  assert.doesNotThrow(() => check('list', '['.repeat(100) + ']'.repeat(100)));
  assert.throws(() => check('list', '['.repeat(101) + ']'.repeat(101)), /nests deeper than 100 levels/);
  assert.doesNotThrow(() => check('list', `[${'9'.repeat(4_300)}]`));
  assert.throws(() => check('list', `[${'9'.repeat(4_301)}]`), /more than 4300 digits/);
  assert.throws(() => check('list', '[1e999]'), /too large for a double/);
  assert.throws(() => check('map', '{"\\udc00":1}'), /half of a surrogate pair/);
  assert.throws(() => new JsonCheck('list', new Uint8Array([0x5b, 0x22, 0xff, 0x22, 0x5d]), 'v'), /UTF-8/);
});

test('the text is the value: it is encoded, measured and compared as it is', () => {
  const text = '{"a":[1,{"b":"é"}],"c":12345678901234567890}';
  const held = check('map', text) as never;
  const encoded = encodeValue('map', held);
  assert.equal(decodeUtf8(encoded.value), text);
  assert.equal(encoded.typeUrl, 'type.googleapis.com/snakepit.map');
  assert.ok(valueBytes(held) >= text.length);
  assert.equal(normalizeValue('map', held, 'v'), held);
  assert.ok(valuesEqual(held, check('map', text) as never));
  assert.ok(!valuesEqual(held, check('map', '{"a":1}') as never));
  assert.ok(!valuesEqual(held, parseJson(text) as never));
});

test('its bytes are its own', () => {
  const bytes = encodeUtf8('[1,2]');
  const checked = jsonTextOf(bytes) as unknown as JsonText;
  bytes.fill(0);
  assert.equal(decodeUtf8(checked.bytes), '[1,2]');
});
