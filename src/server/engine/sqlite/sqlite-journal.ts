/**
 * A journal in a folder of SQLite, written by a thread of its own. Path: commit queue -> [sqlite journal] -> sqlite worker. Slow: one request
 * after the other. Full: StorageFullError, and nothing of it is kept; it is tried again by itself. Closed: what was asked is done first.
 */
import { resolve } from 'node:path';
import { EngineFormatError, EngineUnavailableError } from '../../../shared/errors.js';
import { setTimeout } from '../../../shared/platform-timers.js';
import { randomId } from '../../../shared/system-clock.js';
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
import type { SqliteRequest, SqliteResult } from './sqlite-messages.js';
import { SqliteThread } from './sqlite-thread.js';
import { VariableRow } from './variable-row.js';

export interface SqliteJournalOptions {
  /** `fsync`: on the disk before it is answered. `os`: given to the system, which writes it in its own time: a process that is killed loses nothing, a power cut what was last. Default `fsync`. */
  readonly durability?: 'fsync' | 'os' | undefined;
}

export class SqliteJournal implements Journal {
  readonly name = 'sqlite';
  health: EngineHealth['state'] = 'ready';
  onHealth: ((state: EngineHealth['state'], cause: unknown) => void) | undefined = undefined;
  readonly #folder: string;
  readonly #durability: 'fsync' | 'os';
  #thread: SqliteThread | undefined;
  #isClosed = false;
  readonly #syncMs = new Durations();
  #bytes = 0;
  #changes = 0;

  constructor(folder: string, { durability = 'fsync' }: SqliteJournalOptions = {}) {
    this.#folder = resolve(folder);
    this.#durability = durability;
  }

  get stats(): JournalStats {
    return { syncMs: this.#syncMs.read(), bytes: this.#bytes, changes: this.#changes };
  }

  /** Takes a thread that has begun with its folder. How that went `open` says, or `close` ends it. */
  adopt(thread: SqliteThread): void {
    this.#thread = thread;
  }

  async open({ epoch }: { readonly epoch: string | undefined }): Promise<Life> {
    if (this.#thread === undefined || this.#thread.isOver) this.#thread = new SqliteThread(this.#folder);
    this.#thread.onHealth = (state, cause) => this.#setHealth(state, cause);
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

  async load(
    handle: (kept: Loaded) => void,
  ): Promise<{ readonly place: number; readonly lastNumber: number; readonly endedRevision: number }> {
    const { place, lastNumber, endedRevision } = await this.#read({ kind: 'load' }, (rows, reader) =>
      unpackRows(rows, (row) => tell(row, reader, handle)),
    );
    return { place: place!, lastNumber: lastNumber!, endedRevision: endedRevision! };
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
    const result = await this.#open().read(request, (rows) => {
      if (unreadable !== undefined) return;
      try {
        // Of a Buffer texts are read at once, of other bytes letter by letter.
        handle(rows, recordReader(Buffer.from(rows.bytes.buffer)));
      } catch (error) {
        unreadable = error;
      }
    });
    this.#note(result);
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
        if (this.#thread?.isOver !== false && !this.#isClosed) await this.open({ epoch: undefined });
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

  async cut(coveredTo: number, keepMs: number, lastNumber: number, endedRevision: number): Promise<void> {
    this.#note(await this.#ask({ kind: 'cut', coveredTo, keepMs, lastNumber, endedRevision }));
  }

  /** A whole copy of what is kept now, in the same folder. Sets wait for it. @throws StorageFullError, EngineUnavailableError */
  readonly backup = async (): Promise<string> => {
    // One that nobody has taken may be there still, of a process of the same number.
    const path = resolve(this.#folder, `backup-${randomId('copy')}.sqlite`);
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

  async #leave(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.leave();
  }

  #note({ bytes, changes }: SqliteResult): void {
    this.#bytes = bytes ?? this.#bytes;
    this.#changes = changes ?? this.#changes;
  }

  async #ask(request: SqliteRequest): Promise<SqliteResult> {
    return this.#open().ask(request);
  }

  /** @throws EngineUnavailableError */
  #open(): SqliteThread {
    if (this.#thread !== undefined && !this.#thread.isOver) return this.#thread;
    throw new EngineUnavailableError('the engine is closed: nothing was done');
  }

  #setHealth(state: EngineHealth['state'], cause: unknown): void {
    if (state === this.health) return;
    this.health = state;
    this.onHealth?.(state, cause);
  }
}

/** @throws EngineUnavailableError for what cannot be written */
function appendOf(commits: readonly CommitRecord[]): Extract<SqliteRequest, { kind: 'append' }> {
  const begun: { session: number; revision: number; bytes: Uint8Array }[] = [];
  const ended: number[] = [];
  let changes = 0;
  try {
    for (const { begins, session, isEnd, revision, changes: made } of commits) {
      changes += made.length;
      if (begins !== undefined) begun.push({ session, revision, bytes: encodeSession(begins) });
      if (isEnd) ended.push(session);
    }
    return { kind: 'append', bytes: encodeCommits(commits), changes, begun, ended };
  } catch (cause) {
    throw new EngineUnavailableError(`a change cannot be written (${String(cause)}): nothing was done`, { cause });
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

const RETRY_MS = 200;
