/** Values that say what they are: whose, which variable's, and which set made them. The judge reads them back from what watchers get. */
import type { VariableInput, VariableValue } from '../../../src/main/index.js';

/** Types that can carry a tag. */
export type TaggedType = 'integer' | 'float' | 'string' | 'map' | 'list' | 'embedding';

export const TAGGED_TYPES: readonly TaggedType[] = ['integer', 'float', 'string', 'map', 'list', 'embedding'];

export interface Tag {
  /** Place of the session in the life's plan, below 16. */
  readonly session: number;
  /** Place of the variable in its session, below 256. */
  readonly variable: number;
  /** Which set or registration: counted over the whole life. Variables of one atomic batch share it. */
  readonly seq: number;
}

/** `padding`: characters more, for types that have room for them. */
export function encodeTag(type: TaggedType, tag: Tag, padding = 0): VariableInput {
  const { session, variable, seq } = tag;
  switch (type) {
    case 'integer':
      return packed(tag);
    case 'float':
      return packed(tag) + 0.5;
    case 'string':
      return `${session}/${variable}/${seq}/${'.'.repeat(padding)}`;
    case 'map':
      return { session, variable, seq, padding: '.'.repeat(padding) };
    case 'list':
      return [session, variable, seq, '.'.repeat(padding)];
    case 'embedding':
      return Float64Array.of(session, variable, seq);
    default:
      return type satisfies never;
  }
}

/** Undefined for what is no value of ours. */
export function decodeTag(value: VariableValue | undefined): Tag | undefined {
  if (typeof value === 'number') return unpacked(Math.floor(value));
  if (typeof value === 'string') return tagOf(value.split('/').slice(0, 3).map(Number));
  if (value instanceof Float64Array || Array.isArray(value)) return tagOf([value[0], value[1], value[2]]);
  if (typeof value !== 'object' || value === null) return undefined;
  const { session, variable, seq } = value as Readonly<Record<string, unknown>>;
  return tagOf([session, variable, seq]);
}

function packed({ session, variable, seq }: Tag): number {
  return (seq * SESSIONS + session) * VARIABLES + variable;
}

function unpacked(number: number): Tag | undefined {
  const above = Math.floor(number / VARIABLES);
  return tagOf([above % SESSIONS, number % VARIABLES, Math.floor(above / SESSIONS)]);
}

function tagOf([session, variable, seq]: readonly unknown[]): Tag | undefined {
  if (!isWhole(session) || !isWhole(variable) || !isWhole(seq)) return undefined;
  return { session, variable, seq };
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

const SESSIONS = 16;
const VARIABLES = 256;
