/**
 * Looks whether the keys of what this server holds are as servers wrote them: some sessions every two seconds, and one at once whose answers contradict what was told.
 * Path: redis engine, bucket tail -> [key care] -> mend script. What somebody deleted is made good, or lost as in a failover; what another program wrote is
 * left to the foreign writes. Slow, away: it looks later. Closed: `close`.
 */
import type { EngineFormatError } from '../../../../shared/errors.js';
import type { Logger } from '../../../../shared/logger.js';
import { pause } from '../../../within.js';
import type { Bucket } from '../connection/redis-primary.js';
import { redisRefusalOf } from '../connection/redis-refusal.js';
import { bucketOf, keysOfBucket, keysOfCommit } from '../format/keys.js';
import type { Argument, AskedGroup } from '../scripts/group-arguments.js';
import { MEND, type Mended } from '../scripts/mend-script.js';
import type { KeySpace } from '../topology/key-space.js';
import type { ForeignWrites } from './foreign-writes.js';
import type { SessionReplica } from './session-replica.js';

export interface CareHost {
  readonly logger: Logger;
  replicas(): ReadonlyMap<string, SessionReplica>;
  /** What all servers read, and this one may write again. */
  checkRoots(): Promise<void>;
  /** Something of it is lost, or was found lost by another server. */
  handleLost(bucket: number): void;
  /** It is not there any more, and nothing says that somebody deleted it. */
  handleEnded(replica: SessionReplica): void;
  /** Redis did not answer in time whether it is whole. */
  handleSilence(bucket: number): void;
}

export class KeyCare {
  readonly #keys: KeySpace;
  readonly #foreign: ForeignWrites;
  readonly #host: CareHost;
  /** Looked at now, as what Redis says of them is not what was told here. */
  readonly #suspects = new Set<SessionReplica>();
  readonly #closing = new AbortController();
  /** The last that was looked at. */
  #last = '';
  #mends = 0;

  constructor(keys: KeySpace, foreign: ForeignWrites, host: CareHost) {
    this.#keys = keys;
    this.#foreign = foreign;
    this.#host = host;
  }

  /** Sessions of which something was deleted or spoilt, and made good. */
  get mends(): number {
    return this.#mends;
  }

  run(): void {
    void this.#loop();
  }

  close(): void {
    this.#closing.abort();
  }

  /** Whole or mended, or the way of what is lost is begun. @throws EngineFormatError naming a key of another program */
  async mend(sessionId: string): Promise<Mended> {
    const [state] = await this.#mendIn(bucketOf(sessionId), [sessionId], true);
    if (state !== undefined) return state;
    this.#foreign.check(sessionId);
    return 'whole';
  }

  /** What Redis says of it is not what this server was told: it is looked at now. */
  suspect(replica: SessionReplica): void {
    if (this.#suspects.has(replica)) return;
    this.#suspects.add(replica);
    // What fails is found again, by the next set or look.
    const look = this.mend(replica.id).then(ignore, ignore);
    void look.then(() => this.#suspects.delete(replica));
  }

  /** The commit script failed on these groups: the key of another program that it failed by, or undefined. @throws EngineFormatError naming it */
  async handleBroken(groups: readonly AskedGroup[], error: unknown): Promise<EngineFormatError | undefined> {
    const ids = [...new Set(groups.map(({ sessionId }) => sessionId))];
    const links = [...new Set(groups.map(({ link }) => link))].filter((link) => link !== '');
    if (redisRefusalOf(error) === 'foreign') return this.#foreign.find(ids, links);
    for (const id of ids) await this.mend(id);
    return undefined;
  }

  async #loop(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await pause(SWEEP_MS, signal);
      if (!signal.aborted) await this.#sweep();
    }
  }

