/** Floats, integers and booleans from their JSON bytes; short ones without making a text of them. Path: value codec -> [scalar reader]. */
import { InvalidValueError } from '../errors.js';
import { parseJson, parseJsonAsDoubles } from './json.js';
import { floatNamed, integerOfText, MAX_INTEGER_DIGITS, readShortDecimal } from './number-text.js';
import { decodeUtf8, encodeUtf8 } from './utf8.js';
import { refuseValue } from './variable-type.js';

/** @throws InvalidValueError for what is neither a number nor "NaN", "Infinity" or "-Infinity" */
export function readFloat(bytes: Uint8Array, subject: string): number {
  const short = readShortDecimal(bytes);
  if (!Number.isNaN(short)) return short;
  const value = parseJsonAsDoubles(readText(bytes, subject), subject);
  if (typeof value !== 'number') return floatNamed(value) ?? refuseValue('float', value, subject);
  if (Number.isFinite(value)) return value;
  throw new InvalidValueError(
    `${subject}: the number is too large for a float: send "Infinity" or "-Infinity" if that is meant`,
  );
}

/** @throws InvalidValueError for the digits of an integer that is no float: they would be rounded */
export function checkFloatHolds(bytes: Uint8Array, subject: string): void {
  const digits = readText(bytes, subject).trim();
  const number = Number(digits);
  if (!/^-?\d{16,}$/.test(digits) || !Number.isFinite(number) || BigInt(number) === BigInt(digits)) return;
  throw new InvalidValueError(
    `${subject}: ${digits.slice(0, SHOWN_CHARACTERS)} has more digits than a float holds: give a float if that is meant`,
  );
}

/** Every digit, also beyond 2^53. @throws InvalidValueError for what is no whole number */
export function readInteger(bytes: Uint8Array, subject: string): number | bigint {
  const short = readShortDecimal(bytes);
  if (Number.isInteger(short)) return short + 0;
  const text = readText(bytes, subject);
  const value = integerOfText(text);
  if (typeof value !== 'string') {
    if (typeof value !== 'bigint' || !isBeyondFloats(text)) return value;
    throw new InvalidValueError(
      `${subject}: ${text.slice(0, SHOWN_CHARACTERS).trim()} is beyond what a float can hold: send the integer's digits`,
    );
  }
  if (value === 'not-a-number') return refuseValue('integer', parseJson(text, subject), subject);
  const fact =
    value === 'not-whole'
      ? 'is not a whole number: send one'
      : `has more than ${MAX_INTEGER_DIGITS} digits: send fewer`;
  throw new InvalidValueError(`${subject}: ${text.slice(0, SHOWN_CHARACTERS).trim()} ${fact}`);
}

/** @throws InvalidValueError for what is neither true nor false */
export function readBoolean(bytes: Uint8Array, subject: string): boolean {
  if (isSame(bytes, TRUE)) return true;
  if (isSame(bytes, FALSE)) return false;
  const value = parseJson(readText(bytes, subject), subject);
  return typeof value === 'boolean' ? value : refuseValue('boolean', value, subject);
}

/** @throws InvalidValueError for bytes that aren't UTF-8 */
export function readText(bytes: Uint8Array, subject: string): string {
  try {
    return decodeUtf8(bytes);
  } catch (cause) {
    throw new InvalidValueError(`${subject}: the value's bytes are not UTF-8: send its JSON text in UTF-8`, { cause });
  }
}

/** Written with an exponent: most readers of JSON make it infinite, so it cannot be meant exactly. */
function isBeyondFloats(text: string): boolean {
  return /[eE]/.test(text) && !Number.isFinite(Number(text));
}

function isSame(bytes: Uint8Array, expected: Uint8Array): boolean {
  if (bytes.length !== expected.length) return false;
  for (let index = 0; index < bytes.length; index += 1) if (bytes[index] !== expected[index]) return false;
  return true;
}

const TRUE = encodeUtf8('true');
const FALSE = encodeUtf8('false');

/** Of a number's text in an error. */
const SHOWN_CHARACTERS = 40;
