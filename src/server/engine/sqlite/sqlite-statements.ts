/** What a file of the engine is made of, and asked. Path: sqlite file -> [sqlite statements] -> sqlite driver. */
import type { SqliteDatabase, SqliteStatement } from './sqlite-driver.js';
import { bytesOf } from './sqlite-driver.js';

export type StatementName = keyof typeof SQL;

export function statementsOf(database: SqliteDatabase): Record<StatementName, SqliteStatement> {
  const entries = Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)]);
  return Object.fromEntries(entries) as Record<StatementName, SqliteStatement>;
}

/** Rows that lie one behind the other. */
export interface Page {
  readonly keys: readonly number[];
  readonly lengths: readonly number[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Rows by a rising key, from behind one on. Many at once: a driver takes longer to give a row than SQLite to find it (measured with libsql: 100,000 rows
 * one by one 400 ms, so 100 ms).
 */
export function* pages(size: SqliteStatement, page: SqliteStatement, behind: number): Generator<Page> {
  let rows = ROWS_A_PAGE;
  for (let last = behind; ; ) {
    const { count, bytes } = size.get(BigInt(last), rows) as { count: number; bytes: number };
    if (Number(count) === 0) return;
    const fitting = Math.max(1, Math.floor((rows * BYTES_A_PAGE) / (Number(bytes) + 1)));
    if (fitting >= rows || rows === 1) {
      const found = page.get(BigInt(last), rows) as { keys: string; lengths: string; bytes: unknown };
      const keys = numbersOf(found.keys);
      // Of its own: it is given away.
      yield { keys, lengths: numbersOf(found.lengths), bytes: new Uint8Array(bytesOf(found.bytes)) };
      last = keys.at(-1)!;
    }
    rows = Math.min(ROWS_A_PAGE, fitting);
  }
}

function numbersOf(text: string): number[] {
  return text.split(',').map(Number);
}

function sizeOfPage(table: string, key: string): string {
  return `SELECT count(*) AS count, sum(length(bytes)) AS bytes FROM (${rowsBehind(table, key)})`;
}

function page(table: string, key: string): string {
  return `SELECT group_concat(key) AS keys, group_concat(length(bytes)) AS lengths, CAST(group_concat(bytes, '') AS BLOB) AS bytes FROM (${rowsBehind(table, key)})`;
}

function rowsBehind(table: string, key: string): string {
  return `SELECT ${key} AS key, bytes FROM ${table} WHERE ${key} > ? ORDER BY ${key} LIMIT ?`;
}

const ROWS_A_PAGE = 2_000;
const BYTES_A_PAGE = 4 * 1024 * 1024;

/** A field is added in a row's bytes, a table beside these; nothing of them changes. */
export const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS session (session INTEGER PRIMARY KEY, revision INTEGER NOT NULL, forgotten INTEGER NOT NULL, bytes BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS variable (key INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS gone (key INTEGER PRIMARY KEY, revision INTEGER NOT NULL, bytes BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS link_window (id INTEGER PRIMARY KEY, session INTEGER NOT NULL, bytes BLOB NOT NULL);
  CREATE INDEX IF NOT EXISTS link_window_session ON link_window (session);
  CREATE TABLE IF NOT EXISTS journal (place INTEGER PRIMARY KEY, at INTEGER NOT NULL, changes INTEGER NOT NULL, bytes BLOB NOT NULL);
`;

const SQL = {
  readMeta: 'SELECT value FROM meta WHERE key = ?',
  writeMeta: 'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  lastPlace: 'SELECT max(place) AS place FROM journal',
  sizeBehind: 'SELECT sum(changes) AS changes, sum(length(bytes)) AS bytes FROM journal WHERE place > ?',
  sessions: 'SELECT session, revision, forgotten, bytes FROM session ORDER BY session',
  sizeOfVariables: sizeOfPage('variable', 'key'),
  variables: page('variable', 'key'),
  gone: 'SELECT key, bytes FROM gone ORDER BY key',
  windows: 'SELECT session, bytes FROM link_window ORDER BY id',
  sizeOfLog: sizeOfPage('journal', 'place'),
  log: page('journal', 'place'),
  logBefore: 'SELECT place, changes, bytes FROM journal WHERE place < ? ORDER BY place DESC LIMIT ?',
  append: 'INSERT INTO journal (place, at, changes, bytes) VALUES (?, ?, ?, ?)',
  begin: 'INSERT INTO session (session, revision, forgotten, bytes) VALUES (?1, ?2, ?2, ?3)',
  end: 'DELETE FROM session WHERE session = ?',
  writeVariable:
    'INSERT INTO variable (key, bytes) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET bytes = excluded.bytes',
  removeVariable: 'DELETE FROM variable WHERE key = ?',
  removeVariables: 'DELETE FROM variable WHERE key IN (SELECT key FROM variable WHERE key >= ? AND key < ? LIMIT ?)',
  removeGone: 'DELETE FROM gone WHERE key >= ? AND key < ?',
  left: 'SELECT key FROM variable WHERE key >= ? AND key < ? LIMIT 1',
  writeGone: 'INSERT OR REPLACE INTO gone (key, revision, bytes) VALUES (?, ?, ?)',
  forgetGone: 'DELETE FROM gone WHERE key >= ? AND key < ? AND revision <= ?',
  writeSession: 'UPDATE session SET revision = ?, forgotten = ? WHERE session = ?',
  writeWindow: 'INSERT INTO link_window (session, bytes) VALUES (?, ?)',
  forgetWindows: 'DELETE FROM link_window WHERE session = ?',
  oldest: 'SELECT place, at, changes, length(bytes) AS bytes FROM journal WHERE place <= ? ORDER BY place LIMIT 200',
  cut: 'DELETE FROM journal WHERE place <= ?',
} as const;
