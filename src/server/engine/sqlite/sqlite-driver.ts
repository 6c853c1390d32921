/**
 * SQLite as this Node has it: its own, or else the package libsql. Path: sqlite worker -> [sqlite driver] -> the file. What is used of both is
 * this: statements with numbers, bigints, texts and bytes.
 */
import { createRequire } from 'node:module';
import { EngineUnavailableError } from '../../../shared/errors.js';

export type SqliteValue = number | bigint | string | Uint8Array | null;

/** The columns that there are, as the statement names them. */
export interface SqliteRow {
  readonly session?: unknown;
  readonly place?: unknown;
  readonly revision?: unknown;
  readonly forgotten?: unknown;
  readonly key?: unknown;
  readonly at?: unknown;
  readonly changes?: unknown;
  readonly bytes?: unknown;
}

export interface SqliteStatement {
  run(...values: SqliteValue[]): unknown;
  get(...values: SqliteValue[]): object | undefined;
  iterate(...values: SqliteValue[]): Iterable<SqliteRow>;
}

export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): SqliteStatement;
  close(): unknown;
}

/** @throws EngineUnavailableError where there is none */
export function openSqlite(path: string): SqliteDatabase {
  const require = createRequire(import.meta.url);
  const builtin = (process as { getBuiltinModule?: (name: string) => unknown }).getBuiltinModule?.('node:sqlite') as
    | Record<'Database' | 'DatabaseSync', new (path: string) => SqliteDatabase>
    | undefined;
  if (builtin !== undefined) return new (builtin.Database ?? builtin.DatabaseSync)(path);
  let libsql: new (path: string) => SqliteDatabase;
  try {
    libsql = require('libsql') as typeof libsql;
  } catch (cause) {
    throw new EngineUnavailableError(
      `the sqlite engine needs Node 22.13 or later, or on ${process.version} the package libsql: npm install libsql@0.5.29`,
      { cause },
    );
  }
  return new libsql(path);
}

/** Bytes of a row: one driver gives an ArrayBuffer. */
export function bytesOf(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array(value as ArrayBuffer);
}
