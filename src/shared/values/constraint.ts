/**
 * Constraints of a variable: parsed once when it is registered, then asked at every set. Path: registration -> [constraint] <- variable.
 * Keys have the wire's names, because they travel as JSON that other languages read.
 */
import { ConstraintViolationError, InvalidConstraintError } from '../errors.js';
import { listedNames } from '../listed-names.js';
import { claimedShape, isOpaqueBinary } from './binary-array.js';
import { isAnySize, knowsConstraint, readConstraintInput } from './constraint-input.js';
import { describeValue } from './describe-value.js';
import { isFloatArray, shapeText } from './numeric-array.js';
import { patternOf } from './pattern-cache.js';
import type { Tensor, VariableType, VariableValue } from './variable-type.js';

/** What a value must keep to; all that are there must hold. An empty text or list of texts sets no limit, as published servers have it. */
export interface Constraints {
  /** Float, integer: the least value allowed. */
  readonly min?: number | bigint;
  /** Float, integer: the greatest value allowed. NaN fits neither `min` nor `max`. */
  readonly max?: number | bigint;
  /** String: characters (code points) at least. */
  readonly min_length?: number;
  /** String: characters (code points) at most. */
  readonly max_length?: number;
  /** String, module: RE2 syntax, found anywhere in the text unless anchored by `^` and `$`. At most 1,000 characters. */
  readonly pattern?: string;
  /** String: the texts allowed. */
  readonly enum?: readonly string[];
  /** Choice (required), module: the texts allowed. */
  readonly choices?: readonly string[];
  /** Module: the names allowed. */
  readonly allowed_modules?: readonly string[];
  /** Module: "Foo" allows "Foo" and all that begins "Foo.". */
  readonly namespace?: string;
  /** Embedding: the number of elements. */
  readonly dimensions?: number;
  /** Tensor: the size of each axis; null or -1 allows any. */
  readonly shape?: readonly (number | null)[];
}

/** What `registerVariable` takes. */
export type ConstraintsInput = Constraints;

export const NO_CONSTRAINTS: Constraints = Object.freeze({});

/**
 * Frozen constraints from their JSON text or from an object; undefined and '' are none. Keys that the type doesn't know are kept and ignored:
 * published clients send others, and whoever reads the constraints may know them.
 * @throws InvalidConstraintError for a wrong kind, a contradiction, a pattern that isn't RE2, and a choice without choices
 */
export function parseConstraints(
  type: VariableType,
  input: string | ConstraintsInput | Readonly<Record<string, unknown>> | undefined,
  subject: string,
): Constraints {
  const constraints: Constraints = readConstraintInput(type, input, subject);
  checkContradictions(type, constraints, subject);
  if (knowsConstraint(type, 'pattern') && constraints.pattern !== undefined) patternOf(constraints.pattern, subject);
  return Object.keys(constraints).length === 0 ? NO_CONSTRAINTS : constraints;
}

/**
 * `value` is what `normalizeValue` or `decodeValue` has returned for that type; `isMatched`: whether it matches the pattern, where that is known.
 * @throws ConstraintViolationError
 */
export function checkConstraints(
  type: VariableType,
  constraints: Constraints,
  value: VariableValue,
  subject: string,
  isMatched?: boolean,
): void {
  if (constraints === NO_CONSTRAINTS) return;
  switch (type) {
    case 'float':
    case 'integer':
      checkRange(constraints, value as number | bigint, subject);
      break;
    case 'string':
      checkLength(constraints, value as string, subject);
      checkListed('enum', constraints.enum, value as string, subject);
      checkPattern(constraints, value as string, subject, isMatched);
      break;
    case 'choice':
      checkListed('choices', constraints.choices, value as string, subject);
      break;
    case 'module':
      checkListed('choices', constraints.choices, value as string, subject);
      checkListed('allowed_modules', constraints.allowed_modules, value as string, subject);
      checkNamespace(constraints, value as string, subject);
      checkPattern(constraints, value as string, subject, isMatched);
      break;
    case 'embedding':
      checkDimensions(constraints, value, subject);
      break;
    case 'tensor':
      checkShape(constraints, value, subject);
      break;
    case 'boolean':
    case 'map':
    case 'list':
      break;
    default: {
      void (type satisfies never);
    }
  }
}

/** A match that takes more than some milliseconds: whoever serves others has it made elsewhere, and tells the result to `checkConstraints`. */
export function longMatchOf(
  type: VariableType,
  { pattern: source }: Constraints,
  value: VariableValue,
): { readonly source: string; readonly text: string } | undefined {
  if (source === undefined || typeof value !== 'string' || !knowsConstraint(type, 'pattern')) return undefined;
  const { size, longestText } = patternOf(source, 'pattern');
  const steps = value.length * size;
  return steps > LONG_STEPS && value.length <= longestText ? { source, text: value } : undefined;
}

