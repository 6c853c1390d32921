/** A server process that can be stopped, continued, killed and begun anew on its port. Owner: the house, which closes it. */
import type { ServerProcessOptions, ServerProcessReport } from '../../support/server-process.js';
import { ServerProcess } from '../../support/server-process.js';

export class ServerLife {
  #process: ServerProcess;
  readonly #options: ServerProcessOptions;
  readonly #execArgv: readonly string[];

  private constructor(process: ServerProcess, options: ServerProcessOptions, execArgv: readonly string[]) {
    this.#process = process;
    this.#options = options;
    this.#execArgv = execArgv;
  }

  /** `isAhead`: by an hour, by its own clock. */
  static async start(options: ServerProcessOptions, isAhead = false): Promise<ServerLife> {
    const execArgv = ['--expose-gc', ...(isAhead ? ['--import', CLOCK_AHEAD] : [])];
    return new ServerLife(await ServerProcess.start(options, execArgv), options, execArgv);
  }

  get port(): number {
    return this.#process.port;
  }

  get epoch(): string {
    return this.#process.epoch;
  }

  pause(): void {
    this.#process.child.kill('SIGSTOP');
  }

  resume(): void {
    this.#process.child.kill('SIGCONT');
  }

  /** Of sqlite; one that begins anew has room again. */
  fillDisk(isFull: boolean): void {
    this.#process.fillDisk(isFull);
  }

  /** As a machine that fails: nothing is drained. */
  kill(): Promise<void> {
    return this.#process.kill();
  }

  /** After `kill`, on its port and over what its engine kept. Resolves when it listens. */
  async restart(): Promise<void> {
    const { port } = this;
    this.#process = await ServerProcess.start({ ...this.#options, port }, this.#execArgv);
  }

  report(): Promise<ServerProcessReport> {
    return this.#process.report();
  }

  async close(): Promise<void> {
    this.resume();
    await this.#process.close();
  }
}

const CLOCK_AHEAD = new URL('./clock-ahead.js', import.meta.url).href;
