/** What kind of failure an error of SQLite, or of the disk below it, is. Path: sqlite driver, node:fs -> [sqlite failure] -> sqlite file, sqlite worker. Pure. */
import type { SqliteFailure } from './sqlite-messages.js';

/** Its failure is known. */
export class SqliteFileError extends Error {
  readonly failure: SqliteFailure;

  constructor(failure: SqliteFailure, message: string, cause: unknown) {
    super(message, { cause });
    this.failure = failure;
  }
}

export function failureOf(error: unknown): SqliteFailure {
  if (error instanceof SqliteFileError) return error.failure;
  const { code, errcode, message } = error as { code?: string; errcode?: number; message?: string };
  const text = `${code} ${errcode === undefined ? '' : NAMES[errcode & 0xff]} ${message}`;
  if (/SQLITE_FULL|ENOSPC|EDQUOT|database or disk is full/.test(text)) return 'full';
  if (/SQLITE_BUSY|SQLITE_LOCKED|database is locked/.test(text)) return 'in-use';
  if (/SQLITE_NOTADB|SQLITE_CORRUPT|not a database|malformed/.test(text)) return 'format';
  return 'unavailable';
}

export function isFullDisk(error: unknown): boolean {
  return failureOf(error) === 'full';
}

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Where a driver says the number alone. */
const NAMES: Readonly<Record<number, string>> = {
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  26: 'SQLITE_NOTADB',
};
