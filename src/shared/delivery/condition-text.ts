/**
 * A condition as text, for the server to ask it: JSON, with an infinity as 1e999 and integers in all their digits. Path: watch feed ->
 * [condition text] -> link request; link call -> [condition text] -> observer manager. Bounded in bytes, depth and steps: what the text cannot
 * say, or what is larger, the worker goes on asking alone.
 */
import { BridgeError, InvalidArgumentError } from '../errors.js';
import { parseLosslessJson } from '../values/json.js';
import { floatText } from '../values/number-text.js';
import { isPlainMap } from '../values/plain-map.js';
import { utf8Length } from '../values/utf8.js';
import type { Condition } from './condition.js';
import { checkCondition } from './condition.js';

/** Of one condition's text. */
export const MAX_CONDITION_BYTES = 16 * 1024;
/** Of one condition: its parts, and the values that they are compared with. Asking it once takes about 10 us then (bench/micro: condition). */
export const MAX_CONDITION_STEPS = 1_000;

/** A condition that somebody asks for others. */
export interface AskedCondition {
  readonly condition: Condition;
  /** Two with the same text ask the same. */
  readonly text: string;
  /** About what asking it once takes. */
  readonly steps: number;
}

/** Undefined for what the text cannot say or may not be as long as: NaN, typed arrays, more than the bytes or steps above. */
export function conditionText(condition: Condition): string | undefined {
  const text = textOf(condition);
  if (text === undefined || utf8Length(text) > MAX_CONDITION_BYTES) return undefined;
  return stepsOf(condition) > MAX_CONDITION_STEPS ? undefined : text;
}

/** @throws InvalidArgumentError */
export function parseCondition(text: string): AskedCondition {
  if (text.length > MAX_CONDITION_BYTES || utf8Length(text) > MAX_CONDITION_BYTES) {
    throw new InvalidArgumentError(
      `the watch's condition has more than ${MAX_CONDITION_BYTES} bytes: make it shorter, or ask it where the updates arrive`,
    );
  }
  const condition = read(text);
  const steps = stepsOf(condition);
  if (steps > MAX_CONDITION_STEPS) {
    throw new InvalidArgumentError(
      `the watch's condition has ${steps} parts and values: give at most ${MAX_CONDITION_STEPS}, or ask it where the updates arrive`,
    );
  }
  // Spaces and ways of writing a number make no other condition.
  return { condition, text: textOf(condition) ?? text, steps };
}

function read(text: string): Condition {
  try {
    return checkCondition(parseLosslessJson(text, "the watch's condition"), "the watch's condition");
  } catch (cause) {
    if (!(cause instanceof BridgeError)) throw cause;
    throw new InvalidArgumentError(cause.message, { cause });
  }
}

function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'number':
      return numberText(value);
    case 'bigint':
    case 'boolean':
      return String(value);
    case 'string':
      return JSON.stringify(value);
    case 'object':
      break;
    default:
      return undefined;
  }
  if (value === null) return 'null';
  if (Array.isArray(value)) return listText(value);
  return isPlainMap(value) ? mapText(value as Readonly<Record<string, unknown>>) : undefined;
}

/** Whole ones beyond 2^53 with a point or an exponent: without it they would be read as bigints. */
function numberText(value: number): string | undefined {
  if (Number.isNaN(value)) return undefined;
  if (!Number.isFinite(value)) return value > 0 ? INFINITY_TEXT : `-${INFINITY_TEXT}`;
  const text = floatText(value);
  return Number.isInteger(value) && !Number.isSafeInteger(value) && !text.includes('e') ? `${text}.0` : text;
}

function listText(list: readonly unknown[]): string | undefined {
  const parts: string[] = [];
  for (const element of list) {
    const text = textOf(element);
    if (text === undefined) return undefined;
    parts.push(text);
  }
  return `[${parts.join(',')}]`;
}

function mapText(map: Readonly<Record<string, unknown>>): string | undefined {
  const parts: string[] = [];
  for (const key of Object.keys(map)) {
    const text = textOf(map[key]);
    if (text === undefined) return undefined;
    parts.push(`${JSON.stringify(key)}:${text}`);
  }
  return `{${parts.join(',')}}`;
}

/** Every list element, map value and scalar is one, and a long text some more: it is compared character by character. */
function stepsOf(value: unknown): number {
  if (typeof value === 'string') return 1 + Math.floor(value.length / UNITS_A_STEP);
  if (typeof value !== 'object' || value === null) return 1;
  let steps = 1;
  for (const part of Array.isArray(value) ? value : Object.values(value)) steps += stepsOf(part);
  return steps;
}

const UNITS_A_STEP = 64;
/** JSON has no word for it, and every reader makes it of a number that is too large. */
const INFINITY_TEXT = '1e999';
