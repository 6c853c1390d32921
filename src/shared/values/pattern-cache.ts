/**
 * Compiled patterns by their source, for all variables of a process. Path: constraint -> [pattern cache] -> pattern matcher.
 * A compiled pattern grows with the texts that it is asked about, up to 8 MB. Full: the oldest go, and are compiled again when they are asked.
 */
import type { Pattern } from './pattern-matcher.js';
import { compilePattern } from './pattern-matcher.js';

/** @throws InvalidConstraintError */
export function patternOf(source: string, subject: string): Pattern {
  return CACHE.get(source, subject);
}

export class PatternCache {
  readonly #maxBytes: number;
  readonly #patterns = new Map<string, CachedPattern>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#patterns.size;
  }

  /** @throws InvalidConstraintError */
  get(source: string, subject: string): Pattern {
    const known = this.#patterns.get(source);
    if (known !== undefined) return known;
    const pattern = new CachedPattern(compilePattern(source, subject), this);
    this.#patterns.set(source, pattern);
    this.add(pattern.size * BYTES_AN_INSTRUCTION);
    return pattern;
  }

  /** Bytes that one of them has grown by. */
  add(bytes: number): void {
    this.#bytes += bytes;
    for (const [source, oldest] of this.#patterns) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#patterns.delete(source);
      this.#bytes -= oldest.bytes;
      oldest.isForgotten = true;
    }
  }
}

class CachedPattern implements Pattern {
  readonly longestText: number;
  readonly size: number;
  readonly #pattern: Pattern;
  readonly #cache: PatternCache;
  bytes: number;
  isForgotten = false;

  constructor(pattern: Pattern, cache: PatternCache) {
    this.#pattern = pattern;
    this.#cache = cache;
    this.longestText = pattern.longestText;
    this.size = pattern.size;
    this.bytes = pattern.size * BYTES_AN_INSTRUCTION;
  }

  matches(text: string): boolean {
    const most = MAX_GROWN_BYTES - this.bytes;
    if (most > 0 && !this.isForgotten) {
      const grown = Math.min(most, text.length * BYTES_A_CHARACTER);
      this.bytes += grown;
      this.#cache.add(grown);
    }
    return this.#pattern.matches(text);
  }
}

/** Measured on `[a-z]{1,1000}`. */
const BYTES_AN_INSTRUCTION = 200;
/** Of texts that it was asked about: a state of its automaton, at most. */
const BYTES_A_CHARACTER = 300;
/** What the matcher gives its automaton. */
const MAX_GROWN_BYTES = 8 * 1024 * 1024;
const MAX_CACHE_BYTES = 64 * 1024 * 1024;

const CACHE = new PatternCache(MAX_CACHE_BYTES);
