/**
 * A message of columns as it is written: its packed columns, each named once, and the texts and payloads beside them.
 * Path: link writer, link set writer -> [column message]. What it keeps between messages is the room of its columns.
 */
import type { Metadata } from '../values/metadata.js';
import { ByteColumn } from './byte-column.js';
import { FORM } from './link-row.js';

export class ColumnMessage {
  readonly #fields: number[] = [];
  readonly #packed: ByteColumn[] = [];
  /** Every column of texts and payloads: they have keys, so that they need not lie together. */
  readonly keyed = new ByteColumn();
  readonly #whole = new ByteColumn();

  /** A packed column of it. */
  packed(field: number): ByteColumn {
    const column = new ByteColumn();
    this.#fields.push(field);
    this.#packed.push(column);
    return column;
  }

  /** About how many bytes the message has so far. */
  get size(): number {
    let size = this.keyed.length;
    for (const column of this.#packed) size += column.length;
    return size;
  }

  /** A field beside the columns, with the value of the next message alone. */
  double(field: number, value: number): void {
    this.#whole.doubleField(field, value);
  }

  /** The message, in memory of its own. */
  take(): Uint8Array {
    const whole = this.#whole;
    for (const [place, column] of this.#packed.entries()) whole.column(this.#fields[place]!, column);
    whole.append(this.keyed);
    const message = whole.bytes.slice();
    this.clear();
    return message;
  }

  clear(): void {
    for (const column of this.#packed) column.clear();
    this.keyed.clear();
    this.#whole.clear();
  }
}

/** A number where it is shorter. Returns the form. */
export function writeNumber(value: number, integers: ByteColumn, doubles: ByteColumn): number {
  if (isStep(value) && !Object.is(value, -0)) {
    integers.step(value);
    return FORM.INTEGER;
  }
  doubles.double(value);
  return FORM.DOUBLE;
}

/** Key, value, key, value as texts of `field`. False, and nothing written, when there are none. */
export function writeMetadata(metadata: Metadata, counts: ByteColumn, keyed: ByteColumn, field: number): boolean {
  const keys = Object.keys(metadata);
  if (keys.length === 0) return false;
  counts.count(keys.length);
  for (const key of keys) {
    keyed.text(field, key);
    keyed.text(field, metadata[key]!);
  }
  return true;
}

/** Whether sint32 holds it. */
export function isStep(value: number): boolean {
  return (value | 0) === value;
}
