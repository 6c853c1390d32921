/** The three processes of a measurement: server (ours, or that of a peer), writer, watching service. Owner: the scenario, by `await using`. */
import { BenchProcess, deadlineForMs } from '../processes/bench-process.js';
import type { ValueKind } from '../processes/measured-value.js';
import type { ClientChoice } from '../processes/open-watch-client.js';
import { peerOf } from '../processes/open-watch-client.js';
import type { ServerCalls } from '../processes/server.js';
import type { WatcherCalls } from '../processes/watcher.js';
import type { WriterCalls } from '../processes/writer.js';

export class StreamProcesses implements AsyncDisposable {
  readonly server: BenchProcess<ServerCalls>;
  readonly writer: BenchProcess<WriterCalls>;
  readonly watcher: BenchProcess<WatcherCalls>;
  /** A Redis and a second server. */
  readonly #others: readonly BenchProcess<ServerCalls>[];

  private constructor([server, writer, watcher]: Started, others: readonly BenchProcess<ServerCalls>[]) {
    this.server = server;
    this.writer = writer;
    this.watcher = watcher;
    this.#others = others;
  }

  /** Started, connected, and with so many variables registered. `hasTwoServers`: one is written to and the other watched, over one Redis. */
  static async start(
    choice: ClientChoice,
    variables: number,
    values: ValueKind = 'number',
    startWatcher: StartWatcher = () => BenchProcess.start<WatcherCalls>('watcher'),
    startWriter: StartWriter = () => BenchProcess.start<WriterCalls>('writer'),
    hasTwoServers = false,
  ): Promise<StreamProcesses> {
    const peer = peerOf(choice);
    const others: BenchProcess<ServerCalls>[] = [];
    const shared: string[] = [];
    if (hasTwoServers && peer === undefined) {
      const redis = await BenchProcess.start<ServerCalls>('peer-server', ['redis']);
      others.push(redis);
      try {
        shared.push('0', `redis://127.0.0.1:${await redis.call('port', null)}`);
      } catch (error) {
        await redis.close();
        throw error;
      }
    }
    // Each way as a service uses it: sets travel with the watches where they can.
    const setsBy = choice.kind === 'link' ? 'link' : 'calls';
    const starting = [
      peer === undefined
        ? BenchProcess.start<ServerCalls>('server', shared)
        : BenchProcess.start<ServerCalls>('peer-server', [peer]),
      startWriter(),
      startWatcher(),
    ] as const;
    try {
      if (shared.length > 0) others.push(await BenchProcess.start<ServerCalls>('server', shared));
      const processes = new StreamProcesses(await Promise.all(starting), others);
      const port = await processes.server.call('port', null);
      const watchedPort = shared.length > 0 ? await others[1]!.call('port', null) : port;
      await processes.writer.call(
        'prepare',
        { port, session: SESSION, variables, peer, values, setsBy, kind: choice.kind },
        deadlineForMs(variables),
      );
      await processes.watcher.call('connect', { choice, port: watchedPort, session: SESSION, values });
      return processes;
    } catch (error) {
      for (const result of await Promise.allSettled(starting)) {
        if (result.status === 'fulfilled') await result.value.close();
      }
      for (const other of others.reverse()) await other.close();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The watcher first: a server that goes before it would make it reconnect.
    await this.watcher.close();
    await Promise.all([this.writer.close(), this.server.close()]);
    // Servers before their Redis.
    for (const other of [...this.#others].reverse()) await other.close();
  }
}

/** In whatever language: it answers the calls of the scenario. */
export type StartWatcher = () => Promise<BenchProcess<WatcherCalls>>;
export type StartWriter = () => Promise<BenchProcess<WriterCalls>>;

type Started = [BenchProcess<ServerCalls>, BenchProcess<WriterCalls>, BenchProcess<WatcherCalls>];

export const SESSION = 'bench';
