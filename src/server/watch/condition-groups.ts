/**
 * Different conditions over one variable, by what finds them. Path: condition index -> [condition groups] -> condition index.
 * The simple kinds are found by what they compare with, so that a change costs what it concerns and a search; an `and` is found by its most
 * telling part and asked as a whole. Other kinds are asked one by one. Full: those beyond MOST_ASKED_STEPS a change are told of every change,
 * as if they had no condition: whoever watches asks it again.
 */
import type { Condition } from '../../shared/delivery/condition.js';
import { meets } from '../../shared/delivery/condition.js';
import type { AskedCondition } from '../../shared/delivery/condition-text.js';
import { ShelvedMany } from '../../shared/one-or-many.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import type { StepCount } from './sorted-thresholds.js';
import { SortedThresholds } from './sorted-thresholds.js';

/** All that ask the same. */
export interface AskingGroup {
  readonly asked: AskedCondition;
  /** Of those beyond the steps of a change. */
  isTold: boolean;
}

export class ConditionGroups<G extends AskingGroup> {
  readonly groups = new Map<string, G>();
  readonly #count: StepCount;
  readonly #crossed: SortedThresholds<number, G>;
  readonly #changed: SortedThresholds<number, G>;
  readonly #numbers = new Map<Comparison, SortedThresholds<number | bigint, G>>();
  readonly #texts = new Map<Comparison, SortedThresholds<string, G>>();
  /** As a map compares its keys: NaN is NaN, 0 is -0, and a bigint is no number. */
  readonly #equal = new ShelvedMany<unknown, G>();
  readonly #asked = new Set<G>();
  #askedSteps = 0;
  readonly #told = new Set<G>();

  constructor(count: StepCount) {
    this.#count = count;
    this.#crossed = new SortedThresholds(count);
    this.#changed = new SortedThresholds(count);
  }

  add(group: G): void {
    const { text, steps, condition } = group.asked;
    this.groups.set(text, group);
    const key = keyOf(condition);
    if (key !== undefined) {
      this.#file(key, group, true);
    } else if (this.#askedSteps + steps > MOST_ASKED_STEPS) {
      group.isTold = true;
      this.#told.add(group);
    } else {
      this.#askedSteps += steps;
      this.#asked.add(group);
    }
  }

  remove(group: G): void {
    const { text, steps, condition } = group.asked;
    this.groups.delete(text);
    const key = keyOf(condition);
    if (key !== undefined) this.#file(key, group, false);
    else if (group.isTold) this.#told.delete(group);
    else {
      this.#askedSteps -= steps;
      this.#asked.delete(group);
    }
  }

