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
 * Takes at most name times pattern steps, whatever they are: only the last `*` is ever tried again.
 */
export function compileWildcard(pattern: string): (name: string) => boolean {
  const steps = pattern.replace(/\*+/g, '*');
  const fewest = steps.replaceAll('*', '').length;
  // A pattern that asks for more than the name has costs nothing, so what counts of a pattern is bounded by the name.
  return (name) => name.length >= fewest && matches(steps, name);
}

function matches(pattern: string, name: string): boolean {
  let inPattern = 0;
  let inName = 0;
  let star = -1;
  let starEnd = 0;
  while (inName < name.length) {
    const step = pattern.charCodeAt(inPattern);
    if (step === STAR) {
      star = inPattern;
      starEnd = inName;
      inPattern += 1;
    } else if (step === QUESTION) {
      inPattern += 1;
      inName += unitsAt(name, inName);
    } else if (step === name.charCodeAt(inName)) {
      inPattern += 1;
      inName += 1;
    } else if (star >= 0) {
      // The star takes one more. Half of a pair is harmless: no step but `?` begins with one, and for `?` it counts as the pair does.
      starEnd += 1;
      inPattern = star + 1;
      inName = starEnd;
    } else {
      return false;
    }
  }
  while (pattern.charCodeAt(inPattern) === STAR) inPattern += 1;
  return inPattern === pattern.length;
}

function unitsAt(name: string, index: number): number {
  return name.codePointAt(index)! > LAST_UNIT ? 2 : 1;
}

function isControl(code: number): boolean {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

function hex(code: number): string {
  return code.toString(16).toUpperCase().padStart(4, '0');
}

const STAR = 0x2a;
const QUESTION = 0x3f;
const FIRST_SURROGATE = 0xd800;
const LAST_SURROGATE = 0xdfff;
const LAST_UNIT = 0xffff;
