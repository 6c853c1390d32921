/**
 * What a schema says of a variable: its type, what its values may be, where it begins. Path: your module -> [definitions] -> variable schema.
 * The compiler knows the values by them, and the server refuses what it cannot see: constraints are the server's own.
 */
import { InvalidOptionsError } from '../../shared/errors.js';
import type { Constraints } from '../../shared/values/constraint.js';
import { knowsConstraint } from '../../shared/values/constraint-input.js';
import type {
  Embedding,
  IntegerValue,
  JsonList,
  JsonMap,
  Tensor,
  TensorInput,
  VariableType,
} from '../../shared/values/variable-type.js';

/** `V`: what it holds, `I`: what it may be given. */
export interface VariableDefinition<T extends VariableType = VariableType, V = unknown, I = V> {
  readonly type: T;
  /** Undefined where nothing is said and nothing obvious fits: then it cannot be registered, only used. */
  readonly initial: I | undefined;
  readonly constraints: Constraints;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly ttlMs: number;
  /** For the compiler alone; never there. */
  readonly value?: V;
}

export interface DefinitionOptions<I> {
  /** The value at registration. */
  readonly initial?: I;
  readonly description?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Ms after its last set until it expires. Default 0 = never. */
  readonly ttlMs?: number;
}

type With<I, K extends keyof Constraints = never> = DefinitionOptions<I> & Pick<Constraints, K>;

/** Begins at 0, or at what is nearest to it between `min` and `max`. */
export function float(options: With<number, 'min' | 'max'> = {}): VariableDefinition<'float', number> {
  return definition('float', options, Number(nearestToZero(options)));
}

/** Begins at 0, or at what is nearest to it between `min` and `max`. */
export function integer(options: With<IntegerValue, 'min' | 'max'> = {}): VariableDefinition<'integer', IntegerValue> {
  return definition('integer', options, nearestToZero(options));
}

/** One of `enum` where that is given. Begins as the first of `enum`, else empty. */
export function string<const T extends string = string>(
  options: DefinitionOptions<NoInfer<T>> &
    Pick<Constraints, 'min_length' | 'max_length' | 'pattern'> & { readonly enum?: readonly T[] } = {},
): VariableDefinition<'string', T> {
  return definition('string', options, options.enum?.[0] ?? ('' as T));
}

/** Begins as false. */
export function boolean(options: With<boolean> = {}): VariableDefinition<'boolean', boolean> {
  return definition('boolean', options, false);
}

/** One of the texts: `choice('eco', 'boost')`, with options `choice(['eco', 'boost'], { initial: 'boost' })`. Begins as the first. */
export function choice<const T extends string>(...choices: readonly [T, ...T[]]): VariableDefinition<'choice', T>;
export function choice<const T extends string>(
  choices: readonly T[],
  options?: DefinitionOptions<NoInfer<T>>,
): VariableDefinition<'choice', T>;
export function choice<const T extends string>(
  ...given: readonly (T | readonly T[] | DefinitionOptions<T> | undefined)[]
): VariableDefinition<'choice', T> {
  const [first] = given;
  const choices = (Array.isArray(first) ? first : given) as readonly T[];
  const options = (Array.isArray(first) ? given[1] : undefined) as DefinitionOptions<T> | undefined;
  return definition('choice', { ...options, choices }, choices[0]);
}

/** The name of a module; one of `choices` or `allowed_modules` where they are given, and then it begins as the first. */
export function module<const T extends string = string>(
  options: DefinitionOptions<NoInfer<T>> &
    Pick<Constraints, 'namespace' | 'pattern'> & {
      readonly choices?: readonly T[];
      readonly allowed_modules?: readonly T[];
    } = {},
): VariableDefinition<'module', T> {
  return definition('module', options, options.choices?.[0] ?? options.allowed_modules?.[0]);
}

/** Begins as `dimensions` zeros. */
export function embedding(
  options: With<Embedding | readonly number[], 'dimensions'> = {},
): VariableDefinition<'embedding', Embedding, Embedding | readonly number[]> {
  const { dimensions } = options;
  return definition('embedding', options, dimensions === undefined ? undefined : new Float32Array(dimensions));
}

/** Begins as zeros where `shape` says the size of each axis. */
export function tensor(options: With<TensorInput, 'shape'> = {}): VariableDefinition<'tensor', Tensor, TensorInput> {
  return definition('tensor', options, zerosOf(options.shape));
}

/** `map<Settings>()`: the compiler takes your word for what is in it. Begins empty. */
export function map<T extends object = JsonMap>(
  options: DefinitionOptions<T> = {},
): VariableDefinition<'map', Readonly<T>> {
  return definition('map', options, {} as T);
}

/** `list<string>()`: the compiler takes your word for what is in it. Begins empty. */
export function list<E = JsonList[number]>(
  options: DefinitionOptions<readonly E[]> = {},
): VariableDefinition<'list', readonly E[]> {
  return definition('list', options, []);
}

const MADE = new WeakSet<object>();

function definition<T extends VariableType, V, I>(
  type: T,
  options: DefinitionOptions<I> & Constraints,
  fallback: I | undefined,
): VariableDefinition<T, V, I> {
  const { initial = fallback, description = '', metadata = {}, ttlMs = 0, ...constraints } = options;
  for (const key of Object.keys(constraints)) {
    if (knowsConstraint(type, key as keyof Constraints)) continue;
    throw new InvalidOptionsError(
      `${type}: "${key}" is unknown: give initial, description, metadata, ttlMs or a constraint of a ${type}`,
    );
  }
  const made = Object.freeze({ type, initial, constraints, description, metadata, ttlMs });
  MADE.add(made);
  return made;
}

/** Whether it is one of ours rather than an object that looks like one. */
export function isDefinition(given: unknown): boolean {
  return typeof given === 'object' && given !== null && MADE.has(given);
}

function nearestToZero({ min, max }: Pick<Constraints, 'min' | 'max'>): IntegerValue {
  if (min !== undefined && min > 0) return min;
  return max !== undefined && max < 0 ? max : 0;
}

function zerosOf(shape: Constraints['shape']): TensorInput | undefined {
  if (!Array.isArray(shape)) return undefined;
  const sizes = shape.filter((size): size is number => typeof size === 'number' && size >= 0);
  if (sizes.length < shape.length) return undefined;
  return { shape: sizes, data: new Float32Array(sizes.reduce((product, size) => product * size, 1)) };
}

export type Definitions = Readonly<Record<string, VariableDefinition>>;
