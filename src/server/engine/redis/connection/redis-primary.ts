/**
 * The connection by which Redis is asked, and which of its processes answers there. Path: redis engine, commit calls -> [redis primary] -> scripts.
 * Away: what is asked rejects at once, and nothing is asked twice by itself. Closed: `close`.
 */
import { InvalidOptionsError } from '../../../../shared/errors.js';
import type { Logger } from '../../../../shared/logger.js';
import type { Argument } from '../scripts/group-arguments.js';
import { type Script, TAKE_OVER } from '../scripts/scripts.js';
import type { Ack } from './ack.js';
import type { RedisAddress } from './redis-address.js';
import type { RedisClient } from './redis-client.js';
import { RedisConnection } from './redis-connection.js';
import { inACluster } from './redis-errors.js';
import { SentinelWatch } from './sentinel-watch.js';

export interface PrimaryHost {
  readonly logger: Logger;
  readonly waiting: AbortSignal | undefined;
  handleAway(error: Error): void;
  /** Connected again. */
  handleReady(): void;
  /** Another process is the primary than the one that was. */
  handleOther(): void;
}

/** What a server knows of a bucket's place in Redis. */
export interface Bucket {
  readonly number: number;
  readonly prefix: string;
  /** Of a cluster. */
  readonly slot: number;
  generation: number;
  /** In which what this server has of it was looked for losses. */
  checkedGeneration: number;
  /** Of the Redis process that this bucket was last seen in. */
  run: string;
}

export class RedisPrimary {
  readonly client: RedisClient;
  readonly #connection: RedisConnection;
  readonly #address: RedisAddress;
  readonly #behindMs: number;
  /** Undefined until `lookAtSettings`. */
  #ack: Ack | undefined;
  /** The disk of a Redis that says nothing of it by itself: what it answers is on it. */
  #answersFromDisk = false;
  #isBefore7 = false;
  #takeovers = 0;
  /** Empty: not known, or not any more. */
  #run = '';
  /** The last that was known. */
  #lastRun = '';
  readonly #host: PrimaryHost;
  readonly #watch: SentinelWatch | undefined;

  /** @throws what `ioredis` says where it cannot connect, EngineUnavailableError, InvalidOptionsError for an `ack` that it cannot give */
  static async open(
    address: RedisAddress,
    ack: Ack | undefined,
    behindMs: number,
    host: PrimaryHost,
  ): Promise<RedisPrimary> {
    let primary: RedisPrimary | undefined;
    const connection = await RedisConnection.open(address, {
      ...{ silentMs: Math.max(START_SILENCE_MS, behindMs), waiting: host.waiting },
      handleAway: (error) => host.handleAway(error),
      handleCut: () => primary?.forgetRun(),
      handleReady: () => {
        primary?.readRun().then(
          () => host.handleReady(),
          (error: unknown) => host.handleAway(error as Error),
        );
      },
    });
    primary = new RedisPrimary(connection, address, ack, behindMs, host);
    try {
      await primary.readRun();
      await primary.#lookAtSettings(host.logger);
      await primary.#watch?.open(address);
    } catch (error) {
      primary.close();
      throw error;
    }
    return primary;
  }

  private constructor(
    connection: RedisConnection,
    address: RedisAddress,
    ack: Ack | undefined,
    behindMs: number,
    host: PrimaryHost,
  ) {
    this.client = connection.client;
    this.#connection = connection;
    this.#host = host;
    const { place } = address;
    this.#watch = place.kind === 'sentinel' ? new SentinelWatch(place.name, () => this.lookAgain()) : undefined;
    this.#address = address;
    this.#ack = ack;
    this.#behindMs = behindMs;
  }

