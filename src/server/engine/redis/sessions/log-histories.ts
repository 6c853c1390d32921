/**
 * Fills histories from the logs of buckets: beside a value Redis keeps its last versions only. Path: redis -> [log histories] -> history reader -> session
 * replicas. One log after another behind the start of the server, and at once the one that somebody waits for; backwards, in portions, as far as the
 * limits of histories let any of it be kept. Away: a portion is asked again. Closed: no further portion is.
 */
import type { Logger } from '../../../../shared/logger.js';
import { pause } from '../../../within.js';
import type { Past } from '../../history-reader.js';
import { BEHIND_MS, HistoryReader } from '../../history-reader.js';
import { passesByItself } from '../connection/redis-refusal.js';
import { readLogEntry } from '../log/log-entry.js';
import type { Entry } from '../log/log-reader.js';
import type { SessionReplica } from './session-replica.js';

export interface LogHistoriesHost {
  readonly logger: Logger;
  /** The last entries of a bucket's log up to a position, the last of all first. */
  readBefore(bucket: number, upTo: number | undefined, most: number): Promise<readonly Entry[]>;
}

export class LogHistories {
  readonly #host: LogHistoriesHost;
  /** By bucket: those that lack what its log may have. */
  readonly #waiting = new Map<number, SessionReplica[]>();
  readonly #reading = new Map<number, HistoryReader>();
  readonly #closing = new AbortController();
  #stage: 'before' | 'idle' | 'reading' = 'before';

  constructor(host: LogHistoriesHost) {
    this.#host = host;
  }

  /** It is as Redis has it beside its values. */
  add(bucket: number, replica: SessionReplica): void {
    if (replica.lacksSince === Number.POSITIVE_INFINITY) return;
    const waiting = this.#waiting.get(bucket);
    if (waiting === undefined) this.#waiting.set(bucket, [replica]);
    else waiting.push(replica);
    if (this.#stage === 'idle') void this.#run();
  }

  /** The server is about to listen. */
  async begin(): Promise<void> {
    await pause(BEHIND_MS, this.#closing.signal);
    await this.#run();
  }

  /** When those of a bucket have what its log has; undefined: now. */
  whenRead(bucket: number): Promise<void> | undefined {
    return this.#waiting.has(bucket) || this.#reading.has(bucket) ? this.#readAll(bucket) : undefined;
  }

  close(): void {
    this.#closing.abort();
    for (const reader of this.#reading.values()) void reader.close();
  }

  async #run(): Promise<void> {
    this.#stage = 'reading';
    for (const bucket of this.#waiting.keys()) await this.#readAll(bucket);
    this.#stage = 'idle';
  }

  async #readAll(bucket: number): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      let reader = this.#reading.get(bucket);
      if (reader === undefined) {
        const replicas = this.#waiting.get(bucket);
        if (replicas === undefined) return;
        this.#waiting.delete(bucket);
        reader = new HistoryReader(new BucketPast(bucket, replicas, this.#host, signal), this.#host.logger);
        this.#reading.set(bucket, reader);
      }
      await reader.read();
      // What was added meanwhile is of newer entries than those that it has read.
      if (this.#reading.get(bucket) === reader) this.#reading.delete(bucket);
    }
  }
}

class BucketPast implements Past {
  readonly #bucket: number;
  readonly #host: LogHistoriesHost;
  readonly #closing: AbortSignal;
  /** By the id of their session. */
  readonly #replicas = new Map<string, SessionReplica>();
  readonly #since: number;
  /** Of the next entry, or one before it. */
  #upTo: number | undefined;
  #most = FEWEST_ENTRIES;

  constructor(bucket: number, replicas: readonly SessionReplica[], host: LogHistoriesHost, closing: AbortSignal) {
    this.#bucket = bucket;
    this.#host = host;
    this.#closing = closing;
    let since = Number.POSITIVE_INFINITY;
    for (const replica of replicas) {
      since = Math.min(since, replica.takeLacksSince());
      this.#replicas.set(replica.id, replica);
    }
    this.#since = since;
  }

  async readSome(): Promise<boolean> {
    let entries: readonly Entry[];
    try {
      entries = await this.#host.readBefore(this.#bucket, this.#upTo, this.#most);
    } catch (error) {
      if (this.#closing.aborted) return false;
      if (!passesByItself(error)) throw error;
      await pause(RETRY_MS, this.#closing);
      return true;
    }
    let bytes = 0;
    for (const [id, fields] of entries) {
      for (const field of fields) bytes += field.length;
      this.#upTo = Number.parseInt(id.toString(), 10) - 1;
      if (!this.#take(fields)) return false;
    }
    if (entries.length < this.#most) return false;
    const fitting = Math.floor((this.#most * PORTION_BYTES) / bytes);
    this.#most = Math.max(1, Math.min(fitting, GROWTH * this.#most, MOST_ENTRIES));
    return true;
  }

  /** False: nothing before it is kept by anybody. */
  #take(fields: readonly Buffer[]): boolean {
    try {
      const commit = readLogEntry(fields);
      if (commit.timestamp < this.#since) return false;
      const replica = this.#replicas.get(commit.sessionId);
      if (replica !== undefined && !replica.restoreBefore(commit)) this.#replicas.delete(commit.sessionId);
    } catch {
      // What cannot be taken was said by whoever followed the log: there is a hole, before which nothing is looked for.
    }
    return this.#replicas.size > 0;
  }
}

/** Of one portion: about a millisecond. */
const PORTION_BYTES = 32 * 1024;
/** Of a first portion, of which nobody knows how large its entries are. */
const FEWEST_ENTRIES = 4;
const GROWTH = 4;
const MOST_ENTRIES = 256;
const RETRY_MS = 50;
