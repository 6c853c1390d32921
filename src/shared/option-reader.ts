/**
 * Options as a caller gave them: each is read once, checked by a schema, and the first that is wrong is refused in one sentence. Path: a caller's object ->
 * [option reader] -> options, server options. Pure.
 */
import * as v from 'valibot';
import { InvalidOptionsError } from './errors.js';
import { describeValue } from './values/describe-value.js';
import { isPlainMap } from './values/plain-map.js';

/** Complete, by the schema. @throws InvalidOptionsError naming the option, what was given and what it takes */
export function parseOptions<S extends v.GenericSchema>(schema: S, input: unknown, subject: string): v.InferOutput<S> {
  const options = copyOptions(input as Readonly<Record<string, unknown>>, subject);
  const result = reading(subject, () => {
    for (const key of GROUPS) checkGroup(options[key], key, subject);
    return v.safeParse(schema, options, { abortEarly: true });
  });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = v.getDotPath(issue) ?? '';
  const unknown = issue.type === 'strict_object' && issue.expected === 'never';
  // valibot says `Invalid value: Expected >=0 but received -1`; its own name for the kind of fault helps nobody.
  const sentence = issue.message
    .replace(/^Invalid [\w ]+: E/, 'e')
    .replace(/^Invalid (\w+): Received/, 'expected a whole number, received');
  const fact = unknown ? `there is no option "${path}"` : `${path === '' ? 'the options' : path}: ${sentence}`;
  throw new InvalidOptionsError(`${subject}: ${fact}: see docs/options.md`);
}

/** The options that a caller gave, each read once. @throws InvalidOptionsError when they are no plain object, or cannot be read */
export function copyOptions<T extends object>(input: T | undefined, subject: string): T {
  return reading(subject, () => {
    if (input === undefined || input === null) return {} as T;
    if (!isObject(input)) return refuseGroup(input, 'the options', subject);
    checkGroup(input, 'the options', subject);
    return { ...input };
  });
}

/** Whether nothing was given. @throws InvalidOptionsError when that cannot be read */
export function isEmptyOptions(input: unknown, subject: string): boolean {
  if (input === undefined) return true;
  return reading(subject, () => isObject(input) && isPlainMap(input) && Object.keys(input).length === 0);
}

function reading<T>(subject: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof InvalidOptionsError) throw cause;
    throw new InvalidOptionsError(
      `${subject}: the options cannot be read, because a getter or a proxy throws: give a plain object`,
      { cause },
    );
  }
}

function isObject(input: unknown): input is object {
  return typeof input === 'object' && input !== null;
}

/** A Map, a Date or a list would pass for a group of options that are all left out. */
function checkGroup(input: unknown, name: string, subject: string): void {
  if (isObject(input) && !isPlainMap(input)) refuseGroup(input, name, subject);
}

function refuseGroup(input: unknown, name: string, subject: string): never {
  const kind = typeof input === 'string' ? 'a string' : describeValue(input);
  throw new InvalidOptionsError(`${subject}: ${name}: give a plain object, not ${kind}`);
}

/** Options that are objects of options. */
const GROUPS = ['tls', 'reconnect', 'breaker', 'keepalive', 'limits', 'history'] as const;
