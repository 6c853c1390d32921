/**
 * How far sessions are in Redis: what was acknowledged by whichever server is known here when it is read. Path: redis -> [session heads] -> redis engine.
 * Slow, away: a turn waits for it for a while only.
 */
import { within } from '../../../within.js';
import type { KeySpace } from '../topology/key-space.js';
import type { SessionReplicas } from './session-replicas.js';

export class SessionHeads {
  readonly #keys: KeySpace;
  readonly #sessions: SessionReplicas;
  /** Of sessions that are asked for in this turn. */
  readonly #asked = new Map<string, Promise<void>>();

  constructor(keys: KeySpace, sessions: SessionReplicas) {
    this.#keys = keys;
    this.#sessions = sessions;
  }

  /** Its revision there, once its replica here is as far. */
  async read(sessionId: string): Promise<number> {
    const key = this.#keys.sessionKeyOf(sessionId);
    const revision = Number((await this.#keys.at(key, (client) => client.hget(key, 'revision'))) ?? 0);
    const replica = this.#sessions.find(sessionId);
    if (replica !== undefined) await new Promise<void>((resolve) => replica.whenAt(revision, resolve));
    return revision;
  }

  /** The same by one question for all that is asked in a turn; without an answer this server says what it has. */
  whenRead(sessionId: string): Promise<void> {
    const asked = this.#asked.get(sessionId);
    if (asked !== undefined) return asked;
    const reading = Promise.resolve().then(() => {
      this.#asked.delete(sessionId);
      return within(HEAD_MS, this.read(sessionId).then(ignore, ignore)).then(ignore);
    });
    this.#asked.set(sessionId, reading);
    return reading;
  }
}

function ignore(): void {
  // Without it what is here counts.
}

/** A read does not wait longer for what other servers have acknowledged. */
const HEAD_MS = 300;