  /** What is away is looked at later: whoever asks it for something says what is the matter. */
  async #sweep(): Promise<void> {
    await this.#foreign.lookAgain();
    const byBucket = new Map<number, string[]>();
    for (const sessionId of this.#next()) {
      const bucket = bucketOf(sessionId);
      const ids = byBucket.get(bucket);
      if (ids === undefined) byBucket.set(bucket, [sessionId]);
      else ids.push(sessionId);
    }
    for (const [bucket, ids] of byBucket) {
      if (this.#foreign.blocks(bucket)) continue;
      try {
        await this.#mendIn(bucket, ids, false);
      } catch (error) {
        if (redisRefusalOf(error) === undefined) this.#host.handleSilence(bucket);
      }
    }
    if (!this.#foreign.isThere) await this.#host.checkRoots().catch(ignore);
  }

  /** Those behind the last ones, in a ring. */
  #next(): string[] {
    const ids = [...this.#host.replicas().keys()];
    const from = ids.indexOf(this.#last) + 1;
    const next = [...ids.slice(from), ...ids.slice(0, from)].slice(0, SWEEP_SESSIONS);
    this.#last = next.at(-1) ?? '';
    return next;
  }

  async #mendIn(number: number, sessionIds: readonly string[], isThorough: boolean): Promise<Mended[]> {
    const { handleLost, handleEnded } = this.#host;
    const bucket = this.#keys.bucket(number);
    const { prefix } = bucket;
    const replicas = this.#host.replicas();
    const held = sessionIds.map((id) => replicas.get(id));
    const args: Argument[] = [];
    for (const [place, id] of sessionIds.entries()) {
      const replica = held[place];
      args.push(id, replica?.life ?? -1, replica?.revision ?? -1, replica?.table.size ?? -1);
      args.push(replica !== undefined && remembersGone(replica) ? 1 : 0, isThorough ? 1 : 0);
    }
    const keys = [...keysOfBucket(prefix), ...sessionIds.flatMap((id) => keysOfCommit(prefix, id, ''))];
    let reply: readonly (number | Buffer)[];
    try {
      reply = await this.#evaluate(bucket, false, args, keys);
      if (reply.some((state) => String(state) === 'doubt')) reply = await this.#evaluate(bucket, true, args, keys);
    } catch (error) {
      if (redisRefusalOf(error) !== 'foreign') throw error;
      if ((await this.#foreign.find(sessionIds)) === undefined) throw error;
      const others = sessionIds.filter((id) => !this.#foreign.isIn(id));
      if (others.length > 0 && others.length < sessionIds.length) await this.#mendIn(number, others, isThorough);
      return [];
    }
    const [generation, ...states] = [reply[0], ...reply.slice(1).map(String)] as [number, ...Mended[]];
    for (const [place, state] of states.entries()) this.#say(sessionIds[place]!, state);
    const isLost = states.some((state) => state === 'lost' || state === 'some');
    if (isLost || Number(generation) !== checkedIn(bucket)) {
      handleLost(number);
      // Another server was faster.
      return states.map((state) => (state === 'none' ? 'lost' : state));
    }
    for (const [place, state] of states.entries()) {
      const replica = held[place];
      if (state === 'none' && replica !== undefined && !replica.isOver) handleEnded(replica);
    }
    return states;
  }

  /** Asked of the process that this server has looked at, and no other: one that has begun again may know less. */
  async #evaluate(
    bucket: Bucket,
    isSure: boolean,
    args: readonly Argument[],
    keys: readonly string[],
  ): Promise<readonly (number | Buffer)[]> {
    const { primaries, isCluster } = this.#keys;
    const reply = await primaries.at(bucket.slot, async (primary) => {
      // It may have been a replica meanwhile, without a word.
      if (isSure) await primary.readRun();
      if (!primary.isKnownIn(bucket)) await primary.takeOver(bucket);
      const about = [bucket.prefix, bucket.run, checkedIn(bucket) ?? -1, isSure ? 1 : 0];
      return primary.evaluate(MEND, [...about, ...args], isCluster ? keys : undefined);
    });
    return reply as readonly (number | Buffer)[];
  }

  #say(sessionId: string, state: Mended): void {
    if (state === 'whole' || state === 'none') return;
    if (state === 'mended') this.#mends += 1;
    this.#host.logger.warn(
      { engine: 'redis', sessionId },
      state === 'mended'
        ? 'keys of a session were deleted or spoilt in Redis: all of it was made good'
        : 'keys of a session were deleted or spoilt in Redis: what they held is lost',
    );
  }
}

/** The generation of what this server has of it; undefined while that is looked for losses. */
function checkedIn({ generation, checkedGeneration }: Bucket): number | undefined {
  return generation === checkedGeneration ? generation : undefined;
}

/** For watches that come back. */
function remembersGone({ gone }: SessionReplica): boolean {
  for (const { current } of gone.all()) if (current.revision > gone.forgottenRevision) return true;
  return false;
}

function ignore(): void {
  // It is looked at again.
}

const SWEEP_MS = 2_000;
/** Of a sweep: it takes Redis a few us each. */
const SWEEP_SESSIONS = 100;
