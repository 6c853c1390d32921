/** The thread of a sqlite engine: one request after the other. Path: sqlite journal -> [sqlite worker] -> sqlite file, and what became of it back. */
import { parentPort } from 'node:worker_threads';
import { clearInterval, setInterval } from '../../../shared/platform-timers.js';
import { RowPacker } from './packed-rows.js';
import { SqliteFile, SqliteFileError } from './sqlite-file.js';
import type { SqliteReply, SqliteRequest, SqliteResult } from './sqlite-messages.js';

let file: SqliteFile | undefined;
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
    case 'open':
      file = new SqliteFile(request.folder, request.durability);
      return file.open(request.epoch);
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
      open().cut(request.coveredTo, request.keepMs, request.lastNumber);
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
      open().close();
      return {};
    case 'leave':
      clearInterval(probe);
      return {};
    default:
      return request satisfies never;
  }
}

function open(): SqliteFile {
  if (file === undefined) throw new SqliteFileError('unavailable', 'the file is not open', undefined);
  return file;
}

function load(): SqliteResult {
  let packer = new RowPacker();
  const opened = open();
  for (const row of opened.load()) {
    packer.add(row);
    if (packer.bytes < BYTES_A_MESSAGE) continue;
    sayRows(packer);
    packer = new RowPacker();
  }
  sayRows(packer);
  return { ...opened.sizes, place: opened.place, lastNumber: opened.lastNumber };
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
  sayRows(packer);
  const asManyAsFit = Math.floor((rowsOfPast * BYTES_OF_PAST) / (packer.bytes + 1));
  rowsOfPast = Math.max(1, Math.min(asManyAsFit, 2 * rowsOfPast, MAX_ROWS_OF_PAST));
  return { ...opened.sizes, place };
}

function sayRows(packer: RowPacker): void {
  const rows = packer.finish();
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

const BYTES_A_MESSAGE = 512 * 1024;
/** Read by the server in about a millisecond. */
const BYTES_OF_PAST = 32 * 1024;
const MAX_ROWS_OF_PAST = 256;
const PROBE_MS = 250;