  /** By its hash; the text goes where Redis does not know it. `keys`: for a cluster, which looks for them before it starts. */
  async evaluate(script: Script, args: readonly Argument[], keys = NO_KEYS): Promise<unknown> {
    const { hash, text } = this.#isBefore7 ? script.before7 : script;
    try {
      return await this.client.callBuffer('EVALSHA', hash, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
      return this.client.callBuffer('EVAL', text, keys.length, ...keys, ...args);
    }
  }

  /** Resolves when what was answered counts. @throws Error where it does not in time: it may have been made all the same */
  async acknowledge(withinMs = this.#behindMs): Promise<void> {
    if (this.#ack === 'primary' || this.#answersFromDisk) return;
    const kept =
      this.#ack === 'replica'
        ? await this.client.wait(1, withinMs)
        : ((await this.client.call('WAITAOF', 1, 0, withinMs)) as number[])[0];
    if ((kept ?? 0) < 1)
      throw new Error(`no ${this.#ack === 'replica' ? 'replica' : 'disk'} of Redis has kept it in time`);
  }

  /** Whether calls for the bucket can name the process that answers. */
  isKnownIn(bucket: Bucket): boolean {
    return this.#run !== '' && bucket.run === this.#run;
  }

  /** Times that a bucket was found in another generation. */
  get takeovers(): number {
    return this.#takeovers;
  }

  /** Another process may answer: which, it says itself. */
  forgetRun(): void {
    this.#run = '';
  }

  /** The bucket is in the hands of the process that answers; a generation begins where that is another one. */
  async takeOver(bucket: Bucket): Promise<void> {
    const run = this.#run === '' ? await this.readRun() : this.#run;
    const known = [bucket.prefix, run, bucket.generation, bucket.run];
    const generation = Number(await this.evaluate(TAKE_OVER, known, [`${bucket.prefix}head`]));
    if (generation > bucket.generation && bucket.generation >= 0) this.#takeovers += 1;
    bucket.generation = generation;
    bucket.run = run;
    if (bucket.checkedGeneration < 0) bucket.checkedGeneration = bucket.generation;
  }

  /** @throws EngineUnavailableError for what is no Redis, Error for a replica: then its address is looked at anew */
  async readRun(): Promise<string> {
    const run = await this.#connection.readRun();
    if (run === undefined) {
      this.lookAgain();
      throw new Error('READONLY: it is a replica');
    }
    const isOther = this.#lastRun !== '' && run !== this.#lastRun;
    this.#run = this.#lastRun = run;
    if (isOther) this.#host.handleOther();
    return run;
  }

  /** The server has read what is kept: no call takes as long as a large session may. */
  handleStarted(): void {
    this.#connection.silentMs = Math.max(MIN_SILENCE_MS, this.#behindMs);
  }

  /** Why it is away. */
  get failure(): Error | undefined {
    return this.#connection.failure;
  }

  get ack(): Ack | undefined {
    return this.#ack;
  }

  get isKnown(): boolean {
    return this.#run !== '';
  }

  /** Its address may lead to another process now. */
  lookAgain(): void {
    this.forgetRun();
    this.#connection.lookAgain();
  }

  close(): void {
    this.#connection.close();
    this.#watch?.close();
  }

  /** What an acknowledgement can mean there. @throws InvalidOptionsError */
  async #lookAtSettings(logger: Logger): Promise<void> {
    const info = await this.client.info();
    const [major = 0, minor = 0] = (/^redis_version:(\d+)\.(\d+)/m.exec(info)?.slice(1) ?? []).map(Number);
    this.#isBefore7 = major < 7;
    const { place } = this.#address;
    const isInCluster = place.kind === 'node' && place.isInCluster === true;
    if (/^cluster_enabled:1/m.test(info) && !isInCluster) throw inACluster(this.#address);
    const hasReplica = Number(/^connected_slaves:(\d+)/m.exec(info)?.[1] ?? 0) > 0;
    this.#ack ??= hasReplica ? 'replica' : 'primary';
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
    if (policy !== undefined && policy !== 'noeviction') {
      logger.warn(
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
    const [, always] = (await this.client.config('GET', 'appendfsync')) as string[];
    this.#answersFromDisk = always === 'always';
    if (this.#answersFromDisk || major > 7 || (major === 7 && minor >= 2)) return;
    throw new InvalidOptionsError(
      `ack disk: ${this.#address.shown} is too old to say what is on its disk (7.2 can): start it with --appendfsync always`,
    );
  }
}

/** A call that is not answered for so long ends with its connection. */
const MIN_SILENCE_MS = 1_000;
/** While a server starts: it reads whole sessions. */
const START_SILENCE_MS = 60_000;
const NO_KEYS: readonly string[] = [];
