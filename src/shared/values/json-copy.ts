/** A frozen copy of what a caller gave as JSON value, with a sentence that names the place of what JSON cannot say. Path: caller -> [json copy] -> value codec. */
import { hasTooManyDigits, integerOf, MAX_INTEGER_DIGITS } from './number-text.js';
import type { CopyRules } from './plain-copy.js';
import { PlainCopy } from './plain-copy.js';
import { isWellFormed } from './utf8.js';
import type { JsonValue } from './variable-type.js';

/** @throws InvalidValueError for NaN, infinities, undefined, functions, symbols, class instances, cycles, lone surrogates and more than 100 levels */
export function copyJson(input: unknown, subject: string): JsonValue {
  return PlainCopy.make(RULES, input, subject) as JsonValue;
}

const RULES: CopyRules = {
  takesEveryNumber: false,
  freezes: true,
  checkKey(key, copy) {
    if (!isWellFormed(key)) copy.refuse('is a key with half of a surrogate pair, which UTF-8 cannot say');
  },
  copyLeaf(input, copy) {
    switch (typeof input) {
      case 'string':
        if (!isWellFormed(input))
          copy.refuse('holds half of a surrogate pair, which UTF-8 cannot say: give well-formed text');
        return input;
      case 'boolean':
        return input;
      case 'number':
        if (!Number.isFinite(input))
          copy.refuse(`is ${input}, which JSON cannot say: leave it out or write it as a string`);
        return input;
      case 'bigint':
        if (hasTooManyDigits(input)) copy.refuse(`has more than ${MAX_INTEGER_DIGITS} digits: write it as a string`);
        return integerOf(input);
      default:
        return input === null ? null : copy.refuseKind(input);
    }
  },
};
