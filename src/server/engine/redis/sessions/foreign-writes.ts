/**
 * What another program, or somebody's hand, has written where our servers write: keys of another type, and sessions that cannot be read. Each stays, is named, and
 * what it blocks is refused until it is gone. Path: redis engine, key care -> [foreign writes] -> key space. Away: it is looked at again by whoever looks next.
 */
import type { EngineFormatError } from '../../../../shared/errors.js';
import { foreignKey } from '../connection/redis-errors.js';
import { bucketOf, keysOfBucket, keysOfCommit, type RootKeys } from '../format/keys.js';
import type { KeySpace } from '../topology/key-space.js';

export interface ForeignHost {
  /** Clients are told where this server is: a key of all servers says it. */
  readonly isAdvertised: boolean;
  /** Something was found, or something else is the first now; undefined: there is none any more. */
  handleForeign(error: EngineFormatError | undefined): void;
  /** What was there has gone: it may have been one of ours before. */
  handleLost(bucket: number): void;
}

/** A key that no server of ours wrote. */
interface ForeignKey {
  /** Undefined: of all sessions. */
  readonly bucket: number | undefined;
  /** Undefined: of all of the bucket. */
  readonly sessionId: string | undefined;
  readonly error: EngineFormatError;
}

/** A key that is looked at: of a bucket, and of a session. */
interface Look {
  readonly key: string;
  readonly bucket?: number;
  readonly sessionId?: string;
}

export class ForeignWrites {
  readonly #keys: KeySpace;
  readonly #host: ForeignHost;
  /** Keys that are of all buckets, and what type each has. */
  readonly #roots: ReadonlyMap<string, string>;
  readonly #foreign = new Map<string, ForeignKey>();
  /** By their sessions, whose keys have the right types. */
  readonly #unreadable = new Map<string, EngineFormatError>();

  constructor(keys: KeySpace, host: ForeignHost) {
    this.#keys = keys;
    this.#host = host;
    this.#roots = typesOfRoots(keys.roots, host.isAdvertised);
  }

  /** Somebody has to mend something. */
  get isThere(): boolean {
    return this.first !== undefined;
  }

  /** What somebody has to mend first. */
  get first(): EngineFormatError | undefined {
    const [foreign] = this.#foreign.values();
    const [unreadable] = this.#unreadable.values();
    return foreign?.error ?? unreadable;
  }

  /** Of a key that was looked at. */
  has(key: string): boolean {
    return this.#foreign.has(key);
  }

  /** A key of all of the bucket is of another program. */
  blocks(bucket: number): boolean {
    for (const one of this.#foreign.values()) if (one.bucket === bucket && one.sessionId === undefined) return true;
    return false;
  }

  /** Of a session's own keys. */
  isIn(sessionId: string): boolean {
    for (const one of this.#foreign.values()) if (one.sessionId === sessionId) return true;
    return false;
  }

  /** @throws EngineFormatError naming the first key that a session cannot be served by */
  check(sessionId: string): void {
    const bucket = bucketOf(sessionId);
    for (const one of this.#foreign.values()) {
      if (one.bucket === bucket && (one.sessionId ?? sessionId) === sessionId) throw one.error;
    }
  }

  /** It has what no server would write, or a key of another program. */
  handleUnreadable(sessionId: string, error: EngineFormatError): void {
    if (this.#unreadable.has(sessionId)) return;
    this.#unreadable.set(sessionId, error);
    this.#host.handleForeign(error);
  }

  /** It can be read again, or is gone. */
  handleRead(sessionId: string): void {
    if (this.#unreadable.delete(sessionId)) this.#host.handleForeign(this.first);
  }

  /** What of these is of another program, by name: of all sessions without one. `links`: whose windows it may be. */
  async find(sessionIds?: readonly string[], links: readonly string[] = []): Promise<EngineFormatError | undefined> {
    const looks: Look[] = [];
    if (sessionIds === undefined) {
      for (const key of this.#roots.keys()) looks.push({ key });
      for (const { number } of this.#keys.buckets) looks.push(...this.#looksIn(number));
    }
    const buckets = new Set<number>();
    const windows: string[] = [];
    for (const sessionId of sessionIds ?? []) {
      const { number, prefix } = this.#keys.bucketOf(sessionId);
      if (!buckets.has(number)) looks.push(...this.#looksIn(number));
      for (const key of keysOfCommit(prefix, sessionId, '')) looks.push({ key, bucket: number, sessionId });
      if (!buckets.has(number)) windows.push(...links.map((link) => `${prefix}w:${link}`));
      buckets.add(number);
    }
    // Of a window its next set looks again by itself.
    return (await this.#lookAtAll(looks)) ?? (await firstOf(windows, (key) => this.#errorOf(key)));
  }

  /** The same of what all sessions of a bucket share. */
  findIn(bucket: number): Promise<EngineFormatError | undefined> {
    return this.#lookAtAll(this.#looksIn(bucket));
  }

  /** Whether what was found is gone, and what all servers read is there. */
  async lookAgain(): Promise<void> {
    const keys = [...new Set([...this.#foreign.keys(), ...this.#roots.keys()])];
    await firstOf(keys, (key) => this.#lookAt(key).catch(ignore));
  }

  #looksIn(bucket: number): Look[] {
    return keysOfBucket(this.#keys.bucket(bucket).prefix).map((key) => ({ key, bucket }));
  }

  #lookAtAll(looks: readonly Look[]): Promise<EngineFormatError | undefined> {
    return firstOf(looks, ({ key, bucket, sessionId }) => this.#lookAt(key, bucket, sessionId));
  }

  async #lookAt(key: string, bucket?: number, sessionId?: string): Promise<EngineFormatError | undefined> {
    const known = this.#foreign.get(key);
    const error = await this.#errorOf(key);
    if (error === undefined) {
      if (known === undefined) return undefined;
      this.#foreign.delete(key);
      this.#host.handleForeign(this.first);
      if (known.bucket !== undefined) this.#host.handleLost(known.bucket);
      return undefined;
    }
    if (known !== undefined) return known.error;
    this.#foreign.set(key, { bucket, sessionId, error });
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

function typesOfRoots({ meta, buckets, servers }: RootKeys, isAdvertised: boolean): ReadonlyMap<string, string> {
  const types = new Map([
    [meta, 'hash'],
    [buckets, 'stream'],
  ]);
  if (isAdvertised) types.set(servers, 'zset');
  return types;
}

/** All of them, so many under way at once; the first error by their order. */
async function firstOf<T>(
  all: readonly T[],
  look: (one: T) => Promise<EngineFormatError | undefined>,
): Promise<EngineFormatError | undefined> {
  let first: EngineFormatError | undefined;
  for (let from = 0; from < all.length; from += LOOKED_AT_ONCE) {
    for (const error of await Promise.all(all.slice(from, from + LOOKED_AT_ONCE).map(look))) first ??= error;
  }
  return first;
}

function ignore(): undefined {
  // It is looked at again.
}

/** Questions on their way to Redis: it takes each a microsecond, and the round trip is that of one. */
const LOOKED_AT_ONCE = 256;
/** By what stands behind the prefix of their bucket, `bs:{b0}:`. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ...(['head', 's', 'n', 'r', 'v', 'w'].map((name) => [name, 'hash']) as [string, string][]),
  ...[['log', 'stream'] as const, ['sessions', 'set'] as const, ['x', 'zset'] as const, ['g', 'list'] as const],
]);
