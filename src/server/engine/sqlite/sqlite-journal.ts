/**
 * A journal in a folder of SQLite, written by a thread of its own. Path: commit queue -> [sqlite journal] -> sqlite worker. Slow: one request
 * after the other. Full: StorageFullError, and nothing of it is kept; it is tried again by itself. Closed: what was asked is done first.
 */
import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  EngineFormatError,
  EngineInUseError,
  EngineUnavailableError,
  StorageFullError,
} from '../../../shared/errors.js';
import { setTimeout } from '../../../shared/platform-timers.js';
import { Durations } from '../durations.js';
import type { EngineHealth, Life } from '../engine.js';
import type { Journal, JournalStats, Loaded, SnapshotPortion } from '../journal.js';
import {
  decodeCommits,
  decodeGone,
  decodeSession,
  decodeVariable,
  decodeWindow,
  encodeCommits,
  encodeGone,
  encodeSession,
  encodeVariable,
  encodeWindow,
  peekVariable,
  type RecordReader,
  recordReader,
} from '../record-codec.js';
import type { CommitRecord } from '../records.js';
import type { PackedRow, PackedRows } from './packed-rows.js';
import { unpackRows } from './packed-rows.js';
import type { SqliteFailure, SqliteReply, SqliteRequest, SqliteResult } from './sqlite-messages.js';
import { VariableRow } from './variable-row.js';

export interface SqliteJournalOptions {
  /** `fsync`: on the disk before it is answered. `os`: given to the system, which writes it in its own time: a process that is killed loses nothing, a power cut what was last. Default `fsync`. */
  readonly durability?: 'fsync' | 'os' | undefined;
}

interface Waiting {
  readonly resolve: (result: SqliteResult) => void;
  readonly reject: (error: Error) => void;
}

export class SqliteJournal implements Journal {
  readonly name = 'sqlite';
  health: EngineHealth['state'] = 'ready';
  onHealth: ((state: EngineHealth['state'], cause: unknown) => void) | undefined = undefined;
  readonly #folder: string;
  readonly #durability: 'fsync' | 'os';
  #worker: Worker | undefined;
  #isClosed = false;
  /** The first is being done. */
  readonly #line: Waiting[] = [];
  #loading: ((rows: PackedRows) => void) | undefined;
  /** Read before they were asked for. */
  readonly #early: PackedRows[] = [];
  readonly #syncMs = new Durations();
  #bytes = 0;
  #backups = 0;
  #changes = 0;

  constructor(folder: string, { durability = 'fsync' }: SqliteJournalOptions = {}) {
    this.#folder = resolve(folder);
    this.#durability = durability;
  }

  get stats(): JournalStats {
    return { syncMs: this.#syncMs.read(), bytes: this.#bytes, changes: this.#changes };
  }

  /** Opens its folder and reads it while its owner does other things first. How that went `open` says, or `close` ends it. */
  begin(): void {
    this.#worker = this.#start();
    this.#ask({ kind: 'begin', folder: this.#folder, durability: this.#durability }).catch(ignore);
  }

  async open({ epoch }: { readonly epoch: string | undefined }): Promise<Life> {
    this.#worker ??= this.#start();
    // Of the thread before; this one says it anew.
    this.health = 'ready';
    const request = { kind: 'open', folder: this.#folder, durability: this.#durability, epoch: epoch ?? '' } as const;
    try {
      const { epoch: found, generation } = await this.#ask(request);
      return { epoch: found!, generation: generation! };
    } catch (error) {
      await this.#leave();
      throw error;
    }
  }

  async load(handle: (kept: Loaded) => void): Promise<{ readonly place: number; readonly lastNumber: number }> {
    const { place, lastNumber } = await this.#read({ kind: 'load' }, (rows, reader) =>
      unpackRows(rows, (row) => tell(row, reader, handle)),
    );
    return { place: place!, lastNumber: lastNumber! };
  }

  async loadBefore(place: number, handle: (commit: CommitRecord) => void): Promise<number | undefined> {
    const { place: next } = await this.#read({ kind: 'loadBefore', place }, (rows, reader) =>
      unpackRows(rows, ({ from, to }) => {
        reader.pos = from;
        const commits = decodeCommits(reader, to);
        for (let index = commits.length - 1; index >= 0; index -= 1) handle(commits[index]!);
      }),
    );
    return next;
  }

