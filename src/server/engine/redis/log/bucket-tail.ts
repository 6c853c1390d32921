/**
 * Follows the logs of all buckets that are in use, each from where it was. Path: redis -> log reader -> [bucket tail] -> redis engine. Where the log begins later
 * than that, there is a hole. One reader reads all of a primary; in a cluster, where no read is of two slots, each log has a reader of its own.
 */

import type { RedisClient } from '../connection/redis-client.js';
import { BUCKETS } from '../format/keys.js';
import type { KeySpace } from '../topology/key-space.js';
import { slotOf } from '../topology/slot-map.js';
import type { LoggedCommit } from './log-entry.js';
import { readLogEntry } from './log-entry.js';
import type { Entry } from './log-reader.js';
import { LogReader } from './log-reader.js';

export interface TailHost {
  handleCommit(commit: LoggedCommit): void;
  /** Entries are missing, or one cannot be taken: all of its sessions have to be read anew. */
  handleHole(number: number, cause?: unknown): void;
  /** Their logs are read from this process from now on, but not yet. Empty: the list of buckets is. */
  handleReturned(run: string, numbers: readonly number[]): Promise<void>;
  handleAway(key: string, error: unknown): void;
  handleHeard(): void;
  /** It is of another program, and cannot be read. */
  isForeign(key: string): boolean;
}

interface Place {
  readonly number: number;
  readonly key: string;
  /** Id of the last entry that was read. */
  last: string;
  position: number;
}

export class BucketTail {
  readonly #keys: KeySpace;
  readonly #bucketsKey: string;
  readonly #host: TailHost;
  readonly #places = new Map<string, Place>();
  /** By the key of their log in a cluster, else one, by that of the buckets. */
  readonly #readers = new Map<string, LogReader>();
  #lastBucket = '0-0';
  #isRunning = false;

  constructor(keys: KeySpace, host: TailHost) {
    this.#keys = keys;
    this.#bucketsKey = keys.roots.buckets;
    this.#host = host;
    this.#readers.set(this.#bucketsKey, this.#readerOf(this.#bucketsKey));
  }