  find(old: VariableValue, value: VariableValue, found: G[]): void {
    for (const group of this.#told) found.push(group);
    for (const group of this.#asked) if (meetsGroup(group, old, value, this.#count)) found.push(group);
    const candidates: G[] = [];
    if (isNumeric(value)) {
      if (isNumeric(old)) this.#findBySteps(old, value, candidates);
      if (!isNotANumber(value)) findByComparison(this.#numbers, value, candidates);
    } else if (typeof value === 'string') findByComparison(this.#texts, value, candidates);
    this.#count.steps += 1;
    for (const group of this.#equal.of(value)) candidates.push(group);
    for (const group of candidates) {
      if (!('and' in group.asked.condition) || meetsGroup(group, old, value, this.#count)) found.push(group);
    }
  }

  /** `crosses` n concerns a step from a to b with n in (a, b], or (b, a]. NaN counts as above every line, as infinity does. */
  #findBySteps(old: number | bigint, value: number | bigint, candidates: G[]): void {
    const from = isNotANumber(old) ? Number.POSITIVE_INFINITY : old;
    const to = isNotANumber(value) ? Number.POSITIVE_INFINITY : value;
    // Lines are numbers, and a number and a bigint compare exactly.
    if (from < to) this.#crossed.above(from as number, false, candidates, to as number);
    else if (to < from) this.#crossed.above(to as number, false, candidates, from as number);
    const by = changeBetween(old, value);
    if (by !== undefined) this.#changed.below(by as number, true, candidates);
  }

  #file(key: Key, group: G, isThere: boolean): void {
    switch (key.kind) {
      case 'crosses':
        fileThreshold(this.#crossed, key.threshold, group, isThere);
        return;
      case 'changedBy':
        fileThreshold(this.#changed, key.threshold, group, isThere);
        return;
      case 'equal':
        for (const operand of key.operands) {
          if (isThere) this.#equal.add(operand, group);
          else this.#equal.remove(operand, group);
        }
        return;
      default:
        if (typeof key.threshold === 'string') {
          fileThreshold(this.#comparing(this.#texts, key.kind), key.threshold, group, isThere);
        } else fileThreshold(this.#comparing(this.#numbers, key.kind), key.threshold, group, isThere);
    }
  }

  #comparing<T extends number | bigint | string>(
    all: Map<Comparison, SortedThresholds<T, G>>,
    kind: Comparison,
  ): SortedThresholds<T, G> {
    let sorted = all.get(kind);
    if (sorted === undefined) {
      sorted = new SortedThresholds(this.#count);
      all.set(kind, sorted);
    }
    return sorted;
  }
}

export function meetsGroup(
  { asked }: AskingGroup,
  old: VariableValue,
  value: VariableValue,
  count: StepCount,
): boolean {
  count.steps += asked.steps;
  return meets(asked.condition, old, value);
}

type Comparison = 'gt' | 'gte' | 'lt' | 'lte';

/** What a group is found by. */
type Key =
  | { readonly kind: 'crosses' | 'changedBy'; readonly threshold: number }
  | { readonly kind: Comparison; readonly threshold: number | bigint | string }
  /** Each once. */
  | { readonly kind: 'equal'; readonly operands: ReadonlySet<unknown> };

/** Undefined for what is asked one by one. */
function keyOf(condition: Condition): Key | undefined {
  if ('crosses' in condition) return { kind: 'crosses', threshold: condition.crosses };
  if ('changedBy' in condition) return { kind: 'changedBy', threshold: condition.changedBy };
  if ('gt' in condition) return comparisonKey('gt', condition.gt);
  if ('gte' in condition) return comparisonKey('gte', condition.gte);
  if ('lt' in condition) return comparisonKey('lt', condition.lt);
  if ('lte' in condition) return comparisonKey('lte', condition.lte);
  if ('eq' in condition) return equalKey([condition.eq]);
  if ('in' in condition) return equalKey(condition.in);
  if ('and' in condition) return mostTelling(condition.and);
  return undefined;
}

function comparisonKey(kind: Comparison, threshold: number | bigint | string): Key | undefined {
  return typeof threshold === 'number' && Number.isNaN(threshold) ? undefined : { kind, threshold };
}

/** Lists and maps are compared element by element; nothing equals null. */
function equalKey(operands: readonly unknown[]): Key | undefined {
  if (operands.some((operand) => typeof operand === 'object' && operand !== null)) return undefined;
  return { kind: 'equal', operands: new Set(operands.filter((operand) => operand !== null)) };
}

/** By that of a conjunction's parts which keeps most out. */
function mostTelling(parts: readonly Condition[]): Key | undefined {
  let best: Key | undefined;
  for (const part of parts) {
    const key = keyOf(part);
    if (key !== undefined && (best === undefined || rankOf(key) < rankOf(best))) best = key;
  }
  return best;
}

function rankOf({ kind }: Key): number {
  if (kind === 'equal') return 0;
  if (kind === 'crosses') return 1;
  return kind === 'changedBy' ? 2 : 3;
}

function fileThreshold<T extends number | bigint | string, I>(
  sorted: SortedThresholds<T, I>,
  threshold: T,
  item: I,
  isThere: boolean,
): void {
  if (isThere) sorted.add(threshold, item);
  else sorted.remove(threshold, item);
}

function findByComparison<T extends number | bigint | string, I>(
  all: ReadonlyMap<Comparison, SortedThresholds<T, I>>,
  value: T,
  candidates: I[],
): void {
  all.get('gt')?.below(value, false, candidates);
  all.get('gte')?.below(value, true, candidates);
  all.get('lt')?.above(value, false, candidates);
  all.get('lte')?.above(value, true, candidates);
}

/** As `changedBy` has it; undefined for a step that is no change. */
function changeBetween(old: number | bigint, value: number | bigint): number | bigint | undefined {
  if ((typeof old === 'bigint' || typeof value === 'bigint') && isWhole(old) && isWhole(value)) {
    const difference = BigInt(value) - BigInt(old);
    return difference < 0n ? -difference : difference;
  }
  const change = Math.abs(Number(value) - Number(old));
  if (!Number.isNaN(change)) return change;
  return Object.is(old, value) ? undefined : Number.POSITIVE_INFINITY;
}

function isWhole(value: number | bigint): boolean {
  return typeof value === 'bigint' || Number.isInteger(value);
}

function isNumeric(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function isNotANumber(value: number | bigint): boolean {
  return typeof value === 'number' && Number.isNaN(value);
}

/** Of the conditions of one variable that are asked one by one: about a fifth of a millisecond a change. */
const MOST_ASKED_STEPS = 20_000;
