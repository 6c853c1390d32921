/**
 * What a journal has of sessions from before the start of their server and their tables have not: variables that nobody has asked for, then versions before
 * those of the snapshots. Path: journal -> [journal past] -> history reader.
 */
import type { Logger } from '../../shared/logger.js';
import type { VariableTable } from '../../shared/state/variable-table.js';
import type { Past } from './history-reader.js';
import type { Journal } from './journal.js';
import type { LocalSession } from './local-session.js';
import type { CommitRecord } from './records.js';

export class JournalPast implements Past {
  readonly #journal: Pick<Journal, 'loadBefore'>;
  readonly #logger: Logger;
  readonly #atMs: (timestamp: number) => number;
  readonly #sessions = new Map<number, PastSession>();
  /** Those whose variables may be packed still. */
  readonly #packed: VariableTable[] = [];
  /** Undefined when all is read. */
  #place: number | undefined;

  /** Of those sessions, which are there already. `place`: the last of the log when they were loaded. */
  constructor(
    journal: Pick<Journal, 'loadBefore'>,
    sessions: Iterable<LocalSession>,
    place: number,
    { logger, atMs }: { readonly logger: Logger; readonly atMs: (timestamp: number) => number },
  ) {
    this.#journal = journal;
    this.#logger = logger;
    this.#atMs = atMs;
    for (const { number, table } of sessions) {
      this.#sessions.set(number, new PastSession(table));
      this.#packed.push(table);
    }
    this.#place = place + 1;
  }

  async readSome(): Promise<boolean> {
    const table = this.#packed.at(-1);
    if (table !== undefined) {
      if (!this.#unpackSome(table)) this.#packed.pop();
      return true;
    }
    if (this.#place === undefined) return false;
    const handle = (commit: CommitRecord): void => this.#sessions.get(commit.session)?.take(commit, this.#atMs);
    this.#place = await this.#journal.loadBefore?.(this.#place, handle);
    return this.#place !== undefined;
  }

  #unpackSome(table: VariableTable): boolean {
    try {
      return table.unpackSome(BYTES_AT_ONCE);
    } catch (error) {
      this.#logger.error({ error }, 'a variable could not be read');
      return true;
    }
  }
}

class PastSession {
  readonly #table: VariableTable;
  /** What is before is of another variable, which had their place. */
  readonly #begun = new Set<number>();

  constructor(table: VariableTable) {
    this.#table = table;
  }

  take({ changes }: CommitRecord, atMs: (timestamp: number) => number): void {
    const table = this.#table;
    for (let index = changes.length - 1; index >= 0; index -= 1) {
      const { place, version, registration, reason } = changes[index]!;
      if (this.#begun.has(place)) continue;
      const variable = reason === undefined ? table.at(place) : undefined;
      if (variable !== undefined) table.restoreBefore(variable, version, atMs(version.timestamp));
      if (registration !== undefined || reason !== undefined) this.#begun.add(place);
    }
  }
}

/** Of records: a few milliseconds. */
const BYTES_AT_ONCE = 32 * 1024;
