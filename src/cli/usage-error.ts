/** What a failure means to the shell: wrong use is 2, anything else 1; and its sentence in one line. */
import { CommanderError } from 'commander';
import { BridgeError } from '../shared/errors.js';

/** The command was given what makes no sense, whatever the server says. */
export class UsageError extends Error {
  override name = 'UsageError';
}

export function exitCodeOf(error: unknown): number {
  // Help and version were asked for, and printed.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  // Options of the library that come from ours.
  if (error instanceof BridgeError) return error.code === 'INVALID_OPTIONS' ? 2 : 1;
  return error instanceof UsageError ? 2 : 1;
}

/** Undefined where commander has said it already. */
export function sentenceOf(error: unknown): string | undefined {
  if (error instanceof CommanderError) return undefined;
  return oneLine(error instanceof Error ? error.message : String(error));
}

export function oneLine(text: string): string {
  return text.trim().replace(/\s*[\r\n]+\s*/g, ' ');
}
