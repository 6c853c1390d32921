import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readLosslessJson } from '../../../src/shared/values/json-reader.js';

/** As JSON.parse would have read it. */
const rounded = (value: unknown): unknown => {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, rounded(inner)]));
};

const outcome = (read: (text: string) => unknown, text: string): unknown => {
  try {
    return { value: rounded(read(text)) };
  } catch (error) {
    return error instanceof SyntaxError ? 'refused' : error;
  }
};

test('but for the digits of long integers, JSON is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: 'binary', depthSize: 'medium' }), (text) => {
      assert.deepEqual(rounded(readLosslessJson(text)), JSON.parse(text));
    }),
  );
});

test('a text is refused exactly when JSON.parse refuses it', () => {
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '"\\u00',
    '\\',
    '1',
    '-',
    '0',
    '.5',
    'e3',
    'true',
    'nul',
    ' ',
    '\n',
    '\u00a0',
    '\u0001',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 8 }), (chosen) => {
      const text = chosen.join('');
      assert.deepEqual(outcome(readLosslessJson, text), outcome(JSON.parse, text), JSON.stringify(text));
    }),
    { numRuns: 20_000 },
  );
});

test('a JSON text with one character changed is refused exactly when JSON.parse refuses it', () => {
  fc.assert(
    fc.property(
      fc.json({ maxDepth: 3 }),
      fc.nat(),
      fc.constantFrom(...'{}[]:,"\\0-.eE tfn\t\u0000'),
      (text, at, character) => {
        const index = at % (text.length + 1);
        const changed = text.slice(0, index) + character + text.slice(index + 1);
        assert.deepEqual(outcome(readLosslessJson, changed), outcome(JSON.parse, changed), JSON.stringify(changed));
      },
    ),
    { numRuns: 5000 },
  );
});

test('integers keep every digit at any depth', () => {
  assert.deepEqual(readLosslessJson('{"a":[9007199254740993,-9007199254740993],"b":9007199254740991}'), {
    a: [9007199254740993n, -9007199254740993n],
    b: 9007199254740991,
  });
});

test('a number with a point or an exponent is a double however long it is', () => {
  assert.deepEqual(readLosslessJson('[9007199254740993.0,9007199254740993e0,1E400]'), [
    2 ** 53,
    2 ** 53,
    Number.POSITIVE_INFINITY,
  ]);
});

test('a key named __proto__ is an own key, and changes no prototype', () => {
  const read = readLosslessJson('{"__proto__":{"polluted":1}}') as Record<string, unknown>;
  assert.deepEqual(Object.keys(read), ['__proto__']);
  assert.equal(Object.getPrototypeOf(read), Object.prototype);
  assert.equal(read.polluted, undefined);
});
