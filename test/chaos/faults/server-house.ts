/** The servers of a life, and the engine that they keep their state in, with its files. Owner: the world of a life, or a run of lives. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerProcessOptions } from '../../support/server-process.js';
import type { EngineSetup } from '../programs/programs.js';
import { FaultyProxy } from './faulty-proxy.js';
import { RedisPair } from './redis-pair.js';
import { ServerLife } from './server-life.js';

export class ServerHouse {
  readonly servers: readonly ServerLife[];
  /** What all servers keep their state in; undefined where each has its own. */
  readonly redis: RedisPair | undefined;
  /** Of each server to its Redis. */
  readonly engineWires: readonly FaultyProxy[];
  readonly #folder: string | undefined;

  private constructor(
    servers: readonly ServerLife[],
    redis: RedisPair | undefined,
    engineWires: readonly FaultyProxy[],
    folder: string | undefined,
  ) {
    this.servers = servers;
    this.redis = redis;
    this.engineWires = engineWires;
    this.#folder = folder;
  }

  /** Resolves when all listen. Over one Redis every second server's clock is an hour ahead. `fill`: what the folder of SQLite has before. */
  static async start(
    { engine, servers }: EngineSetup,
    options: ServerProcessOptions,
    fill?: (folder: string) => Promise<void>,
  ): Promise<ServerHouse> {
    switch (engine) {
      case 'memory':
        return new ServerHouse([await ServerLife.start(options)], undefined, [], undefined);
      case 'sqlite': {
        const folder = mkdtempSync(join(tmpdir(), 'bridged-state-chaos-'));
        await fill?.(folder);
        return new ServerHouse(
          [await ServerLife.start({ ...options, engine: `sqlite:${folder}` })],
          undefined,
          [],
          folder,
        );
      }
      case 'redis': {
        const redis = await RedisPair.start();
        const wires = await Promise.all(Array.from({ length: servers }, () => FaultyProxy.start(redis.primary.path)));
        const lives = await Promise.all(
          wires.map(({ endpoint }, place) =>
            ServerLife.start({ ...options, engine: `redis://${endpoint}` }, place % 2 === 1),
          ),
        );
        return new ServerHouse(lives, redis, wires, undefined);
      }
      default:
        return engine satisfies never;
    }
  }

  /** New connections lead to the one that was the replica; what is open stays where it is. */
  async failOver(): Promise<void> {
    if (this.redis === undefined || !(await this.redis.failOver())) return;
    for (const wire of this.engineWires) wire.leadTo(this.redis.primary.path);
  }

  /** What the state is kept in has no more room, or has room again. */
  async fillEngine(isFull: boolean): Promise<void> {
    if (this.redis !== undefined) await this.redis.fill(isFull);
    else for (const server of this.servers) server.fillDisk(isFull);
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
    await Promise.all(this.engineWires.map((wire) => wire.close()));
    await this.redis?.close();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}
