/**
 * An answer that is filled message by message up to a limit in bytes, so that it is encoded once and its size is known. Path: handlers -> [answer page] -> HTTP/2.
 * Full: `add` says false. The first message goes in whatever its size: an answer without one would bring nobody further.
 */

export class AnswerPage {
  readonly #maxBytes: number;
  readonly #fields: number[] = [];
  readonly #messages: Uint8Array[] = [];
  #bytes = 0;
  #hasMessage = false;

  /** `reservedBytes`: of what is put behind the messages. */
  constructor(maxBytes: number, reservedBytes = 0) {
    this.#maxBytes = maxBytes - reservedBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether it fits beside what is there and `besideBytes` more; only then it is in. `field`: 1 to 15. */
  add(field: number, message: Uint8Array, besideBytes = 0): boolean {
    const bytes = this.#bytes + fieldBytes(message.length);
    if (this.#hasMessage && bytes + besideBytes > this.#maxBytes) return false;
    this.#hasMessage = true;
    this.#fields.push(field);
    this.#messages.push(message);
    this.#bytes += fieldBytes(message.length);
    return true;
  }

  /** As `add`, of an entry of a map from text to message. */
  addEntry(field: number, key: Uint8Array, message: Uint8Array, besideBytes = 0): boolean {
    const entry = new Uint8Array(fieldBytes(key.length) + fieldBytes(message.length));
    writeField(entry, writeField(entry, 0, 1, key), 2, message);
    return this.add(field, entry, besideBytes);
  }

  /** Puts in what must be there, such as names: fields, encoded as those of a message. */
  insist(encoded: Uint8Array): void {
    this.#fields.push(ENCODED);
    this.#messages.push(encoded);
    this.#bytes += encoded.length;
  }

  /** The answer; `tail` is an encoded message whose fields follow. `newestFirst` turns the messages round. */
  finish(tail: Uint8Array = NO_BYTES, newestFirst = false): Uint8Array {
    const answer = new Uint8Array(this.#bytes + tail.length);
    const { length } = this.#messages;
    let at = 0;
    for (let count = 0; count < length; count += 1) {
      const index = newestFirst ? length - 1 - count : count;
      const [field, message] = [this.#fields[index]!, this.#messages[index]!];
      if (field !== ENCODED) at = writeField(answer, at, field, message);
      else {
        answer.set(message, at);
        at += message.length;
      }
    }
    answer.set(tail, at);
    return answer;
  }
}

/** Of a field that holds a message or text of that length: its number is 1 to 15. */
export function fieldBytes(length: number): number {
  let bytes = 2 + length;
  for (let rest = length >>> 7; rest > 0; rest >>>= 7) bytes += 1;
  return bytes;
}

/** Where the next field begins. */
function writeField(into: Uint8Array, start: number, field: number, message: Uint8Array): number {
  let at = start;
  into[at++] = field * 8 + LENGTH_DELIMITED;
  let rest = message.length;
  for (; rest > 0x7f; rest >>>= 7) into[at++] = (rest & 0x7f) | 0x80;
  into[at++] = rest;
  into.set(message, at);
  return at + message.length;
}

/** Instead of the number of a field. */
const ENCODED = 0;
const NO_BYTES = new Uint8Array(0);
const LENGTH_DELIMITED = 2;
