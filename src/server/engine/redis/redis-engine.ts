/**
 * State in Redis or Valkey that any number of equal servers share. A script decides at the primary and appends to the log of a bucket, which every
 * server follows: nobody owns a session, and a server that dies leaves nothing to hand over. Path: session -> [redis engine] -> commit script -> log
 * -> session replica -> session. Slow: what is asked while a call is under way goes with the next. Away: calls fail when it takes longer than
 * `behindMs`. Closed: what is under way is answered first.
 */
import {
  BridgeError,
  EngineFormatError,
  EngineUnavailableError,
  InvalidOptionsError,
  QuotaExceededError,
  SessionNotFoundError,
  StorageFullError,
  UnknownOutcomeError,
} from '../../../shared/errors.js';
import type { TableOperation } from '../../../shared/state/operation.js';
import { NO_SETTER } from '../../../shared/state/operation.js';
import { randomId } from '../../../shared/system-clock.js';
import { isEndpoint } from '../../../shared/wire/endpoint-list.js';
import { pause, within } from '../../within.js';
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
} from '../engine.js';
import type { WindowRecord } from '../records.js';
import { BucketTail } from './bucket-tail.js';
import type { Argument, AskedGroup, GroupReply } from './group-arguments.js';
import { canJoin, pushGroups, readReplies } from './group-arguments.js';
import { bucketOf, bucketPrefix, type RootKeys, rootKeys } from './keys.js';
import { Lineage } from './lineage.js';
import { LiveServers } from './live-servers.js';
import type { LoggedCommit } from './log-entry.js';
import { type KeptSession, readSession } from './log-entry.js';
import { preferredServers } from './preferred-servers.js';
import type { RedisAddress, RedisClient } from './redis-connection.js';
import { makeRedisClient, parseRedisUrl } from './redis-connection.js';
import { outcomeOf, resultOf } from './script-results.js';
import { COMMIT, IDLE, READ_SESSION, type Script, TAKE_OVER, TOUCH } from './scripts.js';
import { SessionReplica } from './session-replica.js';

export interface RedisEngineOptions {
  /** When an outcome counts: said by the primary, kept by a replica too, or on its disk. Default `replica` where there is one, else `primary`. */
  readonly ack?: 'primary' | 'replica' | 'disk' | undefined;
  /** Ms that Redis may be away until calls fail. Default 5,000. */
  readonly behindMs?: number | undefined;
  /** `HOST:PORT` at which clients reach this server: they are told it by all servers over this Redis. Default: nobody is. */
  readonly advertise?: string | undefined;
}

interface Pending {
  readonly group: AskedGroup;
  readonly operations: readonly TableOperation[];
  readonly resolve: (reply: GroupReply) => void;
  readonly reject: (error: BridgeError) => void;
  readonly askedAtMs: number;
  /** It may have been made: it went out, and no answer came. */
  wasSent: boolean;
}

interface Bucket {
  readonly number: number;
  readonly prefix: string;
  readonly pending: Pending[];
  isCalling: boolean;
  generation: number;
  /** In which what this server has of it was looked for losses. */
  checkedGeneration: number;
  /** Of the Redis process that this bucket was last seen in. */
  run: string;
}

