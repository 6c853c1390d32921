/** What every provider checks of a call's arguments and says of a refused batch, in the same words. Path: your call -> [call arguments] -> provider. */
import type { BridgeError } from '../shared/errors.js';
import { BatchRefusedError, InvalidArgumentError, InvalidOptionsError, InvalidValueError } from '../shared/errors.js';
import { listedNames } from '../shared/listed-names.js';
import { copyOptions } from '../shared/option-reader.js';
import type { ExportedVariable } from '../shared/state/exported-state.js';
import { checkTtlMs } from '../shared/state/registration-numbers.js';
import { describeValue } from '../shared/values/describe-value.js';
import { copyInput } from '../shared/values/input-copy.js';
import { unreadable } from '../shared/values/plain-copy.js';
import { isWellFormed } from '../shared/values/utf8.js';
import type { VariableInput } from '../shared/values/variable-type.js';
import type { ReactiveOptions, WaitOptions } from './reactive/reactive-options.js';
import type {
  Identifiers,
  PatternTarget,
  RegisterOptions,
  SetOptions,
  StateProvider,
  UpdateOptions,
  Watch,
  WatchTarget,
} from './state-provider.js';

/** @throws InvalidArgumentError for what names no variable, whatever the session holds */
export function checkIdentifier(identifier: string): void {
  if (isIdentifier(identifier)) return;
  throw new InvalidArgumentError('an identifier is a name or an id: give a string that is not empty, and no half pair');
}

/** Half of a surrogate pair would travel as another character, and so as another variable. */
function isIdentifier(input: unknown): input is string {
  return typeof input === 'string' && input !== '' && isWellFormed(input);
}

/** A watch by its ref, or by its handle. @throws InvalidArgumentError */
export function checkWatch(refOrWatch: string | Watch): { readonly ref: string; readonly handle: Watch | undefined } {
  if (typeof refOrWatch === 'string') return { ref: refOrWatch, handle: undefined };
  const ref: unknown = reading('the watch', () => refOrWatch?.ref);
  if (typeof ref === 'string') return { ref, handle: refOrWatch };
  throw new InvalidArgumentError(
    `a watch is what watchVariables returned, or its ref, not ${describeValue(refOrWatch)}`,
  );
}

/** @throws InvalidArgumentError for what cannot be watched */
export function checkProvider(provider: StateProvider): void {
  if (typeof reading('the state', () => provider?.watchVariables) === 'function') return;
  throw new InvalidArgumentError(
    `a state is what BridgedState.open resolves with, a LocalState or a Context, not ${describeValue(provider)}`,
  );
}

/** What a getter or a proxy of the caller throws is no answer. @throws InvalidArgumentError */
function reading<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof InvalidArgumentError) throw cause;
    throw new InvalidArgumentError(`${what} cannot be read, because a getter or a proxy throws: give plain data`, {
      cause,
    });
  }
}

/** What a watch is asked for: names and ids, or patterns, each once. @throws InvalidArgumentError */
export function checkTarget(target: WatchTarget): {
  readonly identifiers: readonly string[];
  readonly patterns: readonly string[];
} {
  return reading('what shall be watched', () => {
    if (typeof target !== 'object' || target === null || Array.isArray(target)) {
      return { identifiers: checkIdentifiers(target as Identifiers), patterns: NOTHING };
    }
    const { pattern, ...others } = target as PatternTarget;
    const [unknown] = Object.keys(others);
    if (unknown !== undefined || pattern === undefined) {
      const what = unknown === undefined ? 'an object without pattern' : `"${unknown}"`;
      throw new InvalidArgumentError(`a watch is given names, or { pattern: 'room/*' }, not ${what}`);
    }
    return { identifiers: NOTHING, patterns: checkPatterns(pattern) };
  });
}

function checkPatterns(given: string | readonly string[]): string[] {
  const patterns = [...new Set(Array.isArray(given) ? given : [given])];
  if (patterns.length === 0) throw new InvalidArgumentError('a watch of no pattern: give at least one');
  if (patterns.length > MAX_PATTERNS) {
    throw new InvalidArgumentError(
      `a watch of ${patterns.length} patterns: give at most ${MAX_PATTERNS}, or several watches`,
    );
  }
  for (const pattern of patterns) {
    if (typeof pattern === 'string' && pattern !== '' && pattern.length <= MAX_PATTERN_UNITS && isWellFormed(pattern)) {
      continue;
    }
    throw new InvalidArgumentError(
      `a pattern is a string of 1 to ${MAX_PATTERN_UNITS} characters such as room/*, not ${describeValue(pattern)}`,
    );
  }
  return patterns as string[];
}

