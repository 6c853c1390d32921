/** `serve --engine` in a process of its own, to be killed and started again over what it kept. Owner: the test, which ends it. */
import { CommandProcess } from './command-line.js';

interface Listening {
  readonly port: number;
  readonly epoch: string;
  readonly generation: number;
  readonly adminPort: number;
}

export class EngineServer {
  readonly port: number;
  readonly epoch: string;
  readonly generation: number;
  readonly adminPort: number;
  readonly #command: CommandProcess;

  private constructor(command: CommandProcess, { port, epoch, generation, adminPort }: Listening) {
    this.#command = command;
    this.port = port;
    this.epoch = epoch;
    this.generation = generation;
    this.adminPort = adminPort;
  }

  /** Resolves when it listens. */
  static async start(engine: string, port = 0, more: readonly string[] = []): Promise<EngineServer> {
    const args = [
      'serve',
      '--engine',
      engine,
      '--port',
      `${port}`,
      '--admin-port',
      '0',
      '--log-level',
      'warn',
      ...more,
    ];
    const command = new CommandProcess(args);
    try {
      return new EngineServer(command, (await command.json()) as unknown as Listening);
    } catch (error) {
      await command.kill();
      throw new Error(`the server did not start: ${command.stderr}`, { cause: error });
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#command.signal(signal);
  }

  /** Without a word. */
  async kill(): Promise<void> {
    this.#command.signal('SIGKILL');
    await this.#command.end();
  }

  async close(): Promise<void> {
    this.#command.signal('SIGTERM');
    await this.#command.end();
  }
}
