/**
 * Reads the versions before those that a start needs, once the server listens: backwards, a little at a time, so that nobody waits long behind a piece.
 * Path: past of a journal or of a bucket -> [history reader] -> variable tables. What fails ends it with a warning: the history is shorter then. Closed:
 * it reads no further piece.
 */
import type { Logger } from '../../shared/logger.js';
import { setImmediate } from '../../shared/platform-timers.js';
import { pause } from '../within.js';

/** Versions that are kept and are in no table yet. */
export interface Past {
  /** Puts some of them there, the newest first; whether there are more. */
  readSome(): Promise<boolean>;
}

export class HistoryReader {
  readonly #past: Past;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  #reading: Promise<void> | undefined;
  #isRead = false;

  constructor(past: Past, logger: Logger) {
    this.#past = past;
    this.#logger = logger;
  }

  /** Begins, once. Resolves when all is read, or as much of it as can be. */
  read(afterMs = 0): Promise<void> {
    this.#reading ??= this.#readAll(afterMs).finally(() => {
      this.#isRead = true;
    });
    return this.#reading;
  }

  /** Of what has begun; undefined when it is read. */
  whenRead(): Promise<void> | undefined {
    return this.#isRead ? undefined : this.#reading;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#reading;
  }

  async #readAll(afterMs: number): Promise<void> {
    const { signal } = this.#closing;
    if (afterMs > 0) await pause(afterMs, signal);
    try {
      // Whoever has something to do meanwhile does it first.
      while (!signal.aborted && (await this.#past.readSome())) await turn();
    } catch (error) {
      if (!signal.aborted) this.#logger.warn({ error }, 'older versions could not be read: they are forgotten');
    }
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** From the start of an engine: the server listens first. */
export const BEHIND_MS = 100;