export class RedisEngine implements Engine {
  readonly name = 'redis';
  readonly isShared = true;
  readonly isImmediate = false;
  readonly #address: RedisAddress;
  readonly #keys: RootKeys;
  #ack: 'primary' | 'replica' | 'disk' | undefined;
  /** The disk of a Redis that says nothing of it by itself: what it answers is on it. */
  #answersFromDisk = false;
  readonly #behindMs: number;
  readonly #advertise: string | undefined;
  #servers: LiveServers | undefined;
  readonly #buckets = new Map<number, Bucket>();
  readonly #replicas = new Map<string, SessionReplica>();
  /** Commits of sessions that are being read: they come behind. */
  readonly #loading = new Map<string, LoggedCommit[]>();
  /** Sets that came by no link are this server's own. */
  readonly #server = `server-${randomId('s')}`;
  #epoch = '';
  #sequence = 0;
  readonly #tails = new Map<string, Promise<unknown>>();
  /** Of sessions of which is asked in this turn how far they are. */
  readonly #heads = new Map<string, Promise<void>>();
  readonly #durations = new Durations();
  #calls: RedisClient | undefined;
  #tail: BucketTail | undefined;
  #run = '';
  #host: EngineHost | undefined;
  #health: EngineHealth = { state: 'ready', sinceMs: 0, cause: undefined };
  #waiting = 0;
  #transactions = 0;
  #changes = 0;
  /** Says why more exactly than the call that failed by it. */
  #lastError: unknown;
  #isClosing = false;

  /** @throws InvalidOptionsError for an address that is none */
  constructor(url: string, { ack, behindMs = DEFAULT_BEHIND_MS, advertise }: RedisEngineOptions = {}) {
    if (advertise !== undefined && !isEndpoint(advertise)) {
      throw new InvalidOptionsError(`advertise ${advertise}: give HOST:PORT, as clients reach this server`);
    }
    this.#address = parseRedisUrl(url);
    this.#keys = rootKeys(this.#address.prefix);
    this.#ack = ack;
    this.#behindMs = behindMs;
    this.#advertise = advertise;
  }

  get sessionIds(): Iterable<string> {
    return this.#replicas.keys();
  }

  get health(): EngineHealth {
    return this.#health;
  }

