/** The numbers that a registration may say, and how far versions go. Apart from the table, because workers check them too and need no constraints. */
import { InvalidArgumentError } from '../errors.js';
import { describeValue } from '../values/describe-value.js';

/** Highest version that a variable may begin with: 4.5 * 10^15 sets are left from there. */
export const MAX_FIRST_VERSION = 2 ** 52;

/** Highest version of a value: one more is left for a deletion, and doubles count exactly up to there. */
export const LAST_VERSION = Number.MAX_SAFE_INTEGER - 1;

/** Ms after the last set; 0 = never. @throws InvalidArgumentError */
export function checkTtlMs(ttlMs: number, subject: string): void {
  if (Number.isSafeInteger(ttlMs) && ttlMs >= 0) return;
  throw new InvalidArgumentError(
    `${subject}: ttlMs ${describeValue(ttlMs)} is not a whole number of ms from 0 (never expires)`,
  );
}

/** @throws InvalidArgumentError */
export function checkFirstVersion(version: number, subject: string): void {
  if (Number.isSafeInteger(version) && version >= 1 && version <= MAX_FIRST_VERSION) return;
  throw new InvalidArgumentError(
    `${subject}: first version ${version} is not a whole number from 1 to ${MAX_FIRST_VERSION}: beyond, no room is left for sets`,
  );
}

/** @throws InvalidArgumentError when a variable at that version cannot be set any more */
export function checkNextVersion(version: number, subject: string): void {
  if (version < LAST_VERSION) return;
  throw new InvalidArgumentError(`${subject} is at its last version, ${version}: delete it and register it again`);
}
