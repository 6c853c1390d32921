/**
 * Reads the sessions of a bucket when a server begins, and those that it could not read then, because another program has written into them, once that is gone.
 * Path: opened redis -> [session reads] -> session replicas. Away: the server has not begun, or it is tried again. Closed: `close`.
 */
import { EngineFormatError } from '../../../../shared/errors.js';
import { pause } from '../../../within.js';
import { redisRefusalOf } from '../connection/redis-refusal.js';
import type { KeySpace } from '../topology/key-space.js';
import type { ForeignWrites } from './foreign-writes.js';
import type { KeyCare } from './key-care.js';
import type { SessionReplicas } from './session-replicas.js';

/** What it asks. */
export interface ReadParts {
  readonly foreign: ForeignWrites;
  readonly care: KeyCare;
  readonly sessions: SessionReplicas;
}

export class SessionReads {
  readonly #keys: KeySpace;
  readonly #parts: ReadParts;
  /** A session is there that could not be read before. */
  readonly #handleSession: (sessionId: string) => void;
  /** Buckets of which something could not be read: looked at again, one after another. */
  readonly #unread = new Set<number>();
  readonly #closing = new AbortController();

  constructor(keys: KeySpace, parts: ReadParts, handleSession: (sessionId: string) => void) {
    this.#keys = keys;
    this.#parts = parts;
    this.#handleSession = handleSession;
  }

  /** All of its sessions but those that cannot be read: they are named by the foreign writes. @throws what Redis says, unless it is that */
  async read(number: number): Promise<void> {
    this.#unread.delete(number);
    const ids = await this.#idsIn(number);
    if (ids === undefined) {
      this.#unread.add(number);
      return;
    }
    for (const id of ids) if (!(await this.#readOne(id))) this.#unread.add(number);
  }

  /** The server has begun. */
  run(): void {
    void this.#loop();
  }

  close(): void {
    this.#closing.abort();
  }

  async #loop(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted && this.#unread.size > 0) {
      await pause(MENDED_MS, signal);
      for (const number of [...this.#unread]) {
        if (signal.aborted) return;
        await this.#readAgain(number).catch(ignore);
      }
    }
  }

  async #readAgain(number: number): Promise<void> {
    const { foreign, sessions } = this.#parts;
    // Whether it is gone the foreign writes look.
    if (foreign.blocks(number)) return;
    const before = new Set(sessions.in(number));
    try {
      await this.read(number);
    } catch (error) {
      this.#unread.add(number);
      throw error;
    }
    for (const replica of sessions.in(number)) if (!before.has(replica)) this.#handleSession(replica.id);
  }

  /** Undefined where the bucket's own keys are of another program. */
  async #idsIn(number: number): Promise<string[] | undefined> {
    const bucket = this.#keys.bucket(number);
    const key = `${bucket.prefix}sessions`;
    try {
      await this.#keys.takeOver(bucket);
      return await this.#keys.at(key, (client) => client.smembers(key));
    } catch (error) {
      if (redisRefusalOf(error) !== 'foreign' || (await this.#parts.foreign.findIn(number)) === undefined) throw error;
      return undefined;
    }
  }

  /** False: it cannot be read. */
  async #readOne(sessionId: string): Promise<boolean> {
    const { foreign, care, sessions } = this.#parts;
    if (foreign.isIn(sessionId)) return false;
    try {
      // What is left of one that is not there begins nothing.
      if ((await sessions.load(sessionId)) === undefined) await care.mend(sessionId);
      foreign.handleRead(sessionId);
      return true;
    } catch (error) {
      if (!(error instanceof EngineFormatError)) throw error;
      // A key of another type is named by itself.
      if (!foreign.isIn(sessionId)) foreign.handleUnreadable(sessionId, error);
      return false;
    }
  }
}

function ignore(): void {
  // It is read again.
}

/** Somebody has to mend it first. */
const MENDED_MS = 1_000;
