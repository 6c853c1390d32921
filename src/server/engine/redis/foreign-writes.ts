/**
 * What another program, or somebody's hand, has written where our servers write: keys of another type, and sessions that cannot be read. Each stays, is named, and
 * what it blocks is refused until it is gone. Path: redis engine, key care -> [foreign writes] -> key space. Away: it is looked at again by whoever looks next.
 */
import type { EngineFormatError } from '../../../shared/errors.js';
import type { KeySpace } from './key-space.js';
import { bucketOf, keysOfBucket, keysOfCommit, type RootKeys } from './keys.js';
import { foreignKey } from './redis-errors.js';

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
    return this.#first !== undefined;
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
    if (this.#unreadable.delete(sessionId)) this.#host.handleForeign(this.#first);
  }

  /** What of these is of another program, by name: of all sessions without one. `links`: whose windows it may be. */
  async find(sessionIds?: readonly string[], links: readonly string[] = []): Promise<EngineFormatError | undefined> {
    let first: EngineFormatError | undefined;
    const look = async (key: string, bucket?: number, sessionId?: string): Promise<void> => {
      first ??= await this.#lookAt(key, bucket, sessionId);
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

  /** Whether what was found is gone, and what all servers read is there. */
  async lookAgain(): Promise<void> {
    for (const key of [...this.#foreign.keys(), ...this.#roots.keys()]) await this.#lookAt(key).catch(ignore);
  }

  get #first(): EngineFormatError | undefined {
    const [foreign] = this.#foreign.values();
    const [unreadable] = this.#unreadable.values();
    return foreign?.error ?? unreadable;
  }

  async #lookAt(key: string, bucket?: number, sessionId?: string): Promise<EngineFormatError | undefined> {
    const known = this.#foreign.get(key);
    const error = await this.#errorOf(key);
    if (error === undefined) {
      if (known === undefined) return undefined;
      this.#foreign.delete(key);
      this.#host.handleForeign(this.#first);
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

function ignore(): void {
  // It is looked at again.
}

/** By what stands behind the prefix of their bucket, `bs:{b0}:`. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ...(['head', 's', 'n', 'r', 'v', 'w'].map((name) => [name, 'hash']) as [string, string][]),
  ...[['log', 'stream'] as const, ['sessions', 'set'] as const, ['x', 'zset'] as const, ['g', 'list'] as const],
]);
