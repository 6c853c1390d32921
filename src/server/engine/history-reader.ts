/**
 * Reads the versions before those that a start needs, once the server listens: backwards, a little at a time, so that nobody waits long behind a piece.
 * Path: journal -> [history reader] -> variable tables. What fails ends it with a warning: the history is shorter then. Closed: it reads no further piece.
 */
import { setImmediate } from '../../shared/platform-timers.js';
import type { VariableTable } from '../../shared/state/variable-table.js';
import { pause } from '../within.js';
import type { EngineHost } from './engine.js';
import type { Journal } from './journal.js';
import { byHostClock } from './load-sessions.js';
import type { LocalSession } from './local-session.js';
import type { CommitRecord } from './records.js';

export class HistoryReader {
  readonly #journal: Journal;
  readonly #host: EngineHost;
  readonly #atMs: (timestamp: number) => number;
  readonly #sessions = new Map<number, PastSession>();
  readonly #closing = new AbortController();
  /** Undefined when all is read. */
  #reading: Promise<void> | undefined;

  /** Of those sessions, which are there already. `place`: the last of the log when they were loaded. */
  constructor(journal: Journal, host: EngineHost, sessions: Iterable<LocalSession>, place: number) {
    this.#journal = journal;
    this.#host = host;
    this.#atMs = byHostClock(host);
    for (const session of sessions) this.#sessions.set(session.number, new PastSession(session));
    if (this.#sessions.size === 0) return;
    this.#reading = this.#readAll(place + 1).finally(() => {
      this.#reading = undefined;
      this.#sessions.clear();
    });
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  whenRead(): Promise<void> | undefined {
    return this.#reading;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#reading;
  }

  /** Variables that nobody has asked for yet. */
  async #unpack(): Promise<void> {
    for (const { table } of [...this.#sessions.values()]) {
      for (let isMore = true; isMore && !this.#isClosed; ) {
        try {
          isMore = table.unpackSome(BYTES_AT_ONCE);
        } catch (error) {
          this.#host.logger.error({ error }, 'a variable could not be read');
        }
        await turn();
      }
    }
  }

  async #readAll(end: number): Promise<void> {
    // The server listens first.
    await pause(BEHIND_MS, this.#closing.signal);
    await this.#unpack();
    const handle = (commit: CommitRecord): void => this.#sessions.get(commit.session)?.take(commit, this.#atMs);
    try {
      for (let place: number | undefined = end; place !== undefined && !this.#isClosed; ) {
        place = await this.#journal.loadBefore?.(place, handle);
        // Whoever has something to do meanwhile does it first.
        await turn();
      }
    } catch (error) {
      if (!this.#isClosed) this.#host.logger.warn({ error }, 'older versions could not be read: they are forgotten');
    }
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

class PastSession {
  readonly #session: LocalSession;
  /** What is before is of another variable, which had their place. */
  readonly #begun = new Set<number>();

  constructor(session: LocalSession) {
    this.#session = session;
  }

  get table(): VariableTable {
    return this.#session.table;
  }

  take({ changes }: CommitRecord, atMs: (timestamp: number) => number): void {
    const { table } = this.#session;
    for (let index = changes.length - 1; index >= 0; index -= 1) {
      const { place, version, registration, reason } = changes[index]!;
      if (this.#begun.has(place)) continue;
      const variable = reason === undefined ? table.at(place) : undefined;
      if (variable !== undefined) table.restoreBefore(variable, version, atMs(version.timestamp));
      if (registration !== undefined || reason !== undefined) this.#begun.add(place);
    }
  }
}

/** From the start of an engine. */
export const BEHIND_MS = 100;
/** Of records: a few milliseconds. */
const BYTES_AT_ONCE = 32 * 1024;