/** As the server has it. */
const MAX_PATTERNS = 100;
/** Two for each character of the longest name. */
const MAX_PATTERN_UNITS = 512;
const NOTHING: readonly string[] = [];

/** @throws InvalidArgumentError */
export function checkPattern(pattern: string): void {
  if (typeof pattern === 'string' && isWellFormed(pattern)) return;
  throw new InvalidArgumentError(`a pattern is a string such as room/*, not ${describeValue(pattern)}`);
}

/** @throws InvalidArgumentError */
export function checkVersion(version: number, identifier: string): void {
  if (Number.isSafeInteger(version) && version >= 1) return;
  throw new InvalidArgumentError(
    `rollback of "${identifier}": version ${describeValue(version)} is not a whole number from 1`,
  );
}

/** What a caller gave beside the arguments, each option read once. @throws InvalidOptionsError naming what is unknown or of the wrong kind */
export function readSetOptions(options: SetOptions | undefined, subject: string): SetOptions {
  return options === undefined ? NO_OPTIONS : readOptions(options, SET_OPTIONS, subject);
}

export function readUpdateOptions(options: UpdateOptions | undefined): UpdateOptions {
  return options === undefined ? NO_OPTIONS : readOptions(options, UPDATE_OPTIONS, 'update');
}

export function readHistoryOptions(options: HistoryOptions | undefined): HistoryOptions {
  return options === undefined ? NO_OPTIONS : readOptions(options, HISTORY_OPTIONS, 'history');
}

/** @throws InvalidArgumentError for a ttlMs that is none, too */
export function readRegisterOptions(options: RegisterOptions | undefined, subject: string): RegisterOptions {
  if (options === undefined) return NO_OPTIONS;
  const read = readOptions(options, REGISTER_OPTIONS, subject);
  checkTtlMs(read.ttlMs ?? 0, subject);
  return read;
}

/** 0 = whatever version it is at. @throws InvalidOptionsError */
export function checkExpectedVersionOption(expectedVersion: number | undefined, identifier: string): number {
  const version = expectedVersion ?? 0;
  if (Number.isSafeInteger(version) && version >= 0) return version;
  throw new InvalidOptionsError(
    `set of "${identifier}": expectedVersion ${describeValue(version)} is not a whole number from 0 (no check)`,
  );
}

/** 0 = all that is kept. @throws InvalidOptionsError */
export function checkLimit(limit: number | undefined): number {
  const entries = limit ?? 0;
  if (Number.isSafeInteger(entries) && entries >= 0) return entries;
  throw new InvalidOptionsError(`history: limit ${describeValue(entries)} is not a whole number from 0 (all)`);
}

/** The values of a batch as plain data of our own, and those that are none. */
export interface CopiedBatch {
  /** All of the batch, in the order in which the caller named them. */
  readonly identifiers: readonly string[];
  readonly values: readonly (readonly [identifier: string, value: VariableInput])[];
  readonly refused: readonly (readonly [identifier: string, error: BridgeError])[];
}

/** @throws InvalidArgumentError, BatchRefusedError when nothing is left to set */
export function copyBatch(record: Readonly<Record<string, VariableInput>>, atomic: boolean): CopiedBatch {
  const identifiers = identifiersOf(record);
  if (identifiers.length === 0) throw new InvalidArgumentError('an update of nothing: name at least one variable');
  const values: [string, VariableInput][] = [];
  const refused: [string, BridgeError][] = [];
  for (const identifier of identifiers) {
    try {
      checkIdentifier(identifier);
      values.push([identifier, copyInput(readValue(record, identifier), `variable "${identifier}"`)]);
    } catch (error) {
      if (!(error instanceof InvalidValueError || error instanceof InvalidArgumentError)) throw error;
      refused.push([identifier, error]);
    }
  }
  if (refused.length > 0 && (atomic || values.length === 0)) throw batchRefused(refused, [], atomic);
  return { identifiers, values, refused };
}

/** Everything of a batch that was refused, here and later, in the caller's order. */
export function refusedOf(
  copied: CopiedBatch,
  later: Iterable<readonly [identifier: string, error: BridgeError]>,
): [identifier: string, error: BridgeError][] {
  const errors = new Map([...copied.refused, ...later]);
  return copied.identifiers.flatMap((identifier) => {
    const error = errors.get(identifier);
    return error === undefined ? [] : [[identifier, error] as [string, BridgeError]];
  });
}

