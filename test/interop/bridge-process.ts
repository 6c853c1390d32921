/** `bridged-state serve` as a user starts it: a process of its own, known by the line that it prints. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { within } from '../support/deadline.js';

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const START_MS = 20_000;

/** Owner: whoever started it; `close` ends it. */
export class BridgeProcess {
  readonly #child: ChildProcess;
  readonly port: number;
  readonly epoch: string;

  private constructor(child: ChildProcess, port: number, epoch: string) {
    this.#child = child;
    this.port = port;
    this.epoch = epoch;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Resolves when it accepts. */
  static async start(...options: string[]): Promise<BridgeProcess> {
    const child = spawn(process.execPath, [CLI, 'serve', '--port', '0', '--log-level', 'warn', ...options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout });
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the server process ended with ${code} before it listened`);
    });
    // It ends some time, and then nobody asks any more.
    ended.catch(() => undefined);
    const said = await within(START_MS, Promise.race([once(lines, 'line'), ended]), 'a listening server process');
    const { port, epoch } = JSON.parse(said[0] as string) as { port: number; epoch: string };
    return new BridgeProcess(child, port, epoch);
  }

  /** Resolves with its exit code when it has drained and ended. */
  async close(): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const [code] = (await within(START_MS, exit, 'the end of a server process')) as [number | null];
    return code;
  }
}
