/** A Redis for the demo alone: on a socket in a folder of its own, nothing of it is kept. Owner: demo, which closes it; it goes with the demo's process. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from '../usage-error.js';

export class DemoRedis {
  readonly #folder: string;
  readonly #process: ChildProcess;
  readonly #kill = (): void => void this.#process.kill('SIGKILL');

  /** @throws UsageError where none is installed, Error when it does not start */
  static async start(): Promise<DemoRedis> {
    const redis = new DemoRedis(await mkdtemp(join(tmpdir(), 'bridged-state-demo-')));
    try {
      await redis.#listening();
    } catch (error) {
      await redis.close();
      throw error;
    }
    return redis;
  }

  private constructor(folder: string) {
    this.#folder = folder;
    const options = ['--port', '0', '--unixsocket', this.#path, '--dir', folder, '--save', '', '--appendonly', 'no'];
    this.#process = spawn('redis-server', options, { stdio: 'ignore', detached: true });
    process.once('exit', this.#kill);
  }

  /** For `--engine`. */
  get address(): string {
    return `unix:${this.#path}`;
  }

  get #path(): string {
    return join(this.#folder, 'redis.sock');
  }

  async close(): Promise<void> {
    process.off('exit', this.#kill);
    const { pid, exitCode, signalCode } = this.#process;
    if (pid !== undefined && exitCode === null && signalCode === null) {
      const exit = once(this.#process, 'exit');
      this.#kill();
      await exit;
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #listening(): Promise<void> {
    let failure: Error | undefined;
    this.#process.once('error', () => {
      failure = new UsageError(
        'redis-server is not installed: apt-get install redis-server, or give --engine redis://HOST:PORT',
      );
    });
    this.#process.once('exit', (code) => {
      failure ??= new Error(`redis-server ended with ${code} before it listened`);
    });
    for (const deadlineMs = performance.now() + START_MS; performance.now() < deadlineMs; await sleep(POLL_MS)) {
      if (failure !== undefined) throw failure;
      if (await this.#answers()) return;
    }
    throw new Error(`redis-server did not listen within ${START_MS / 1000} s`);
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.#path);
      socket.once('error', () => resolve(false));
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
    });
  }
}

const START_MS = 10_000;
const POLL_MS = 20;
