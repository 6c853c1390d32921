/** A server process that can be stopped, continued, killed and begun anew on its port. Owner: the world of a life, or a run of lives. */
import type { BridgeServerOptions } from '../../../src/server/index.js';
import type { ServerProcessReport } from '../../support/server-process.js';
import { ServerProcess } from '../../support/server-process.js';

export class ServerLife {
  #process: ServerProcess;
  readonly #options: BridgeServerOptions;

  private constructor(process: ServerProcess, options: BridgeServerOptions) {
    this.#process = process;
    this.#options = options;
  }

  static async start(options: BridgeServerOptions): Promise<ServerLife> {
    return new ServerLife(await ServerProcess.start(options, ['--expose-gc']), options);
  }

  get port(): number {
    return this.#process.port;
  }

  pause(): void {
    this.#process.child.kill('SIGSTOP');
  }

  resume(): void {
    this.#process.child.kill('SIGCONT');
  }

  /** As a machine that fails: nothing is drained, and the next one knows nothing. Resolves when that one listens. */
  async killAndRestart(): Promise<void> {
    const { port } = this;
    await this.#process.kill();
    this.#process = await ServerProcess.start({ ...this.#options, port }, ['--expose-gc']);
  }

  report(): Promise<ServerProcessReport> {
    return this.#process.report();
  }

  async close(): Promise<void> {
    this.resume();
    await this.#process.close();
  }
}
