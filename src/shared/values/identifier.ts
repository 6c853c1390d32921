/** Names of variables, and the wildcards that select them. */
import { InvalidNameError } from '../errors.js';
import { describeValue } from './describe-value.js';

/** Characters (code points) of a name, as Python counts them too. */
export const MAX_NAME_CHARACTERS = 256;

/**
 * Any 1 to 256 characters without control characters; `__proto__` and `*` are ordinary names.
 * @throws InvalidNameError
 */
export function checkName(name: string): void {
  if (typeof name !== 'string') throw new InvalidNameError(`a variable's name is a string, not ${describeValue(name)}`);
  if (name === '')
    throw new InvalidNameError(`a variable's name is empty: give 1 to ${MAX_NAME_CHARACTERS} characters`);
  let characters = 0;
  for (const character of name) {
    characters += 1;
    if (characters > MAX_NAME_CHARACTERS) {
      throw new InvalidNameError(
        `the variable name that begins ${describeValue(name)} is too long: give at most ${MAX_NAME_CHARACTERS} characters`,
      );
    }
    const code = character.codePointAt(0)!;
    if (isControl(code)) {
      throw new InvalidNameError(
        `the variable name ${describeValue(name)} holds a control character (U+${hex(code)}): leave it out`,
      );
    }
    if (code >= FIRST_SURROGATE && code <= LAST_SURROGATE) {
      throw new InvalidNameError(
        `the variable name ${describeValue(name)} holds half of a surrogate pair, which UTF-8 cannot say: leave it out`,
      );
    }
  }
}

export function isWildcard(text: string): boolean {
  return text.includes('*') || text.includes('?');
}

/**
 * Whether a name fits: `*` stands for any characters, `?` for exactly one (code point), the rest for itself. There is no escape.
 * Takes a few microseconds at most, whatever pattern and name are: between two stars nothing is tried twice.
 */
export function compileWildcard(pattern: string): (name: string) => boolean {
  // A pattern that asks for more than a name has costs nothing, so what counts of a pattern is bounded by names.
  const fewest = pattern.replaceAll('*', '').length;
  if (fewest > 2 * MAX_NAME_CHARACTERS) return () => false;
  const segments = pattern.split(/\*+/).map((text) => new Segment(text));
  const first = segments[0]!;
  const last = segments.at(-1)!;
  if (segments.length === 1) return (name) => first.endAt(name, 0) === name.length;
  const middle = segments.slice(1, -1);
  return (name) => {
    if (name.length < fewest) return false;
    let from = first.endAt(name, 0);
    for (let index = 0; index < middle.length && from >= 0; index += 1) from = middle[index]!.search(name, from);
    return from >= 0 && last.isEndOf(name, from);
  };
}

