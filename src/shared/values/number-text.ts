/** Numbers as JSON text, without losing a digit or the sign of zero. Path: value codec <-> [number text]. */

/** Decimal digits of an integer: what Python reads by default (sys.int_info). Longer ones are refused, also because their cost is quadratic. */
export const MAX_INTEGER_DIGITS = 4300;

/** JSON of a float. What JSON cannot say becomes a JSON string; -0 keeps its sign. */
export function floatText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  return value === 0 && Object.is(value, -0) ? '-0.0' : String(value);
}

/** The float that JSON says by a string, or undefined. */
export function floatNamed(name: unknown): number | undefined {
  if (name === 'NaN') return Number.NaN;
  if (name === 'Infinity') return Number.POSITIVE_INFINITY;
  return name === '-Infinity' ? Number.NEGATIVE_INFINITY : undefined;
}

/**
 * The number of a short plain JSON decimal (`21.5`, `-3`) right from its bytes, NaN for any other text: most sets take this way, ten
 * times as fast as text and JSON.parse. Exact: digits and power of ten are below 2^53, and one division rounds correctly.
 */
export function readShortDecimal(bytes: Uint8Array): number {
  const { length } = bytes;
  if (length > SHORT_DECIMAL_BYTES) return Number.NaN;
  const isNegative = bytes[0] === MINUS;
  let mantissa = 0;
  let digits = 0;
  let wholeDigits = -1;
  for (let index = isNegative ? 1 : 0; index < length; index += 1) {
    const byte = bytes[index]!;
    if (byte >= ZERO && byte <= NINE) {
      mantissa = mantissa * 10 + (byte - ZERO);
      digits += 1;
    } else if (byte === POINT && wholeDigits < 0 && digits > 0) {
      wholeDigits = digits;
    } else {
      return Number.NaN;
    }
  }
  // JSON wants digits on both sides of the point and no leading zero.
  if (digits === 0 || digits > EXACT_DIGITS || wholeDigits === digits) return Number.NaN;
  if ((wholeDigits < 0 ? digits : wholeDigits) > 1 && bytes[isNegative ? 1 : 0] === ZERO) return Number.NaN;
  const size = wholeDigits < 0 ? mantissa : mantissa / POWERS_OF_TEN[digits - wholeDigits]!;
  return isNegative ? -size : size;
}

/** The exact integer that a JSON number says (`3.0` and `1e3` are integers), or what keeps it from being one. */
export function integerOfText(text: string): number | bigint | 'not-a-number' | 'not-whole' | 'too-long' {
  const match = JSON_NUMBER.exec(text);
  if (match === null) return 'not-a-number';
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const digits = withoutEndZeros(`${whole}${fraction}`);
  const zeros = whole.length + Number(exponent) - digits.length;
  const significant = digits.replace(/^0+/, '');
  if (significant === '') return 0;
  if (zeros < 0) return 'not-whole';
  if (significant.length + zeros > MAX_INTEGER_DIGITS) return 'too-long';
  return integerOf(BigInt(sign + significant + '0'.repeat(zeros)));
}

/** The one form that an integer has: a number while safe. */
export function integerOf(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

export function hasTooManyDigits(value: bigint): boolean {
  return value >= INTEGER_LIMIT || value <= -INTEGER_LIMIT;
}

// A loop, because /0+$/ takes quadratic time on zeros that are followed by something else.
function withoutEndZeros(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits.charCodeAt(end - 1) === ZERO) end -= 1;
  return digits.slice(0, end);
}

const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;
const POINT = 0x2e;

/** Every integer of so many digits is below 2^53. */
const EXACT_DIGITS = 15;
const SHORT_DECIMAL_BYTES = EXACT_DIGITS + 2;
const POWERS_OF_TEN = Array.from({ length: EXACT_DIGITS + 1 }, (_, power) => Number(`1e${power}`));

const INTEGER_LIMIT = 10n ** BigInt(MAX_INTEGER_DIGITS);

const JSON_NUMBER = /^[ \t\n\r]*(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?[ \t\n\r]*$/;
