/**
 * Matches that take longer than a turn of the event loop, in a thread of their own. Path: handlers -> [pattern thread] -> pattern worker.
 * The thread begins with the first such match. Slow: matches wait in line, each bounded by what its pattern may be asked. Closed: those that wait are refused.
 */
import { Worker } from 'node:worker_threads';
import { InternalError, UnavailableError } from '../shared/errors.js';

export interface LongMatch {
  readonly source: string;
  readonly text: string;
}

interface Waiting extends LongMatch {
  readonly resolve: (matches: boolean) => void;
  readonly reject: (error: Error) => void;
}

export class PatternThread {
  #worker: Worker | undefined;
  /** The first is being matched. */
  #line: Waiting[] = [];
  #isClosed = false;

  /** @throws UnavailableError once it is closed */
  matches(match: LongMatch): Promise<boolean> {
    if (this.#isClosed) return Promise.reject(new UnavailableError('server is closing: reconnect'));
    return new Promise((resolve, reject) => {
      this.#line.push({ ...match, resolve, reject });
      if (this.#line.length === 1) this.#begin();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const worker = this.#worker;
    this.#refuseAll(new UnavailableError('server is closing: reconnect'));
    await worker?.terminate();
  }

  #begin(): void {
    const next = this.#line[0];
    if (next === undefined) return;
    this.#worker ??= this.#start();
    this.#worker.postMessage({ source: next.source, text: next.text });
  }

  #start(): Worker {
    // Its heap holds what patterns are compiled to, which the cache bounds.
    const worker = new Worker(new URL('./pattern-worker.js', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    worker.on('message', (matches: boolean) => {
      this.#line.shift()?.resolve(matches);
      this.#begin();
    });
    worker.on('error', (cause) => this.#refuseAll(new InternalError('the pattern thread ended: set again', { cause })));
    // Whoever waits has a socket that keeps the process alive.
    worker.unref();
    return worker;
  }

  #refuseAll(error: Error): void {
    const line = this.#line;
    this.#line = [];
    this.#worker = undefined;
    for (const { reject } of line) reject(error);
  }
}

const MAX_HEAP_MB = 256;