function checkContradictions(type: VariableType, constraints: Constraints, subject: string): void {
  const { min, max, min_length: minLength, max_length: maxLength } = constraints;
  if (knowsConstraint(type, 'min') && min !== undefined && max !== undefined && min > max) {
    throw new InvalidConstraintError(`${subject}: constraint min ${min} is above max ${max}: swap or drop one`);
  }
  if (
    knowsConstraint(type, 'min_length') &&
    minLength !== undefined &&
    maxLength !== undefined &&
    minLength > maxLength
  ) {
    throw new InvalidConstraintError(
      `${subject}: constraint min_length ${minLength} is above max_length ${maxLength}: swap or drop one`,
    );
  }
  if (type === 'choice' && constraints.choices === undefined) {
    throw new InvalidConstraintError(
      `${subject}: a choice has no choices: give the constraint choices, or register a string`,
    );
  }
}

function checkRange({ min, max }: Constraints, value: number | bigint, subject: string): void {
  // Numbers and bigints compare exactly. Negated, so that NaN is refused too.
  if (min !== undefined && !(value >= min)) {
    violate(subject, `${describeValue(value)} is not at least min ${min}: give ${min} or more`);
  }
  if (max !== undefined && !(value <= max)) {
    violate(subject, `${describeValue(value)} is not at most max ${max}: give ${max} or less`);
  }
}

function checkLength({ min_length: least, max_length: most }: Constraints, text: string, subject: string): void {
  if (least === undefined && most === undefined) return;
  const characters = charactersOf(text);
  if (least !== undefined && characters < least) {
    violate(subject, `the text has ${characters} characters, fewer than min_length ${least}: give at least ${least}`);
  }
  if (most !== undefined && characters > most) {
    violate(subject, `the text has ${characters} characters, more than max_length ${most}: give at most ${most}`);
  }
}

function checkListed(
  key: keyof Constraints,
  allowed: readonly string[] | undefined,
  text: string,
  subject: string,
): void {
  if (allowed === undefined || allowed.includes(text)) return;
  violate(subject, `${describeValue(text)} is not in ${key}: give one of ${listedNames(allowed.map(describeValue))}`);
}

function checkNamespace({ namespace }: Constraints, name: string, subject: string): void {
  if (namespace === undefined || name === namespace || name.startsWith(`${namespace}.`)) return;
  violate(
    subject,
    `${describeValue(name)} is not in namespace "${namespace}": give "${namespace}" or what begins "${namespace}."`,
  );
}

function checkPattern(constraints: Constraints, text: string, subject: string, isMatched: boolean | undefined): void {
  if (constraints.pattern === undefined) return;
  const pattern = patternOf(constraints.pattern, subject);
  const source = describeValue(constraints.pattern);
  if (text.length > pattern.longestText) {
    violate(
      subject,
      `the text has ${text.length} characters, and ${pattern.longestText} is the most that pattern ${source} is tried on: give a shorter text or simplify the pattern`,
    );
  }
  if (!(isMatched ?? pattern.matches(text)))
    violate(subject, `${describeValue(text)} does not match pattern ${source}: give a text that does`);
}

function checkDimensions({ dimensions }: Constraints, value: VariableValue, subject: string): void {
  if (dimensions === undefined) return;
  const shape = shapeOf(value);
  if (shape?.length === 1 && shape[0] === dimensions) return;
  const elements = shape?.length === 1 ? `${shape[0]} elements` : undefined;
  const found =
    elements ?? (shape === undefined ? 'a binary that does not tell its shape' : `shape ${shapeText(shape)}`);
  violate(subject, `the embedding has ${found}, and dimensions is ${dimensions}: give exactly ${dimensions}`);
}

function checkShape({ shape: allowed }: Constraints, value: VariableValue, subject: string): void {
  if (allowed === undefined) return;
  const shape = shapeOf(value);
  const fits =
    shape?.length === allowed.length && allowed.every((size, axis) => isAnySize(size) || size === shape[axis]);
  if (fits) return;
  const found = shape === undefined ? 'is a binary that does not tell its shape' : `has shape ${shapeText(shape)}`;
  violate(subject, `the tensor ${found}, and constraint shape is ${shapeText(allowed)}: give that shape`);
}

function violate(subject: string, sentence: string): never {
  throw new ConstraintViolationError(`${subject}: ${sentence}`);
}

/** Of a binary that we cannot read, what its header claims. */
function shapeOf(value: VariableValue): readonly number[] | undefined {
  if (isFloatArray(value)) return [value.length];
  return isOpaqueBinary(value) ? claimedShape(value) : (value as Tensor).shape;
}

function charactersOf(text: string): number {
  let characters = text.length;
  for (let index = 0; index < text.length; index += 1) {
    // The second half of each pair does not count.
    if ((text.charCodeAt(index) & 0xfc00) === 0xdc00) characters -= 1;
  }
  return characters;
}

/** Instructions times characters; at up to 100 ns each (measured on hostile patterns) 10 ms. */
const LONG_STEPS = 100_000;