/** What stands between two stars. Every function answers where it ends, or -1. */
class Segment {
  readonly #text: string;
  readonly #points: readonly number[];
  readonly #hasAny: boolean;
  #search: ShiftAnd | undefined;
  #fallbacks: Int32Array | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#points = Array.from(text, (character) => character.codePointAt(0)!);
    this.#hasAny = text.includes('?');
  }

  endAt(name: string, start: number): number {
    if (!this.#hasAny) return name.startsWith(this.#text, start) ? start + this.#text.length : -1;
    let at = start;
    for (const point of this.#points) {
      if (at >= name.length) return -1;
      const found = name.codePointAt(at)!;
      if (point !== QUESTION && point !== found) return -1;
      at += found > LAST_UNIT ? 2 : 1;
    }
    return at;
  }

  isEndOf(name: string, from: number): boolean {
    if (!this.#hasAny) return name.length - this.#text.length >= from && name.endsWith(this.#text);
    let start = name.length;
    for (let count = 0; count < this.#points.length; count += 1) {
      if (start <= from) return false;
      start -= isSecondHalf(name, start - 1) ? 2 : 1;
    }
    return start >= from && this.endAt(name, start) === name.length;
  }

  /** The first end of it from there on. */
  search(name: string, from: number): number {
    if (this.#hasAny) {
      this.#search ??= new ShiftAnd(this.#points);
      return this.#search.search(name, from);
    }
    if (this.#text.length > SHORT_SEGMENT) return this.#searchText(name, from);
    // What is short is found by looking at each place, which V8 does well.
    const start = name.indexOf(this.#text, from);
    return start < 0 ? -1 : start + this.#text.length;
  }

  /** Knuth, Morris, Pratt: no unit of the name is looked at again. */
  #searchText(name: string, from: number): number {
    const text = this.#text;
    this.#fallbacks ??= fallbacksOf(text);
    let matched = 0;
    for (let at = from; at < name.length; at += 1) {
      const unit = name.charCodeAt(at);
      while (matched > 0 && text.charCodeAt(matched) !== unit) matched = this.#fallbacks[matched - 1]!;
      if (text.charCodeAt(matched) === unit) matched += 1;
      if (matched === text.length) return at + 1;
    }
    return -1;
  }
}

/** For each beginning of a text, how much of its end begins the text again. */
function fallbacksOf(text: string): Int32Array {
  const fallbacks = new Int32Array(text.length);
  for (let at = 1, matched = 0; at < text.length; at += 1) {
    while (matched > 0 && text.charCodeAt(matched) !== text.charCodeAt(at)) matched = fallbacks[matched - 1]!;
    if (text.charCodeAt(matched) === text.charCodeAt(at)) matched += 1;
    fallbacks[at] = matched;
  }
  return fallbacks;
}

/** Looks for all beginnings of a segment at once, a bit each: a name costs its length times a word for 32 characters of the segment. */
class ShiftAnd {
  readonly #words: number;
  readonly #last: number;
  readonly #masks = new Map<number, Int32Array>();
  /** Of characters that the segment does not name. */
  readonly #others: Int32Array;
  readonly #state: Int32Array;

  constructor(points: readonly number[]) {
    this.#words = Math.ceil(points.length / 32);
    this.#last = points.length - 1;
    this.#state = new Int32Array(this.#words);
    this.#others = new Int32Array(this.#words);
    points.forEach((point, place) => {
      if (point === QUESTION) setBit(this.#others, place);
    });
    points.forEach((point, place) => {
      if (point === QUESTION) return;
      if (!this.#masks.has(point)) this.#masks.set(point, this.#others.slice());
      setBit(this.#masks.get(point)!, place);
    });
  }

  search(name: string, from: number): number {
    const state = this.#state.fill(0);
    const lastWord = this.#last >>> 5;
    const lastBit = 1 << (this.#last & 31);
    for (let at = from; at < name.length; ) {
      const point = name.codePointAt(at)!;
      at += point > LAST_UNIT ? 2 : 1;
      const mask = this.#masks.get(point) ?? this.#others;
      let carry = 1;
      for (let word = 0; word < this.#words; word += 1) {
        const before = state[word]!;
        state[word] = ((before << 1) | carry) & mask[word]!;
        carry = before >>> 31;
      }
      if ((state[lastWord]! & lastBit) !== 0) return at;
    }
    return -1;
  }
}

function setBit(words: Int32Array, place: number): void {
  words[place >>> 5]! |= 1 << (place & 31);
}

function isSecondHalf(name: string, index: number): boolean {
  return index > 0 && (name.charCodeAt(index) & 0xfc00) === 0xdc00 && (name.charCodeAt(index - 1) & 0xfc00) === 0xd800;
}

function isControl(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

function hex(code: number): string {
  return code.toString(16).toUpperCase().padStart(4, '0');
}

const QUESTION = 0x3f;
const FIRST_SURROGATE = 0xd800;
const LAST_SURROGATE = 0xdfff;
const LAST_UNIT = 0xffff;
const SHORT_SEGMENT = 16;
