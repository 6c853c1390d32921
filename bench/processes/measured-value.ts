/**
 * Values of several kinds that carry the time at which their set was due, so that a watcher can say how late it is.
 * All travel as JSON, as clients in other languages send them; the padding is the same in each value.
 */
export const VALUE_KINDS = ['number', 'text', 'map', 'embedding'] as const;
export type ValueKind = (typeof VALUE_KINDS)[number];

export interface MeasuredValue {
  /** The variable's type. */
  readonly type: string;
  /** For a title. */
  readonly summary: string;
  /** Of about the largest JSON, bytes. */
  readonly jsonBytes: number;
  /** JSON that carries a time, us: a whole number. */
  write(us: number): string;
  /** The time that is in a value as a watcher gets it. */
  read(value: unknown): number;
}

const PADDING: Readonly<Record<string, string>> = Object.fromEntries(
  Array.from({ length: 20 }, (_, field) => [`setting_${field}`, 'x'.repeat(32)]),
);
const MAP_PADDING = JSON.stringify(PADDING).slice(1);

/** Elements of an embedding that carry the time: whole numbers that 32-bit floats hold exactly. */
const TIME_ELEMENTS = 3;
const ELEMENT_BASE = 2 ** 20;
const EMBEDDING_ELEMENTS = 1_536;
const EMBEDDING_PADDING = Array.from({ length: EMBEDDING_ELEMENTS - TIME_ELEMENTS }, (_, place) =>
  (Math.sin(place) / 10).toFixed(9),
).join(',');

export const MEASURED_VALUES: Readonly<Record<ValueKind, MeasuredValue>> = {
  number: {
    type: 'integer',
    summary: 'numbers',
    jsonBytes: 16,
    write: (us) => String(us),
    read: (value) => value as number,
  },
  text: {
    type: 'string',
    summary: 'texts of 24 characters',
    jsonBytes: 26,
    write: (us) => `"${String(us).padStart(24, '0')}"`,
    read: (value) => Number(value),
  },
  map: {
    type: 'map',
    summary: 'maps of 1 KB',
    jsonBytes: MAP_PADDING.length + 24,
    write: (us) => `{"at":${us},${MAP_PADDING}`,
    read: (value) => (value as { readonly at: number }).at,
  },
  embedding: {
    type: 'embedding',
    summary: `embeddings of ${EMBEDDING_ELEMENTS.toLocaleString('en')}`,
    jsonBytes: EMBEDDING_PADDING.length + 32,
    write: (us) => {
      const high = Math.floor(us / ELEMENT_BASE ** 2);
      const middle = Math.floor(us / ELEMENT_BASE) % ELEMENT_BASE;
      return `[${high},${middle},${us % ELEMENT_BASE},${EMBEDDING_PADDING}]`;
    },
    read: (value) => {
      const [high, middle, low] = value as ArrayLike<number> & Iterable<number>;
      return (high! * ELEMENT_BASE + middle!) * ELEMENT_BASE + low!;
    },
  },
};

export function typeUrlOf(kind: ValueKind): string {
  return `type.googleapis.com/snakepit.${MEASURED_VALUES[kind].type}`;
}
