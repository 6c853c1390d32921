/** One packed column of a message, or one of texts with their tags, in a buffer that is used again and again. Path: column message -> [byte column]. */
import { encodeUtf8 } from '../values/utf8.js';

export class ByteColumn {
  #bytes = new Uint8Array(LEAST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was written since `clear`; valid until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > MOST_KEPT_BYTES) {
      this.#bytes = new Uint8Array(LEAST_BYTES);
      this.#view = new DataView(this.#bytes.buffer);
    }
  }

  /** 0 to 2^32 - 1. */
  count(value: number): void {
    this.#reserve(MAX_VARINT_BYTES);
    this.#varint(value);
  }

  /** -2^31 to 2^31 - 1, as sint32. */
  step(value: number): void {
    this.#reserve(MAX_VARINT_BYTES);
    this.#varint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  /** One element of a repeated field, with its key. */
  text(field: number, text: string): void {
    const { length } = text;
    if (length > SHORT_TEXT) {
      this.payload(field, encodeUtf8(text));
      return;
    }
    this.#reserve(2 * MAX_VARINT_BYTES + length);
    const start = this.#length;
    this.#key(field);
    let at = this.#length;
    const bytes = this.#bytes;
    bytes[at] = length;
    at += 1;
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      if (code > LAST_ASCII) {
        this.#length = start;
        this.payload(field, encodeUtf8(text));
        return;
      }
      bytes[at] = code;
      at += 1;
    }
    this.#length = at;
  }

  payload(field: number, payload: Uint8Array): void {
    this.#reserve(2 * MAX_VARINT_BYTES + payload.length);
    this.#key(field);
    this.#varint(payload.length);
    this.#bytes.set(payload, this.#length);
    this.#length += payload.length;
  }

  /** A field of its own. */
  doubleField(field: number, value: number): void {
    this.#reserve(MAX_VARINT_BYTES);
    this.#varint(field * 8 + SIXTY_FOUR_BITS);
    this.double(value);
  }

  /** A packed column, whole, with its key. */
  column(field: number, column: ByteColumn): void {
    if (column.length > 0) this.payload(field, column.bytes);
  }

  /** A column that has its keys. */
  append(column: ByteColumn): void {
    this.#reserve(column.length);
    this.#bytes.set(column.bytes, this.#length);
    this.#length += column.length;
  }

  #key(field: number): void {
    this.#varint(field * 8 + LENGTH_DELIMITED);
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let at = this.#length;
    let rest = value;
    while (rest > LAST_ASCII) {
      bytes[at] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
      at += 1;
    }
    bytes[at] = rest;
    this.#length = at + 1;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const next = new Uint8Array(Math.max(2 * this.#bytes.length, needed));
    next.set(this.bytes);
    this.#bytes = next;
    this.#view = new DataView(next.buffer);
  }
}

const SIXTY_FOUR_BITS = 1;
const LENGTH_DELIMITED = 2;
const LAST_ASCII = 0x7f;
const SHORT_TEXT = 0x7f;
const MAX_VARINT_BYTES = 5;
const LEAST_BYTES = 64;
/** A column keeps the room of a usual message; what one large value needed is given back. */
const MOST_KEPT_BYTES = 64 * 1024;
