import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { InvalidValueError } from '../../../src/shared/errors.js';
import { freezeJson, parseJson, parseJsonAsDoubles, stringifyJson } from '../../../src/shared/values/json.js';
import type { JsonValue } from '../../../src/shared/values/variable-type.js';

const key = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 5 }),
  fc.constantFrom('__proto__', 'constructor', 'toJSON'),
);
const { json } = fc.letrec<{ json: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.maxSafeInteger(),
    fc.bigInt().filter((value) => !Number.isSafeInteger(Number(value))),
    fc.string({ unit: 'binary', maxLength: 20 }),
  ),
  json: fc.oneof(
    { depthSize: 'small' },
    tie('leaf'),
    fc.array(tie('json'), { maxLength: 5 }),
    fc.array(fc.tuple(key, tie('json')), { maxLength: 5 }).map((entries) => Object.fromEntries(entries)),
  ),
}));

const isDeeplyFrozen = (value: unknown): boolean =>
  typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen));

test('what was written is read back the same: every digit, the sign of zero, every key', () => {
  fc.assert(
    fc.property(json, (value) => {
      const read = parseJson(stringifyJson(value));
      assert.deepEqual(read, value);
      assert.ok(isDeeplyFrozen(read));
    }),
    { numRuns: 1000 },
  );
});

test('what is written is JSON that other readers take', () => {
  fc.assert(fc.property(json, (value) => void JSON.parse(stringifyJson(value))));
});

test('a text without long integers is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.json({ stringUnit: 'binary' }), (text) => {
      fc.pre(!/\d{16}/.test(text));
      assert.deepEqual(parseJson(text), JSON.parse(text));
    }),
  );
});

describe('integers', () => {
  test('beyond 2^53 - 1 they are bigints, up to there numbers', () => {
    assert.deepEqual(parseJson('[9007199254740991,9007199254740992,-9007199254740993,1]'), [
      9007199254740991,
      9007199254740992n,
      -9007199254740993n,
      1,
    ]);
  });

  test('a double of that size comes back as a double', () => {
    assert.deepEqual(parseJson(stringifyJson([2 ** 60, -(2 ** 60), 1e21, 2 ** 53])), [
      2 ** 60,
      -(2 ** 60),
      1e21,
      2 ** 53,
    ]);
  });

  test('digits inside strings and fractions are left alone', () => {
    assert.deepEqual(parseJson('["12345678901234567890",0.12345678901234567890,"\\"99999999999999999999"]'), [
      '12345678901234567890',
      0.12345678901234568,
      '"99999999999999999999',
    ]);
  });

  test('4,300 digits are read, 4,301 refused', () => {
    assert.equal(parseJson('9'.repeat(4300)), 10n ** 4300n - 1n);
    assert.throws(() => parseJson('9'.repeat(4301)), /more than 4300 digits/);
    assert.throws(() => parseJson(`[${'9'.repeat(4_000_000)}]`), InvalidValueError);
  });

  test('as doubles they are rounded, and nothing is frozen', () => {
    const read = parseJsonAsDoubles('[12345678901234567890]', 'x');
    assert.deepEqual(read, [12345678901234567000]);
    assert.ok(!Object.isFrozen(read));
  });
});

describe('refusals', () => {
  const refused: [string, string, RegExp][] = [
    ['text that is no JSON', 'nope', /^variable "m": "nope" is not valid JSON: send JSON text$/],
    ['nothing', '', /"" is not valid JSON/],
    ['bare NaN', '[NaN]', /not valid JSON/],
    ['a literal above the doubles', '{"a":[1e999]}', /^variable "m": \.a\[0\] is too large for a double/],
    ['half of a pair', '{"a":"\\ud800"}', /\.a holds half of a surrogate pair/],
    ['half of a pair as key', '{"\\ud800":1}', /is a key with half of a surrogate pair/],
    ['a long integer in broken JSON', '[12345678901234567890', /not valid JSON/],
    ['101 levels', `${'['.repeat(101)}${']'.repeat(101)}`, /nests deeper than 100 levels/],
    ['4 million levels', '['.repeat(4_000_000), /nests deeper than 100 levels/],
    ['4 million levels of maps', '{"a":'.repeat(800_000), /nests deeper than 100 levels/],
  ];
  for (const [name, text, expected] of refused) {
    test(name, () => {
      assert.throws(() => parseJson(text, 'variable "m"'), { name: 'InvalidValueError', message: expected });
    });
  }

  test('100 levels are read', () => {
    parseJson(`${'['.repeat(100)}${']'.repeat(100)}`);
  });

  test('brackets inside strings are no levels', () => {
    assert.equal(parseJson(JSON.stringify('['.repeat(200))), '['.repeat(200));
    assert.equal(parseJson(JSON.stringify(`\\"${'['.repeat(200)}\\`)), `\\"${'['.repeat(200)}\\`);
  });

  test('a string of backslashes and quotes takes no quadratic time', () => {
    const text = '\\"'.repeat(500_000) + '\\'.repeat(500_000);
    assert.equal(parseJson(JSON.stringify(text)), text);
  });

  test('the sentence is short however long the text is, and keeps the cause', () => {
    assert.throws(
      () => parseJson('x'.repeat(100_000), 'variable "m"'),
      (error: unknown) => error instanceof Error && error.message.length < 200 && error.cause instanceof SyntaxError,
    );
  });

  test('what JSON cannot say is not written', () => {
    assert.throws(
      () => stringifyJson({ a: [Number.NaN] }, 'variable "m"'),
      /^InvalidValueError: variable "m": \.a\[0\] is NaN/,
    );
  });
});

test('a toJSON on a prototype has no say', () => {
  const patched = Object.prototype as { toJSON?: unknown };
  patched.toJSON = () => 'hijacked';
  try {
    assert.equal(stringifyJson({ a: [1n] }), '{"a":[1]}');
  } finally {
    delete patched.toJSON;
  }
});

test('keys such as __proto__ pollute nothing', () => {
  for (const text of ['{"__proto__":{"polluted":1}}', '{"__proto__":{"polluted":12345678901234567890}}']) {
    const read = parseJson(text) as object;
    assert.deepEqual(Object.keys(read), ['__proto__']);
    assert.equal(Object.getPrototypeOf(read), Object.prototype);
    assert.equal(stringifyJson(read), text);
  }
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});

test('what structured clone has thawed is frozen again', () => {
  const thawed = structuredClone(parseJson('{"a":[{"b":1}]}')) as JsonValue;
  assert.ok(!Object.isFrozen(thawed));
  freezeJson(thawed);
  assert.ok(isDeeplyFrozen(thawed));
});
