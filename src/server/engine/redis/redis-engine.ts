/**
 * State in Redis or Valkey that any number of equal servers share. A script decides at the primary and appends to the log of a bucket, which every
 * server follows: nobody owns a session, and a server that dies leaves nothing to hand over. Path: session -> [redis engine] -> commit script -> log
 * -> session replica -> session. Slow: what is asked while a call is under way goes with the next. Away: calls fail when it takes longer than
 * `behindMs`. Closed: what is under way is answered first.
 *
 * Folders, each asking only those before it: `format` (keys and bytes as they lie in Redis), `scripts`, `connection` (to one process), `topology` (which process has
 * what), `log`, `sessions` (replicas, commits, and the care for their keys).
 */
import { BridgeError, EngineUnavailableError, InvalidOptionsError } from '../../../shared/errors.js';
import { isEndpoint } from '../../../shared/wire/endpoint-list.js';
import { within } from '../../within.js';
import { Durations } from '../durations.js';
import type {
  Engine,
  EngineHealth,
  EngineHost,
  EngineStats,
  Follower,
  Following,
  Group,
  Kept,
  Life,
  NewSession,
  Outcome,
  SharedStats,
} from '../engine.js';
import { opened } from '../engine.js';
import { openWhenThere } from '../open-when-there.js';
import type { WindowRecord } from '../records.js';
import type { Ack } from './connection/ack.js';
import { parseRedisUrl } from './connection/redis-address.js';
import { clusterCause, redisAway, redisFailure } from './connection/redis-errors.js';
import { passesByItself, redisRefusalOf } from './connection/redis-refusal.js';
import { bucketOf } from './format/keys.js';
import { OpenedRedis, type RedisSettings, type RedisSigns } from './opened-redis.js';
import { windowOf } from './scripts/script-results.js';
import { IDLE, OPEN_WINDOW, TOUCH } from './scripts/scripts.js';
import { WINDOW_MS } from './sessions/commit-calls.js';
import { preferredServers } from './topology/preferred-servers.js';

export interface RedisEngineOptions {
  /** When an outcome counts: said by the primary, kept by a replica too, or on its disk. Default `replica` where there is one, else `primary`. */
  readonly ack?: Ack | undefined;
  /** Ms that Redis may be away until calls fail. Default 5,000. */
  readonly behindMs?: number | undefined;
  /** `HOST:PORT` at which clients reach this server: they are told it by all servers over this Redis. Default: nobody is. */
  readonly advertise?: string | undefined;
}

export class RedisEngine implements Engine {
  readonly name = 'redis';
  readonly isShared = true;
  readonly isImmediate = false;
  readonly #settings: RedisSettings;
  #host: EngineHost | undefined;
  #redis: OpenedRedis | undefined;
  #health: EngineHealth = { state: 'ready', sinceMs: 0, cause: undefined };
  /** Says why more exactly than the call that failed by it. */
  #lastError: unknown;
  #stage: 'opening' | 'open' | 'closed' = 'opening';

  /**
   * `url`: `redis://[USER:PASSWORD@]HOST[:PORT][/PREFIX]`; `redis+sentinel://[USER:PASSWORD@]HOST[:PORT],…/NAME[/PREFIX]` for whichever process these sentinels
   * call the primary of NAME, with `?sentinel_password=…` and `&sentinel_username=…` where they ask for them; `redis+cluster://[USER:PASSWORD@]HOST[:PORT],…[/PREFIX]`; `rediss` instead of `redis` with TLS;
   * `unix:PATH[?PREFIX]`. @throws InvalidOptionsError for an address that is none
   */
  constructor(url: string, { ack, behindMs = DEFAULT_BEHIND_MS, advertise }: RedisEngineOptions = {}) {
    if (advertise !== undefined && !isEndpoint(advertise)) {
      throw new InvalidOptionsError(`advertise ${advertise}: give HOST:PORT, as clients reach this server`);
    }
    this.#settings = { address: parseRedisUrl(url), ack, behindMs, advertise };
  }

  get sessionIds(): Iterable<string> {
    return this.#redis?.sessions.byId.keys() ?? [];
  }

