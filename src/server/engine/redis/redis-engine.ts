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
  ProtocolError,
  SessionNotFoundError,
} from '../../../shared/errors.js';
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
  SharedStats,
} from '../engine.js';
import { opened } from '../engine.js';
import { openWhenThere } from '../open-when-there.js';
import type { WindowRecord } from '../records.js';
import type { Ack } from './ack.js';
import { BucketTail } from './bucket-tail.js';
import { ClusterPrimaries } from './cluster-primaries.js';
import type { Answer } from './commit-calls.js';
import { CommitCalls, WINDOW_MS } from './commit-calls.js';
import type { Argument, AskedGroup, GroupReply } from './group-arguments.js';
import { KeyCare } from './key-care.js';
import { bucketOf, bucketPrefix, keysOfBucket, keysOfCommit, type RootKeys, rootKeys } from './keys.js';
import { Lineage } from './lineage.js';
import { LiveServers } from './live-servers.js';
import type { LoggedCommit } from './log-entry.js';
import { type KeptSession, readSession } from './log-entry.js';
import { LogHistories } from './log-histories.js';
import { MEND } from './mend-script.js';
import { preferredServers } from './preferred-servers.js';
import type { Primaries } from './primaries.js';
import { OnePrimary } from './primaries.js';
import type { RedisAddress } from './redis-address.js';
import { parseRedisUrl } from './redis-address.js';
import type { RedisClient } from './redis-client.js';
import { clusterCause, redisAway, redisFailure, unreadableSession } from './redis-errors.js';
import type { Bucket } from './redis-primary.js';
import { RedisPrimary } from './redis-primary.js';
import { passesByItself, redisRefusalOf } from './redis-refusal.js';
import { resultOf, windowOf } from './script-results.js';
import type { Script } from './scripts.js';
import { IDLE, OPEN_WINDOW, READ_SESSION, TOUCH } from './scripts.js';
import { SessionReplica } from './session-replica.js';
import { slotOf } from './slot-map.js';

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
  readonly #address: RedisAddress;
  readonly #keys: RootKeys;
  readonly #ack: Ack | undefined;
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
  /** Whose keys are looked at. */
  readonly #suspects = new Set<SessionReplica>();
  /** That are read again later. */
  readonly #unreadable = new Set<SessionReplica>();
  #primaries: Primaries | undefined;
  #calls: CommitCalls | undefined;
  #tail: BucketTail | undefined;
  #histories: LogHistories | undefined;
  #care: KeyCare | undefined;
  #host: EngineHost | undefined;
  #health: EngineHealth = { state: 'ready', sinceMs: 0, cause: undefined };
  #changes = 0;
  #forks = 0;
  /** Answers of a generation in which it has not looked for losses yet. */
  #unchecked: { readonly bucket: Bucket; readonly tell: () => void }[] = [];
  /** From an answer to its commit, by the log. */
  readonly #tailed = new Durations();
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
      ...{ waiting: this.#calls?.waiting ?? 0, transactions: this.#calls?.calls ?? 0, changes: this.#changes },
      ...{
        commitMs: this.#calls?.durations,
        syncMs: undefined,
        bytes: 0,
        journalChanges: 0,
        shared: this.#sharedStats(),
      },
    };
  }

  async open(host: EngineHost): Promise<Life> {
    if (this.#host !== undefined) {
      throw new EngineUnavailableError('this engine is in use, or was closed: give each server an engine of its own');
    }
    this.#host = host;
    try {
      this.#epoch = await openWhenThere(host.waiting, {
        attempt: () => this.#attempt(host),
        passes: passesByItself,
        handleAway: (error) => this.#setHealth('lost', redisAway(this.#address, error)),
      });
    } catch (error) {
      this.#stage = 'closed';
      throw redisFailure(this.#address, error);
    }
    this.#stage = 'open';
    this.#setHealth('ready', undefined);
    const generations = [...this.#buckets.values()].map(({ generation }) => generation);
    return { epoch: this.#epoch, generation: Math.max(0, ...generations) };
  }

  async #attempt(host: EngineHost): Promise<string> {
    this.#lastError = undefined;
    try {
      return await this.#begin(host);
    } catch (error) {
      const foreign = redisRefusalOf(error) === 'foreign' ? await this.#nameForeign() : undefined;
      this.#disconnect();
      this.#primaries = this.#care = this.#calls = this.#tail = this.#histories = this.#servers = undefined;
      this.#buckets.clear();
      this.#replicas.clear();
      // A call that was cut off knows less than its connection.
      if (foreign !== undefined) throw foreign;
      throw error instanceof BridgeError || redisRefusalOf(error) !== undefined ? error : (this.#lastError ?? error);
    }
  }

  /** The key that is of another program, of those that are not of one session. */
  async #nameForeign(): Promise<EngineFormatError | undefined> {
    return this.#care?.findForeign().catch(() => undefined);
  }

  async #begin(host: EngineHost): Promise<string> {
    const primaries = await this.#openPrimaries(host);
    this.#primaries = primaries;
    this.#calls = new CommitCalls(primaries, {
      ...{ address: this.#address, behindMs: this.#behindMs, nowMs: host.nowMs },
      handleAnswer: () => this.#handleThere(),
      handleAway: (error) => this.#handleAway(error),
      handleFull: (error) => this.#setHealth('full', error),
      handleBroken: (groups, error) => this.#handleBroken(groups, error),
    });
    this.#care = new KeyCare({
      ...{ address: this.#address, roots: this.#roots(), logger: host.logger },
      buckets: () => this.#buckets.keys(),
      replicas: () => this.#replicas,
      generationOf: (number) => checkedIn(this.#bucket(number)),
      evaluate: (number, isSure, args, keys) => this.#mend(this.#bucket(number), isSure, args, keys),
      typeOf: (key) => this.#at(key, (client) => client.type(key)),
      checkRoots: () => this.#checkRoots(),
      handleLost: (number) => this.#tail?.look(number),
      handleEnded: (replica) => void this.#reload(replica, undefined),
      handleSilence: (number) => this.#asking().doubt(this.#bucket(number)),
      handleForeign: (error) => this.#handleForeign(error),
    });
    const { meta } = this.#keys;
    await this.#keepMeta(host.epoch ?? host.newEpoch());
    const [format, epoch] = await this.#at(meta, (client) => client.hmget(meta, 'format', 'epoch'));
    if (format !== String(FORMAT)) {
      throw new EngineFormatError(
        `the keys at ${this.#address.shown} have format ${format ?? 'none'}, and this server knows ${FORMAT}: upgrade it, or give another prefix`,
      );
    }
    this.#tail = new BucketTail(this.#keys.buckets, {
      isCluster: primaries.isCluster,
      handleBucket: (number) => void this.#bucket(number),
      handleCommit: (commit) => this.#handleLogged(commit),
      handleHole: (number, cause) => this.#handleHole(number, cause),
      handleReturned: (run, numbers) => this.#lookForLosses(run, numbers),
      handleAway: (key, error) => this.#handleTailAway(key, error),
      handleHeard: () => this.#handleThere(),
      isForeign: (key) => this.#care?.isForeign(key) ?? false,
      prefixOf: (number) => bucketPrefix(this.#address.prefix, number),
      addressOf: (key) => primaries.addressOf(slotOf(key)),
      at: (key, ask) => this.#at(key, ask),
    });
    this.#histories = new LogHistories({
      logger: host.logger,
      readBefore: (number, upTo, most) => this.#tail!.readBefore(number, upTo, most),
    });
    const run = await this.#tail.open(host.waiting);
    // In a cluster each log is looked at before it is read.
    if (!primaries.isCluster) this.#checkSame(0, await primaries.of(0).readRun(), run);
    for (const number of await this.#tail.known()) {
      const bucket = this.#bucket(number);
      await this.#takeOver(bucket);
      const key = `${bucket.prefix}sessions`;
      for (const id of await this.#at(key, (client) => client.smembers(key))) {
        // What is left of one that is not there begins nothing.
        if ((await this.#load(id)) === undefined) await this.#care.mend(id);
      }
    }
    if (this.#advertise !== undefined) {
      this.#servers = new LiveServers(
        this.#advertise,
        this.#keys.servers,
        (script, args) => this.#evaluate(script, this.#keys.servers, args, [this.#keys.servers]),
        () => this.#opened().handleServers?.(),
      );
      await this.#servers.renew();
    }
    primaries.handleStarted();
    this.#tail.run();
    void this.#histories.begin();
    this.#care.run();
    return epoch!;
  }

  async #openPrimaries(host: EngineHost): Promise<Primaries> {
    const said = {
      ...{ logger: host.logger, waiting: host.waiting },
      handleAway: (error: Error) => this.#handleAway(error),
      handleReady: () => this.#handleThere(),
    };
    const [ack, behindMs] = [this.#ack, this.#behindMs];
    if (this.#address.place.kind === 'cluster') {
      return ClusterPrimaries.open(
        this.#address,
        { ack, behindMs },
        { ...said, handleOther: (serves) => this.#handleOther(serves) },
      );
    }
    const handleOther = (): void => this.#tail?.lookAgain();
    return new OnePrimary(
      await RedisPrimary.open(this.#address, ack, behindMs, { ...said, handleOther }),
      this.#address,
    );
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
      // Before the first session is there: whoever follows must not miss it.
      await this.#answerTo(this.#tail!.announce(bucketOf(sessionId)));
      // What somebody left of one before it is none of its own.
      await this.#answerTo(this.#care!.mend(sessionId));
      await this.#makeSession(sessionId, JSON.stringify(create.metadata));
    }
    const replica = await this.#answerTo(this.#load(sessionId));
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
    this.#asking().checkRoom();
    const kept = new Promise<Outcome>((resolve, reject) => {
      const asked: AskedGroup = {
        // Each by its name: a spread costs 3 us on Node 20, and this is once a set.
        sessionId,
        isAtomic,
        operations,
        setter,
        makes: false,
        ends: isEnd === true,
        metadata: '',
        link: once?.link ?? this.#server,
        sequence: once?.sequence ?? this.#nextSequence(operations.length),
        answered: once?.answered ?? 0,
        before: once?.before ?? NOTHING_BEFORE,
        done: once?.done,
        isOwn: once === undefined,
        maxVariables: this.#maxVariables,
      };
      this.#ask(asked, {
        handleReply: (reply, from) => {
          try {
            this.#handleReply(replica, asked, reply, from, resolve);
          } catch (error) {
            reject(error);
          }
        },
        handleFailure: (error) => {
          if (asked.ends) replica.isEnding = false;
          reject(error);
        },
      });
    });
    if (isEnd) replica.isEnding = true;
    this.#tails.set(sessionId, kept);
    return kept;
  }

  /** @throws SessionNotFoundError */
  #handleReply(
    replica: SessionReplica,
    { operations, ends, sessionId }: AskedGroup,
    { state, revision, results }: GroupReply,
    from: number,
    resolve: (outcome: Outcome) => void,
  ): void {
    if (state === 'none' && !ends) {
      // Another server has ended it, and the log says so; or it is lost.
      this.#suspect(replica);
      throw SessionNotFoundError.of(sessionId);
    }
    const outcomes = operations.map((operation, place) => {
      const result = results[from + place]!;
      if (typeof result === 'number') this.#changes += 1;
      return resultOf(result, operation);
    });
    if (ends) {
      this.#forget(replica);
      resolve({ revision, results: outcomes });
      return;
    }
    const { nowMs } = this.#opened();
    const answeredAtMs = nowMs();
    // What it has done is told to the watches of this server before whoever asked hears of it.
    const tell = (): void =>
      replica.whenAt(revision, () => {
        this.#tailed.add(nowMs() - answeredAtMs);
        if (contradicts(replica, operations, results, from)) this.#suspect(replica);
        resolve({ revision, results: outcomes });
      });
    this.#whenChecked(this.#bucket(bucketOf(sessionId)), tell);
  }

  /** Where what this server has told may be lost, its revisions do not say what it has. */
  #whenChecked(bucket: Bucket, tell: () => void): void {
    if (bucket.generation === bucket.checkedGeneration) tell();
    else {
      const isFirst = !this.#unchecked.some((one) => one.bucket === bucket);
      this.#unchecked.push({ bucket, tell });
      if (!isFirst) return;
      // Its slot may have moved while its log waits where it was.
      if (this.#serving().isCluster) this.#tail!.lookAgain([bucket.number]);
      else this.#tail!.look(bucket.number);
    }
  }

  /** What Redis says of it is not what this server was told. */
  #suspect(replica: SessionReplica): void {
    if (this.#suspects.has(replica)) return;
    this.#suspects.add(replica);
    // What fails is found again, by the next set or look.
    const look = this.#care!.mend(replica.id).then(ignore, ignore);
    void look.then(() => this.#suspects.delete(replica));
  }

  /** Asked of the process that this server has looked at, and no other: one that has begun again may know less. */
  #mend(bucket: Bucket, isSure: boolean, args: readonly Argument[], keys: readonly string[]): Promise<unknown> {
    const { isCluster } = this.#serving();
    return this.#serving().at(bucket.slot, async (primary) => {
      // It may have been a replica meanwhile, without a word.
      if (isSure) await primary.readRun();
      if (!primary.isKnownIn(bucket)) await primary.takeOver(bucket);
      const about = [bucket.prefix, bucket.run, checkedIn(bucket) ?? -1, isSure ? 1 : 0];
      return primary.evaluate(MEND, [...about, ...args], isCluster ? keys : undefined);
    });
  }

  /** @throws EngineFormatError naming the key */
  async #handleBroken(groups: readonly AskedGroup[], error: unknown): Promise<BridgeError | undefined> {
    const ids = [...new Set(groups.map(({ sessionId }) => sessionId))];
    const links = [...new Set(groups.map(({ link }) => link))].filter((link) => link !== '');
    if (redisRefusalOf(error) === 'foreign') return this.#care!.findForeign(ids, links);
    for (const id of ids) await this.#care!.mend(id);
    return undefined;
  }

  /** With their types. */
  #roots(): ReadonlyMap<string, string> {
    const { meta, buckets, servers } = this.#keys;
    const roots = new Map([
      [meta, 'hash'],
      [buckets, 'stream'],
    ]);
    if (this.#advertise !== undefined) roots.set(servers, 'zset');
    return roots;
  }

  #handleForeign(error: EngineFormatError | undefined): void {
    if (error !== undefined) this.#handleAway(error);
    else this.#handleThere();
  }

  /** Of what all servers read: written again where somebody took it. */
  async #checkRoots(): Promise<void> {
    const { meta, buckets } = this.#keys;
    const isThere = await this.#at(meta, (client) => client.hexists(meta, 'epoch'));
    if (isThere === 0) await this.#keepMeta(this.#epoch);
    const announced = await this.#at(buckets, (client) => client.xlen(buckets));
    if (announced < this.#buckets.size) await this.#tail!.announceAgain();
  }

  #sharedStats(): SharedStats {
    let tailRevisions = 0;
    for (const { behind } of this.#replicas.values()) tailRevisions = Math.max(tailRevisions, behind);
    return {
      ...{ tailMs: this.#tailed.read(), tailRevisions, forks: this.#forks, mends: this.#care?.mends ?? 0 },
      ...{ fenced: this.#calls?.fenced ?? 0, windowHits: this.#calls?.windowHits ?? 0 },
      ...{ takeovers: this.#primaries?.takeovers ?? 0, primaries: this.#primaries?.stats ?? [] },
    };
  }

  async head(sessionId: string): Promise<number> {
    const key = `${this.#bucket(bucketOf(sessionId)).prefix}s:${sessionId}`;
    const revision = Number((await this.#at(key, (client) => client.hget(key, 'revision'))) ?? 0);
    const replica = this.#replicas.get(sessionId);
    if (replica !== undefined) await new Promise<void>((resolve) => replica.whenAt(revision, resolve));
    return revision;
  }

  async openWindow(sessionId: string, link: string, answered: number): Promise<WindowRecord | undefined> {
    const { prefix } = this.#bucket(bucketOf(sessionId));
    const key = `${prefix}w:${link}`;
    // Where all is lost that was told until then, so is what its sets have done.
    const since = this.#replicas.get(sessionId)?.beganAnewIn ?? 0;
    const asked = this.#evaluate(OPEN_WINDOW, key, [key, WINDOW_MS, answered, since], [key]).catch(async (error) => {
      const foreign = redisRefusalOf(error) === 'foreign';
      throw (foreign && (await this.#care!.findForeign([sessionId], [link]).catch(ignore))) || error;
    });
    const said = (await this.#answerTo(asked)) as Buffer[];
    return said.length === 0 ? undefined : windowOf(link, said, since);
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

  async whenKnown(sessionId: string): Promise<void> {
    await this.#tails.get(sessionId)?.then(ignore, ignore);
    if (await this.#answerTo(within(this.#behindMs, this.head(sessionId)))) return;
    throw new EngineUnavailableError(
      `this server is more than ${this.#behindMs} ms behind Redis at ${this.#address.shown}: nothing was done; try again`,
    );
  }

  /** Without Redis it is as it is. */
  whenHistoryIsRead(sessionId: string): Promise<void> | undefined {
    const reading = this.#histories?.whenRead(bucketOf(sessionId));
    return reading === undefined ? undefined : within(this.#behindMs, reading).then(ignore);
  }

  serversOf(sessionId: string): readonly string[] {
    return preferredServers(bucketOf(sessionId), this.#servers?.live ?? []);
  }

  touch(sessionIds: readonly string[]): void {
    for (const sessionId of sessionIds) {
      // The next one says so again.
      this.#evaluateOf(TOUCH, sessionId).catch((error: unknown) => this.#handleAway(error));
    }
  }

  async idleMs(sessionId: string): Promise<number> {
    return Number(await this.#answerTo(this.#evaluateOf(IDLE, sessionId)));
  }

  async close(): Promise<void> {
    this.#stage = 'closed';
    this.#calls?.beginClose();
    await Promise.allSettled(this.#tails.values());
    if (this.#servers !== undefined) await within(HEAD_MS, this.#servers.close());
    this.#disconnect();
    this.#replicas.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // --- calls

  /** Of what somebody asks beside commits. @throws BridgeError */
  async #answerTo<T>(asked: Promise<T>): Promise<T> {
    try {
      return await asked;
    } catch (error) {
      throw redisFailure(this.#address, error);
    }
  }

  #ask(group: AskedGroup, answer: Answer): void {
    this.#asking().ask(this.#bucket(bucketOf(group.sessionId)), group, answer);
  }

  /** Of sets that came by no link. */
  #nextSequence(operations: number): number {
    const sequence = this.#sequence + 1;
    this.#sequence += Math.max(1, operations);
    return sequence;
  }

  get #maxVariables(): number {
    return Math.min(this.#opened().table.maxVariables, Number.MAX_SAFE_INTEGER);
  }

  #makeSession(sessionId: string, metadata: string): Promise<void> {
    const asked: AskedGroup = {
      ...{ sessionId, metadata, makes: true, ends: false, isAtomic: false, operations: [], setter: NO_SETTER },
      ...{ link: this.#server, sequence: this.#nextSequence(0), answered: 0, before: [], done: undefined, isOwn: true },
      maxVariables: this.#maxVariables,
    };
    return new Promise((resolve, reject) => {
      this.#ask(asked, { handleReply: () => resolve(), handleFailure: reject });
    });
  }

  // --- what was lost

  /** Redis may have begun again with less than it had acknowledged: what this server has seen of it says so. */
  async #lookForLosses(tailRun: string, numbers: readonly number[]): Promise<void> {
    const primaries = this.#serving();
    // Where all of it is lost, even what it was. In a cluster that may be elsewhere, and away.
    if (primaries.isCluster) void this.#keepMetaAgain();
    else if (!this.#care!.isForeign(this.#keys.meta)) await this.#keepMeta(this.#epoch);
    if (primaries.isCluster && numbers.length === 0) return this.#tail!.announceAgain();
    const buckets = primaries.isCluster ? numbers.map((number) => this.#bucket(number)) : [...this.#buckets.values()];
    const slot = buckets[0]?.slot ?? 0;
    this.#checkSame(slot, await primaries.of(slot).readRun(), tailRun);
    let isOther = false;
    for (const bucket of buckets) {
      if (this.#care!.isBlocked(bucket.number)) continue;
      await this.#takeOver(bucket);
      if (bucket.generation === bucket.checkedGeneration) continue;
      isOther = true;
      if (await this.#hasLost(bucket)) {
        // What comes behind it is read from the log, all before with the sessions.
        await this.#tail!.skipToEnd(bucket.number);
        for (const replica of this.#replicasIn(bucket)) await this.#reload(replica, undefined, true);
      }
      // Where it was cut off in between, it looks again.
      bucket.checkedGeneration = bucket.generation;
    }
    const answered = this.#unchecked;
    this.#unchecked = [];
    for (const { bucket, tell } of answered) this.#whenChecked(bucket, tell);
    const isListOurs = !this.#care!.isForeign(this.#keys.buckets);
    if (isOther && isListOurs && !primaries.isCluster) await this.#tail!.announceAgain();
  }

  async #keepMeta(epoch: string): Promise<void> {
    const { meta } = this.#keys;
    await this.#at(meta, (client) => client.hsetnx(meta, 'format', FORMAT));
    await this.#at(meta, (client) => client.hsetnx(meta, 'epoch', epoch));
  }

  /** What is asked and what the log is read from: in a failover they may lead to two processes. @throws Error; then both look again */
  #checkSame(slot: number, asked: string, tail: string | undefined): void {
    if (asked === tail) return;
    this.#serving().lookAgain(slot);
    this.#tail!.lookAgain();
    throw new Error('two processes answer as its primary');
  }

  /** False: all that was read of its log is kept, so that the log goes on from there. */
  async #hasLost(bucket: Bucket): Promise<boolean> {
    if (!(await this.#tail!.isAsLong(bucket.number))) return true;
    const kept = new Map<SessionReplica, Lineage>();
    for (const replica of this.#replicasIn(bucket)) {
      const key = `${bucket.prefix}s:${replica.id}`;
      const [revision, life, text] = await this.#at(key, (client) => client.hmget(key, 'revision', 'life', 'lineage'));
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
    const next = kept === undefined ? undefined : this.#makeReplica(replica.id, kept);
    this.#forks += 1;
    this.#forget(replica);
    if (next !== undefined) this.#addReplica(next);
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

  /** The log was cut before we read it, or has what we cannot take. */
  #handleHole(number: number, cause: unknown): void {
    if (cause !== undefined) {
      this.#opened().logger.warn(
        { engine: 'redis', error: cause },
        'an entry of a log cannot be taken: sessions are read anew',
      );
    }
    for (const replica of [...this.#replicas.values()]) {
      if (bucketOf(replica.id) === number) void this.#reload(replica, undefined);
    }
  }

  /** `isAfterBreak`: one that is not there any more was lost rather than ended. Resolves when it is done, or when somebody has to mend something first. */
  async #reload(replica: SessionReplica, commit: LoggedCommit | undefined, isAfterBreak = false): Promise<void> {
    while (!this.#loading.has(replica.id)) {
      try {
        await this.#reloadOnce(replica, commit, isAfterBreak);
        this.#care!.handleRead(replica.id);
        return;
      } catch (error) {
        if (this.#stage === 'closed') return;
        if (error instanceof EngineFormatError) {
          // Sessions beside it go on meanwhile.
          this.#care!.handleUnreadable(replica.id, error);
          if (this.#unreadable.has(replica)) return;
          this.#unreadable.add(replica);
          void pause(MENDED_MS).then(() => {
            this.#unreadable.delete(replica);
            return this.#reload(replica, commit, isAfterBreak);
          });
          return;
        }
        this.#handleAway(error);
        await pause(RETRY_MS);
      }
    }
  }

  async #reloadOnce(replica: SessionReplica, commit: LoggedCommit | undefined, isAfterBreak: boolean): Promise<void> {
    const { id } = replica;
    const behind: LoggedCommit[] = commit === undefined ? [] : [commit];
    this.#loading.set(id, behind);
    try {
      const kept = await this.#keptOf(id);
      const isLost =
        kept === undefined ? isAfterBreak || (await this.#care!.mend(id)) === 'lost' : replica.hasLost(kept);
      const nowMs = this.#opened().nowMs();
      // Another look may have been faster.
      if (replica.isOver) return;
      if (isLost) this.#fork(replica, kept);
      else if (kept === undefined || kept.life !== replica.life) this.#end(replica, nowMs);
      else {
        this.#catchUp(replica, kept, nowMs);
        this.#histories?.add(bucketOf(id), replica);
      }
    } finally {
      this.#loading.delete(id);
    }
    for (const one of behind) this.#handleLogged(one);
  }

  #catchUp(replica: SessionReplica, kept: KeptSession, nowMs: number): void {
    try {
      replica.catchUp(kept, nowMs);
    } catch (cause) {
      throw cause instanceof ProtocolError ? this.#saySpoilt(replica.id, cause) : cause;
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
      const kept = await this.#keptOf(sessionId);
      const again = this.#replicas.get(sessionId);
      if (again !== undefined || kept === undefined) return again;
      return this.#addReplica(this.#makeReplica(sessionId, kept));
    } finally {
      this.#loading.delete(sessionId);
      for (const commit of behind) this.#handleLogged(commit);
    }
  }

  /** @throws EngineFormatError where it cannot be read */
  #makeReplica(sessionId: string, kept: KeptSession): SessionReplica {
    const { table, nowMs } = this.#opened();
    try {
      return new SessionReplica(sessionId, kept, table, nowMs());
    } catch (cause) {
      throw this.#saySpoilt(sessionId, cause);
    }
  }

  #addReplica(replica: SessionReplica): SessionReplica {
    this.#replicas.set(replica.id, replica);
    this.#histories?.add(bucketOf(replica.id), replica);
    return replica;
  }

  /** @throws EngineFormatError where it cannot be read */
  async #keptOf(sessionId: string): Promise<KeptSession | undefined> {
    const read = async (): Promise<KeptSession | undefined> =>
      readSession(await this.#evaluateOf(READ_SESSION, sessionId));
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof ProtocolError) && redisRefusalOf(error) !== 'foreign') throw error;
      await this.#care!.mend(sessionId);
    }
    return read().catch((error: unknown) => {
      throw error instanceof ProtocolError ? this.#saySpoilt(sessionId, error) : error;
    });
  }

  #saySpoilt(sessionId: string, cause: unknown): EngineFormatError {
    return unreadableSession(this.#address, this.#bucket(bucketOf(sessionId)).prefix, sessionId, cause);
  }

  #forget(replica: SessionReplica): void {
    if (this.#replicas.get(replica.id) !== replica) return;
    this.#replicas.delete(replica.id);
    this.#tails.delete(replica.id);
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
      bucket = { number, prefix, slot: slotOf(prefix), generation: -1, checkedGeneration: -1, run: '' };
      this.#buckets.set(number, bucket);
    }
    return bucket;
  }

  #opened(): EngineHost {
    return opened(this.#host);
  }

  #serving(): Primaries {
    return opened(this.#primaries);
  }

  #ofKey<T>(key: string, ask: (primary: RedisPrimary, isCluster: boolean) => Promise<T>): Promise<T> {
    const primaries = this.#serving();
    const { isCluster } = primaries;
    return primaries.at(isCluster ? slotOf(key) : 0, (primary) => ask(primary, isCluster));
  }

  #at<T>(key: string, ask: (client: RedisClient) => Promise<T>): Promise<T> {
    return this.#ofKey(key, ({ client }) => ask(client));
  }

  #evaluate(script: Script, key: string, args: readonly Argument[], keys: readonly string[]): Promise<unknown> {
    return this.#ofKey(key, (primary, isCluster) => primary.evaluate(script, args, isCluster ? keys : undefined));
  }

  #evaluateOf(script: Script, sessionId: string): Promise<unknown> {
    const { prefix } = this.#bucket(bucketOf(sessionId));
    const keys = [...keysOfBucket(prefix), ...keysOfCommit(prefix, sessionId, '')];
    return this.#evaluate(script, prefix, [prefix, sessionId], keys);
  }

  #takeOver(bucket: Bucket): Promise<void> {
    return this.#serving().at(bucket.slot, (primary) => primary.takeOver(bucket));
  }

  #asking(): CommitCalls {
    return opened(this.#calls);
  }

  #handleAway(error: unknown): void {
    this.#lastError = error;
    if (this.#stage === 'open') this.#setHealth('lost', clusterCause(this.#serving().stats, error));
  }

  #handleTailAway(key: string, error: unknown): void {
    if (redisRefusalOf(error) === 'foreign') {
      void this.#nameForeign().then((foreign) => foreign ?? this.#handleAway(error));
      return;
    }
    const { isCluster } = this.#serving();
    if (isCluster) this.#serving().lookAgain(slotOf(key));
    // Its slot is read from elsewhere at once.
    if (redisRefusalOf(error) !== 'moved') this.#handleAway(error);
  }

  /** Of a cluster: what is served there may lack some of what was told. */
  #handleOther(serves: (slot: number) => boolean): void {
    const there = [...this.#buckets.values()].filter(({ slot }) => serves(slot));
    this.#tail?.lookAgain(there.map(({ number }) => number));
    void this.#keepMetaAgain();
  }

  /** One that has just begun again takes nothing for two seconds. */
  async #keepMetaAgain(): Promise<void> {
    while (this.#stage === 'open') {
      try {
        return await this.#keepMeta(this.#epoch);
      } catch (error) {
        this.#handleAway(error);
        await pause(RETRY_MS);
      }
    }
  }

  #handleThere(): void {
    if (this.#stage !== 'open' || this.#health.state === 'ready' || !this.#serving().isWhole) return;
    if (this.#care!.hasForeign) return;
    // Its logs can be read while it takes no sets.
    if (this.#asking().isTaken) this.#setHealth('ready', undefined);
    else void this.#asking().probe();
  }

  #setHealth(state: EngineHealth['state'], cause: unknown): void {
    const host = this.#opened();
    const { state: before, sinceMs } = this.#health;
    this.#health = { state, sinceMs: state === before ? sinceMs : host.nowMs(), cause };
    if (state !== before) host.handleHealth(this.#health);
  }

  #disconnect(): void {
    this.#care?.close();
    this.#histories?.close();
    this.#servers?.stop();
    this.#tail?.close();
    this.#primaries?.close();
  }
}

function ignore(): void {
  // Said by whoever asked.
}

/** What was refused though this server has it, or because of what it has not. */
function contradicts(
  { table, isOver }: SessionReplica,
  operations: AskedGroup['operations'],
  results: GroupReply['results'],
  from: number,
): boolean {
  if (isOver) return false;
  return operations.some((operation, place) => {
    const result = results[from + place];
    if (typeof result !== 'string') return false;
    if (operation.kind === 'register') return result === 'exists' && table.find(operation.name) === undefined;
    return result === 'gone' && table.findById(operation.variable.id) !== undefined;
  });
}

/** The generation of what this server has of it; undefined while that is looked for losses. */
function checkedIn({ generation, checkedGeneration }: Bucket): number | undefined {
  return generation === checkedGeneration ? generation : undefined;
}

const NOTHING_BEFORE: AskedGroup['before'] = [];
/** Of the keys; a server that does not know it leaves them alone. */
const FORMAT = 1;
const DEFAULT_BEHIND_MS = 5_000;
const RETRY_MS = 50;
/** Somebody has to mend it first. */
const MENDED_MS = 1_000;
/** A read does not wait longer for what other servers have acknowledged. */
const HEAD_MS = 300;
