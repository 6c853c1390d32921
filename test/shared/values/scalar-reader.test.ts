import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readBoolean, readFloat, readInteger, readText } from '../../../src/shared/values/scalar-reader.js';

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'utf8'));
const subject = 'variable "fan"';

test('a float is the double that JSON.parse gives, long or short', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.ok(Object.is(readFloat(bytes(JSON.stringify(value)), subject), value + 0));
    }),
  );
});

test('an integer keeps every digit, long or short', () => {
  fc.assert(fc.property(fc.bigInt(), (value) => BigInt(readInteger(bytes(`${value}`), subject)) === value));
});

test('an integer has one zero', () => {
  for (const text of ['-0', '-0.0', '-0e5']) assert.ok(Object.is(readInteger(bytes(text), subject), 0));
});

test('an integer may be as long as its digits, and have an exponent that a double could have', () => {
  assert.equal(readInteger(bytes(`1${'0'.repeat(400)}`), subject), 10n ** 400n);
  assert.equal(readInteger(bytes('1e300'), subject), 10n ** 300n);
  assert.equal(readInteger(bytes('0e999'), subject), 0);
});

test('a boolean is true or false, with white space too', () => {
  assert.equal(readBoolean(bytes('true'), subject), true);
  assert.equal(readBoolean(bytes('false\n'), subject), false);
});

describe('refusals name the fact and the remedy', () => {
  const refusals: [() => unknown, string][] = [
    [() => readFloat(bytes('"21.5"'), subject), '"21.5" is not a float: give a number'],
    [() => readFloat(bytes('[1]'), subject), 'a list is not a float: give a number'],
    [
      () => readFloat(bytes('-1e999'), subject),
      'the number is too large for a float: send "Infinity" or "-Infinity" if that is meant',
    ],
    [() => readFloat(bytes('01'), subject), '"01" is not valid JSON: send JSON text'],
    [() => readInteger(bytes('3.5'), subject), '3.5 is not a whole number: send one'],
    [() => readInteger(bytes('"3"'), subject), '"3" is not an integer: give a whole number or a bigint'],
    [() => readInteger(bytes('1e4300'), subject), '1e4300 has more than 4300 digits: send fewer'],
    [() => readInteger(bytes(' 1e999'), subject), "1e999 is beyond what a float can hold: send the integer's digits"],
    [() => readInteger(bytes('3,5'), subject), '"3,5" is not valid JSON: send JSON text'],
    [() => readBoolean(bytes('1'), subject), '1 is not a boolean: give true or false'],
    [() => readBoolean(bytes('True'), subject), '"True" is not valid JSON: send JSON text'],
    [() => readText(Uint8Array.of(0xff), subject), "the value's bytes are not UTF-8: send its JSON text in UTF-8"],
  ];
  for (const [read, sentence] of refusals) {
    test(sentence, () => assert.throws(read, { name: 'InvalidValueError', message: `${subject}: ${sentence}` }));
  }
});
