/**
 * Follows the logs of all buckets that are in use, each from where it was. Path: redis -> [bucket tail] -> redis engine. It has a connection of its own:
 * its reads wait. Slow: entries wait in Redis. Cut off: it reads on from the same places; where the log begins later than that, there is a hole.
 */
import { pause, within } from '../../within.js';
import { BUCKETS } from './keys.js';
import type { LoggedCommit } from './log-entry.js';
import { readLogEntry } from './log-entry.js';
import type { RedisAddress } from './redis-address.js';
import type { RedisClient } from './redis-client.js';
import { RedisConnection } from './redis-connection.js';

export interface TailHost {
  readonly waiting: AbortSignal | undefined;
  handleBucket(number: number): void;
  handleCommit(commit: LoggedCommit): void;
  /** Entries are missing, or one cannot be taken: all of its sessions have to be read anew. */
  handleHole(number: number, cause?: unknown): void;
  /** The connection is there again, to this process: before anything is read by it. */
  handleReturned(run: string): Promise<void>;
  handleAway(error: unknown): void;
  handleHeard(): void;
  prefixOf(number: number): string;
}

interface Place {
  readonly number: number;
  readonly key: string;
  /** Id of the last entry that was read. */
  last: string;
  position: number;
}

export class BucketTail {
  readonly #connection: RedisConnection;
  readonly #bucketsKey: string;
  readonly #host: TailHost;
  readonly #places = new Map<string, Place>();
  #lastBucket = '0-0';
  /** Times that the connection was lost, and those after which it was looked at what it leads to. */
  #cuts = 0;
  #looks = 0;
  #isClosed = false;

  static async open(address: RedisAddress, bucketsKey: string, host: TailHost): Promise<BucketTail> {
    let tail: BucketTail | undefined;
    const connection = await RedisConnection.open(address, {
      ...{ silentMs: SILENT_MS, waiting: host.waiting },
      handleAway: (error) => host.handleAway(error),
      handleCut: () => {
        if (tail !== undefined) tail.#cuts += 1;
      },
      handleReady: ignore,
    });
    tail = new BucketTail(connection, bucketsKey, host);
    return tail;
  }

  private constructor(connection: RedisConnection, bucketsKey: string, host: TailHost) {
    this.#connection = connection;
    this.#bucketsKey = bucketsKey;
    this.#host = host;
  }

