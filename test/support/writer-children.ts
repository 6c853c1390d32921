/** Processes that set variables while a test does something else. */
import type { ChildProcess } from 'node:child_process';
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { within } from './deadline.js';

const programAt = (name: string): string => fileURLToPath(import.meta.resolve(`./${name}.js`));

/** Sets one variable to 1, 2, 3, … until it is disposed of. */
export class RunningWriter implements AsyncDisposable {
  readonly #child: ChildProcess;

  constructor(endpoint: string, name: string) {
    this.#child = fork(programAt('writer-process'), [endpoint, name]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await within(20_000, exit, 'the end of a writer');
  }
}

/** Sets `v0` … `rounds` times each, from another process, while this thread does nothing else whatever. */
export function burstWhileBlocked(endpoint: string, variables: number, rounds: number): void {
  const child = spawnSync(process.execPath, [programAt('burst-process'), endpoint, String(variables), String(rounds)], {
    stdio: 'inherit',
    timeout: 60_000,
  });
  if (child.status !== 0) throw new Error(`the burst ended with ${child.status ?? child.signal}`);
}
