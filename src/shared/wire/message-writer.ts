/**
 * Protobuf fields into one buffer that is used again and again. Path: [message writer] -> update message.
 * For the messages of which the server writes one a change: the generated encoder makes an object, a list of operations and several
 * small arrays for each, which were a fifth of the server's garbage.
 */
import { encodeUtf8 } from '../values/utf8.js';

export class MessageWriter {
  /** Messages lie one behind the other, as small Buffers do: an array of its own would cost 300 ns. */
  #bytes = new Uint8Array(CHUNK_BYTES);
  /** Of the present message. */
  #start = 0;
  #end = 0;

  /** What was written since the last call. */
  finish(): Uint8Array {
    const message = this.#bytes.subarray(this.#start, this.#end);
    // One large message must not share its memory: a small one would hold it.
    if (this.#bytes.length > CHUNK_BYTES) {
      this.#bytes = new Uint8Array(CHUNK_BYTES);
      this.#end = 0;
    }
    this.#start = this.#end;
    return message;
  }

  /** Empty texts, zeros and false are what a reader assumes, and are left out. */
  text(field: number, text: string): void {
    if (text !== '') this.fullText(field, text);
  }

  /** Also when it is empty. */
  fullText(field: number, text: string): void {
    const { length } = text;
    if (length > SHORT_TEXT) {
      this.fullBytes(field, encodeUtf8(text));
      return;
    }
    this.#reserve(length + MAX_KEY_BYTES + 1);
    const start = this.#end;
    this.#key(field, LENGTH_DELIMITED);
    const bytes = this.#bytes;
    let at = this.#end;
    bytes[at] = length;
    at += 1;
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      if (code > LAST_ASCII) {
        this.#end = start;
        this.fullBytes(field, encodeUtf8(text));
        return;
      }
      bytes[at] = code;
      at += 1;
    }
    this.#end = at;
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.length > 0) this.fullBytes(field, value);
  }

  fullBytes(field: number, value: Uint8Array): void {
    this.#reserve(value.length + MAX_KEY_BYTES + MAX_VARINT_BYTES);
    this.#key(field, LENGTH_DELIMITED);
    this.#varint(value.length);
    this.#bytes.set(value, this.#end);
    this.#end += value.length;
  }

  /** 0 to 2^53 - 1. */
  count(field: number, value: number): void {
    if (value === 0) return;
    this.#reserve(MAX_KEY_BYTES + MAX_VARINT_BYTES);
    this.#key(field, VARINT);
    this.#varint(value);
  }

  /** Opens a message inside; give what it returns to `close`. */
  open(field: number): number {
    this.#reserve(MAX_KEY_BYTES + 1);
    this.#key(field, LENGTH_DELIMITED);
    this.#end += 1;
    return this.#end - this.#start;
  }

  close(opened: number): void {
    const length = this.#end - this.#start - opened;
    if (length <= LAST_ASCII) {
      this.#bytes[this.#start + opened - 1] = length;
      return;
    }
    // One byte was kept for the length: it needs more.
    let more = 0;
    for (let rest = Math.floor(length / 0x80); rest > 0; rest = Math.floor(rest / 0x80)) more += 1;
    this.#reserve(more);
    const at = this.#start + opened;
    this.#bytes.copyWithin(at + more, at, this.#end);
    this.#end = at - 1;
    this.#varint(length);
    this.#end = at + more + length;
  }

  #key(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let at = this.#end;
    let rest = value;
    // Above 2^31 the operators on bits do not reach.
    while (rest >= 0x80000000) {
      bytes[at] = (rest % 0x80) + 0x80;
      rest = Math.floor(rest / 0x80);
      at += 1;
    }
    while (rest > LAST_ASCII) {
      bytes[at] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
      at += 1;
    }
    bytes[at] = rest;
    this.#end = at + 1;
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return;
    const written = this.#end - this.#start;
    const next = new Uint8Array(Math.max(CHUNK_BYTES, 2 * (written + bytes)));
    next.set(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = next;
    this.#start = 0;
    this.#end = written;
  }
}

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const LAST_ASCII = 0x7f;
/** Its length is one byte of varint, as `LAST_ASCII` is. */
const SHORT_TEXT = 0x7f;
const MAX_KEY_BYTES = 5;
const MAX_VARINT_BYTES = 8;
const CHUNK_BYTES = 8_192;