  /** Buckets in use: from here on each is followed, from its last entry. */
  async known(): Promise<number[]> {
    const entries = await this.#connection.client.xrange(this.#bucketsKey, '-', '+');
    for (const [id, fields] of entries) {
      this.#lastBucket = id;
      if (fields[0] === 'bucket') this.#add(Number(fields[1]));
    }
    return [...this.#places.values()].map(({ number }) => number);
  }

  follows(number: number): boolean {
    return this.#places.has(this.#keyOf(number));
  }

  /** Makes every server follow it, this one before it resolves. */
  async announce(calls: RedisClient, number: number): Promise<void> {
    if (this.follows(number)) return;
    const last = await calls.xrevrange(this.#keyOf(number), '+', '-', 'COUNT', 1);
    this.#follow(number, last[0]?.[0] ?? '0-0');
    // The read that waits is woken by it.
    await calls.xadd(this.#bucketsKey, 'MAXLEN', '~', 10 * BUCKETS, '*', 'bucket', number);
  }

  /** Whether its log reaches to where this server has read it. */
  async isAsLong(calls: RedisClient, number: number): Promise<boolean> {
    const [last] = await calls.xrevrange(this.#keyOf(number), '+', '-', 'COUNT', 1);
    const position = this.#places.get(this.#keyOf(number))?.position ?? 0;
    return Number(last?.[0].split('-')[0] ?? 0) >= position;
  }

  /** From where its log is now: what was read before may be of another generation. */
  async skipToEnd(calls: RedisClient, number: number): Promise<void> {
    const [last] = await calls.xrevrange(this.#keyOf(number), '+', '-', 'COUNT', 1);
    this.#follow(number, last?.[0] ?? '0-0');
  }

  /** Buckets whose announcement is lost; and what others have announced since. */
  async announceAgain(calls: RedisClient): Promise<void> {
    const announced = new Set<number>();
    this.#lastBucket = '0-0';
    for (const [id, [kind, number]] of await calls.xrange(this.#bucketsKey, '-', '+')) {
      this.#lastBucket = id;
      if (kind !== 'bucket') continue;
      announced.add(Number(number));
      this.#add(Number(number));
    }
    for (const { number } of [...this.#places.values()]) {
      if (!announced.has(number)) await calls.xadd(this.#bucketsKey, '*', 'bucket', number);
    }
  }

  /** Undefined: it leads to a replica. */
  readRun(): Promise<string | undefined> {
    return this.#connection.readRun();
  }

  /** Its address may lead to another process now. */
  lookAgain(): void {
    this.#connection.lookAgain();
  }

  run(): void {
    void this.#loop();
  }

  close(): void {
    this.#isClosed = true;
    this.#connection.close();
  }

  async #loop(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#readOnce();
      } catch (error) {
        if (this.#isClosed) return;
        this.#host.handleAway(error);
        await pause(RETRY_MS);
      }
    }
  }

  async #readOnce(): Promise<void> {
    if (this.#looks < this.#cuts) await this.#lookAt(this.#cuts);
    const places = [...this.#places.values()];
    const keys = [this.#bucketsKey, ...places.map(({ key }) => key)];
    const lasts = [this.#lastBucket, ...places.map(({ last }) => last)];
    const reading = this.#connection.client.xreadBuffer(
      'COUNT',
      MOST_ENTRIES,
      'BLOCK',
      BLOCK_MS,
      'STREAMS',
      ...keys,
      ...lasts,
    );
    // It may never settle where its connection was cut off.
    reading.catch(ignore);
    if (!(await within(SILENT_MS, reading))) {
      this.lookAgain();
      throw new Error(`Redis was silent for ${SILENT_MS} ms`);
    }
    const streams = (await reading) as Streams;
    this.#host.handleHeard();
    for (const [key, entries] of streams ?? []) this.#take(key.toString(), entries);
  }

  async #lookAt(cuts: number): Promise<void> {
    const run = await this.readRun();
    if (run === undefined) {
      this.lookAgain();
      throw new Error('READONLY: the log is read from a replica');
    }
    await this.#host.handleReturned(run);
    this.#looks = cuts;
    this.#host.handleHeard();
  }

  #take(key: string, entries: readonly Entry[]): void {
    const place = this.#places.get(key);
    for (const [entryId, fields] of entries) {
      const id = entryId.toString();
      if (place === undefined) {
        this.#lastBucket = id;
        const number = Number(fields[1]?.toString());
        this.#add(number);
        continue;
      }
      const position = Number(id.split('-')[0]);
      const isHole = place.position !== 0 && position > place.position + 1;
      place.last = id;
      place.position = position;
      if (isHole) this.#host.handleHole(place.number);
      try {
        this.#host.handleCommit(readLogEntry(fields));
      } catch (error) {
        // It is not read again, and what is behind it may be of other sessions.
        this.#host.handleHole(place.number, error);
      }
    }
  }

  #add(number: number): void {
    if (!Number.isInteger(number) || this.follows(number)) return;
    // From its beginning: whoever announces it makes its first session right behind.
    this.#follow(number, '0-0');
    this.#host.handleBucket(number);
  }

  #follow(number: number, last: string): void {
    const key = this.#keyOf(number);
    this.#places.set(key, { number, key, last, position: Number(last.split('-')[0]) });
  }

  #keyOf(number: number): string {
    return `${this.#host.prefixOf(number)}log`;
  }
}

type Entry = readonly [Buffer, readonly Buffer[]];
type Streams = readonly (readonly [Buffer, readonly Entry[]])[] | null;

function ignore(): void {
  // Whoever waits for it hears it; and the next read looks where it leads to.
}

const BLOCK_MS = 1_000;
/** Longer than a read waits; then the connection is taken for dead. */
const SILENT_MS = 3_000;
/** Of one read and log. */
const MOST_ENTRIES = 1_000;
const RETRY_MS = 50;
