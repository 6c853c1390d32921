/**
 * The primaries of a cluster: a connection to each, and which has which slot. Path: redis engine -> [cluster primaries] -> redis primary. A slot that has
 * moved, or whose primary is away: any node is asked who has it now. Closed: `close`.
 */
import { pause } from '../../../within.js';
import type { PrimaryStats } from '../../engine.js';
import type { Ack } from '../connection/ack.js';
import type { RedisAddress, RedisNode } from '../connection/redis-address.js';
import { shownNode } from '../connection/redis-address.js';
import { RedisConnection } from '../connection/redis-connection.js';
import { notACluster } from '../connection/redis-errors.js';
import type { PrimaryHost } from '../connection/redis-primary.js';
import { RedisPrimary } from '../connection/redis-primary.js';
import { redisRefusalOf } from '../connection/redis-refusal.js';
import type { Primaries } from './primaries.js';
import { SlotMap } from './slot-map.js';

export interface ClusterHost extends Omit<PrimaryHost, 'handleOther'> {
  /** Another process serves these slots than did, or its own was a replica meanwhile. */
  handleOther(serves: (slot: number) => boolean): void;
}

interface Settings {
  readonly ack: Ack | undefined;
  readonly behindMs: number;
}

export class ClusterPrimaries implements Primaries {
  readonly isCluster = true;
  readonly #address: RedisAddress;
  readonly #settings: Settings;
  readonly #host: ClusterHost;
  /** By address: of whom the map says that it is one. Undefined: it is not reached yet. */
  readonly #primaries = new Map<string, RedisPrimary | undefined>();
  #map: SlotMap;
  #ack: Ack | undefined;
  #pastTakeovers = 0;
  #isLooking = false;
  #looksAgain = false;
  #looks = 0;
  #isStarted = false;
  #isClosed = false;

