/**
 * A filter as data: parsed once, then asked once an update, without allocating (bench/micro: condition).
 * Path: variable feed -> [condition] -> ring; LocalState asks it in the dispatcher.
 */
import { InvalidOptionsError } from '../errors.js';
import { valuesEqual } from '../values/value-equality.js';
import type { VariableValue } from '../values/variable-type.js';

type Scalar = number | bigint | string | boolean;

/**
 * `changedBy` n: |new - old| >= n. `crosses` n: old and new lie on different sides of n (n itself counts as above).
 * `gt gte lt lte eq in` look at the new value; `and or not` join conditions. A number condition on a value that isn't a number is false,
 * and so are `changedBy` and `crosses` without an old value.
 */
export type Condition =
  | { readonly changedBy: number }
  | { readonly crosses: number }
  | { readonly gt: number | bigint | string }
  | { readonly gte: number | bigint | string }
  | { readonly lt: number | bigint | string }
  | { readonly lte: number | bigint | string }
  | { readonly eq: VariableValue | null }
  | { readonly in: readonly Scalar[] }
  | { readonly and: readonly Condition[] }
  | { readonly or: readonly Condition[] }
  | { readonly not: Condition };

/** Conditions inside each other; deeper ones are refused. */
export const MAX_CONDITION_DEPTH = 16;

/** @throws InvalidOptionsError naming what is wrong; the same object when it is right */
export function checkCondition(input: unknown, path = 'filter', depth = 0): Condition {
  if (depth > MAX_CONDITION_DEPTH)
    throw new InvalidOptionsError(`${path}: conditions nest deeper than ${MAX_CONDITION_DEPTH}`);
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new InvalidOptionsError(
      `${path}: give a function or a condition such as { changedBy: 1 }, not ${describe(input)}`,
    );
  }
  const keys = Object.keys(input);
  const [key] = keys;
  if (keys.length !== 1 || key === undefined || !OPERATORS.has(key)) {
    throw new InvalidOptionsError(
      `${path}: a condition has exactly one of ${[...OPERATORS].join(', ')}; join several with and/or (got ${keys.join(', ') || 'none'})`,
    );
  }
  const operand = (input as Record<string, unknown>)[key];
  const at = `${path}.${key}`;
  switch (key) {
    case 'changedBy':
    case 'crosses':
      if (typeof operand !== 'number' || Number.isNaN(operand) || (key === 'changedBy' && operand < 0)) {
        throw new InvalidOptionsError(
          `${at}: give a number${key === 'changedBy' ? ' from 0' : ''}, not ${describe(operand)}`,
        );
      }
      break;
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      if (typeof operand !== 'number' && typeof operand !== 'bigint' && typeof operand !== 'string') {
        throw new InvalidOptionsError(`${at}: give a number, bigint or string, not ${describe(operand)}`);
      }
      break;
    case 'in':
      if (!Array.isArray(operand))
        throw new InvalidOptionsError(`${at}: give a list of values, not ${describe(operand)}`);
      break;
    case 'and':
    case 'or':
      if (!Array.isArray(operand) || operand.length === 0) {
        throw new InvalidOptionsError(`${at}: give a list of at least one condition, not ${describe(operand)}`);
      }
      for (const [place, part] of operand.entries()) checkCondition(part, `${at}[${place}]`, depth + 1);
      break;
    case 'not':
      checkCondition(operand, at, depth + 1);
      break;
  }
  return input as Condition;
}

export function meets(condition: Condition, old: VariableValue | undefined, value: VariableValue): boolean {
  if ('changedBy' in condition) return changedBy(old, value, condition.changedBy);
  if ('crosses' in condition) return crosses(old, value, condition.crosses);
  if ('gt' in condition) return isComparable(value, condition.gt) && (value as number) > (condition.gt as number);
  if ('gte' in condition) return isComparable(value, condition.gte) && (value as number) >= (condition.gte as number);
  if ('lt' in condition) return isComparable(value, condition.lt) && (value as number) < (condition.lt as number);
  if ('lte' in condition) return isComparable(value, condition.lte) && (value as number) <= (condition.lte as number);
  if ('eq' in condition) return condition.eq !== null && valuesEqual(value, condition.eq);
  if ('in' in condition) return isIn(value, condition.in);
  if ('not' in condition) return !meets(condition.not, old, value);
  if ('and' in condition) return meetsAll(condition.and, old, value);
  return meetsAny(condition.or, old, value);
}

const OPERATORS: ReadonlySet<string> = new Set([
  'changedBy',
  'crosses',
  'gt',
  'gte',
  'lt',
  'lte',
  'eq',
  'in',
  'and',
  'or',
  'not',
]);

function isNumeric(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function isComparable(value: unknown, operand: unknown): boolean {
  return (isNumeric(value) && isNumeric(operand)) || (typeof value === 'string' && typeof operand === 'string');
}

function changedBy(old: unknown, value: unknown, least: number): boolean {
  if (!isNumeric(old) || !isNumeric(value)) return false;
  if ((typeof old === 'bigint' || typeof value === 'bigint') && isWhole(old) && isWhole(value)) {
    const difference = BigInt(value) - BigInt(old);
    return (difference < 0n ? -difference : difference) >= least;
  }
  // Between the infinities the difference is NaN, and a change to or from NaN has no size: both are changes.
  const change = Math.abs(Number(value) - Number(old));
  return Number.isNaN(change) ? !Object.is(old, value) : change >= least;
}

function isWhole(value: number | bigint): boolean {
  return typeof value === 'bigint' || Number.isInteger(value);
}

function crosses(old: unknown, value: unknown, line: number): boolean {
  return isNumeric(old) && isNumeric(value) && old < line !== value < line;
}

function isIn(value: VariableValue, list: readonly Scalar[]): boolean {
  for (let index = 0; index < list.length; index += 1) if (valuesEqual(value, list[index]!)) return true;
  return false;
}

function meetsAll(parts: readonly Condition[], old: VariableValue | undefined, value: VariableValue): boolean {
  for (let index = 0; index < parts.length; index += 1) if (!meets(parts[index]!, old, value)) return false;
  return true;
}

function meetsAny(parts: readonly Condition[], old: VariableValue | undefined, value: VariableValue): boolean {
  for (let index = 0; index < parts.length; index += 1) if (meets(parts[index]!, old, value)) return true;
  return false;
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'number' ? String(value) : typeof value;
}
