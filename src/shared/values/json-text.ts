/**
 * A large map or list as the text that it came as. Whoever only passes values on, as a server does, checks the text piece by piece and builds
 * nothing: 4 MB of `{},` would be 1.4 million maps, 140 MB and half a second. Path: request -> [json text] -> variable -> update encoder.
 */
import { InvalidValueError } from '../errors.js';
import { invalidJson, tooDeep, tooManyDigits } from './json.js';
import { MAX_INTEGER_DIGITS } from './number-text.js';
import { MAX_JSON_DEPTH } from './plain-copy.js';
import { readText } from './scalar-reader.js';
import { decodeUtf8 } from './utf8.js';
import type { JsonList, JsonMap, VariableType } from './variable-type.js';
import { refuseValue } from './variable-type.js';

/** Stands for a map or list whose JSON has more than 64 KB, wherever a variable's value stands in a server. Two are equal when their texts are. */
export class JsonText {
  /** Its JSON in UTF-8, found good; shared, never written to. */
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    Object.freeze(this);
  }
}

/** A copy: the request's memory is larger and goes. The type says what it stands for, so that only the codec needs to know of it. */
export function jsonTextOf(checked: Uint8Array): JsonMap & JsonList {
  return new JsonText(new Uint8Array(checked)) as unknown as JsonMap & JsonList;
}

/** Refuses what `parseJson` refuses, and what is not of the type: a map, or a list. */
export class JsonCheck {
  readonly #type: VariableType;
  readonly #isOfMap: boolean;
  readonly #subject: string;
  readonly #bytes: Uint8Array;
  /** How the text begins, for sentences. */
  readonly #beginning: string;
  /** Of each container that is open, from the outermost: whether it is a map. */
  readonly #isMap: boolean[] = [];
  #at = 0;
  #expects: Expected = 'value';
  /** Of the string that is being read: whether it is a key, and whether half of a surrogate pair waits for the other. */
  #isKey = false;
  #isHalf = false;

  /** @throws InvalidValueError for bytes that aren't UTF-8 */
  constructor(type: 'map' | 'list' | 'embedding' | 'tensor', bytes: Uint8Array, subject: string) {
    this.#type = type;
    this.#isOfMap = type === 'map' || type === 'tensor';
    this.#subject = subject;
    this.#bytes = bytes;
    this.#beginning = readText(bytes, subject).slice(0, BEGINNING_CHARACTERS);
  }