  get health(): EngineHealth {
    return this.#health;
  }

  get stats(): EngineStats {
    const { calls, commits }: Partial<OpenedRedis> = this.#redis ?? {};
    return {
      ...{ waiting: calls?.waiting ?? 0, transactions: calls?.calls ?? 0, changes: commits?.changes ?? 0 },
      ...{ commitMs: calls?.durations, syncMs: undefined, bytes: 0, journalChanges: 0 },
      shared: sharedStatsOf(this.#redis),
    };
  }

  async open(host: EngineHost): Promise<Life> {
    if (this.#host !== undefined) {
      throw new EngineUnavailableError('this engine is in use, or was closed: give each server an engine of its own');
    }
    this.#host = host;
    const { address } = this.#settings;
    try {
      this.#redis = await openWhenThere(host.waiting, {
        attempt: () => this.#attempt(host),
        passes: passesByItself,
        handleAway: (error) => this.#setHealth('lost', redisAway(address, error)),
      });
    } catch (error) {
      this.#stage = 'closed';
      throw redisFailure(address, error);
    }
    if (this.#stage === 'closed') {
      await this.#redis.close();
      throw new EngineUnavailableError('this engine was closed while it was opened');
    }
    this.#stage = 'open';
    const { epoch, keys, foreign } = this.#redis;
    // What is of another program is not served, all else is.
    this.#setHealth(foreign.isThere ? 'lost' : 'ready', foreign.first);
    return { epoch, generation: Math.max(0, ...keys.buckets.map(({ generation }) => generation)) };
  }

  async #attempt(host: EngineHost): Promise<OpenedRedis> {
    this.#lastError = undefined;
    const signs: RedisSigns = {
      handleAway: (error) => this.#handleAway(error),
      handleThere: () => this.#handleThere(),
      handleFull: (error) => this.#setHealth('full', error),
    };
    try {
      return await OpenedRedis.open(this.#settings, host, signs);
    } catch (error) {
      // A call that was cut off knows less than its connection.
      throw error instanceof BridgeError || redisRefusalOf(error) !== undefined ? error : (this.#lastError ?? error);
    }
  }

  follow(sessionId: string, follower: Follower, create?: NewSession): Kept<Following | undefined> {
    const known = this.#open().sessions.find(sessionId);
    if (known !== undefined && !known.isOver) {
      known.follower = follower;
      return known;
    }
    return this.#followLater(sessionId, follower, create);
  }

  async #followLater(
    sessionId: string,
    follower: Follower,
    create: NewSession | undefined,
  ): Promise<Following | undefined> {
    const { tail, care, commits, sessions } = this.#open();
    if (create !== undefined) {
      // Before the first session is there: whoever follows must not miss it.
      await this.#answerTo(tail.announce(bucketOf(sessionId)));
      // What somebody left of one before it is none of its own.
      await this.#answerTo(care.mend(sessionId));
      await commits.makeSession(sessionId, JSON.stringify(create.metadata));
    }
    const replica = await this.#answerTo(sessions.load(sessionId));
    if (replica === undefined) return undefined;
    replica.follower = follower;
    return replica;
  }

  commit(group: Group): Kept<Outcome> {
    return this.#open().commits.commit(group);
  }

  head(sessionId: string): Promise<number> {
    return this.#open().heads.read(sessionId);
  }

  async openWindow(sessionId: string, link: string, answered: number): Promise<WindowRecord | undefined> {
    const { keys, sessions, foreign } = this.#open();
    const key = `${keys.bucketOf(sessionId).prefix}w:${link}`;
    // Where all is lost that was told until then, so is what its sets have done.
    const since = sessions.find(sessionId)?.beganAnewIn ?? 0;
    const asked = keys.evaluate(OPEN_WINDOW, key, [key, WINDOW_MS, answered, since], [key]).catch(async (error) => {
      const isForeign = redisRefusalOf(error) === 'foreign';
      throw (isForeign && (await foreign.find([sessionId], [link]).catch(ignore))) || error;
    });
    const said = (await this.#answerTo(asked)) as Buffer[];
    return said.length === 0 ? undefined : windowOf(link, said, since);
  }

  /** What was asked here is kept, and what was acknowledged anywhere is known here. */
  whenKept(sessionId: string): Promise<void> {
    const { heads, sessions } = this.#open();
    const read = heads.whenRead(sessionId);
    const tail = sessions.find(sessionId)?.tail;
    return tail === undefined ? read : Promise.all([read, tail.then(ignore, ignore)]).then(ignore);
  }

  async whenKnown(sessionId: string): Promise<void> {
    const { heads, sessions } = this.#open();
    const { behindMs, address } = this.#settings;
    await sessions.find(sessionId)?.tail?.then(ignore, ignore);
    if (await this.#answerTo(within(behindMs, heads.read(sessionId)))) return;
    throw new EngineUnavailableError(
      `this server is more than ${behindMs} ms behind Redis at ${address.shown}: nothing was done; try again`,
    );
  }

  /** Without Redis it is as it is. */
  whenHistoryIsRead(sessionId: string): Promise<void> | undefined {
    const reading = this.#redis?.histories.whenRead(bucketOf(sessionId));
    return reading === undefined ? undefined : within(this.#settings.behindMs, reading).then(ignore);
  }

  serversOf(sessionId: string): readonly string[] {
    return preferredServers(bucketOf(sessionId), this.#redis?.servers?.live ?? []);
  }

  touch(sessionIds: readonly string[]): void {
    const { keys } = this.#open();
    for (const sessionId of sessionIds) {
      // The next one says so again.
      keys.evaluateOf(TOUCH, sessionId).catch((error: unknown) => this.#handleAway(error));
    }
  }

  async idleMs(sessionId: string): Promise<number> {
    return Number(await this.#answerTo(this.#open().keys.evaluateOf(IDLE, sessionId)));
  }

  async close(): Promise<void> {
    this.#stage = 'closed';
    await this.#redis?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(): OpenedRedis {
    return opened(this.#redis);
  }

  /** Of what somebody asks beside commits. @throws BridgeError */
  async #answerTo<T>(asked: Promise<T>): Promise<T> {
    try {
      return await asked;
    } catch (error) {
      throw redisFailure(this.#settings.address, error);
    }
  }

  #handleAway(error: unknown): void {
    this.#lastError = error;
    if (this.#stage === 'open') this.#setHealth('lost', clusterCause(this.#open().keys.primaries.stats, error));
  }

  #handleThere(): void {
    if (this.#stage !== 'open' || this.#health.state === 'ready') return;
    const { keys, foreign, calls } = this.#open();
    if (!keys.primaries.isWhole || foreign.isThere) return;
    // Its logs can be read while it takes no sets.
    if (calls.isTaken) this.#setHealth('ready', undefined);
    else void calls.probe();
  }

  #setHealth(state: EngineHealth['state'], cause: unknown): void {
    const host = opened(this.#host);
    const { state: before, sinceMs } = this.#health;
    this.#health = { state, sinceMs: state === before ? sinceMs : host.nowMs(), cause };
    if (state !== before) host.handleHealth(this.#health);
  }
}

/** Undefined: it is not opened yet. */
function sharedStatsOf(redis: OpenedRedis | undefined): SharedStats {
  const { keys, calls, care, sessions, commits }: Partial<OpenedRedis> = redis ?? {};
  let tailRevisions = 0;
  for (const { behind } of sessions?.byId.values() ?? []) tailRevisions = Math.max(tailRevisions, behind);
  return {
    ...{ tailMs: commits?.tailMs ?? new Durations().read(), tailRevisions },
    ...{ forks: sessions?.forks ?? 0, mends: care?.mends ?? 0 },
    ...{ fenced: calls?.fenced ?? 0, windowHits: calls?.windowHits ?? 0 },
    ...{ takeovers: keys?.primaries.takeovers ?? 0, primaries: keys?.primaries.stats ?? [] },
  };
}

function ignore(): void {
  // Said by whoever asked.
}

const DEFAULT_BEHIND_MS = 5_000;
