/** What every provider checks of a call's arguments and says of a refused batch, in the same words. Path: your call -> [call arguments] -> provider. */
import type { BridgeError } from '../shared/errors.js';
import { BatchRefusedError, InvalidArgumentError, InvalidOptionsError, InvalidValueError } from '../shared/errors.js';
import { copyInput } from '../shared/values/input-copy.js';
import { unreadable } from '../shared/values/plain-copy.js';
import type { VariableInput } from '../shared/values/variable-type.js';

/** @throws InvalidArgumentError for what names no variable, whatever the session holds */
export function checkIdentifier(identifier: string): void {
  if (typeof identifier === 'string' && identifier !== '') return;
  throw new InvalidArgumentError('an identifier is a name or an id: give a string that is not empty');
}

/** 0 = whatever version it is at. @throws InvalidOptionsError */
export function checkExpectedVersionOption(expectedVersion: number | undefined, identifier: string): number {
  const version = expectedVersion ?? 0;
  if (Number.isSafeInteger(version) && version >= 0) return version;
  throw new InvalidOptionsError(
    `set of "${identifier}": expectedVersion ${version} is not a whole number from 0 (no check)`,
  );
}

/** 0 = all that is kept. @throws InvalidOptionsError */
export function checkLimit(limit: number | undefined): number {
  const entries = limit ?? 0;
  if (Number.isSafeInteger(entries) && entries >= 0) return entries;
  throw new InvalidOptionsError(`history: limit ${entries} is not a whole number from 0 (all)`);
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
      values.push([identifier, copyInput(readValue(record, identifier), `variable "${identifier}"`)]);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
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
  return new BatchRefusedError(`refused: ${names.join(', ')} (${set}): ${cause.message}`, {
    cause,
    details: {
      identifiers: names,
      refused: Object.fromEntries(refused.map(([identifier, { code, message }]) => [identifier, { code, message }])),
      versions: Object.fromEntries(versions),
    },
  });
}

function identifiersOf(record: unknown): string[] {
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
