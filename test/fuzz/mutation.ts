/** What may happen to a message on its way, or be done to it by whoever means harm. The same chance gives the same bytes. */
import type { Random } from '../chaos/programs/random.js';

/** One to four changes of a message; `others` lend theirs. */
export function mutated(bytes: Uint8Array, others: readonly Uint8Array[], random: Random): Buffer {
  let message: Uint8Array = bytes;
  for (let left = random.one([1, 1, 1, 2, 4]); left > 0; left -= 1) message = changed(message, others, random);
  return Buffer.from(message.subarray(0, MAX_BYTES));
}

/** The same of a message of columns, element by element, so that it is still a message. `Type` is that of the generated code. */
export function mutatedColumns(bytes: Uint8Array, type: MessageType, random: Random): Buffer {
  const message = { ...type.decode(bytes) } as Record<string, unknown>;
  for (let left = random.whole(1, 3); left > 0; left -= 1) {
    const key = random.one(Object.keys(message));
    const value = message[key];
    message[key] = Array.isArray(value) ? changedColumn(value, random) : (edgeOf(value, random) ?? value);
  }
  return Buffer.from(type.encode(message).finish());
}

export interface MessageType {
  decode(bytes: Uint8Array): object;
  encode(message: object): { finish(): Uint8Array };
}

function changedColumn(column: readonly unknown[], random: Random): unknown[] {
  const copy = [...column];
  const at = random.whole(0, Math.max(0, copy.length - 1));
  switch (random.one(['remove', 'repeat', 'replace', 'replace', 'swap'] as const)) {
    case 'remove':
      copy.splice(at, 1);
      return copy;
    case 'repeat':
      copy.splice(at, 0, ...copy.slice(at, at + random.whole(1, 4)));
      return copy;
    case 'swap':
      return copy.reverse();
    default:
      if (at in copy) copy[at] = edgeOf(copy[at], random) ?? copy[at];
      return copy;
  }
}

function edgeOf(value: unknown, random: Random): unknown {
  if (typeof value === 'number') return random.one(EDGES);
  if (typeof value === 'string') return random.one(TEXTS);
  if (value instanceof Uint8Array) return random.one(PIECES);
  return typeof value === 'boolean' ? !value : undefined;
}

function changed(bytes: Uint8Array, others: readonly Uint8Array[], random: Random): Uint8Array {
  const at = random.whole(0, bytes.length);
  switch (random.one(KINDS)) {
    case 'bit': {
      const copy = Uint8Array.from(bytes);
      if (at < copy.length) copy[at]! ^= 1 << random.whole(0, 7);
      return copy;
    }
    case 'byte': {
      const copy = Uint8Array.from(bytes);
      if (at < copy.length) copy[at] = random.one(BYTES) ?? random.whole(0, 255);
      return copy;
    }
    case 'cut':
      return bytes.subarray(0, at);
    case 'remove':
      return joined(bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + random.whole(1, 8))));
    case 'insert':
      return joined(bytes.subarray(0, at), random.one(PIECES), bytes.subarray(at));
    case 'repeat': {
      const piece = bytes.subarray(at, at + random.whole(1, 64));
      return joined(
        bytes.subarray(0, at),
        ...Array.from({ length: random.whole(1, 8) }, () => piece),
        bytes.subarray(at),
      );
    }
    case 'splice': {
      const other = random.one(others);
      return joined(bytes.subarray(0, at), other.subarray(random.whole(0, other.length)));
    }
    case 'behind':
      return joined(bytes, random.one(others));
    default:
      throw new Error('every kind is named');
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

const KINDS = ['bit', 'bit', 'byte', 'byte', 'cut', 'remove', 'insert', 'repeat', 'splice', 'behind'] as const;
const BYTES: readonly (number | undefined)[] = [0, 1, 0x7f, 0x80, 0xff, undefined, undefined];
const EDGES = [0, 1, 2, 7, 8, 31, 64, 4_095, 65_535, 2 ** 31 - 1, 2 ** 32 - 1, -1, 0.5, 1e300, Number.NaN] as const;
const TEXTS = [
  '',
  'number',
  'flag',
  'nobody',
  '*',
  '\u0000',
  '{"gt":1}',
  '{"or":[]}',
  '[[[[',
  'x'.repeat(5_000),
] as const;
/** Numbers at the edges of what varints, doubles and lengths can say. */
const PIECES: readonly Uint8Array[] = [
  [0],
  [0x7f],
  [0x80, 0x80, 0x80, 0x80, 0x08],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0, 0, 0, 0, 0, 0, 0xf8, 0x7f],
  [0, 0, 0, 0, 0, 0, 0xf0, 0xff],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xef, 0x7f],
].map((bytes) => Uint8Array.from(bytes));
const MAX_BYTES = 64 * 1024;
