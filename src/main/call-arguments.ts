/** What every provider checks of a call's arguments and says of a refused batch, in the same words. Path: your call -> [call arguments] -> provider. */
import type { BridgeError } from '../shared/errors.js';
import { BatchRefusedError, InvalidArgumentError, InvalidOptionsError } from '../shared/errors.js';
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

/** @throws InvalidArgumentError */
export function checkValuesRecord(values: Readonly<Record<string, VariableInput>>): [string, VariableInput][] {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw new InvalidArgumentError('updateVariables takes a record of identifiers and values');
  }
  const entries = Object.keys(values).map((identifier): [string, VariableInput] => [identifier, values[identifier]!]);
  if (entries.length === 0) throw new InvalidArgumentError('an update of nothing: name at least one variable');
  return entries;
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
