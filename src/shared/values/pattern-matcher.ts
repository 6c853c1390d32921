/**
 * Patterns that cannot stall whoever checks them: RE2 syntax (no lookaround, no backreference), linear time, bounded size. Path: constraint -> [pattern matcher].
 * Imported as any module and not when the first pattern appears: re2js loads in 10 ms (measured, Node 20, once a thread, and workers
 * check no constraints), and loading it later would put a wait between a registration and its commit.
 */
import { RE2JS } from 're2js';
import { InvalidConstraintError } from '../errors.js';
import { describeValue } from './describe-value.js';

/** UTF-16 units of a pattern. */
export const MAX_PATTERN_LENGTH = 1000;

/** Matches anywhere in a text unless the pattern begins with `^` or ends with `$` (the very end, also before a line break), as Python's `re.search` does. */
export interface Pattern {
  /** UTF-16 units of a text that it may be asked about; longer ones could take longer than 0.5 s. */
  readonly longestText: number;
  /** Instructions that it is compiled to: what one character may cost. */
  readonly size: number;
  matches(text: string): boolean;
}

/** @throws InvalidConstraintError for a pattern that is no RE2 pattern, or is too large */
export function compilePattern(source: string, subject: string): Pattern {
  const named = `${subject}: pattern ${describeValue(source)}`;
  if (source.length > MAX_PATTERN_LENGTH) {
    throw new InvalidConstraintError(`${named} has ${source.length} characters: give at most ${MAX_PATTERN_LENGTH}`);
  }
  // Asked before compiling, which takes a second and 200 MB for `(?:a{0,1000}){1}` a hundred times.
  if (compiledSize(source) > MAX_COMPILED_SIZE) {
    throw new InvalidConstraintError(`${named} is too large when its repetitions are written out: repeat less`);
  }
  const compiled = compile(source, named);
  return {
    longestText: Math.floor(MAX_STEPS / compiled.programSize()),
    size: compiled.programSize(),
    matches: (text) => compiled.test(text),
  };
}

function compile(source: string, named: string): RE2JS {
  try {
    return RE2JS.compile(source);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidConstraintError(
      `${named} is refused (${reason}): use RE2 syntax, which has no lookaround and no backreferences`,
      { cause },
    );
  }
}

/** An upper bound, within a few, of the instructions that a pattern compiles to; what is no valid pattern may give anything. */
function compiledSize(source: string): number {
  const outer: number[] = [];
  let total = 0;
  let last = 0;
  let index = 0;
  while (index < source.length) {
    const character = source[index]!;
    const repetition = character === '{' ? repetitionAt(source, index) : undefined;
    if (character === '(') {
      outer.push(total);
      total = 0;
      last = 0;
      index += 1;
    } else if (character === ')') {
      last = total + GROUP_INSTRUCTIONS;
      total = (outer.pop() ?? 0) + last;
      index += 1;
    } else if (repetition !== undefined) {
      const added = last * (repetition.copies - 1);
      total += added;
      last += added;
      index = repetition.end;
    } else {
      const end = endOfStep(source, index);
      const size = QUANTIFIERS.includes(character) ? last + 1 : 1;
      // A quoted text is as many steps as it has characters.
      total += source.startsWith('\\Q', index) ? end - index : 1;
      last = size;
      index = end;
    }
  }
  return total;
}

/** `{2}`, `{2,}` and `{2,5}`; those with a comma take two instructions a copy. */
function repetitionAt(source: string, start: number): { copies: number; end: number } | undefined {
  REPETITION.lastIndex = start;
  const match = REPETITION.exec(source);
  if (match === null) return undefined;
  const [token, least, comma, most] = match;
  const copies = Math.max(1, Number(least), Number(most ?? 0)) * (comma === undefined ? 1 : 2);
  return { copies, end: start + token.length };
}

function endOfStep(source: string, start: number): number {
  if (source[start] === '[') return endOfClass(source, start);
  if (source[start] !== '\\') return start + 1;
  const kind = source[start + 1];
  if (kind === 'Q') return endAfter(source, '\\E', start);
  if ((kind === 'p' || kind === 'P' || kind === 'x') && source[start + 2] === '{') return endAfter(source, '}', start);
  return start + 2;
}

function endOfClass(source: string, start: number): number {
  let index = source[start + 1] === '^' ? start + 2 : start + 1;
  // A bracket that comes first stands for itself.
  if (source[index] === ']') index += 1;
  while (index < source.length && source[index] !== ']') {
    if (source[index] === '\\') index += 2;
    else if (source.startsWith('[:', index) && source.includes(':]', index)) index = endAfter(source, ':]', index);
    else index += 1;
  }
  return index + 1;
}

function endAfter(source: string, end: string, from: number): number {
  const found = source.indexOf(end, from);
  return found === -1 ? source.length : found + end.length;
}

const QUANTIFIERS = '*+?';
const REPETITION = /\{(\d+)(,)?(\d*)\}/y;
const GROUP_INSTRUCTIONS = 2;

/** Instructions of a compiled pattern; compiling that many takes some 20 ms. `[a-z]{1,1000}` has 2,003. */
const MAX_COMPILED_SIZE = 5000;

/** Instructions times characters of one match: at up to 100 ns each (measured on hostile patterns) 0.5 s. */
const MAX_STEPS = 5_000_000;
