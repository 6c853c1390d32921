/** The thread of a sqlite engine: one request after the other. Path: sqlite journal -> [sqlite worker] -> sqlite file, and what became of it back. */
import { parentPort } from 'node:worker_threads';
import { clearInterval, setImmediate, setInterval } from '../../../shared/platform-timers.js';
import type { PackedRows } from './packed-rows.js';
import { RowPacker } from './packed-rows.js';
import { SqliteFileError } from './sqlite-failure.js';
import { SqliteFile } from './sqlite-file.js';
import type { SqliteReply, SqliteRequest, SqliteResult } from './sqlite-messages.js';

let file: SqliteFile | undefined;
/** What a start reads, until it has asked for it. */
let start: StartReading | undefined;
let probe: NodeJS.Timeout | undefined;
/** For tests: what a slow disk is. */
let pausedMs = 0;
/** Rows that are read at once of what is before a start, by how large they were. */
let rowsOfPast = 8;

parentPort?.on('message', (request: SqliteRequest) => {
  const wasFull = file?.isFull ?? false;
  try {
    say({ kind: 'done', result: handle(request) });
  } catch (error) {
    const failure = error instanceof SqliteFileError ? error.failure : 'unavailable';
    say({ kind: 'failed', failure, sentence: error instanceof Error ? error.message : String(error) });
  }
  if (request.kind === 'leave') parentPort?.close();
  else if (!wasFull && file?.isFull === true) handleFull();
});

function handle(request: SqliteRequest): SqliteResult {
  switch (request.kind) {
    case 'begin':
      begin(request.folder, request.durability);
      start = new StartReading(file!.load());
      setImmediate(readAhead);
      return {};
    case 'open':
      if (file === undefined) begin(request.folder, request.durability);
      return file!.open(request.epoch);
    case 'load':
      return load();
    case 'loadBefore':
      return loadBefore(request.place);
    case 'append': {
      pause();
      const ms = open().append(request);
      return { ms };
    }
    case 'lastPlace':
      return { place: open().find() };
    case 'snapshot':
      open().snapshot(request.rows);
      return {};
    case 'cut':
      open().cut(request.coveredTo, request.keepMs, request.lastNumber, request.endedRevision);
      return open().sizes;
    case 'backup':
      open().backup(request.path);
      return {};
    case 'beginGeneration':
      return open().beginGeneration();
    case 'pause':
      pausedMs = request.ms;
      return {};
    case 'limit':
      open().limit(request.isFull);
      return {};
    case 'close':
      clearInterval(probe);
      start = undefined;
      open().close();
      return {};
    case 'leave':
      clearInterval(probe);
      start = undefined;
      return {};
    default:
      return request satisfies never;
  }
}

function open(): SqliteFile {
  if (file === undefined) throw new SqliteFileError('unavailable', 'the file is not open', undefined);
  return file;
}

/** @throws SqliteFileError */
function begin(folder: string, durability: 'fsync' | 'os'): void {
  const opening = new SqliteFile(folder, durability);
  opening.begin();
  file = opening;
}

function load(): SqliteResult {
  const opened = open();
  start ??= new StartReading(opened.load());
  start.finish();
  start = undefined;
  return { ...opened.sizes, place: opened.place, lastNumber: opened.lastNumber, endedRevision: opened.endedRevision };
}

/** A message at a time, so that what is asked meanwhile comes in between. */
function readAhead(): void {
  if (start?.sayMore() === true) setImmediate(readAhead);
}

class StartReading {
  readonly #pieces: Iterator<PackedRows>;
  #failure: unknown;
  #isOver = false;

  constructor(pieces: Iterator<PackedRows>) {
    this.#pieces = pieces;
  }

  /** One message; whether there may be more. */
  sayMore(): boolean {
    try {
      const next = this.#pieces.next();
      if (next.done === true) this.#isOver = true;
      else sayRows(next.value);
    } catch (error) {
      this.#failure = error;
      this.#isOver = true;
    }
    return !this.#isOver;
  }

  /** @throws what reading threw */
  finish(): void {
    while (!this.#isOver) this.sayMore();
    if (this.#failure !== undefined) throw this.#failure;
  }
}

/** A little: sets wait behind it, here and where it is read. */
function loadBefore(before: number): SqliteResult {
  const packer = new RowPacker();
  const opened = open();
  let place: number | undefined;
  for (const row of opened.loadBefore(before, rowsOfPast)) {
    packer.add(row);
    place = row.number;
  }
  sayRows(packer.finish());
  const asManyAsFit = Math.floor((rowsOfPast * BYTES_OF_PAST) / (packer.bytes + 1));
  rowsOfPast = Math.max(1, Math.min(asManyAsFit, 2 * rowsOfPast, MAX_ROWS_OF_PAST));
  return { ...opened.sizes, place };
}

function sayRows(rows: PackedRows): void {
  parentPort?.postMessage({ kind: 'rows', rows } satisfies SqliteReply, [rows.bytes.buffer, rows.heads.buffer]);
}

/** Until there is room for the reserve again. */
function handleFull(): void {
  say({ kind: 'health', state: 'full', sentence: 'the disk is full' });
  clearInterval(probe);
  probe = setInterval(() => {
    if (file?.takeReserve() !== true) return;
    clearInterval(probe);
    file.isFull = false;
    say({ kind: 'health', state: 'ready', sentence: '' });
  }, PROBE_MS);
}

function pause(): void {
  if (pausedMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pausedMs);
}

function say(reply: SqliteReply): void {
  parentPort?.postMessage(reply);
}

/** Read by the server in about a millisecond. */
const BYTES_OF_PAST = 32 * 1024;
const MAX_ROWS_OF_PAST = 256;
const PROBE_MS = 250;