  /** @throws what `RedisPrimary.open` throws, EngineUnavailableError for what is no cluster */
  static async open(address: RedisAddress, settings: Settings, host: ClusterHost): Promise<ClusterPrimaries> {
    const map = await firstMap(address, host);
    if (!map.isWhole) throw new Error('CLUSTERDOWN not every slot of the cluster is served');
    const cluster = new ClusterPrimaries(address, map, settings, host);
    try {
      await Promise.all([...map.primaries].map(([name, node]) => cluster.#openPrimary(name, node, host.waiting)));
    } catch (error) {
      cluster.close();
      throw error;
    }
    return cluster;
  }

  private constructor(address: RedisAddress, map: SlotMap, settings: Settings, host: ClusterHost) {
    this.#address = address;
    this.#map = map;
    this.#settings = settings;
    this.#ack = settings.ack;
    this.#host = host;
  }

  get isWhole(): boolean {
    return this.#map.isWhole && this.stats.every(({ isReady }) => isReady);
  }

  get stats(): readonly PrimaryStats[] {
    return [...this.#map.primaries.keys()].map((name) => {
      const primary = this.#primaries.get(name);
      return { name, isReady: primary?.isKnown === true, takeovers: primary?.takeovers ?? 0 };
    });
  }

  get takeovers(): number {
    let takeovers = this.#pastTakeovers;
    for (const primary of this.#primaries.values()) takeovers += primary?.takeovers ?? 0;
    return takeovers;
  }

  of(slot: number): RedisPrimary {
    const name = this.#map.ownerOf(slot);
    const primary = name === undefined ? undefined : this.#primaries.get(name);
    if (primary !== undefined) return primary;
    this.lookAgain();
    throw new Error(name === undefined ? 'nobody in the cluster serves its slot' : `${name} is not reached`);
  }

  async at<T>(slot: number, ask: (primary: RedisPrimary) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await ask(this.of(slot));
      } catch (error) {
        this.lookAgain();
        if (this.#isClosed || redisRefusalOf(error) !== 'moved' || tries * RETRY_MS > this.#settings.behindMs)
          throw error;
        await pause(RETRY_MS);
      }
    }
  }

  addressOf(slot: number): RedisAddress {
    const node = this.#map.primaries.get(this.#map.ownerOf(slot) ?? '');
    if (node === undefined) throw new Error('nobody in the cluster serves its slot');
    return addressOfNode(this.#address, node);
  }

  lookAgain(): void {
    this.#looksAgain = true;
    if (!this.#isLooking) void this.#lookLoop();
  }

  handleStarted(): void {
    this.#isStarted = true;
    for (const primary of this.#primaries.values()) primary?.handleStarted();
  }

  close(): void {
    this.#isClosed = true;
    for (const primary of this.#primaries.values()) primary?.close();
  }

  /** One look at a time, and not again at once: every call that fails asks for one. */
  async #lookLoop(): Promise<void> {
    this.#isLooking = true;
    while (this.#looksAgain && !this.#isClosed) {
      this.#looksAgain = false;
      const map = (await this.#askPrimaries()) ?? (await this.#askAnybody());
      if (map !== undefined && !this.#isClosed) this.#follow(map);
      await pause(LOOK_MS);
    }
    this.#isLooking = false;
  }

  async #askPrimaries(): Promise<SlotMap | undefined> {
    // Each time another one first: one that is cut off from the others says what was.
    const known = [...this.#primaries].filter(([, primary]) => primary?.isKnown === true);
    this.#looks += 1;
    const from = this.#looks % Math.max(1, known.length);
    for (const [name, primary] of [...known.slice(from), ...known.slice(0, from)]) {
      const node = this.#map.primaries.get(name)!;
      const said = await primary!.client.cluster('SLOTS').catch(ignore);
      if (said !== undefined) return new SlotMap(said, node);
    }
    return undefined;
  }

  async #askAnybody(): Promise<SlotMap | undefined> {
    const { place } = this.#address;
    const seeds = place.kind === 'cluster' ? place.nodes : [];
    for (const node of new Map([
      ...this.#map.replicas,
      ...seeds.map((seed) => [shownNode(seed), seed] as const),
    ]).values()) {
      if (this.#isClosed) return undefined;
      const said = await askNode(addressOfNode(this.#address, node), node).catch(ignore);
      if (said !== undefined) return said;
    }
    return undefined;
  }

  #follow(map: SlotMap): void {
    this.#map = map;
    for (const [name, primary] of [...this.#primaries]) {
      if (map.primaries.has(name)) continue;
      this.#pastTakeovers += primary?.takeovers ?? 0;
      primary?.close();
      this.#primaries.delete(name);
    }
    for (const [name, node] of map.primaries) {
      if (this.#primaries.has(name)) continue;
      this.#openPrimary(name, node).then(
        () => this.#handleOther(name),
        (error: Error) => this.#handleAway(error),
      );
    }
  }

  /** `waiting`: of the server's start; what is opened later has nothing to do with it. */
  async #openPrimary(name: string, node: RedisNode, waiting?: AbortSignal): Promise<void> {
    this.#primaries.set(name, undefined);
    try {
      const primary = await RedisPrimary.open(addressOfNode(this.#address, node), this.#ack, this.#settings.behindMs, {
        logger: this.#host.logger,
        waiting,
        handleAway: (error) => this.#handleAway(error),
        handleReady: () => this.#host.handleReady(),
        handleOther: () => this.#handleOther(name),
      });
      // One process decides for all: they have replicas, or none of them has.
      this.#ack ??= primary.ack;
      if (this.#isStarted) primary.handleStarted();
      if (this.#isClosed || !this.#primaries.has(name)) primary.close();
      else this.#primaries.set(name, primary);
      this.#host.handleReady();
    } catch (error) {
      // It is tried again when the map is looked at again.
      this.#primaries.delete(name);
      throw error;
    }
  }

  #handleOther(name: string): void {
    this.#host.handleOther((slot) => this.#map.ownerOf(slot) === name);
  }

  #handleAway(error: Error): void {
    this.#host.handleAway(error);
    this.lookAgain();
  }
}

/** @throws what the last of its nodes says */
async function firstMap(address: RedisAddress, host: ClusterHost): Promise<SlotMap> {
  const { place } = address;
  let failure: unknown;
  for (const node of place.kind === 'cluster' ? place.nodes : []) {
    try {
      return await askNode(addressOfNode(address, node), node, host.waiting);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function askNode(address: RedisAddress, node: RedisNode, waiting?: AbortSignal): Promise<SlotMap> {
  const connection = await RedisConnection.open(address, {
    ...{ silentMs: ASK_MS, waiting, handleAway: ignore, handleCut: ignore, handleReady: ignore },
  });
  try {
    return new SlotMap(await connection.client.cluster('SLOTS'), node);
  } catch (error) {
    throw redisRefusalOf(error) === 'broken' ? notACluster(address, error) : error;
  } finally {
    connection.close();
  }
}

function addressOfNode(address: RedisAddress, node: RedisNode): RedisAddress {
  const shown = `${address.isTls ? 'rediss' : 'redis'}://${shownNode(node)}`;
  return { ...address, place: { kind: 'node', node, isInCluster: true }, shown };
}

function ignore(): undefined {
  return undefined;
}

const ASK_MS = 1_000;
const LOOK_MS = 100;
const RETRY_MS = 50;
