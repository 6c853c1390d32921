/**
 * All that a server has of the Redis that it is connected to, opened and closed together. Path: redis engine -> [opened redis] -> its parts, which say it to
 * each other. Away: `handleAway` says so; each part tries again by itself.
 */
import { within } from '../../within.js';
import type { EngineHost } from '../engine.js';
import type { Ack } from './connection/ack.js';
import type { RedisAddress } from './connection/redis-address.js';
import { RedisPrimary } from './connection/redis-primary.js';
import { redisRefusalOf } from './connection/redis-refusal.js';
import { BucketTail } from './log/bucket-tail.js';
import { CommitCalls } from './sessions/commit-calls.js';
import { ForeignWrites } from './sessions/foreign-writes.js';
import { KeyCare } from './sessions/key-care.js';
import { LogHistories } from './sessions/log-histories.js';
import { LossSearch } from './sessions/loss-search.js';
import { MetaKey } from './sessions/meta-key.js';
import { SessionCommits } from './sessions/session-commits.js';
import { SessionHeads } from './sessions/session-heads.js';
import { SessionReads } from './sessions/session-reads.js';
import { SessionReplicas } from './sessions/session-replicas.js';
import type { ClusterHost } from './topology/cluster-primaries.js';
import { ClusterPrimaries } from './topology/cluster-primaries.js';
import { KeySpace } from './topology/key-space.js';
import { LiveServers } from './topology/live-servers.js';
import type { Primaries } from './topology/primaries.js';
import { OnePrimary } from './topology/primaries.js';
import { slotOf } from './topology/slot-map.js';

export interface RedisSettings {
  readonly address: RedisAddress;
  readonly ack: Ack | undefined;
  readonly behindMs: number;
  readonly advertise: string | undefined;
}

/** What its parts say of Redis. */
export interface RedisSigns {
  handleAway(error: unknown): void;
  /** Something was answered, or heard. */
  handleThere(): void;
  handleFull(error: unknown): void;
}

export class OpenedRedis {
  readonly keys: KeySpace;
  readonly calls: CommitCalls;
  readonly foreign: ForeignWrites;
  readonly care: KeyCare;
  readonly tail: BucketTail;
  readonly histories: LogHistories;
  readonly sessions: SessionReplicas;
  readonly reads: SessionReads;
  readonly commits: SessionCommits;
  readonly heads: SessionHeads;
  /** Undefined: nobody is told where this server is. */
  readonly servers: LiveServers | undefined;
  readonly #meta: MetaKey;
  readonly #losses: LossSearch;
  readonly #signs: RedisSigns;

  /** All that is kept was read, and is followed. @throws what a part throws that cannot be opened: then nothing is left open */
  static async open(settings: RedisSettings, host: EngineHost, signs: RedisSigns): Promise<OpenedRedis> {
    let redis: OpenedRedis | undefined;
    const handleOther = (serves: (slot: number) => boolean): void => {
      if (redis !== undefined) redis.#handleOther(serves);
    };
    const primaries = await openPrimaries(settings, host, signs, handleOther);
    redis = new OpenedRedis(new KeySpace(settings.address, primaries), settings, host, signs);
    try {
      await redis.#begin(host);
      return redis;
    } catch (error) {
      const foreign = redisRefusalOf(error) === 'foreign' ? await redis.foreign.find().catch(ignore) : undefined;
      redis.#disconnect();
      throw foreign ?? error;
    }
  }