  /** Looks at so many bytes more, or to the end of a number. True: all of it is good. @throws InvalidValueError */
  advance(bytes: number): boolean {
    const end = Math.min(this.#at + bytes, this.#bytes.length);
    while (this.#at < end) {
      if (this.#expects === 'string') this.#readString(end);
      else this.#readToken(this.#bytes[this.#at]!);
    }
    if (this.#at < this.#bytes.length) return false;
    if (this.#expects !== 'end') this.#refuse();
    return true;
  }

  #readToken(byte: number): void {
    switch (byte) {
      case SPACE:
      case TAB:
      case NEWLINE:
      case RETURN:
        this.#at += 1;
        return;
      case CLOSE_LIST:
      case CLOSE_MAP:
        this.#close(byte === CLOSE_MAP);
        return;
      case COMMA:
        this.#take('comma or close');
        this.#expects = this.#isMap.at(-1) === true ? 'key' : 'value';
        return;
      case COLON:
        this.#take('colon');
        this.#expects = 'value';
        return;
      case QUOTE:
        this.#isKey = this.#expects === 'key' || this.#expects === 'key or close';
        if (!this.#isKey) this.#beginValue();
        this.#at += 1;
        this.#expects = 'string';
        return;
      case OPEN_LIST:
      case OPEN_MAP:
        this.#open(byte === OPEN_MAP);
        return;
      default:
        this.#beginValue();
        if (byte === LETTER_T) this.#readWord('true');
        else if (byte === LETTER_F) this.#readWord('false');
        else if (byte === LETTER_N) this.#readWord('null');
        else this.#readNumber();
        this.#endValue();
    }
  }

  #take(expected: Expected): void {
    if (this.#expects !== expected) this.#refuse();
    this.#at += 1;
  }

  #beginValue(): void {
    if (this.#expects !== 'value' && this.#expects !== 'value or close') this.#refuse();
    // Before anything else is looked at: what it stands for is a map or a list.
    if (this.#isMap.length === 0) refuseValue(this.#type, this.#beginning, this.#subject);
  }

  #endValue(): void {
    this.#expects = this.#isMap.length === 0 ? 'end' : 'comma or close';
  }

  #open(isMap: boolean): void {
    if (this.#isMap.length === 0 && this.#expects === 'value') {
      if (isMap !== this.#isOfMap) refuseValue(this.#type, isMap ? {} : [], this.#subject);
    } else this.#beginValue();
    if (this.#isMap.length === MAX_JSON_DEPTH) {
      throw tooDeep(this.#subject);
    }
    this.#isMap.push(isMap);
    this.#at += 1;
    this.#expects = isMap ? 'key or close' : 'value or close';
  }

  #close(isMap: boolean): void {
    const isEmpty = this.#expects === (isMap ? 'key or close' : 'value or close');
    if (this.#isMap.at(-1) !== isMap || !(isEmpty || this.#expects === 'comma or close')) this.#refuse();
    this.#isMap.pop();
    this.#at += 1;
    this.#endValue();
  }

  /** Up to `end`, or to its quote. */
  #readString(end: number): void {
    const bytes = this.#bytes;
    while (this.#at < end) {
      const byte = bytes[this.#at]!;
      if (byte === BACKSLASH) {
        this.#readEscape();
        continue;
      }
      if (this.#isHalf) this.#refuseHalf();
      if (byte < SPACE) this.#refuse();
      this.#at += 1;
      if (byte !== QUOTE) continue;
      if (this.#isKey) this.#expects = 'colon';
      else this.#endValue();
      return;
    }
  }

  #readEscape(): void {
    const letter = this.#bytes[this.#at + 1];
    if (letter !== LETTER_U) {
      if (this.#isHalf) this.#refuseHalf();
      if (letter === undefined || !ESCAPED.has(letter)) this.#refuse();
      this.#at += 2;
      return;
    }
    let code = 0;
    for (let place = this.#at + 2; place < this.#at + 6; place += 1) {
      const digit = HEX.indexOf(String.fromCharCode(this.#bytes[place] ?? 0).toLowerCase());
      if (digit < 0) this.#refuse();
      code = code * 16 + digit;
    }
    this.#at += 6;
    const isSecond = code >= 0xdc00 && code <= 0xdfff;
    if (isSecond !== this.#isHalf) this.#refuseHalf();
    this.#isHalf = code >= 0xd800 && code <= 0xdbff;
  }

  #readWord(word: string): void {
    for (let place = 0; place < word.length; place += 1) {
      if (this.#bytes[this.#at + place] !== word.charCodeAt(place)) this.#refuse();
    }
    this.#at += word.length;
  }

  #readNumber(): void {
    const bytes = this.#bytes;
    const start = this.#at;
    if (bytes[this.#at] === MINUS) this.#at += 1;
    const hasLeadingZero = bytes[this.#at] === ZERO;
    const digits = this.#readDigits(true);
    if (hasLeadingZero && digits > 1) this.#refuse();
    let isFloat = false;
    if (bytes[this.#at] === POINT) {
      this.#at += 1;
      this.#readDigits(false);
      isFloat = digits > DIGITS_OF_FLOATS;
    }
    if (((bytes[this.#at] ?? 0) | LOWER_CASE) === LETTER_E) {
      this.#at += 1;
      if (bytes[this.#at] === PLUS || bytes[this.#at] === MINUS) this.#at += 1;
      this.#readDigits(true);
      isFloat = true;
    }
    if (isFloat && !Number.isFinite(Number(decodeUtf8(bytes.subarray(start, this.#at))))) {
      throw new InvalidValueError(
        `${this.#subject}: a number is too large for a double: give it fewer digits or as a string`,
      );
    }
  }

  /** One at least. */
  #readDigits(areLimited: boolean): number {
    const start = this.#at;
    for (let byte = this.#bytes[this.#at]!; byte >= ZERO && byte <= NINE; byte = this.#bytes[this.#at]!) this.#at += 1;
    const digits = this.#at - start;
    if (digits === 0) this.#refuse();
    if (areLimited && digits > MAX_INTEGER_DIGITS) {
      throw tooManyDigits(this.#subject);
    }
    return digits;
  }

  #refuse(): never {
    throw invalidJson(this.#beginning, this.#subject);
  }

  #refuseHalf(): never {
    throw new InvalidValueError(`${this.#subject}: a text holds half of a surrogate pair: escape both halves`);
  }
}

type Expected = 'value' | 'value or close' | 'key' | 'key or close' | 'colon' | 'comma or close' | 'string' | 'end';

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const LETTER_E = 0x65;
const LETTER_F = 0x66;
const LETTER_N = 0x6e;
const LETTER_T = 0x74;
const LETTER_U = 0x75;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;
const LOWER_CASE = 0x20;
const HEX = '0123456789abcdef';
const ESCAPED = new Set([...'"\\/bfnrt'].map((letter) => letter.charCodeAt(0)));

/** A number below 1e308 is finite, whatever follows its point. */
const DIGITS_OF_FLOATS = 308;
/** More than a sentence shows. */
const BEGINNING_CHARACTERS = 200;
