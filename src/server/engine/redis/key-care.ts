/**
 * Looks whether the keys of what this server holds are as servers wrote them: some sessions every two seconds, and one at once whose answers contradict what was told.
 * Path: redis engine, bucket tail -> [key care] -> mend script. What somebody deleted is made good, or lost as in a failover; what is of another program stays, is
 * named, and refused until it is gone. Slow, away: it looks later. Closed: `close`.
 */
import type { EngineFormatError } from '../../../shared/errors.js';
import type { Logger } from '../../../shared/logger.js';
import { pause } from '../../within.js';
import type { Argument, AskedGroup } from './group-arguments.js';
import type { KeySpace } from './key-space.js';
import { bucketOf, keysOfBucket, keysOfCommit, type RootKeys } from './keys.js';
import { MEND, type Mended } from './mend-script.js';
import { foreignKey } from './redis-errors.js';
import type { Bucket } from './redis-primary.js';
import { redisRefusalOf } from './redis-refusal.js';
import type { SessionReplica } from './session-replica.js';

export interface CareHost {
  readonly logger: Logger;
  /** Clients are told where this server is: a key of all servers says it. */
  readonly isAdvertised: boolean;
  replicas(): ReadonlyMap<string, SessionReplica>;
  /** What all servers read, and this one may write again. */
  checkRoots(): Promise<void>;
  /** Something of it is lost, or was found lost by another server. */
  handleLost(bucket: number): void;
  /** It is not there any more, and nothing says that somebody deleted it. */
  handleEnded(replica: SessionReplica): void;
  /** Redis did not answer in time whether it is whole. */
  handleSilence(bucket: number): void;
  /** The first key of another program was found, or another one is now; undefined: there is none any more. */
  handleForeign(error: EngineFormatError | undefined): void;
}

/** A key that no server of ours wrote. */
interface Foreign {
  readonly key: string;
  /** Undefined: of all sessions. */
  readonly bucket: number | undefined;
  /** Undefined: of all of the bucket. */
  readonly sessionId: string | undefined;
  readonly error: EngineFormatError;
}

export class KeyCare {
  readonly #keys: KeySpace;
  readonly #host: CareHost;
  /** Keys that are of all buckets, and what type each has. */
  readonly #roots: ReadonlyMap<string, string>;
  readonly #foreign = new Map<string, Foreign>();
  /** By their sessions, whose keys have the right types. */
  readonly #unreadable = new Map<string, EngineFormatError>();
  /** Looked at now, as what Redis says of them is not what was told here. */
  readonly #suspects = new Set<SessionReplica>();
  readonly #closing = new AbortController();
  /** The last that was looked at. */
  #last = '';
  #mends = 0;

  constructor(keys: KeySpace, host: CareHost) {
    this.#keys = keys;
    this.#host = host;
    this.#roots = typesOfRoots(keys.roots, host.isAdvertised);
  }

  /** Sessions of which something was deleted or spoilt, and made good. */
  get mends(): number {
    return this.#mends;
  }

  /** Somebody has to mend something. */
  get hasForeign(): boolean {
    return this.#first !== undefined;
  }

  isForeign(key: string): boolean {
    return this.#foreign.has(key);
  }

