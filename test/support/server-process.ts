/** A bridge server in a process of its own: to be killed, stopped, measured. This file is both its handle and its program. */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BridgeServerMetrics, BridgeServerOptions } from '../../src/server/index.js';
import { within } from './deadline.js';

export interface ServerProcessReport {
  readonly metrics: BridgeServerMetrics;
  /** Since the process began, ms. */
  readonly cpuMs: number;
  /** After a collection, where the process was started with --expose-gc. */
  readonly rssBytes: number;
}

/** `engine`: as `serve --engine` takes it; `ack` and `advertise` of Redis. */
export type ServerProcessOptions = Omit<BridgeServerOptions, 'engine'> & {
  readonly engine?: string;
  readonly ack?: 'primary' | 'replica' | 'disk';
  readonly advertise?: string;
};

type Command = 'report' | 'close' | 'fill' | 'free';

/** Owner: whoever started it; `close` or `kill` ends it. */
export class ServerProcess {
  readonly child: ChildProcess;
  readonly port: number;
  readonly epoch: string;

  private constructor(child: ChildProcess, port: number, epoch: string) {
    this.child = child;
    this.port = port;
    this.epoch = epoch;
  }

  /** Resolves when it listens. */
  static async start(options: ServerProcessOptions = {}, execArgv: readonly string[] = []): Promise<ServerProcess> {
    const child = fork(fileURLToPath(import.meta.url), [JSON.stringify({ port: 0, ...options })], {
      execArgv: [...execArgv],
    });
    const [listening] = await within(START_MS, once(child, 'message'), 'a listening server process');
    const { port, epoch } = listening as { port: number; epoch: string };
    return new ServerProcess(child, port, epoch);
  }

  async report(): Promise<ServerProcessReport> {
    const answer = once(this.child, 'message');
    this.child.send('report' satisfies Command);
    const [report] = await within(START_MS, answer, 'the report of a server process');
    return report as ServerProcessReport;
  }

  /** Of sqlite: its disk has no more room, or has room again. */
  fillDisk(isFull: boolean): void {
    if (this.child.connected) this.child.send((isFull ? 'fill' : 'free') satisfies Command);
  }

  /** Drains it; resolves when the process has ended. */
  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.send('close' satisfies Command);
    await within(START_MS, exit, 'the end of a server process');
  }

  /** Ends it without a word. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await within(START_MS, exit, 'the end of a killed server process');
  }
}

const START_MS = 20_000;

async function main({ engine = 'memory', ack, advertise, ...options }: ServerProcessOptions): Promise<void> {
  const { engineOf, folderOf, journalOf } = await import('../../src/cli/engine-option.js');
  const journal = engine.startsWith('sqlite:') ? await journalOf(folderOf(engine)!) : undefined;
  const { LocalEngine } = await import('../../src/server/engine/local-engine.js');
  const opened =
    journal === undefined
      ? await engineOf({ engine, ...(ack && { ack }), ...(advertise && { advertise }) })
      : new LocalEngine(journal);
  const { startBridgeServer } = await import('../../src/server/bridge-server.js');
  const server = await startBridgeServer({
    ...options,
    engine: opened,
    // As `serve` does.
    waitForEngine: new AbortController().signal,
  });
  process.on('message', (command: Command) => {
    switch (command) {
      case 'report': {
        (globalThis as { gc?: () => void }).gc?.();
        const { user, system } = process.cpuUsage();
        const report: ServerProcessReport = {
          metrics: server.metrics(),
          cpuMs: (user + system) / 1000,
          rssBytes: process.memoryUsage.rss(),
        };
        process.send?.(report);
        break;
      }
      case 'fill':
      case 'free':
        void journal?.limit(command === 'fill');
        break;
      case 'close':
        server.close().then(
          () => process.disconnect(),
          () => process.exit(1),
        );
        break;
      default:
        command satisfies never;
    }
  });
  // Its starter is gone: so is its purpose.
  process.on('disconnect', () => process.exit());
  process.send?.({ port: server.port, epoch: server.epoch });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(JSON.parse(process.argv[2] ?? '{}'));