  private constructor(keys: KeySpace, { behindMs, advertise }: RedisSettings, host: EngineHost, signs: RedisSigns) {
    const { logger, nowMs } = host;
    const handleAway = (error: unknown): void => signs.handleAway(error);
    this.#signs = signs;
    this.keys = keys;
    this.#meta = new MetaKey(keys, handleAway);
    this.calls = new CommitCalls(keys, {
      ...{ behindMs, nowMs, handleAway },
      handleAnswer: () => signs.handleThere(),
      handleFull: (error) => signs.handleFull(error),
      handleBroken: (groups, error) => this.care.handleBroken(groups, error),
    });
    this.foreign = new ForeignWrites(keys, {
      isAdvertised: advertise !== undefined,
      handleForeign: (error) => (error === undefined ? signs.handleThere() : signs.handleAway(error)),
      handleLost: (number) => this.tail.look(number),
    });
    this.care = new KeyCare(keys, this.foreign, {
      logger,
      replicas: () => this.sessions.byId,
      checkRoots: () => this.#checkRoots(),
      handleLost: (number) => this.tail.look(number),
      handleEnded: (replica) => void this.sessions.reload(replica),
      handleSilence: (number) => this.calls.doubt(keys.bucket(number)),
    });
    this.tail = new BucketTail(keys, {
      handleCommit: (commit) => this.sessions.handleLogged(commit),
      handleHole: (number, cause) => this.sessions.handleHole(number, cause),
      handleReturned: (run, numbers) => this.#losses.look(run, numbers),
      handleAway: (key, error) => this.#handleTailAway(key, error),
      handleHeard: () => signs.handleThere(),
      isForeign: (key) => this.foreign.has(key),
    });
    const { foreign, care, tail, calls } = this;
    this.histories = new LogHistories({
      logger,
      readBefore: (number, upTo, most) => tail.readBefore(number, upTo, most),
    });
    this.sessions = new SessionReplicas(keys, { care, foreign, histories: this.histories }, host, handleAway);
    const { sessions } = this;
    this.reads = new SessionReads(keys, { foreign, care, sessions }, (id) => host.handleSession?.(id));
    this.#losses = new LossSearch(keys, { meta: this.#meta, foreign, tail, sessions });
    this.commits = new SessionCommits(keys, { calls, care, sessions, losses: this.#losses }, host);
    this.heads = new SessionHeads(keys, sessions);
    this.servers = advertise === undefined ? undefined : new LiveServers(advertise, keys, () => host.handleServers?.());
  }

  /** Of the state that is kept there. */
  get epoch(): string {
    return this.#meta.epoch;
  }

  /** What was asked is answered first. */
  async close(): Promise<void> {
    this.calls.beginClose();
    this.sessions.beginClose();
    this.#meta.close();
    await Promise.allSettled([...this.sessions.byId.values()].map(({ tail }) => tail));
    if (this.servers !== undefined) await within(LEAVE_MS, this.servers.close());
    this.#disconnect();
  }

  async #begin(host: EngineHost): Promise<void> {
    const { keys, tail, care, reads } = this;
    const { primaries } = keys;
    await this.#meta.open(host.epoch ?? host.newEpoch());
    const run = await tail.open(host.waiting);
    // In a cluster each log is looked at before it is read.
    if (!keys.isCluster) this.#losses.checkSame(0, await primaries.of(0).readRun(), run);
    for (const number of await tail.known()) await reads.read(number);
    await this.servers?.begin();
    primaries.handleStarted();
    tail.run();
    void this.histories.begin();
    care.run();
    reads.run();
  }

  /** Of what all servers read: written again where somebody took it. */
  async #checkRoots(): Promise<void> {
    const { buckets } = this.keys.roots;
    await this.#meta.keepIfGone();
    const announced = await this.keys.at(buckets, (client) => client.xlen(buckets));
    if (announced < this.keys.bucketCount) await this.tail.announceAgain();
  }

  #handleTailAway(key: string, error: unknown): void {
    const refusal = redisRefusalOf(error);
    if (refusal === 'foreign') {
      const looking = this.foreign.find().catch(ignore);
      void looking.then((foreign) => foreign ?? this.#signs.handleAway(error));
      return;
    }
    if (this.keys.isCluster) this.keys.primaries.lookAgain(slotOf(key));
    // Its slot is read from elsewhere at once.
    if (refusal !== 'moved') this.#signs.handleAway(error);
  }

  /** What is served there may lack some of what was told. */
  #handleOther(serves: (slot: number) => boolean): void {
    if (!this.keys.isCluster) {
      this.tail.lookAgain();
      return;
    }
    const there = this.keys.buckets.filter(({ slot }) => serves(slot));
    this.tail.lookAgain(there.map(({ number }) => number));
    void this.#meta.keepAtLast();
  }

  #disconnect(): void {
    this.#meta.close();
    this.sessions.close();
    this.care.close();
    this.reads.close();
    this.histories.close();
    this.servers?.stop();
    this.tail.close();
    this.keys.primaries.close();
  }
}

/** `handleOther`: another process serves these slots than did. */
async function openPrimaries(
  { address, ack, behindMs }: RedisSettings,
  { logger, waiting }: EngineHost,
  signs: RedisSigns,
  handleOther: ClusterHost['handleOther'],
): Promise<Primaries> {
  const said = {
    ...{ logger, waiting },
    handleAway: (error: Error) => signs.handleAway(error),
    handleReady: () => signs.handleThere(),
  };
  if (address.place.kind === 'cluster') {
    return ClusterPrimaries.open(address, { ack, behindMs }, { ...said, handleOther });
  }
  const primary = await RedisPrimary.open(address, ack, behindMs, {
    ...said,
    handleOther: () => handleOther(everywhere),
  });
  return new OnePrimary(primary, address);
}

function everywhere(): boolean {
  return true;
}

function ignore(): undefined {
  return undefined;
}

/** A list of servers that does not answer does not hold up one that is closed: its lease ends by itself. */
const LEAVE_MS = 300;
