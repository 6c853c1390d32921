import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  floatNamed,
  floatText,
  hasTooManyDigits,
  integerOf,
  integerOfText,
  MAX_INTEGER_DIGITS,
  readShortDecimal,
} from '../../../src/shared/values/number-text.js';
import { encodeUtf8 } from '../../../src/shared/values/utf8.js';

describe('floatText', () => {
  test('every double comes back from its text, with the sign of zero', () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        const parsed: unknown = JSON.parse(floatText(value));
        assert.ok(Object.is(floatNamed(parsed) ?? parsed, value));
      }),
    );
  });

  test('no other string than the three names a float', () => {
    for (const name of ['nan', 'NAN', 'inf', 'Inf', '+Infinity', ' NaN', '', '1', 1, null]) {
      assert.equal(floatNamed(name), undefined);
    }
  });
});

describe('readShortDecimal', () => {
  const decimal = fc
    .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 16n }), fc.option(fc.stringMatching(/^\d{1,12}$/)))
    .map(
      ([isNegative, whole, fraction]) => `${isNegative ? '-' : ''}${whole}${fraction === null ? '' : `.${fraction}`}`,
    );

  test('a short decimal is the double that JSON.parse gives, bit for bit', () => {
    fc.assert(
      fc.property(decimal, (text) => {
        const value = readShortDecimal(encodeUtf8(text));
        assert.ok(Number.isNaN(value) || Object.is(value, JSON.parse(text)), text);
      }),
      { numRuns: 5000 },
    );
  });

  test('up to 15 digits take the short way', () => {
    for (const text of ['0', '-0', '21.5', '-0.001', '999999999999999', '-1234567.12345678', '0.12345678901234']) {
      assert.ok(Object.is(readShortDecimal(encodeUtf8(text)), JSON.parse(text)), text);
    }
  });

  test('what is not a plain JSON decimal is left to the long way', () => {
    const others = [
      '',
      '-',
      '.',
      '1.',
      '.5',
      '-.5',
      '01',
      '-01',
      '00.5',
      '1.2.3',
      '1e3',
      '+1',
      ' 1',
      '1 ',
      '0x1',
      '--1',
      '1-',
      'NaN',
    ];
    for (const text of others) assert.ok(Number.isNaN(readShortDecimal(encodeUtf8(text))), text);
  });

  test('any bytes give NaN or the number that they say', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0123456789.-+eE ') }), (text) => {
        const value = readShortDecimal(encodeUtf8(text));
        if (!Number.isNaN(value)) assert.ok(Object.is(JSON.parse(text), value), text);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('integerOfText', () => {
  test('every integer keeps every digit', () => {
    fc.assert(
      fc.property(fc.bigInt(), (value) => {
        assert.equal(BigInt(integerOfText(`${value}`) as number | bigint), value);
      }),
    );
  });

  test('however the point and the exponent are placed, the integer is the same', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n }), fc.nat(30), (value, shift) => {
        const digits = `${value}`;
        const forms = [
          `${digits}${'0'.repeat(shift)}e-${shift}`,
          `${digits}.${'0'.repeat(shift + 1)}`,
          `${digits[0]}.${digits.slice(1)}0e+${digits.length - 1}`,
          `0.${digits}E${digits.length}`,
          ` ${digits}\n`,
        ];
        for (const form of forms) assert.equal(BigInt(integerOfText(form) as number | bigint), value, form);
      }),
    );
  });

  test('a number that is not whole is told from one that is none', () => {
    for (const text of ['0.5', '1e-1', '12345.6789e3', '1e-999999999999'])
      assert.equal(integerOfText(text), 'not-whole');
    for (const text of ['', '-', '01', '1.', '.1', '0x1', '1n', '1 2', '"1"', 'NaN', '1e', '\u00a01', '١']) {
      assert.equal(integerOfText(text), 'not-a-number', text);
    }
  });

  test('a small text cannot ask for a billion digits', () => {
    for (const text of ['1e4300', '1e1000000000', `1e${'9'.repeat(400)}`, '9'.repeat(MAX_INTEGER_DIGITS + 1)]) {
      assert.equal(integerOfText(text), 'too-long');
    }
    assert.equal(integerOfText(`0e${'9'.repeat(400)}`), 0);
    assert.equal(integerOfText('1e4299'), 10n ** 4299n);
  });

  test('a megabyte of zeros before a last digit takes no quadratic time', () => {
    assert.equal(integerOfText(`0.${'0'.repeat(1_000_000)}1`), 'not-whole');
  });
});

test('an integer is a number exactly while it is safe', () => {
  const last = BigInt(Number.MAX_SAFE_INTEGER);
  assert.equal(integerOf(last), Number.MAX_SAFE_INTEGER);
  assert.equal(integerOf(-last), -Number.MAX_SAFE_INTEGER);
  assert.equal(integerOf(last + 1n), last + 1n);
  assert.equal(integerOf(-last - 1n), -last - 1n);
});

test('the limit on digits lies between 4,300 and 4,301 of them', () => {
  assert.ok(!hasTooManyDigits(10n ** 4300n - 1n));
  assert.ok(!hasTooManyDigits(-(10n ** 4300n) + 1n));
  assert.ok(hasTooManyDigits(10n ** 4300n));
  assert.ok(hasTooManyDigits(-(10n ** 4300n)));
});
