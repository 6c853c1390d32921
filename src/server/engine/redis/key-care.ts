/**
 * Looks whether the keys of what this server holds are as servers wrote them: some sessions every two seconds, and one at once whose answers contradict what was told.
 * Path: redis engine, bucket tail -> [key care] -> mend script. What somebody deleted is made good, or lost as in a failover; what is of another program stays, is
 * named, and refused until it is gone. Slow, away: it looks later. Closed: `close`.
 */
import type { EngineFormatError } from '../../../shared/errors.js';
import type { Logger } from '../../../shared/logger.js';
import { pause } from '../../within.js';
import type { Argument } from './group-arguments.js';
import { bucketOf, bucketPrefix, keysOfBucket, keysOfCommit } from './keys.js';
import type { Mended } from './mend-script.js';
import type { RedisAddress } from './redis-address.js';
import { foreignKey } from './redis-errors.js';
import { redisRefusalOf } from './redis-refusal.js';
import type { SessionReplica } from './session-replica.js';

export interface CareHost {
  readonly address: RedisAddress;
  /** Keys that are of all buckets, and what type each has. */
  readonly roots: ReadonlyMap<string, string>;
  readonly logger: Logger;
  /** Those that may have sessions. */
  buckets(): Iterable<number>;
  replicas(): ReadonlyMap<string, SessionReplica>;
  /** In which what was told of it was looked for losses; undefined while it is looked. */
  generationOf(bucket: number): number | undefined;
  /** By the mend script. */
  evaluate(bucket: number, isSure: boolean, args: readonly Argument[], keys: readonly string[]): Promise<unknown>;
  typeOf(key: string): Promise<string>;
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
  readonly #host: CareHost;
  readonly #foreign = new Map<string, Foreign>();
  /** By their sessions, whose keys have the right types. */
  readonly #unreadable = new Map<string, EngineFormatError>();
  readonly #closing = new AbortController();
  /** The last that was looked at. */
  #last = '';
  #mends = 0;

  constructor(host: CareHost) {
    this.#host = host;
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

  /** What of these is of another program, by name: of all sessions without one. `links`: whose windows it may be. */
  async findForeign(
    sessionIds?: readonly string[],
    links: readonly string[] = [],
  ): Promise<EngineFormatError | undefined> {
    const { roots, buckets } = this.#host;
    let first: EngineFormatError | undefined;
    const look = async (key: string, bucket?: number, sessionId?: string): Promise<void> => {
      first ??= await this.#lookAtKey(key, bucket, sessionId);
    };
    if (sessionIds === undefined) {
      for (const key of roots.keys()) await look(key);
      await Promise.all(
        [...buckets()].flatMap((bucket) => keysOfBucket(this.#prefixOf(bucket)).map((key) => look(key, bucket))),
      );
    }
    for (const sessionId of sessionIds ?? []) {
      const bucket = bucketOf(sessionId);
      const prefix = this.#prefixOf(bucket);
      for (const key of keysOfBucket(prefix)) await look(key, bucket);
      for (const key of keysOfCommit(prefix, sessionId, '')) await look(key, bucket, sessionId);
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
    for (const key of [...this.#foreign.keys(), ...this.#host.roots.keys()]) await this.#lookAtKey(key).catch(ignore);
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

  async #mendIn(bucket: number, sessionIds: readonly string[], isThorough: boolean): Promise<Mended[]> {
    const { handleLost, handleEnded, generationOf, evaluate } = this.#host;
    const prefix = this.#prefixOf(bucket);
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
      reply = (await evaluate(bucket, false, args, keys)) as readonly (number | Buffer)[];
      if (reply.some((state) => String(state) === 'doubt'))
        reply = (await evaluate(bucket, true, args, keys)) as readonly (number | Buffer)[];
    } catch (error) {
      if (redisRefusalOf(error) !== 'foreign') throw error;
      if ((await this.findForeign(sessionIds)) === undefined) throw error;
      const others = sessionIds.filter((id) => ![...this.#foreign.values()].some(({ sessionId }) => sessionId === id));
      if (others.length > 0 && others.length < sessionIds.length) await this.#mendIn(bucket, others, isThorough);
      return [];
    }
    const [generation, ...states] = [reply[0], ...reply.slice(1).map(String)] as [number, ...Mended[]];
    for (const [place, state] of states.entries()) this.#say(sessionIds[place]!, state);
    const isLost = states.some((state) => state === 'lost' || state === 'some');
    if (isLost || Number(generation) !== generationOf(bucket)) {
      handleLost(bucket);
      // Another server was faster.
      return states.map((state) => (state === 'none' ? 'lost' : state));
    }
    for (const [place, state] of states.entries()) {
      const replica = held[place];
      if (state === 'none' && replica !== undefined && !replica.isOver) handleEnded(replica);
    }
    return states;
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
    const { address, roots, typeOf } = this.#host;
    const expected = roots.get(key) ?? TYPES.get(key.slice(address.prefix.length).split(':')[2]!)!;
    const type = await typeOf(key);
    if (type === 'none' || type === expected) return undefined;
    return foreignKey(address, key, type, expected);
  }

  #prefixOf(bucket: number): string {
    return bucketPrefix(this.#host.address.prefix, bucket);
  }
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
