/**
 * The file of a sqlite engine: its tables, its lock, its reserve. Path: sqlite worker -> [sqlite file] -> sqlite driver. One connection alone
 * writes it. Full: an append is undone, the reserve is given up so that what frees room can be kept and the file be opened again.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { performanceNowMs } from '../../../shared/platform-timers.js';
import { DiskReserve, RESERVE_BYTES } from './disk-reserve.js';
import type { LoadedRow, PackedRows } from './packed-rows.js';
import { packLying, RowPacker } from './packed-rows.js';
import type { SqliteDatabase, SqliteStatement } from './sqlite-driver.js';
import { bytesOf, openSqlite } from './sqlite-driver.js';
import { failureOf, isFullDisk, SqliteFileError, sentenceOf } from './sqlite-failure.js';
import type { SnapshotRows, SqliteRequest, SqliteResult } from './sqlite-messages.js';
import type { StatementName } from './sqlite-statements.js';
import { pages, SCHEMA, statementsOf } from './sqlite-statements.js';

export const FORMAT = 1;
export const FILE_NAME = 'state.sqlite';

export class SqliteFile {
  readonly #folder: string;
  readonly #durability: 'fsync' | 'os';
  readonly #reserve: DiskReserve;
  #database!: SqliteDatabase;
  #statements!: Record<StatementName, SqliteStatement>;
  /** Its life is known, and goes on until it is closed. */
  #isOpen = false;
  /** Of the last append that is kept. */
  #place = 0;
  /** All up to this place is in the snapshot. */
  #covered = 0;
  /** The highest that a session has had, as far as the rows say it. */
  #lastNumber = 0;
  /** Of the log from `#countedFrom` on: what is before is counted when it is read. */
  #changes = 0;
  #logBytes = 0;
  #countedFrom = 1;
  /** Sessions that are no more and of which there are rows. */
  #dead: number[] = [];
  /** For tests: as if the disk had no more room than this and the reserve. */
  #isLimited = false;
  /** The reserve is given up: only what frees room is tried. */
  isFull = false;

  constructor(folder: string, durability: 'fsync' | 'os') {
    this.#folder = folder;
    this.#durability = durability;
    this.#reserve = new DiskReserve(join(folder, 'reserve'));
  }

  get path(): string {
    return join(this.#folder, FILE_NAME);
  }

  get place(): number {
    return this.#place;
  }

  /** Of a session that was ended, as the last cut was told. */
  get endedRevision(): number {
    return Number(this.#meta('endedRevision') ?? 0);
  }

  /** Known when all is loaded. */
  get lastNumber(): number {
    return this.#lastNumber;
  }

  get sizes(): SqliteResult {
    const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    return { bytes: sizeOf(this.path) + sizeOf(`${this.path}-wal`), changes: this.#changes };
  }

  /** To be read: `open` says whose life it is. Makes it when it is not there. @throws SqliteFileError */
  begin(): void {
    try {
      mkdirSync(this.#folder, { recursive: true });
    } catch (cause) {
      throw new SqliteFileError(isFullDisk(cause) ? 'full' : 'unavailable', `${this.#folder} cannot be made`, cause);
    }
    this.#withRoom(() => this.#open());
  }

  /** Once it has begun. @throws SqliteFileError */
  open(epoch: string): { readonly epoch: string; readonly generation: number } {
    this.#removeUnfinished();
    const life = this.#withRoom(() => this.#readMeta(epoch));
    this.#isOpen = true;
    if (!this.isFull && !this.takeReserve()) this.#giveUpReserve();
    return life;
  }

  /** What an opening writes: with the room of the reserve where there is no other. @throws SqliteFileError */
  #withRoom<T>(step: () => T): T {
    try {
      return step();
    } catch (error) {
      if (failureOf(error) !== 'full') throw this.#known(error);
      this.#rollBack();
      this.#giveUpReserve();
      try {
        return step();
      } catch (again) {
        // What the first attempt had open may hold the lock until its thread ends.
        throw this.#known(failureOf(again) === 'in-use' ? error : again);
      }
    }
  }

  #open(): void {
    const database = openSqlite(this.path);
    try {
      // The lock comes before anything else: with it nobody else opens the file, and no shared memory is needed.
      database.exec('PRAGMA locking_mode = EXCLUSIVE');
      database.prepare('PRAGMA journal_mode = WAL').get();
      database.exec(`PRAGMA synchronous = ${this.#durability === 'fsync' ? 'FULL' : 'NORMAL'}`);
      database.exec('PRAGMA journal_size_limit = 16777216');
      const { user_version: format } = database.prepare('PRAGMA user_version').get() as { user_version: number };
      const { application_id: application } = database.prepare('PRAGMA application_id').get() as {
        application_id: number;
      };
      const { tables } = database.prepare('SELECT count(*) AS tables FROM sqlite_master').get() as { tables: number };
      if (Number(application) !== APPLICATION_ID && Number(tables) > 0) {
        throw new SqliteFileError(
          'format',
          `${this.path} is a database of something else: give another folder`,
          undefined,
        );
      }
      if (Number(format) > FORMAT) {
        throw new SqliteFileError(
          'format',
          `${this.path} has format ${format}, and this version knows ${FORMAT}: start it with the newer version that wrote it`,
          undefined,
        );
      }
      database.exec('BEGIN IMMEDIATE');
      if (Number(tables) === 0) {
        database.exec(SCHEMA);
        database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
        database.exec(`PRAGMA user_version = ${FORMAT}`);
      }
      database.exec('COMMIT');
    } catch (error) {
      database.close();
      throw error;
    }
    this.#database = database;
    this.#statements = statementsOf(database);
    this.#readPlace();
    this.#covered = Number(this.#meta('covered') ?? 0);
    const { changes, bytes } = this.#statements.sizeBehind.get(this.#covered) as { changes: number; bytes: number };
    this.#changes = Number(changes ?? 0);
    this.#logBytes = Number(bytes ?? 0);
    this.#countedFrom = this.#covered + 1;
    if (this.#isLimited) this.#limitPages();
  }

  #readPlace(): void {
    const { place } = this.#statements.lastPlace.get() as { place: number };
    this.#place = Number(place ?? 0);
  }

  #meta(key: string): string | undefined {
    return (this.#statements.readMeta.get(key) as { value: string } | undefined)?.value;
  }

  #readMeta(epoch: string): { readonly epoch: string; readonly generation: number } {
    const known = this.#meta('epoch');
    let generation = Number(this.#meta('generation') ?? 0);
    const boot = bootId();
    // A process that was killed has lost nothing: what it wrote the system has. A system that went down may have.
    const wasLoose = this.#meta('durability') === 'os' && this.#meta('state') === 'open';
    if (wasLoose && (boot === '' || this.#meta('boot') !== boot)) generation += 1;
    this.#transaction(() => {
      const { writeMeta } = this.#statements;
      writeMeta.run('epoch', known ?? epoch);
      writeMeta.run('generation', String(generation));
      writeMeta.run('durability', this.#durability);
      writeMeta.run('boot', boot);
      writeMeta.run('state', 'open');
    });
    return { epoch: known ?? epoch, generation };
  }

  /** What was told since this was written may not be in it. */
  beginGeneration(): { readonly epoch: string; readonly generation: number } {
    const generation = Number(this.#meta('generation')) + 1;
    this.#transaction(() => this.#statements.writeMeta.run('generation', String(generation)));
    return { epoch: this.#meta('epoch')!, generation };
  }

  /** In pieces that may lie apart: no statement stays open between them, so that the file can be written and closed. */
  *load(): Generator<PackedRows> {
    const { sessions, sizeOfVariables, variables, gone, windows, sizeOfLog, log } = this.#statements;
    const none = { revision: 0, forgottenRevision: 0 };
    const alive = new Set<number>();
    this.#lastNumber = Number(this.#meta('lastNumber') ?? 0);
    const begun = new RowPacker();
    for (const row of sessions.iterate()) {
      const number = Number(row.session);
      alive.add(number);
      this.#lastNumber = Math.max(this.#lastNumber, number);
      const [revision, forgottenRevision] = [Number(row.revision), Number(row.forgotten)];
      begun.add({ kind: 'session', number, revision, forgottenRevision, bytes: bytesOf(row.bytes) });
    }
    yield begun.finish();
    for (const { keys, lengths, bytes } of pages(sizeOfVariables, variables, 0)) {
      const numbers = keys.map((key) => Math.floor(key / PLACES));
      for (const number of numbers) if (!alive.has(number) && this.#dead.at(-1) !== number) this.#handleDead(number);
      // Those of the dead are known by their number.
      yield packLying('variable', lengths, bytes, (index) => numbers[index]!);
    }
    const beside = new RowPacker();
    for (const row of gone.iterate()) {
      const number = Math.floor(Number(row.key) / PLACES);
      if (alive.has(number)) beside.add({ kind: 'gone', number, ...none, bytes: bytesOf(row.bytes) });
    }
    for (const row of windows.iterate()) {
      const number = Number(row.session);
      if (alive.has(number)) beside.add({ kind: 'window', number, ...none, bytes: bytesOf(row.bytes) });
    }
    yield beside.finish();
    for (const { keys, lengths, bytes } of pages(sizeOfLog, log, this.#covered))
      yield packLying('commits', lengths, bytes, (index) => keys[index]!);
  }

  #handleDead(number: number): void {
    this.#dead.push(number);
    this.#lastNumber = Math.max(this.#lastNumber, number);
  }

  /** The last rows of the log before a place, the last of all first. To be read to their end: one driver keeps a statement open until then, and the file grows. */
  *loadBefore(before: number, rows: number): Generator<LoadedRow> {
    for (const { place, changes, bytes } of this.#statements.logBefore.iterate(before, rows)) {
      const row = { number: Number(place), bytes: bytesOf(bytes) };
      if (row.number < this.#countedFrom) {
        this.#changes += Number(changes);
        this.#logBytes += row.bytes.length;
        this.#countedFrom = row.number;
      }
      yield { kind: 'commits', revision: 0, forgottenRevision: 0, ...row };
    }
  }

  /** All of it, or nothing. @throws SqliteFileError; `unknown`: nobody can say until `find` does */
  append({ bytes, changes, begun, ended }: SqliteRequest & { readonly kind: 'append' }): number {
    const beganAtMs = performanceNowMs();
    const place = this.#place + 1;
    try {
      this.#transaction(() => {
        const { append, begin, end } = this.#statements;
        append.run(place, Date.now(), changes, bytes);
        for (const { session, revision, bytes: record } of begun) begin.run(session, revision, record);
        for (const session of ended) end.run(session);
      });
    } catch (error) {
      if (this.find() < place) throw this.#known(error);
    }
    this.#place = place;
    this.#changes += changes;
    this.#logBytes += bytes.length;
    for (const session of ended) this.#dead.push(session);
    return performanceNowMs() - beganAtMs;
  }

  /** What is kept, asked of the file itself. @throws SqliteFileError `unknown` */
  find(): number {
    this.#rollBack();
    try {
      this.#readPlace();
      return this.#place;
    } catch {
      // Not by this connection.
    }
    try {
      this.#database.close();
    } catch {
      // It was closed by the failure.
    }
    try {
      this.#withRoom(() => this.#open());
    } catch (error) {
      // What SQLite said: the path is in this sentence already.
      const { cause } = error as SqliteFileError;
      throw new SqliteFileError('unknown', `${this.path} cannot be read: ${sentenceOf(cause ?? error)}`, error);
    }
    return this.#place;
  }

  snapshot({ variables, removed, gone, sessions }: SnapshotRows): void {
    this.#attempt(() => {
      const { writeVariable, removeVariable, writeGone, forgetGone, writeSession, writeWindow, forgetWindows } =
        this.#statements;
      for (const { session, place, bytes } of variables) writeVariable.run(keyOf(session, place), bytes);
      for (const { session, place } of removed) removeVariable.run(keyOf(session, place));
      for (const { session, place, revision, bytes } of gone) writeGone.run(keyOf(session, place), revision, bytes);
      for (const { session, revision, forgottenRevision, windows } of sessions) {
        writeSession.run(revision, forgottenRevision, session);
        forgetGone.run(keyOf(session, 0), keyOf(session + 1, 0), forgottenRevision);
        forgetWindows.run(session);
        for (const bytes of windows) writeWindow.run(session, bytes);
      }
    });
  }

  /** A whole snapshot has all up to there: of the log before it goes what is old, or too much. */
  cut(coveredTo: number, keepMs: number, lastNumber: number, endedRevision: number): void {
    if (coveredTo !== this.#covered) {
      this.#attempt(() => {
        const { writeMeta } = this.#statements;
        writeMeta.run('covered', String(coveredTo));
        writeMeta.run('lastNumber', String(lastNumber));
        writeMeta.run('endedRevision', String(endedRevision));
      });
      this.#covered = coveredTo;
    }
    const oldest = Date.now() - keepMs;
    for (;;) {
      let last = 0;
      let changes = 0;
      let bytes = 0;
      let isLong = true;
      for (const row of this.#statements.oldest.iterate(Math.min(coveredTo, this.#place - 1))) {
        isLong &&= Number(row.at) < oldest || this.#logBytes - bytes > MAX_LOG_BYTES;
        if (!isLong) continue;
        last = Number(row.place);
        if (last < this.#countedFrom) continue;
        changes += Number(row.changes);
        bytes += Number(row.bytes);
      }
      if (last === 0) break;
      this.#attempt(() => this.#statements.cut.run(last));
      this.#changes -= changes;
      this.#logBytes -= bytes;
    }
    this.#forgetDead();
  }

  /** Rows of sessions that are no more, some of them. */
  #forgetDead(): void {
    const session = this.#dead[0];
    if (session === undefined) return;
    let isLeft = false;
    this.#attempt(() => {
      const { removeVariables, removeGone, forgetWindows, left } = this.#statements;
      removeVariables.run(keyOf(session, 0), keyOf(session + 1, 0), ROWS_AT_ONCE);
      removeGone.run(keyOf(session, 0), keyOf(session + 1, 0));
      forgetWindows.run(session);
      isLeft = left.get(keyOf(session, 0), keyOf(session + 1, 0)) !== undefined;
    });
    if (!isLeft) this.#dead.shift();
  }

  /** A whole copy, as of now, under this name once it is whole. Where there is no room for it, none of it stays. @throws SqliteFileError */
  backup(path: string): void {
    const unfinished = path + UNFINISHED;
    try {
      this.#database.prepare('VACUUM INTO ?').run(unfinished);
      renameSync(unfinished, path);
    } catch (error) {
      for (const left of [unfinished, `${unfinished}-journal`]) rmSync(left, { force: true });
      const failure = isFullDisk(error) ? 'no-room' : 'unavailable';
      throw new SqliteFileError(failure, `a copy of ${this.path} cannot be made (${sentenceOf(error)})`, error);
    }
  }

  /** Of a server that was killed while it made a copy. */
  #removeUnfinished(): void {
    for (const name of readdirSync(this.#folder)) {
      if (UNFINISHED_NAME.test(name)) rmSync(join(this.#folder, name), { force: true });
    }
  }

  /** For tests: its disk is as good as full, until it has more room again. */
  limit(isFull: boolean): void {
    this.#isLimited = isFull;
    this.#limitPages();
  }

  #limitPages(): void {
    const { page_count: pages } = this.#database.prepare('PRAGMA page_count').get() as { page_count: number };
    const most = this.#isLimited ? Number(pages) + (this.isFull ? RESERVE_PAGES : FEW_PAGES) : MOST_PAGES;
    this.#database.prepare(`PRAGMA max_page_count = ${most}`).get();
  }

  close(): void {
    if (this.#isOpen) {
      this.#transaction(() => this.#statements.writeMeta.run('state', 'closed'));
      this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
    }
    this.#database.close();
  }

  /** Against a disk that fills up. False: there is no room for it. */
  takeReserve(): boolean {
    if (this.#isLimited && this.isFull) return false;
    return this.#reserve.take();
  }

  #giveUpReserve(): void {
    this.#reserve.giveUp();
    this.isFull = true;
    if (this.#isLimited) this.#limitPages();
  }

  /** @throws SqliteFileError; nothing of it was done */
  #attempt(work: () => void): void {
    try {
      this.#transaction(work);
    } catch (error) {
      this.find();
      throw this.#known(error);
    }
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    work();
    this.#database.exec('COMMIT');
  }

  #rollBack(): void {
    try {
      this.#database?.exec('ROLLBACK');
    } catch {
      // SQLite has done so by itself.
    }
  }

  #known(error: unknown): SqliteFileError {
    if (error instanceof SqliteFileError) return error;
    const failure = failureOf(error);
    if (failure === 'full') this.#giveUpReserve();
    return new SqliteFileError(failure, `${this.path}: ${sentenceOf(error)}`, error);
  }
}

/** Which start of the system this is; '' where it does not say. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

/** A row of its own for each place, those of a session side by side. */
function keyOf(session: number, place: number): bigint {
  return BigInt(session) * BigInt(PLACES) + BigInt(place);
}

const PLACES = 2 ** 32;
/** A copy that is not whole. */
const UNFINISHED = '.unfinished';
const UNFINISHED_NAME = /^backup-.*\.unfinished(-journal)?$/;
/** 'brst'. */
const APPLICATION_ID = 0x62727374;
const RESERVE_PAGES = RESERVE_BYTES / 4_096;
const FEW_PAGES = 128;
/** SQLite's own limit. */
const MOST_PAGES = 1_073_741_823;
const MAX_LOG_BYTES = 64 * 1024 * 1024;
const ROWS_AT_ONCE = 500;