  /** A key of all of the bucket is of another program. */
  isBlocked(bucket: number): boolean {
    for (const one of this.#foreign.values()) if (one.bucket === bucket && one.sessionId === undefined) return true;
    return false;
  }

  /** It has what no server would write, or a key of another program. */
  handleUnreadable(sessionId: string, error: EngineFormatError): void {
    if (this.#unreadable.has(sessionId)) return;
    this.#unreadable.set(sessionId, error);
    this.#host.handleForeign(error);
  }

  /** It can be read again, or is gone. */
  handleRead(sessionId: string): void {
    if (this.#unreadable.delete(sessionId)) this.#host.handleForeign(this.#first);
  }

  /** The first thing that somebody has to mend. */
  get #first(): EngineFormatError | undefined {
    const [foreign] = this.#foreign.values();
    const [unreadable] = this.#unreadable.values();
    return foreign?.error ?? unreadable;
  }

  run(): void {
    void this.#loop();
  }

  close(): void {
    this.#closing.abort();
  }

  /** Whole or mended, or the way of what is lost is begun. @throws EngineFormatError naming a key of another program */
  async mend(sessionId: string): Promise<Mended> {
    const bucket = bucketOf(sessionId);
    const [state] = await this.#mendIn(bucket, [sessionId], true);
    if (state !== undefined) return state;
    for (const one of this.#foreign.values()) {
      if (one.bucket === bucket && (one.sessionId ?? sessionId) === sessionId) throw one.error;
    }
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
    if (redisRefusalOf(error) === 'foreign') return this.findForeign(ids, links);
    for (const id of ids) await this.mend(id);
    return undefined;
  }

  /** What of these is of another program, by name: of all sessions without one. `links`: whose windows it may be. */
  async findForeign(
    sessionIds?: readonly string[],
    links: readonly string[] = [],
  ): Promise<EngineFormatError | undefined> {
    let first: EngineFormatError | undefined;
    const look = async (key: string, bucket?: number, sessionId?: string): Promise<void> => {
      first ??= await this.#lookAtKey(key, bucket, sessionId);
    };
    if (sessionIds === undefined) {
      for (const key of this.#roots.keys()) await look(key);
      await Promise.all(
        this.#keys.buckets.flatMap(({ number, prefix }) => keysOfBucket(prefix).map((key) => look(key, number))),
      );
    }
    for (const sessionId of sessionIds ?? []) {
      const { number, prefix } = this.#keys.bucketOf(sessionId);
      for (const key of keysOfBucket(prefix)) await look(key, number);
      for (const key of keysOfCommit(prefix, sessionId, '')) await look(key, number, sessionId);
      // Its next set looks again by itself.
      for (const link of links) first ??= await this.#errorOf(`${prefix}w:${link}`);
    }
    return first;
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
    for (const key of [...this.#foreign.keys(), ...this.#roots.keys()]) await this.#lookAtKey(key).catch(ignore);
    const byBucket = new Map<number, string[]>();
    for (const sessionId of this.#next()) {
      const bucket = bucketOf(sessionId);
      const ids = byBucket.get(bucket);
      if (ids === undefined) byBucket.set(bucket, [sessionId]);
      else ids.push(sessionId);
    }
    for (const [bucket, ids] of byBucket) {
      if (this.isBlocked(bucket)) continue;
      try {
        await this.#mendIn(bucket, ids, false);
      } catch (error) {
        if (redisRefusalOf(error) === undefined) this.#host.handleSilence(bucket);
      }
    }
    if (!this.hasForeign) await this.#host.checkRoots().catch(ignore);
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
      if ((await this.findForeign(sessionIds)) === undefined) throw error;
      const others = sessionIds.filter((id) => ![...this.#foreign.values()].some(({ sessionId }) => sessionId === id));
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

  /** Without a place: whether what was found is gone. */
  async #lookAtKey(key: string, bucket?: number, sessionId?: string): Promise<EngineFormatError | undefined> {
    const known = this.#foreign.get(key);
    const error = await this.#errorOf(key);
    if (error === undefined) {
      if (known === undefined) return undefined;
      this.#foreign.delete(key);
      this.#host.handleForeign(this.#first);
      // It may have been one of ours before.
      if (known.bucket !== undefined) this.#host.handleLost(known.bucket);
      return undefined;
    }
    if (known !== undefined) return known.error;
    this.#foreign.set(key, { key, bucket, sessionId, error });
    this.#host.handleForeign(error);
    return error;
  }

  async #errorOf(key: string): Promise<EngineFormatError | undefined> {
    const { address } = this.#keys;
    const expected = this.#roots.get(key) ?? TYPES.get(key.slice(address.prefix.length).split(':')[2]!)!;
    const type = await this.#keys.at(key, (client) => client.type(key));
    if (type === 'none' || type === expected) return undefined;
    return foreignKey(address, key, type, expected);
  }
}

/** The generation of what this server has of it; undefined while that is looked for losses. */
function checkedIn({ generation, checkedGeneration }: Bucket): number | undefined {
  return generation === checkedGeneration ? generation : undefined;
}

function typesOfRoots({ meta, buckets, servers }: RootKeys, isAdvertised: boolean): ReadonlyMap<string, string> {
  const types = new Map([
    [meta, 'hash'],
    [buckets, 'stream'],
  ]);
  if (isAdvertised) types.set(servers, 'zset');
  return types;
}

/** For watches that come back. */
function remembersGone({ gone }: SessionReplica): boolean {
  for (const { current } of gone.all()) if (current.revision > gone.forgottenRevision) return true;
  return false;
}

function ignore(): void {
  // It is looked at again.
}

/** By what stands behind the prefix of their bucket, `bs:{b0}:`. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ...(['head', 's', 'n', 'r', 'v', 'w'].map((name) => [name, 'hash']) as [string, string][]),
  ...[['log', 'stream'] as const, ['sessions', 'set'] as const, ['x', 'zset'] as const, ['g', 'list'] as const],
]);
const SWEEP_MS = 2_000;
/** Of a sweep: it takes Redis a few us each. */
const SWEEP_SESSIONS = 100;
