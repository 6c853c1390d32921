/**
 * The thread of a sqlite engine, and the line of what it is asked. Path: sqlite journal -> [sqlite thread] -> sqlite worker. Few modules, so that a start
 * has it read while the others are loaded. Slow: one request after the other. Ended: refuses what waits.
 */
import { Worker } from 'node:worker_threads';
import {
  EngineFormatError,
  EngineInUseError,
  EngineUnavailableError,
  StorageFullError,
} from '../../../shared/errors.js';
import type { PackedRows } from './packed-rows.js';
import type { SqliteFailure, SqliteReply, SqliteRequest, SqliteResult } from './sqlite-messages.js';

interface Waiting {
  readonly resolve: (result: SqliteResult) => void;
  readonly reject: (error: Error) => void;
}

export class SqliteThread {
  onHealth: ((state: 'ready' | 'full', sentence: string) => void) | undefined;
  readonly #folder: string;
  readonly #worker: Worker;
  #isOver = false;
  /** The first is being done. */
  readonly #line: Waiting[] = [];
  #loading: ((rows: PackedRows) => void) | undefined;
  /** Read before they were asked for. */
  readonly #early: PackedRows[] = [];

  /** Owner: a journal; `leave` ends it. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#worker = new Worker(new URL('./sqlite-worker.js', import.meta.url), {
      // Node 22 calls its SQLite experimental.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    this.#worker.on('message', (reply: SqliteReply) => this.#handleReply(reply));
    this.#worker.on('error', (cause) => this.#handleOver(cause));
    this.#worker.on('exit', () => this.#handleOver(new Error('the thread of the engine has ended')));
    this.#worker.unref();
  }

  /** It takes nothing more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Opens the folder, and reads what `load` will ask for, while its owner does other things first. How that went `open` says. */
  begin(durability: 'fsync' | 'os'): void {
    this.ask({ kind: 'begin', folder: this.#folder, durability }).catch(() => undefined);
  }

  ask(request: SqliteRequest): Promise<SqliteResult> {
    return new Promise((done, reject) => {
      // First: one that cannot be sent has no answer, and the line is that of answers.
      this.#worker.postMessage(request);
      // Whoever waits for it keeps the process alive.
      if (this.#line.length === 0) this.#worker.ref();
      this.#line.push({ resolve: done, reject });
    });
  }

  /** Rows come before the answer. */
  async read(request: SqliteRequest, handle: (rows: PackedRows) => void): Promise<SqliteResult> {
    for (const rows of this.#early.splice(0)) handle(rows);
    this.#loading = handle;
    const result = await this.ask(request);
    this.#loading = undefined;
    return result;
  }

  /** Resolves when it has ended, after what it was asked: one that is ended in the middle of a call takes the process along. */
  async leave(): Promise<void> {
    if (this.#isOver) return;
    const ended = new Promise((done) => this.#worker.once('exit', done));
    const leaving = this.ask({ kind: 'leave' });
    this.#isOver = true;
    await leaving.catch(() => undefined);
    this.#worker.ref();
    await ended;
  }

  #handleReply(reply: SqliteReply): void {
    switch (reply.kind) {
      case 'rows':
        if (this.#loading === undefined) this.#early.push(reply.rows);
        else this.#loading(reply.rows);
        break;
      case 'health':
        this.onHealth?.(reply.state, reply.sentence);
        break;
      case 'done':
        this.#next()?.resolve(reply.result);
        break;
      case 'failed':
        // Before whoever asked decides anything else.
        if (reply.failure === 'full') this.onHealth?.('full', reply.sentence);
        this.#next()?.reject(errorOf(reply.failure, reply.sentence, this.#folder));
        break;
      default:
        reply satisfies never;
    }
  }

  #next(): Waiting | undefined {
    const next = this.#line.shift();
    if (this.#line.length === 0) this.#worker.unref();
    return next;
  }

  #handleOver(cause: unknown): void {
    this.#isOver = true;
    for (const { reject } of this.#line.splice(0)) reject(new Error('the thread of the engine has ended', { cause }));
  }
}

function errorOf(failure: SqliteFailure, sentence: string, folder: string): Error {
  switch (failure) {
    case 'full':
      return new StorageFullError(
        `the disk of ${folder} is full: nothing was done; free some of it, and it goes on by itself`,
      );
    case 'no-room':
      return new StorageFullError(`${sentence}: nothing was done; free some of its disk, then try again`);
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