  /** @throws EngineFormatError */
  async #read(request: SqliteRequest, handle: (rows: PackedRows, reader: RecordReader) => void): Promise<SqliteResult> {
    let unreadable: unknown;
    this.#loading = (rows) => {
      if (unreadable !== undefined) return;
      try {
        // Of a Buffer texts are read at once, of other bytes letter by letter.
        handle(rows, recordReader(Buffer.from(rows.bytes.buffer)));
      } catch (error) {
        unreadable = error;
      }
    };
    for (const rows of this.#early.splice(0)) this.#loading(rows);
    const result = await this.#ask(request);
    this.#note(result);
    this.#loading = undefined;
    if (unreadable === undefined) return result;
    throw new EngineFormatError(
      `${this.#folder} has a row that this server cannot read (${String(unreadable)}): upgrade it, or restore a backup`,
      { cause: unreadable },
    );
  }

  async append(commits: readonly CommitRecord[]): Promise<void> {
    const request = appendOf(commits);
    const { ms } = await this.#ask(request);
    this.#changes += request.changes;
    this.#syncMs.add(ms!);
  }

  async lastPlace(): Promise<number> {
    for (;;) {
      try {
        // Its thread may have ended: another one opens the file.
        if (this.#worker === undefined && !this.#isClosed) await this.open({ epoch: undefined });
        const { place } = await this.#ask({ kind: 'lastPlace' });
        return place!;
      } catch {
        await new Promise((again) => setTimeout(again, RETRY_MS).unref());
      }
    }
  }

  async snapshot({ variables, gone, removed, sessions }: SnapshotPortion): Promise<void> {
    await this.#ask({
      kind: 'snapshot',
      rows: {
        variables: variables.map((record) => ({
          ...{ session: record.session, place: record.registration.place },
          bytes: encodeVariable(record),
        })),
        removed,
        gone: gone.map((record) => ({
          ...{ session: record.session, place: record.registration.place, revision: record.version.revision },
          bytes: encodeGone(record),
        })),
        sessions: sessions.map(({ windows, ...session }) => ({ ...session, windows: windows.map(encodeWindow) })),
      },
    });
  }

  async cut(coveredTo: number, keepMs: number, lastNumber: number): Promise<void> {
    this.#note(await this.#ask({ kind: 'cut', coveredTo, keepMs, lastNumber }));
  }

  /** A whole copy of what is kept now, in the same folder. Sets wait for it. @throws StorageFullError, EngineUnavailableError */
  readonly backup = async (): Promise<string> => {
    this.#backups += 1;
    const path = resolve(this.#folder, `backup-${process.pid}-${this.#backups}.sqlite`);
    await this.#ask({ kind: 'backup', path });
    return path;
  };

  /** What was told since this was written may not be in it: for a copy that becomes a state. */
  async beginGeneration(): Promise<Life> {
    const { epoch, generation } = await this.#ask({ kind: 'beginGeneration' });
    return { epoch: epoch!, generation: generation! };
  }

  /** For tests: each append takes that long. */
  async pause(ms: number): Promise<void> {
    await this.#ask({ kind: 'pause', ms });
  }

  /** For tests: its disk has no more room. */
  async limit(isFull: boolean): Promise<void> {
    await this.#ask({ kind: 'limit', isFull });
  }

  /** For tests: as if the process were killed between two of its requests. */
  async kill(): Promise<void> {
    this.#isClosed = true;
    await this.#leave();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    try {
      await this.#ask({ kind: 'close' });
    } catch {
      // What could not be written is found at the next start.
    }
    await this.#leave();
  }

  /** A thread that is ended in the middle of a call takes the process along. */
  async #leave(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise((done) => worker.once('exit', done));
    const leaving = this.#ask({ kind: 'leave' });
    this.#worker = undefined;
    this.#early.length = 0;
    await leaving.catch(() => undefined);
    worker.ref();
    await ended;
  }

  #note({ bytes, changes }: SqliteResult): void {
    this.#bytes = bytes ?? this.#bytes;
    this.#changes = changes ?? this.#changes;
  }

  #ask(request: SqliteRequest): Promise<SqliteResult> {
    const worker = this.#worker;
    if (worker === undefined)
      return Promise.reject(new EngineUnavailableError('the engine is closed: nothing was done'));
    return new Promise((done, reject) => {
      // First: one that cannot be sent has no answer, and the line is that of answers.
      worker.postMessage(request);
      // Whoever waits for it keeps the process alive.
      if (this.#line.length === 0) worker.ref();
      this.#line.push({ resolve: done, reject });
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL('./sqlite-worker.js', import.meta.url), {
      // Node 22 calls its SQLite experimental.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    worker.on('message', (reply: SqliteReply) => this.#handleReply(reply));
    worker.on('error', (cause) => this.#refuseAll(cause));
    worker.on('exit', () => this.#refuseAll(new Error('the thread of the engine has ended')));
    worker.unref();
    return worker;
  }

  #handleReply(reply: SqliteReply): void {
    switch (reply.kind) {
      case 'rows':
        if (this.#loading === undefined) this.#early.push(reply.rows);
        else this.#loading(reply.rows);
        break;
      case 'health':
        this.#setHealth(reply.state, reply.sentence);
        break;
      case 'done':
        this.#next()?.resolve(reply.result);
        break;
      case 'failed':
        // Before whoever asked decides anything else.
        if (reply.failure === 'full') this.#setHealth('full', reply.sentence);
        this.#next()?.reject(errorOf(reply.failure, reply.sentence, this.#folder));
        break;
      default:
        reply satisfies never;
    }
  }

  #next(): Waiting | undefined {
    const next = this.#line.shift();
    if (this.#line.length === 0) this.#worker?.unref();
    return next;
  }

  #setHealth(state: EngineHealth['state'], cause: unknown): void {
    if (state === this.health) return;
    this.health = state;
    this.onHealth?.(state, cause);
  }

  #refuseAll(cause: unknown): void {
    this.#worker = undefined;
    for (const { reject } of this.#line.splice(0)) reject(new Error('the thread of the engine has ended', { cause }));
  }
}

/** @throws EngineUnavailableError for what cannot be written */
function appendOf(commits: readonly CommitRecord[]): Extract<SqliteRequest, { kind: 'append' }> {
  const begun: { session: number; bytes: Uint8Array }[] = [];
  const ended: number[] = [];
  let changes = 0;
  try {
    for (const { begins, session, isEnd, changes: made } of commits) {
      changes += made.length;
      if (begins !== undefined) begun.push({ session, bytes: encodeSession(begins) });
      if (isEnd) ended.push(session);
    }
    return { kind: 'append', bytes: encodeCommits(commits), changes, begun, ended };
  } catch (cause) {
    throw new EngineUnavailableError(`a change cannot be written (${String(cause)}): nothing was done`, { cause });
  }
}

function errorOf(failure: SqliteFailure, sentence: string, folder: string): Error {
  switch (failure) {
    case 'full':
      return new StorageFullError(
        `the disk of ${folder} is full: nothing was done; free some of it, and it goes on by itself`,
      );
    case 'in-use':
      return new EngineInUseError(`${folder} is in use by another server: stop it, or give this one another folder`);
    case 'format':
      return new EngineFormatError(sentence);
    case 'unavailable':
      return new EngineUnavailableError(`${sentence}: nothing was done`);
    case 'unknown':
      return new Error(sentence);
    default:
      return failure satisfies never;
  }
}

function tell(
  { kind, number, revision, forgottenRevision, from, to }: PackedRow,
  reader: RecordReader,
  handle: (kept: Loaded) => void,
): void {
  reader.pos = from;
  switch (kind) {
    case 'session':
      handle({ kind, session: decodeSession(number, reader, to), revision, forgottenRevision });
      break;
    case 'variable': {
      const found = peekVariable(reader, to);
      if (found !== undefined) {
        handle({ kind: 'packed', session: number, variable: new VariableRow(found, reader, from, to) });
        break;
      }
      reader.pos = from;
      handle({ kind, variable: decodeVariable(number, reader, to) });
      break;
    }
    case 'gone':
      handle({ kind, gone: decodeGone(number, reader, to) });
      break;
    case 'window':
      handle({ kind, session: number, window: decodeWindow(reader, to) });
      break;
    case 'commits':
      for (const commit of decodeCommits(reader, to)) handle({ kind: 'commit', place: number, commit });
      break;
    default:
      kind satisfies never;
  }
}

function ignore(): void {
  // Said by whoever asks next.
}

const RETRY_MS = 200;
