/** A value in an error's sentence: short, and never more than the caller's own words show. */
export function describeValue(input: unknown): string {
  switch (typeof input) {
    case 'number':
      return Object.is(input, -0) ? '-0' : String(input);
    case 'bigint':
      return describeBigint(input);
    case 'string':
      return JSON.stringify(input.length > SHOWN_CHARACTERS ? `${input.slice(0, SHOWN_CHARACTERS)}…` : input);
    case 'boolean':
    case 'undefined':
      return String(input);
    case 'object':
      return input === null ? 'null' : describeObject(input);
    default:
      return `a ${typeof input}`;
  }
}

// Digits of a huge bigint cost quadratic time to write.
function describeBigint(input: bigint): string {
  return BigInt.asIntN(SHOWN_BITS, input) === input ? `${input}n` : 'a huge bigint';
}

function describeObject(input: object): string {
  try {
    return describeReadable(input);
  } catch {
    // The sentence is about another fault, or about this one.
    return 'an object that cannot be read';
  }
}

function describeReadable(input: object): string {
  if (Array.isArray(input)) return 'a list';
  const prototype: unknown = Object.getPrototypeOf(input);
  if (prototype === null || prototype === Object.prototype) return 'a map';
  const name: unknown = (prototype as { constructor?: { name?: unknown } }).constructor?.name;
  if (typeof name !== 'string' || name === '') return 'an object';
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name.slice(0, SHOWN_CHARACTERS)}`;
}

const SHOWN_CHARACTERS = 40;
const SHOWN_BITS = 192;
