/**
 * Redis may have begun again with less than it had acknowledged: looks, a bucket in a new generation each, whether what this server has told is there still.
 * Path: bucket tail -> [loss search] -> session replicas. What is answered in such a generation is told behind the look. Away: whoever reads the log looks again.
 */

import type { Bucket } from '../connection/redis-primary.js';
import { Lineage } from '../format/lineage.js';
import type { BucketTail } from '../log/bucket-tail.js';
import type { KeySpace } from '../topology/key-space.js';
import type { ForeignWrites } from './foreign-writes.js';
import type { MetaKey } from './meta-key.js';
import type { SessionReplica } from './session-replica.js';
import type { SessionReplicas } from './session-replicas.js';

/** What it asks, and tells. */
export interface LossParts {
  readonly meta: MetaKey;
  readonly foreign: ForeignWrites;
  readonly tail: BucketTail;
  readonly sessions: SessionReplicas;
}

export class LossSearch {
  readonly #keys: KeySpace;
  readonly #parts: LossParts;
  /** Answers of a generation in which it has not looked yet. */
  #unchecked: { readonly bucket: Bucket; readonly tell: () => void }[] = [];

  constructor(keys: KeySpace, parts: LossParts) {
    this.#keys = keys;
    this.#parts = parts;
  }

  /** `tell` is called now, or when it has looked: where what this server has told may be lost, its revisions do not say what it has. */
  whenChecked(bucket: Bucket, tell: () => void): void {
    if (bucket.generation === bucket.checkedGeneration) {
      tell();
      return;
    }
    const isFirst = !this.#unchecked.some((one) => one.bucket === bucket);
    this.#unchecked.push({ bucket, tell });
    if (!isFirst) return;
    // Its slot may have moved while its log waits where it was.
    if (this.#keys.isCluster) this.#parts.tail.lookAgain([bucket.number]);
    else this.#parts.tail.look(bucket.number);
  }

  /** The logs of these buckets are read from this process from now on; empty: the list of buckets is. What this server has seen of them says what is lost. */
  async look(tailRun: string, numbers: readonly number[]): Promise<void> {
    const { meta, foreign, tail, sessions } = this.#parts;
    const { primaries, isCluster, roots } = this.#keys;
    // Where all of it is lost, even what it was. In a cluster that may be elsewhere, and away.
    if (isCluster) void meta.keepAtLast();
    else if (!foreign.has(roots.meta)) await meta.keep();
    if (isCluster && numbers.length === 0) return tail.announceAgain();
    const buckets = isCluster ? numbers.map((number) => this.#keys.bucket(number)) : this.#keys.buckets;
    const slot = buckets[0]?.slot ?? 0;
    this.checkSame(slot, await primaries.of(slot).readRun(), tailRun);
    let isOther = false;
    for (const bucket of buckets) {
      if (foreign.blocks(bucket.number)) continue;
      await this.#keys.takeOver(bucket);
      if (bucket.generation === bucket.checkedGeneration) continue;
      isOther = true;
      if (await this.#hasLost(bucket)) {
        // What comes behind it is read from the log, all before with the sessions.
        await tail.skipToEnd(bucket.number);
        for (const replica of sessions.in(bucket.number)) await sessions.reload(replica, undefined, true);
      }
      // Where it was cut off in between, it looks again.
      bucket.checkedGeneration = bucket.generation;
    }
    const answered = this.#unchecked;
    this.#unchecked = [];
    for (const { bucket, tell } of answered) this.whenChecked(bucket, tell);
    if (isOther && !isCluster && !foreign.has(roots.buckets)) await tail.announceAgain();
  }

  /** What is asked and what the log is read from: in a failover they may lead to two processes. @throws Error; then both look again */
  checkSame(slot: number, asked: string, tail: string | undefined): void {
    if (asked === tail) return;
    this.#keys.primaries.lookAgain(slot);
    this.#parts.tail.lookAgain();
    throw new Error('two processes answer as its primary');
  }

  /** False: all that was read of its log is kept, so that the log goes on from there. */
  async #hasLost(bucket: Bucket): Promise<boolean> {
    const { tail, sessions } = this.#parts;
    if (!(await tail.isAsLong(bucket.number))) return true;
    const kept = new Map<SessionReplica, Lineage>();
    for (const replica of sessions.in(bucket.number)) {
      const key = this.#keys.sessionKeyOf(replica.id);
      const [revision, life, text] = await this.#keys.at(key, (client) =>
        client.hmget(key, 'revision', 'life', 'lineage'),
      );
      const lineage = new Lineage(text ?? '');
      if (replica.hasLost({ life: Number(life ?? -1), revision: Number(revision ?? 0), lineage })) return true;
      kept.set(replica, lineage);
    }
    for (const [replica, lineage] of kept) {
      // One that was ended and begun anew is told by the log.
      if (!replica.isOver) replica.continueIn(bucket.generation, lineage);
    }
    return false;
  }
}
