/**
 * The keys of one prefix, each asked of whichever process serves it. Path: redis engine and what it is made of -> [key space] -> primaries -> redis primary.
 * Away: what is asked rejects. Closed: with its primaries.
 */

import type { RedisAddress } from '../connection/redis-address.js';
import type { RedisClient } from '../connection/redis-client.js';
import type { Bucket, RedisPrimary } from '../connection/redis-primary.js';
import { bucketOf, bucketPrefix, keysOfBucket, keysOfCommit, type RootKeys, rootKeys } from '../format/keys.js';
import type { Argument } from '../scripts/group-arguments.js';
import type { Script } from '../scripts/scripts.js';
import type { Primaries } from './primaries.js';
import { slotOf } from './slot-map.js';

export class KeySpace {
  readonly address: RedisAddress;
  readonly primaries: Primaries;
  readonly roots: RootKeys;
  readonly #buckets = new Map<number, Bucket>();

  constructor(address: RedisAddress, primaries: Primaries) {
    this.address = address;
    this.primaries = primaries;
    this.roots = rootKeys(address.prefix);
  }

  get isCluster(): boolean {
    return this.primaries.isCluster;
  }

  /** Those that may have sessions, as far as this server has heard. */
  get buckets(): readonly Bucket[] {
    return [...this.#buckets.values()];
  }

  get bucketCount(): number {
    return this.#buckets.size;
  }

  bucket(number: number): Bucket {
    let bucket = this.#buckets.get(number);
    if (bucket === undefined) {
      const prefix = bucketPrefix(this.address.prefix, number);
      bucket = { number, prefix, slot: slotOf(prefix), generation: -1, checkedGeneration: -1, run: '' };
      this.#buckets.set(number, bucket);
    }
    return bucket;
  }

  bucketOf(sessionId: string): Bucket {
    return this.bucket(bucketOf(sessionId));
  }

  /** What it is; its other keys stand beside it. */
  sessionKeyOf(sessionId: string): string {
    return `${this.bucketOf(sessionId).prefix}s:${sessionId}`;
  }

  at<T>(key: string, ask: (client: RedisClient) => Promise<T>): Promise<T> {
    return this.#ofKey(key, ({ client }) => ask(client));
  }

  /** `keys`: all that it may touch. */
  evaluate(script: Script, key: string, args: readonly Argument[], keys: readonly string[]): Promise<unknown> {
    return this.#ofKey(key, (primary) => primary.evaluate(script, args, this.isCluster ? keys : undefined));
  }

  /** A script that takes a session. */
  evaluateOf(script: Script, sessionId: string): Promise<unknown> {
    const { prefix } = this.bucketOf(sessionId);
    const keys = [...keysOfBucket(prefix), ...keysOfCommit(prefix, sessionId, '')];
    return this.evaluate(script, prefix, [prefix, sessionId], keys);
  }

  takeOver(bucket: Bucket): Promise<void> {
    return this.primaries.at(bucket.slot, (primary) => primary.takeOver(bucket));
  }

  #ofKey<T>(key: string, ask: (primary: RedisPrimary) => Promise<T>): Promise<T> {
    return this.primaries.at(this.isCluster ? slotOf(key) : 0, ask);
  }
}
