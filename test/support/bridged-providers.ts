/** BridgedStates for a suite: one server and one pool of workers a file, a session of its own for each state. */
import { after } from 'node:test';
import type { BridgedStateOptions } from '../../src/main/index.js';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';

export class BridgedProviders {
  readonly #workers: number;
  #opened: Promise<[BridgeServer, WorkerPool]> | undefined;
  #sessions = 0;

  /** Closed when the file's tests are over. */
  constructor(workers: number) {
    this.#workers = workers;
    after(() => this.#close());
  }

  newSession(): string {
    this.#sessions += 1;
    return `session-${this.#sessions}`;
  }

  async open(options: BridgedStateOptions = {}): Promise<BridgedState> {
    const [server, pool] = await this.opened();
    return BridgedState.open({
      endpoint: `127.0.0.1:${server.port}`,
      sessionId: this.newSession(),
      pool,
      ...options,
    });
  }

  async server(): Promise<BridgeServer> {
    return (await this.opened())[0];
  }

  opened(): Promise<[BridgeServer, WorkerPool]> {
    this.#opened ??= Promise.all([startBridgeServer({ port: 0 }), WorkerPool.open({ workers: this.#workers })]);
    return this.#opened;
  }

  async #close(): Promise<void> {
    const [server, pool] = (await this.#opened) ?? [];
    await pool?.close();
    await server?.close();
  }
}