  /** Which process the list of buckets is read from. `waiting`: of the server's start. @throws what `RedisConnection.open` throws */
  async open(waiting: AbortSignal | undefined): Promise<string | undefined> {
    return (await this.#readers.get(this.#bucketsKey)!.open(waiting)).readRun();
  }

  /** Buckets in use: from here on each is followed, from its last entry. */
  async known(): Promise<number[]> {
    await this.#readAnnounced();
    return [...this.#places.values()].map(({ number }) => number);
  }

  follows(number: number): boolean {
    return this.#places.has(this.#keyOf(number));
  }

  /** Makes every server follow it, this one before it resolves. */
  async announce(number: number): Promise<void> {
    if (this.follows(number)) return;
    this.#follow(number, await this.#lastOf(number));
    try {
      // The read that waits is woken by it.
      await this.#keys.at(this.#bucketsKey, (client) =>
        client.xadd(this.#bucketsKey, 'MAXLEN', '~', 10 * BUCKETS, '*', 'bucket', number),
      );
    } catch (error) {
      if (!this.#keys.isCluster) throw error;
      // The list is elsewhere than the bucket: it is announced again when that is there, and until then whoever serves it follows it.
      this.#readers.get(this.#bucketsKey)?.lookAgain();
    }
  }

  /** Whether its log reaches to where this server has read it. */
  async isAsLong(number: number): Promise<boolean> {
    const last = await this.#lastOf(number);
    const position = this.#places.get(this.#keyOf(number))?.position ?? 0;
    return Number(last.split('-')[0]) >= position;
  }

  /** From where its log is now: what was read before may be of another generation. */
  async skipToEnd(number: number): Promise<void> {
    this.#follow(number, await this.#lastOf(number));
  }

  /** Buckets whose announcement is lost; and what others have announced since. */
  async announceAgain(): Promise<void> {
    this.#lastBucket = '0-0';
    const announced = await this.#readAnnounced();
    for (const { number } of [...this.#places.values()]) {
      if (!announced.has(number))
        await this.#keys.at(this.#bucketsKey, (client) => client.xadd(this.#bucketsKey, '*', 'bucket', number));
    }
  }

  run(): void {
    this.#isRunning = true;
    for (const reader of this.#readers.values()) reader.run(this.#keys.isCluster);
  }

  /** What was read of a bucket may be lost. */
  look(number: number): void {
    this.#readers.get(this.#keys.isCluster ? this.#keyOf(number) : this.#bucketsKey)?.look();
  }

  /** Whether it reads them from where they are now. */
  lookAgain(numbers: readonly number[] = []): void {
    const keys = this.#keys.isCluster ? numbers.map((number) => this.#keyOf(number)) : [this.#bucketsKey];
    for (const key of keys) this.#readers.get(key)?.lookAgain();
  }

  close(): void {
    for (const reader of this.#readers.values()) reader.close();
  }

  #readerOf(key: string): LogReader {
    return new LogReader({
      blockMs: this.#keys.isCluster ? CLUSTER_BLOCK_MS : BLOCK_MS,
      address: () => this.#keys.primaries.addressOf(slotOf(key)),
      streams: () => this.#streamsAt(key),
      handleReturned: (run) => this.#host.handleReturned(run, this.#numbersAt(key)),
      isThere: (client) => this.#isThere(key, client),
      handleEntries: (stream, entries) => this.#take(stream, entries),
      handleAway: (error) => this.#host.handleAway(key, error),
      handleHeard: () => this.#host.handleHeard(),
    });
  }

  #streamsAt(key: string): { readonly keys: string[]; readonly lasts: string[] } {
    const places = this.#placesAt(key);
    const all = key === this.#bucketsKey ? [{ key, last: this.#lastBucket }, ...places] : places;
    const readable = all.filter((place) => !this.#host.isForeign(place.key));
    return { keys: readable.map((place) => place.key), lasts: readable.map(({ last }) => last) };
  }

  #numbersAt(key: string): number[] {
    return this.#placesAt(key).map(({ number }) => number);
  }

  #placesAt(key: string): Place[] {
    const place = this.#places.get(key);
    if (place !== undefined) return [place];
    return this.#keys.isCluster ? [] : [...this.#places.values()];
  }

  /** A Redis that is emptied while it runs wakes no read, and its logs begin anew: their positions say so. */
  async #isThere(key: string, client: RedisClient): Promise<boolean> {
    if (this.#keys.isCluster && key === this.#bucketsKey)
      return this.#lastBucket === '0-0' || (await client.exists(key)) === 1;
    const places = this.#placesAt(key)
      .map(({ number, position }) => ({ number, position, head: `${this.#keys.bucket(number).prefix}head` }))
      .filter(({ head }) => !this.#host.isForeign(head));
    const said = await Promise.all(places.map(({ head }) => client.hget(head, 'position')));
    return places.every(({ position }, place) => Number(said[place] ?? 0) >= position);
  }

  /** Each of the list is followed from here on. */
  async #readAnnounced(): Promise<ReadonlySet<number>> {
    const announced = new Set<number>();
    const entries = await this.#keys.at(this.#bucketsKey, (client) => client.xrange(this.#bucketsKey, '-', '+'));
    for (const [id, [kind, number]] of entries) {
      this.#lastBucket = id;
      if (kind !== 'bucket') continue;
      announced.add(Number(number));
      this.#add(Number(number));
    }
    return announced;
  }

  /** The last entries of its log up to a position, the last of all first. */
  readBefore(number: number, upTo: number | undefined, most: number): Promise<readonly Entry[]> {
    const key = this.#keyOf(number);
    return this.#keys.at(key, (client) => client.xrevrangeBuffer(key, upTo ?? '+', '-', 'COUNT', most));
  }

  async #lastOf(number: number): Promise<string> {
    const key = this.#keyOf(number);
    const [last] = await this.#keys.at(key, (client) => client.xrevrange(key, '+', '-', 'COUNT', 1));
    return last?.[0] ?? '0-0';
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
    this.#keys.bucket(number);
  }

  #follow(number: number, last: string): void {
    const key = this.#keyOf(number);
    this.#places.set(key, { number, key, last, position: Number(last.split('-')[0]) });
    if (!this.#keys.isCluster || this.#readers.has(key)) return;
    const reader = this.#readerOf(key);
    this.#readers.set(key, reader);
    if (this.#isRunning) reader.run(true);
  }

  #keyOf(number: number): string {
    return `${this.#keys.bucket(number).prefix}log`;
  }
}

const BLOCK_MS = 1_000;
/** Of each of up to 257 reads that wait at once: they cost something where nothing happens. */
const CLUSTER_BLOCK_MS = 3_000;
