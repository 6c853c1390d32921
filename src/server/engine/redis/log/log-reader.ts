/**
 * Reads streams by a connection of its own, again and again: its reads wait. Path: redis -> [log reader] -> bucket tail. Slow: entries wait in Redis. Cut
 * off: it looks at what the connection leads to, then reads on from the same places; so it does where what it has read is not there any more, which wakes
 * no read. Closed: `close`.
 */
import { performanceNowMs } from '../../../../shared/platform-timers.js';
import { pause, within } from '../../../within.js';
import type { RedisAddress } from '../connection/redis-address.js';
import type { RedisClient } from '../connection/redis-client.js';
import { RedisConnection } from '../connection/redis-connection.js';

export interface ReaderHost {
  /** Ms that a read waits. */
  readonly blockMs: number;
  /** Where it is now. @throws Error where nobody knows */
  address(): RedisAddress;
  /** Keys, and the id of the last entry that was read of each. */
  streams(): { readonly keys: readonly string[]; readonly lasts: readonly string[] };
  /** The connection is there, to this process: before anything is read by it. */
  handleReturned(run: string): Promise<void>;
  /** Whether all that was read is there still, by what the connection leads to. */
  isThere(client: RedisClient): Promise<boolean>;
  handleEntries(key: string, entries: readonly Entry[]): void;
  handleAway(error: unknown): void;
  handleHeard(): void;
}

export type Entry = readonly [Buffer, readonly Buffer[]];

export class LogReader {
  readonly #host: ReaderHost;
  #connection: RedisConnection | undefined;
  /** Times that the connection, or what was read, was lost or may be, and those after which it was looked at what it leads to. */
  #cuts = 0;
  #looks = 0;
  #askedAtMs = 0;
  #isClosed = false;

  constructor(host: ReaderHost) {
    this.#host = host;
  }

  /** `waiting`: of the server's start. @throws what `RedisConnection.open` throws */
  async open(waiting?: AbortSignal): Promise<RedisConnection> {
    const connection: RedisConnection = await RedisConnection.open(this.#host.address(), {
      ...{ silentMs: this.#silentMs, waiting },
      handleAway: (error) => {
        if (!this.#isClosed) this.#host.handleAway(error);
      },
      handleCut: () => {
        // Not of one that was dropped.
        if (this.#connection === connection) this.#cuts += 1;
      },
      handleReady: ignore,
    });
    if (this.#isClosed) {
      connection.close();
      throw new Error('it is not wanted any more');
    }
    this.#connection = connection;
    return connection;
  }

  /** `reopens`: it may have to be read from elsewhere, whenever it fails. */
  run(reopens: boolean): void {
    void this.#loop(reopens);
  }

  /** What it has read may be lost. */
  look(): void {
    this.#cuts += 1;
  }

  /** Its address may lead to another process now. */
  lookAgain(): void {
    this.#connection?.lookAgain();
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  async #loop(reopens: boolean): Promise<void> {
    if (reopens) this.#looks = -1;
    while (!this.#isClosed) {
      try {
        await this.#readOnce(this.#connection ?? (await this.open()));
      } catch (error) {
        if (this.#isClosed) return;
        if (reopens) this.#drop();
        this.#host.handleAway(error);
        await pause(RETRY_MS);
      }
    }
  }

  /** Another is opened, to wherever it is then. */
  #drop(): void {
    this.#connection?.close();
    this.#connection = undefined;
    this.#cuts += 1;
  }

  async #readOnce(connection: RedisConnection): Promise<void> {
    const nowMs = performanceNowMs();
    if (nowMs >= this.#askedAtMs + ASK_MS) {
      this.#askedAtMs = nowMs;
      if (!(await this.#host.isThere(connection.client))) this.look();
    }
    if (this.#looks < this.#cuts) await this.#lookAt(connection, this.#cuts);
    const { keys, lasts } = this.#host.streams();
    if (keys.length === 0) {
      await pause(this.#host.blockMs);
      return;
    }
    const { client } = connection;
    const reading = client.xreadBuffer(
      'COUNT',
      MOST_ENTRIES,
      'BLOCK',
      this.#host.blockMs,
      'STREAMS',
      ...keys,
      ...lasts,
    );
    // It may never settle where its connection was cut off.
    reading.catch(ignore);
    if (!(await within(this.#silentMs, reading))) {
      connection.lookAgain();
      throw new Error(`Redis was silent for ${this.#silentMs} ms`);
    }
    const streams = (await reading) as Streams;
    this.#host.handleHeard();
    for (const [key, entries] of streams ?? []) this.#host.handleEntries(key.toString(), entries);
  }

  /** Longer than a read waits; then the connection is taken for dead. */
  get #silentMs(): number {
    return this.#host.blockMs + PATIENCE_MS;
  }

  async #lookAt(connection: RedisConnection, cuts: number): Promise<void> {
    const run = await connection.readRun();
    if (run === undefined) {
      connection.lookAgain();
      throw new Error('READONLY: the log is read from a replica');
    }
    await this.#host.handleReturned(run);
    this.#looks = cuts;
    this.#host.handleHeard();
  }
}

type Streams = readonly (readonly [Buffer, readonly Entry[]])[] | null;

function ignore(): void {
  // Whoever waits for it hears it; and the next read looks where it leads to.
}

const PATIENCE_MS = 2_000;
/** Between two questions whether all is there, of the position of each bucket. */
const ASK_MS = 2_000;
/** Of one read and log. */
const MOST_ENTRIES = 1_000;
const RETRY_MS = 50;
