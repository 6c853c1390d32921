/**
 * A Redis of a test's own: a process in a folder of its own, on a socket in it, so that no port is raced for; on a port too where others have to reach it.
 * Ended by its pid.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from './deadline.js';
import { freePort } from './free-port.js';

export const HOW_TO_INSTALL_REDIS = 'redis-server is missing: apt-get install redis-server';

export function hasRedis(): boolean {
  return spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** For `skip` of a test: a missing Redis is a word here, and a failure where CI runs. */
export function skipWithoutRedis(): string | false {
  return hasRedis() || process.env.CI === 'true' ? false : HOW_TO_INSTALL_REDIS;
}

/** Tests that need one: where it is missing they are one that says so. */
export function withRedis(what: string, describeAll: () => void): void {
  if (hasRedis()) describeAll();
  else test(what, { skip: skipWithoutRedis() }, () => Promise.reject(new Error(HOW_TO_INSTALL_REDIS)));
}

const started: RedisServer[] = [];

/** Until `closeRedis`. */
export async function startRedis(...options: string[]): Promise<RedisServer> {
  const redis = await RedisServer.start(...options);
  started.push(redis);
  return redis;
}

/** The same, with a port of 127.0.0.1. */
export async function startRedisOnPort(...options: string[]): Promise<RedisOnPort> {
  const redis = await RedisServer.startOnPort(...options);
  started.push(redis);
  return redis;
}

/** Resolves when it has what the primary has. */
export async function startReplica(primaryPort: number): Promise<RedisOnPort> {
  const replica = await startRedisOnPort();
  await replica.replicate(primaryPort);
  return replica;
}

/** All that this test has started: what talks to them is closed first. */
export async function closeRedis(): Promise<void> {
  for (const redis of started.splice(0)) await redis.close();
}

export type RedisOnPort = RedisServer & { readonly port: number };

export class RedisServer {
  readonly folder = mkdtempSync(join(tmpdir(), 'bridged-state-redis-'));
  /** Of its next run. */
  options: readonly string[];
  #child: ChildProcess | undefined;

  /** `--appendonly no` unless the options say otherwise. */
  static async start(...options: string[]): Promise<RedisServer> {
    const server = new RedisServer(options);
    await server.run();
    return server;
  }

  /** The same, with a port of 127.0.0.1, so that others can be its replicas. */
  static async startOnPort(...options: string[]): Promise<RedisOnPort> {
    const port = await freePort();
    const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--repl-diskless-sync-delay', '0'];
    return Object.assign(await RedisServer.start(...fixed, ...options), { port });
  }

  protected constructor(options: readonly string[]) {
    this.options = options;
  }

  /** For `--engine`, and for the engine. */
  get url(): string {
    return `unix:${this.path}`;
  }

  /** Of its socket. */
  get path(): string {
    return join(this.folder, 'redis.sock');
  }

  protected get commandLine(): readonly string[] {
    const fixed = [
      '--port',
      '0',
      '--unixsocket',
      this.path,
      '--dir',
      this.folder,
      '--save',
      '',
      '--loglevel',
      'warning',
    ];
    return [...fixed, ...this.options];
  }

  /** Begins it, or begins it again on its files. */
  async run(): Promise<void> {
    const child = spawn('redis-server', this.commandLine, { stdio: ['ignore', 'ignore', 'inherit'] });
    const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error));
    failed.catch(() => undefined);
    this.#child = child;
    await Promise.race([failed, this.#answers()]);
  }

  /** Makes it a replica; resolves when it has what the primary has. */
  async replicate(primaryPort: number): Promise<void> {
    await this.command('REPLICAOF', '127.0.0.1', String(primaryPort));
    await this.says(/master_link_status:up/, 'INFO', 'replication');
  }

  /** Asks again and again, until it answers so. */
  async says(answer: RegExp, ...command: string[]): Promise<void> {
    let said = '';
    const ask = async (): Promise<void> => {
      const says = await this.command(...command).catch(String);
      if (answer.test(says)) said = says;
      else setTimeout(() => void ask(), 10);
    };
    void ask();
    await until(20_000, () => said !== '', `${answer} from ${command.join(' ')}`);
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#child?.kill(signal);
  }

  async ended(): Promise<void> {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  /** What it answers to one command, as it says it. */
  command(...words: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.path);
      socket.on('error', reject);
      socket.once('data', (bytes) => {
        resolve(bytes.toString());
        socket.destroy();
      });
      socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`);
    });
  }

  async close(): Promise<void> {
    this.kill('SIGCONT');
    this.kill();
    await this.ended();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #answers(): Promise<void> {
    let isReady = false;
    const ask = (): void => {
      this.command('PING').then(
        (answer) => {
          isReady = /^(\+PONG|-NOAUTH)/.test(answer);
          if (!isReady) ask();
        },
        () => setTimeout(ask, 10),
      );
    };
    ask();
    await until(10_000, () => isReady, 'redis-server');
  }
}