/** What a batch throws of which something was refused. `cause` is the first refusal. */
export function batchRefused(
  refused: readonly (readonly [identifier: string, error: BridgeError])[],
  versions: readonly (readonly [identifier: string, version: number])[],
  atomic: boolean,
): BatchRefusedError {
  const names = refused.map(([identifier]) => identifier);
  const set = atomic ? 'none was set' : `${versions.length} others were set`;
  const cause = refused[0]![1];
  return new BatchRefusedError(`refused: ${listedNames(names)} (${set}): ${cause.message}`, {
    cause,
    details: {
      identifiers: names,
      refused: Object.fromEntries(refused.map(([identifier, { code, message }]) => [identifier, { code, message }])),
      versions: Object.fromEntries(versions),
    },
  });
}

export function readWaitOptions(options: WaitOptions | undefined): WaitOptions {
  const read = options === undefined ? NO_OPTIONS : readOptions(options, WAIT_OPTIONS, 'waitFor');
  const { timeoutMs = 0 } = read as WaitOptions;
  // A timer that is longer fires at once.
  if (typeof timeoutMs === 'number' && timeoutMs >= 0 && timeoutMs <= MAX_TIMER_MS) return read;
  throw new InvalidOptionsError(
    `waitFor: timeoutMs is ${describeValue(timeoutMs)}: give ms from 0 (wait for ever) to ${MAX_TIMER_MS}`,
  );
}

/** `signal` and `owner` are looked at by the watch. @throws InvalidOptionsError */
export function readReactiveOptions(options: ReactiveOptions, subject: string): ReactiveOptions {
  const read = readOptions(options, REACTIVE_OPTIONS, subject);
  if (read.onError === undefined || typeof read.onError === 'function') return read;
  throw new InvalidOptionsError(`${subject}: onError is ${describeValue(read.onError)}: give a function`);
}

/** Of a variable that is imported: it has more than options. */
export function importedOptions(variable: ExportedVariable): RegisterOptions {
  const { name, constraints, metadata, description, ttlMs } = variable;
  return readRegisterOptions({ constraints, metadata, description, ttlMs }, `variable "${name}"`);
}

type Kind = 'string' | 'boolean' | 'any';

/** `any` is looked at by whoever uses it. */
function readOptions<T extends object>(options: T, kinds: Readonly<Record<string, Kind>>, subject: string): T {
  const copy = copyOptions(options, subject);
  for (const [name, value] of Object.entries(copy)) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name]! : undefined;
    if (kind === undefined) throw new InvalidOptionsError(`${subject}: there is no option "${name}": see docs/api.md`);
    if (value === undefined || value === null || kind === 'any') continue;
    if (typeof value !== kind || (kind === 'string' && !isWellFormed(value as string))) {
      throw new InvalidOptionsError(`${subject}: ${name} is ${describeValue(value)}: give a ${kind}`);
    }
  }
  return copy;
}

/** Those of a batch. @throws InvalidArgumentError */
export function identifiersOf(record: unknown): string[] {
  try {
    if (typeof record === 'object' && record !== null && !Array.isArray(record)) return Object.keys(record);
  } catch (cause) {
    throw new InvalidArgumentError('updateVariables: the record cannot be read: give a plain one', { cause });
  }
  throw new InvalidArgumentError('updateVariables takes a record of identifiers and values');
}

function readValue(record: Readonly<Record<string, unknown>>, identifier: string): unknown {
  try {
    return record[identifier];
  } catch (cause) {
    throw unreadable(`variable "${identifier}"`, cause);
  }
}

/** One or several, each once. @throws InvalidArgumentError */
export function checkIdentifiers(identifiers: string | readonly string[]): string[] {
  if (isIdentifier(identifiers)) return [identifiers];
  return reading('the list of identifiers', () => {
    // Read once: what is checked is what is used.
    const list = Array.isArray(identifiers) ? [...identifiers] : [undefined];
    if (list.length === 0) throw new InvalidArgumentError('a watch of nothing: name at least one variable');
    if (list.every(isIdentifier)) return [...new Set(list)];
    throw new InvalidArgumentError(
      'identifiers are names or ids: give a string or a list of strings that are not empty, and no half pair',
    );
  });
}

interface HistoryOptions {
  readonly limit?: number;
}

const NO_OPTIONS = Object.freeze({});
const SET_OPTIONS = { metadata: 'any', source: 'string', expectedVersion: 'any' } as const;
const UPDATE_OPTIONS = { metadata: 'any', source: 'string', atomic: 'boolean' } as const;
const WAIT_OPTIONS = { timeoutMs: 'any', signal: 'any' } as const;
const REACTIVE_OPTIONS = { onError: 'any', signal: 'any', owner: 'any' } as const;
const MAX_TIMER_MS = 2 ** 31 - 1;
const HISTORY_OPTIONS = { limit: 'any' } as const;
const REGISTER_OPTIONS = { constraints: 'any', metadata: 'any', description: 'string', ttlMs: 'any' } as const;
