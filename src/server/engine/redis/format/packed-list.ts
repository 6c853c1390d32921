/**
 * A list of texts and bytes as one argument of a script, as `cmsgpack.unpack` reads it: an argument each would cost both ends 10 us a set.
 * Path: group arguments -> [packed list] -> commit script. Pure.
 */

export class PackedList {
  #bytes = new Uint8Array(4_096);
  #view = new DataView(this.#bytes.buffer);
  #at = HEADER_BYTES;
  #count = 0;

  /** As UTF-8. */
  text(text: string): void {
    this.#count += 1;
    const most = 3 * text.length;
    this.#reserve(most + 5);
    if (most < 256) {
      const size = this.#write(text, this.#at + 2);
      this.#bytes[this.#at] = TEXT_8;
      this.#bytes[this.#at + 1] = size;
      this.#at += 2 + size;
      return;
    }
    const size = this.#write(text, this.#at + 5);
    this.#bytes[this.#at] = TEXT_32;
    this.#view.setUint32(this.#at + 1, size);
    this.#at += 5 + size;
  }

  number(number: number): void {
    this.text(String(number));
  }

  bytes(bytes: Uint8Array): void {
    this.#count += 1;
    this.#reserve(bytes.length + 5);
    this.#bytes[this.#at] = TEXT_32;
    this.#view.setUint32(this.#at + 1, bytes.length);
    this.#bytes.set(bytes, this.#at + 5);
    this.#at += 5 + bytes.length;
  }

  /** All of it; the list is not used any more. */
  finish(): Uint8Array {
    this.#bytes[0] = LIST_32;
    this.#view.setUint32(1, this.#count);
    return this.#bytes.subarray(0, this.#at);
  }

  /** How many bytes it took. */
  #write(text: string, at: number): number {
    if (text.length < ASCII_LOOP) {
      let place = 0;
      for (; place < text.length; place += 1) {
        const unit = text.charCodeAt(place);
        if (unit > 127) break;
        this.#bytes[at + place] = unit;
      }
      if (place === text.length) return place;
    }
    return ENCODER.encodeInto(text, this.#bytes.subarray(at)).written;
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at + more));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

const ENCODER = new TextEncoder();
/** Shorter ones are written faster by hand. */
const ASCII_LOOP = 64;
const HEADER_BYTES = 5;
/** MessagePack: a list with its length in 32 bits, texts with theirs in 8 or 32. */
const LIST_32 = 0xdd;
const TEXT_8 = 0xd9;
const TEXT_32 = 0xdb;
