/**
 * A wire that can be cut, stalled, silenced and delayed, in a thread of its own: it goes on while the main thread is blocked.
 * This file is both its handle and its program.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { Wire } from './wire.js';

/**
 * `cut`: every connection breaks, and new ones too. `stall`: bytes wait. `silence`: what is open now, or opened until `mend`, never says
 * a word again, and nobody is told. `delay`: each way takes so long. `mend`: new connections work, and bytes that waited go on.
 */
export type WireFault = 'cut' | 'stall' | 'silence' | 'delay' | 'mend';

interface WireCommand {
  readonly fault: WireFault;
  readonly delayMs: number;
}

/** Owner: the world of a life, which closes it. */
export class FaultyProxy {
  readonly endpoint: string;
  readonly #thread: Worker;

  private constructor(thread: Worker, port: number) {
    this.#thread = thread;
    this.endpoint = `127.0.0.1:${port}`;
  }

  /** `target`: a port of this machine, or the path of a socket. Resolves when it listens. */
  static async start(target: number | string): Promise<FaultyProxy> {
    const thread = new Worker(fileURLToPath(import.meta.url), { workerData: { role: ROLE, target } });
    const [port] = (await once(thread, 'message')) as [number];
    return new FaultyProxy(thread, port);
  }

  /** From now on; connections that are open stay where they lead to. */
  leadTo(target: string): void {
    this.#thread.postMessage(target);
  }

  fault(fault: WireFault, delayMs = 0): void {
    this.#thread.postMessage({ fault, delayMs } satisfies WireCommand);
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }
}

const ROLE = 'faulty-proxy';

async function serve(firstTarget: number | string): Promise<void> {
  let target = firstTarget;
  const wires = new Set<Wire>();
  let present: WireCommand = { fault: 'mend', delayMs: 0 };
  const apply = (wire: Wire, { fault, delayMs }: WireCommand) => {
    switch (fault) {
      case 'cut':
        wire.destroy();
        break;
      case 'stall':
        wire.stall();
        break;
      case 'silence':
        wire.silence();
        break;
      case 'delay':
      case 'mend':
        wire.delayMs = delayMs;
        wire.flow();
        break;
      default:
        fault satisfies never;
    }
  };
  const server = createServer((client) => {
    const wire = new Wire(client, typeof target === 'number' ? connect(target, '127.0.0.1') : connect(target), () =>
      wires.delete(wire),
    );
    wires.add(wire);
    apply(wire, present);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  parentPort?.on('message', (command: WireCommand | string) => {
    if (typeof command === 'string') {
      target = command;
      return;
    }
    present = command;
    for (const wire of wires) apply(wire, command);
  });
  parentPort?.postMessage((server.address() as AddressInfo).port);
}

if (workerData?.role === ROLE) await serve(workerData.target);