  get stats(): EngineStats {
    return {
      ...{ waiting: this.#waiting, transactions: this.#transactions, changes: this.#changes },
      ...{ commitMs: this.#durations.read(), syncMs: undefined, bytes: 0, journalChanges: 0 },
    };
  }

  async open(host: EngineHost): Promise<Life> {
    if (this.#host !== undefined) {
      throw new EngineUnavailableError('this engine is in use, or was closed: give each server an engine of its own');
    }
    this.#host = host;
    try {
      this.#epoch = await this.#begin(host);
      const generations = [...this.#buckets.values()].map(({ generation }) => generation);
      return { epoch: this.#epoch, generation: Math.max(0, ...generations) };
    } catch (error) {
      this.#disconnect();
      if (error instanceof BridgeError) throw error;
      if (/^WRONGTYPE/.test((error as Error).message)) throw this.#foreign(error);
      throw this.#unavailable(this.#lastError ?? error);
    }
  }

  async #begin(host: EngineHost): Promise<string> {
    const own = {
      ...this.#address,
      options: { ...this.#address.options, socketTimeout: Math.max(MIN_SILENCE_MS, this.#behindMs) },
    };
    const calls = await makeRedisClient(own, (error) => this.#handleAway(error));
    this.#calls = calls;
    calls.on('ready', () => void this.#handleReady().catch((error: unknown) => this.#handleAway(error)));
    calls.on('close', () => {
      this.#run = '';
    });
    await calls.connect();
    await this.#readRun(calls);
    await this.#lookAtSettings(calls, host);
    await calls.hsetnx(this.#keys.meta, 'format', FORMAT);
    await calls.hsetnx(this.#keys.meta, 'epoch', host.epoch ?? host.newEpoch());
    const [format, epoch] = await calls.hmget(this.#keys.meta, 'format', 'epoch');
    if (format !== String(FORMAT)) {
      throw new EngineFormatError(
        `the keys at ${this.#address.shown} have format ${format ?? 'none'}, and this server knows ${FORMAT}: upgrade it, or give another prefix`,
      );
    }
    this.#tail = await BucketTail.open(this.#address, this.#keys.buckets, {
      handleBucket: (number) => void this.#bucket(number),
      handleCommit: (commit) => this.#handleLogged(commit),
      handleHole: (number) => this.#handleHole(number),
      handleReturned: () => this.#lookForLosses(),
      handleAway: (error) => this.#handleAway(error),
      handleHeard: () => this.#setHealth('ready', undefined),
      prefixOf: (number) => bucketPrefix(this.#address.prefix, number),
    });
    for (const number of await this.#tail.known()) {
      const bucket = this.#bucket(number);
      await this.#takeOver(bucket);
      for (const id of await calls.smembers(`${bucket.prefix}sessions`)) await this.#load(id);
    }
    this.#tail.run();
    if (this.#advertise !== undefined) {
      this.#servers = new LiveServers(
        this.#advertise,
        this.#keys.servers,
        (script, args) => this.#evaluate(script, args),
        () => this.#opened().handleServers?.(),
      );
      await this.#servers.renew();
    }
    return epoch!;
  }

  follow(sessionId: string, follower: Follower, create?: NewSession): Kept<Following | undefined> {
    const known = this.#replicas.get(sessionId);
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
    if (create !== undefined) {
      const number = bucketOf(sessionId);
      // Before the first session is there: whoever follows must not miss it.
      if (!this.#tail!.follows(number)) await this.#tail!.announce(this.#redis(), number);
      const metadata = JSON.stringify(create.metadata);
      await this.#ask({ ...this.#groupOf(sessionId), makes: true, metadata, operations: [] }, []);
    }
    const replica = await this.#load(sessionId);
    if (replica === undefined) return undefined;
    replica.follower = follower;
    return replica;
  }

  commit(group: Group): Kept<Outcome> {
    const { sessionId, operations, isAtomic, setter, once, isEnd } = group;
    const replica = this.#replicas.get(sessionId);
    if (replica === undefined || replica.isOver || replica.isEnding) {
      // Another server was faster.
      if (isEnd === true) return { revision: 0, results: [] };
      throw SessionNotFoundError.of(sessionId);
    }
    if (this.#waiting >= MAX_WAITING) {
      throw new QuotaExceededError(`${MAX_WAITING} groups wait for Redis: try again later`);
    }
    const asked: AskedGroup = {
      ...this.#groupOf(sessionId, operations.length),
      ...{ isAtomic, setter, operations, ends: isEnd === true },
      ...(once === undefined
        ? {}
        : { link: once.link, sequence: once.sequence, answered: once.answered, before: once.before, isOwn: false }),
    };
    if (isEnd) replica.isEnding = true;
    const kept = this.#keep(replica, asked, operations);
    this.#tails.set(sessionId, kept);
    const forget = (): void => {
      if (this.#tails.get(sessionId) === kept) this.#tails.delete(sessionId);
    };
    kept.then(forget, forget);
    return kept;
  }

  async #keep(replica: SessionReplica, asked: AskedGroup, operations: readonly TableOperation[]): Promise<Outcome> {
    try {
      const { state, revision, results } = await this.#ask(asked, operations);
      if (state === 'none' && !asked.ends) throw SessionNotFoundError.of(asked.sessionId);
      // What it has done is told to the watches of this server before whoever asked hears of it.
      if (asked.ends) this.#forget(replica);
      else await replica.whenAt(revision);
      this.#changes += results.filter((result) => typeof result === 'number').length;
      return { revision, results: results.map((result, place) => resultOf(result, operations[place]!)) };
    } catch (error) {
      if (asked.ends) replica.isEnding = false;
      throw error;
    }
  }

  async head(sessionId: string): Promise<number> {
    const revision = Number(
      (await this.#redis().hget(`${this.#bucket(bucketOf(sessionId)).prefix}s:${sessionId}`, 'revision')) ?? 0,
    );
    await this.#replicas.get(sessionId)?.whenAt(revision);
    return revision;
  }

  async readWindow(sessionId: string, link: string): Promise<WindowRecord | undefined> {
    const { prefix } = this.#bucket(bucketOf(sessionId));
    const key = `${prefix}w:${link}`;
    // There from the first link on: without it nobody could tell a window that was forgotten from one in which nothing was made.
    const isNew = (await this.#redis().hsetnx(key, 'from', 0)) === 1;
    await this.#redis().pexpire(key, WINDOW_MS);
    if (isNew) return undefined;
    const said = await this.#redis().hgetall(key);
    const outcomes = Object.entries(said)
      .filter(([sequence]) => sequence !== 'from')
      .map(([sequence, text]) => outcomeOf(Number(sequence), text))
      .sort((a, b) => a.sequence - b.sequence);
    return { link, from: Number(said.from), outcomes };
  }

  /** What was asked here is kept, and what was acknowledged anywhere is known here. */
  whenKept(sessionId: string): Promise<void> {
    let current = this.#heads.get(sessionId);
    if (current === undefined) {
      // One question for all that is asked in a turn; without an answer this server says what it has.
      current = Promise.resolve().then(() => {
        this.#heads.delete(sessionId);
        return within(HEAD_MS, this.head(sessionId).then(ignore, ignore)).then(ignore);
      });
      this.#heads.set(sessionId, current);
    }
    const tail = this.#tails.get(sessionId);
    return tail === undefined ? current : Promise.all([current, tail.then(ignore, ignore)]).then(ignore);
  }

  serversOf(sessionId: string): readonly string[] {
    return preferredServers(bucketOf(sessionId), this.#servers?.live ?? []);
  }

  touch(sessionIds: readonly string[]): void {
    for (const sessionId of sessionIds) {
      const { prefix } = this.#bucket(bucketOf(sessionId));
      // The next one says so again.
      this.#evaluate(TOUCH, [prefix, sessionId]).catch((error: unknown) => this.#handleAway(error));
    }
  }

  async idleMs(sessionId: string): Promise<number> {
    const { prefix } = this.#bucket(bucketOf(sessionId));
    return Number(await this.#evaluate(IDLE, [prefix, sessionId]));
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled(this.#tails.values());
    if (this.#servers !== undefined) await within(HEAD_MS, this.#servers.close());
    this.#disconnect();
    this.#replicas.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // --- calls

  #groupOf(sessionId: string, size = 1): AskedGroup {
    const sequence = this.#sequence + 1;
    this.#sequence += Math.max(1, size);
    return {
      ...{
        sessionId,
        isAtomic: false,
        makes: false,
        ends: false,
        metadata: '',
        before: [],
        operations: [],
        setter: NO_SETTER,
      },
      ...{ link: this.#server, sequence, answered: 0, isOwn: true },
      maxVariables: Math.min(this.#opened().table.maxVariables, Number.MAX_SAFE_INTEGER),
    };
  }

  #ask(group: AskedGroup, operations: readonly TableOperation[]): Promise<GroupReply> {
    const bucket = this.#bucket(bucketOf(group.sessionId));
    return new Promise<GroupReply>((resolve, reject) => {
      const askedAtMs = this.#opened().nowMs();
      this.#waiting += 1;
      const answer =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          this.#waiting -= 1;
          this.#durations.add(this.#opened().nowMs() - askedAtMs);
          then(value);
        };
      bucket.pending.push({
        ...{ group, operations, askedAtMs, wasSent: false },
        ...{ resolve: answer(resolve), reject: answer<BridgeError>(reject) },
      });
      if (!bucket.isCalling) void this.#callLoop(bucket);
    });
  }

  /** One call at a time: its groups are in the order of the calls, and what comes meanwhile goes together. */
  async #callLoop(bucket: Bucket): Promise<void> {
    bucket.isCalling = true;
    // What is asked in this turn goes with it.
    await Promise.resolve();
    try {
      while (bucket.pending.length > 0) await this.#callOnce(bucket);
    } finally {
      bucket.isCalling = false;
    }
  }

  async #callOnce(bucket: Bucket): Promise<void> {
    const { pending } = bucket;
    const args: Argument[] = [bucket.prefix, '', WINDOW_MS, LOG_ENTRIES];
    const { calls, count } = this.#joined(pending);
    for (const groups of calls)
      pushGroups(
        args,
        groups.map(({ group }) => group),
        answeredBefore(groups[0]!.group, pending),
      );
    try {
      if (bucket.run !== this.#run || bucket.run === '') await this.#takeOver(bucket);
      args[1] = bucket.run;
      for (let place = 0; place < count; place += 1) pending[place]!.wasSent = true;
      const replies = readReplies(await this.#evaluate(COMMIT, args));
      await this.#acknowledge();
      this.#transactions += 1;
      pending.splice(0, count);
      for (const [place, groups] of calls.entries()) settle(groups, replies[place]!);
      this.#setHealth('ready', undefined);
    } catch (error) {
      await this.#handleFailure(bucket, count, error as Error);
    }
  }

  /** What goes with the next call, in order: groups that can be one are. */
  #joined(pending: readonly Pending[]): { readonly calls: readonly Pending[][]; readonly count: number } {
    const calls: Pending[][] = [];
    let count = 0;
    let size = 0;
    for (const one of pending) {
      size += Math.max(1, one.operations.length);
      if (count > 0 && size > MAX_OPERATIONS) break;
      const last = calls.at(-1);
      if (last !== undefined && canJoin(last[0]!.group, one.group)) last.push(one);
      else calls.push([one]);
      count += 1;
    }
    return { calls, count };
  }

  /** Calls are made again: each has its place in a window, so that none is made twice. */
  async #handleFailure(bucket: Bucket, count: number, error: Error): Promise<void> {
    const { message } = error;
    if (message.startsWith('FENCED')) {
      // Another process is the primary: which, it says itself.
      bucket.run = '';
      this.#run = '';
      return;
    }
    if (/^(OOM|MISCONF)/.test(message)) {
      this.#setHealth('full', error);
      const full = new StorageFullError(
        `Redis takes no more: nothing was done; free some of it, and it goes on by itself`,
        { cause: error },
      );
      for (const one of bucket.pending.splice(0, count)) one.reject(full);
      return;
    }
    this.#handleAway(error);
    const nowMs = this.#opened().nowMs();
    while (bucket.pending.length > 0) {
      const oldest = bucket.pending[0]!;
      if (!this.#isClosing && nowMs - oldest.askedAtMs < this.#behindMs) break;
      bucket.pending.shift();
      oldest.reject(
        oldest.wasSent
          ? new UnknownOutcomeError('Redis did not say what became of it: read it again before setting again', {
              cause: error,
            })
          : this.#unavailable(error),
      );
    }
    if (bucket.pending.length > 0) await pause(RETRY_MS);
  }

  async #acknowledge(): Promise<void> {
    if (this.#ack === 'primary' || this.#answersFromDisk) return;
    const kept =
      this.#ack === 'replica'
        ? await this.#redis().wait(1, this.#behindMs)
        : ((await this.#redis().call('WAITAOF', 1, 0, this.#behindMs)) as number[])[0];
    if ((kept ?? 0) < 1)
      throw new Error(`no ${this.#ack === 'replica' ? 'replica' : 'disk'} of Redis has kept it in time`);
  }

  /** By its hash; the text goes where Redis does not know it. */
  async #evaluate(script: Script, args: readonly Argument[]): Promise<unknown> {
    const redis = this.#redis();
    try {
      return await redis.callBuffer('EVALSHA', script.hash, 0, ...args);
    } catch (error) {
      if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
      return redis.callBuffer('EVAL', script.text, 0, ...args);
    }
  }

  async #takeOver(bucket: Bucket): Promise<void> {
    const run = this.#run === '' ? await this.#readRun(this.#redis()) : this.#run;
    const known = [bucket.prefix, run, bucket.generation, bucket.run];
    bucket.generation = Number(await this.#evaluate(TAKE_OVER, known));
    bucket.run = run;
    if (bucket.checkedGeneration < 0) bucket.checkedGeneration = bucket.generation;
  }

  /** What an acknowledgement can mean there. @throws InvalidOptionsError */
  async #lookAtSettings(calls: RedisClient, host: EngineHost): Promise<void> {
    const info = await calls.info();
    const hasReplica = Number(/^connected_slaves:(\d+)/m.exec(info)?.[1] ?? 0) > 0;
    this.#ack ??= hasReplica ? 'replica' : 'primary';
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
    if (policy !== undefined && policy !== 'noeviction') {
      host.logger.warn(
        { engine: 'redis', policy },
        'Redis may drop keys when its memory is full: set maxmemory-policy noeviction',
      );
    }
    if (this.#ack !== 'disk') return;
    if (!/^aof_enabled:1/m.test(info)) {
      throw new InvalidOptionsError(
        `ack disk: ${this.#address.shown} keeps nothing on its disk: start it with --appendonly yes`,
      );
    }
    const [, always] = (await calls.config('GET', 'appendfsync')) as string[];
    this.#answersFromDisk = always === 'always';
    const [major = 0, minor = 0] = (/^redis_version:(\d+)\.(\d+)/m.exec(info)?.slice(1) ?? []).map(Number);
    if (this.#answersFromDisk || major > 7 || (major === 7 && minor >= 2)) return;
    throw new InvalidOptionsError(
      `ack disk: ${this.#address.shown} is too old to say what is on its disk (7.2 can): start it with --appendfsync always`,
    );
  }

  async #readRun(calls: RedisClient): Promise<string> {
    const info = await calls.info('server');
    this.#run = /^run_id:(\w+)/m.exec(info)?.[1] ?? '';
    if (this.#run === '')
      throw new EngineUnavailableError(`${this.#address.shown} does not say its run_id: it is no Redis`);
    return this.#run;
  }

  async #handleReady(): Promise<void> {
    await this.#readRun(this.#redis());
    this.#setHealth('ready', undefined);
  }

  // --- what was lost

  /** Redis may have begun again with less than it had acknowledged: what this server has seen of it says so. */
  async #lookForLosses(): Promise<void> {
    const redis = this.#redis();
    await this.#readRun(redis);
    // Where all of it is lost, even what it was.
    await redis.hsetnx(this.#keys.meta, 'format', FORMAT);
    await redis.hsetnx(this.#keys.meta, 'epoch', this.#epoch);
    let isOther = false;
    for (const bucket of this.#buckets.values()) {
      await this.#takeOver(bucket);
      if (bucket.generation === bucket.checkedGeneration) continue;
      isOther = true;
      if (await this.#hasLost(bucket)) {
        // What comes behind it is read from the log, all before with the sessions.
        await this.#tail!.skipToEnd(redis, bucket.number);
        for (const replica of this.#replicasIn(bucket)) await this.#reload(replica, undefined, true);
      }
      // Where it was cut off in between, it looks again.
      bucket.checkedGeneration = bucket.generation;
    }
    if (isOther) await this.#tail!.announceAgain(redis);
  }

  /** False: all that was read of its log is kept, so that the log goes on from there. */
  async #hasLost(bucket: Bucket): Promise<boolean> {
    if (!(await this.#tail!.isAsLong(this.#redis(), bucket.number))) return true;
    const kept = new Map<SessionReplica, Lineage>();
    for (const replica of this.#replicasIn(bucket)) {
      const key = `${bucket.prefix}s:${replica.id}`;
      const [revision, life, text] = await this.#redis().hmget(key, 'revision', 'life', 'lineage');
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

  #replicasIn({ number }: Bucket): SessionReplica[] {
    return [...this.#replicas.values()].filter(({ id }) => bucketOf(id) === number);
  }

  /** Some of what this server told of it is lost: another takes its place, and whoever watches comes back to hear what it has seen of that. */
  #fork(replica: SessionReplica, kept: KeptSession | undefined): void {
    this.#forget(replica);
    if (kept !== undefined) this.#replicas.set(replica.id, this.#replicaOf(replica.id, kept));
    replica.abandon();
    this.#opened().handleFork?.(replica.id);
  }

  // --- what was kept, by whichever server

  #handleLogged(commit: LoggedCommit): void {
    const { sessionId } = commit;
    const loading = this.#loading.get(sessionId);
    if (loading !== undefined) {
      loading.push(commit);
      return;
    }
    const replica = this.#replicas.get(sessionId);
    if (replica !== undefined && commit.generation > replica.generation && !replica.isNext(commit)) {
      // This server has not looked yet whether what it told is kept.
      void this.#reload(replica, commit);
      return;
    }
    if (replica === undefined || replica.life < commit.life) {
      if (replica !== undefined) this.#end(replica, this.#opened().nowMs());
      if (commit.begins) this.#opened().handleSession?.(sessionId);
      return;
    }
    // Of a life of it that is over.
    if (commit.life < replica.life) return;
    if (replica.isBehind(commit)) {
      void this.#reload(replica, commit);
      return;
    }
    const nowMs = this.#opened().nowMs();
    replica.apply(commit, nowMs);
    if (commit.ends) this.#end(replica, nowMs);
  }

  /** The log was cut before we read it. */
  #handleHole(number: number): void {
    for (const replica of [...this.#replicas.values()]) {
      if (bucketOf(replica.id) === number) void this.#reload(replica, undefined);
    }
  }

  /** `isAfterBreak`: one that is not there any more was lost rather than ended. */
  async #reload(replica: SessionReplica, commit: LoggedCommit | undefined, isAfterBreak = false): Promise<void> {
    const { id } = replica;
    if (this.#loading.has(id)) return;
    const behind: LoggedCommit[] = commit === undefined ? [] : [commit];
    this.#loading.set(id, behind);
    try {
      const kept = readSession(await this.#read(id));
      const nowMs = this.#opened().nowMs();
      if (kept === undefined ? isAfterBreak : replica.hasLost(kept)) this.#fork(replica, kept);
      else if (kept === undefined || kept.life !== replica.life) this.#end(replica, nowMs);
      else replica.catchUp(kept, nowMs);
      this.#loading.delete(id);
      for (const one of behind) this.#handleLogged(one);
    } catch (error) {
      this.#loading.delete(id);
      this.#handleAway(error as Error);
      if (this.#isClosing) return;
      await pause(RETRY_MS);
      await this.#reload(replica, commit, isAfterBreak);
    }
  }

  async #load(sessionId: string): Promise<SessionReplica | undefined> {
    const known = this.#replicas.get(sessionId);
    if (known !== undefined) return known;
    const behind: LoggedCommit[] = this.#loading.get(sessionId) ?? [];
    this.#loading.set(sessionId, behind);
    try {
      const bucket = this.#bucket(bucketOf(sessionId));
      // What it reads is of this generation.
      if (bucket.checkedGeneration < 0) await this.#takeOver(bucket);
      const kept = readSession(await this.#read(sessionId));
      const again = this.#replicas.get(sessionId);
      if (again !== undefined || kept === undefined) return again;
      const replica = this.#replicaOf(sessionId, kept);
      this.#replicas.set(sessionId, replica);
      return replica;
    } finally {
      this.#loading.delete(sessionId);
      for (const commit of behind) this.#handleLogged(commit);
    }
  }

  #replicaOf(sessionId: string, kept: KeptSession): SessionReplica {
    const { table, nowMs } = this.#opened();
    const wallNow = table.timestampAt?.(nowMs()) ?? nowMs();
    const atMs = (timestamp: number): number => nowMs() - Math.max(0, wallNow - timestamp);
    return new SessionReplica(sessionId, kept, table, atMs);
  }

  #read(sessionId: string): Promise<unknown> {
    const { prefix } = this.#bucket(bucketOf(sessionId));
    return this.#evaluate(READ_SESSION, [prefix, sessionId]);
  }

  #forget(replica: SessionReplica): void {
    if (this.#replicas.get(replica.id) === replica) this.#replicas.delete(replica.id);
  }

  #end(replica: SessionReplica, nowMs: number): void {
    this.#forget(replica);
    replica.handleOver(nowMs);
  }

  // --- inside

  #bucket(number: number): Bucket {
    let bucket = this.#buckets.get(number);
    if (bucket === undefined) {
      const prefix = bucketPrefix(this.#address.prefix, number);
      bucket = { number, prefix, pending: [], isCalling: false, generation: -1, checkedGeneration: -1, run: '' };
      this.#buckets.set(number, bucket);
    }
    return bucket;
  }

  #opened(): EngineHost {
    if (this.#host === undefined) throw new EngineUnavailableError('the engine is not open: call open first');
    return this.#host;
  }

  #redis(): RedisClient {
    if (this.#calls === undefined) throw new EngineUnavailableError('the engine is not open: call open first');
    return this.#calls;
  }

  #unavailable(cause: unknown): EngineUnavailableError {
    const said = cause instanceof Error ? cause.message : String(cause);
    return new EngineUnavailableError(
      `Redis at ${this.#address.shown} does not answer (${said}): nothing was done; start it, or look at its address and password`,
      { cause },
    );
  }

  #foreign(cause: unknown): EngineFormatError {
    return new EngineFormatError(
      `keys at ${this.#address.shown} are of another program: give a prefix of its own, as in redis://HOST/PREFIX`,
      { cause },
    );
  }

  #handleAway(error: unknown): void {
    this.#lastError = error;
    if (!this.#isClosing) this.#setHealth('lost', error);
  }

  #setHealth(state: EngineHealth['state'], cause: unknown): void {
    if (state === this.#health.state) return;
    const host = this.#opened();
    this.#health = { state, sinceMs: host.nowMs(), cause };
    host.handleHealth(this.#health);
  }

  #disconnect(): void {
    this.#isClosing = true;
    this.#tail?.close();
    this.#calls?.disconnect();
  }
}

/** This server's own before the oldest that waits are never asked again. */
function answeredBefore({ link, answered, isOwn }: AskedGroup, pending: readonly Pending[]): number {
  if (!isOwn) return answered;
  for (const { group } of pending) if (group.link === link) return group.sequence - 1;
  return answered;
}

function settle(groups: readonly Pending[], { state, revision, results }: GroupReply): void {
  let from = 0;
  for (const { operations, resolve } of groups) {
    const to = from + operations.length;
    resolve({ state, revision, results: results.slice(from, to) });
    from = to;
  }
}

function ignore(): void {
  // Said by whoever asked.
}

/** Of the keys; a server that does not know it leaves them alone. */
const FORMAT = 1;
const DEFAULT_BEHIND_MS = 5_000;
/** Groups that are asked and not answered. */
const MAX_WAITING = 100_000;
/** Of one call of the script: it holds Redis up for some 2 ms. */
const MAX_OPERATIONS = 256;
/** A link that sets nothing for longer may hear that the outcome of what a break left unanswered is unknown. */
const WINDOW_MS = 3_600_000;
/** Entries that a log keeps, about: a server that was away for longer reads its sessions anew. */
const LOG_ENTRIES = 100_000;
const RETRY_MS = 50;
/** A read does not wait longer for what other servers have acknowledged. */
const HEAD_MS = 300;
/** A call that is not answered for so long ends with its connection. */
const MIN_SILENCE_MS = 1_000;
