/** Reads JSON whose integers have more digits than JSON.parse keeps. Path: json -> [json reader]; the caller has checked the depth and the digits. */
import { putOwn } from './metadata.js';
import { integerOf } from './number-text.js';
import type { JsonValue } from './variable-type.js';

/** Accepts exactly the texts that JSON.parse accepts. @throws SyntaxError */
export function readLosslessJson(text: string): JsonValue {
  const reader = new JsonReader(text);
  const value = reader.value();
  reader.end();
  return value;
}

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(): JsonValue {
    this.#skipSpace();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#map();
      case '[':
        return this.#list();
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  end(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail();
  }

  #map(): JsonValue {
    const map: Record<string, JsonValue> = {};
    this.#at += 1;
    if (this.#takes('}')) return map;
    do {
      this.#skipSpace();
      const key = this.#string();
      if (!this.#takes(':')) this.#fail();
      putOwn(map, key, this.value());
    } while (this.#takes(','));
    if (!this.#takes('}')) this.#fail();
    return map;
  }

  #list(): JsonValue {
    const list: JsonValue[] = [];
    this.#at += 1;
    if (this.#takes(']')) return list;
    do list.push(this.value());
    while (this.#takes(','));
    if (!this.#takes(']')) this.#fail();
    return list;
  }

  // JSON.parse judges and unescapes what lies between the quotes.
  #string(): string {
    const start = this.#at;
    if (this.#text[start] !== '"') this.#fail();
    let end = start + 1;
    while (end < this.#text.length && this.#text[end] !== '"') end += this.#text[end] === '\\' ? 2 : 1;
    this.#at = end + 1;
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #number(): JsonValue {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) this.#fail();
    const [token, fraction, exponent] = match;
    this.#at += token.length;
    if (fraction !== undefined || exponent !== undefined) return Number(token);
    const rounded = Number(token);
    return Number.isSafeInteger(rounded) ? rounded : integerOf(BigInt(token));
  }

  #word<T extends JsonValue>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail();
    this.#at += word.length;
    return value;
  }

  #takes(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #skipSpace(): void {
    while (SPACE.includes(this.#text[this.#at] ?? '?')) this.#at += 1;
  }

  #fail(): never {
    throw new SyntaxError(
      `unexpected ${JSON.stringify(this.#text[this.#at] ?? 'end')} in JSON at position ${this.#at}`,
    );
  }
}

const SPACE = ' \t\n\r';
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
