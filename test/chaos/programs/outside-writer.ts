/**
 * Sets, registers and reads from a thread of its own, straight at the server: it goes on while the main thread is blocked or its wire cut.
 * This file is both its handle and its program.
 */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { BridgedState } from '../../../src/main/index.js';
import type { WriterAnswer, WriterCall } from './writer-calls.js';
import { callEach } from './writer-calls.js';

interface WriterTask {
  readonly task: number;
  readonly session: number;
  readonly calls: readonly WriterCall[];
  readonly atOnce: number;
}

/** Owner: the world of a life, which closes it. */
export class OutsideWriter {
  readonly #thread: Worker;
  readonly #waiting = new Map<number, (answers: WriterAnswer[]) => void>();
  #tasks = 0;

  private constructor(thread: Worker) {
    this.#thread = thread;
    thread.on('message', ({ task, answers }: { task: number; answers: WriterAnswer[] }) => {
      this.#waiting.get(task)?.(answers);
      this.#waiting.delete(task);
    });
  }

  /** Resolves when it has opened a state of each session. */
  static async start(
    endpoints: readonly string[],
    sessionIds: readonly string[],
    callTimeoutMs: number,
  ): Promise<OutsideWriter> {
    const data = { role: ROLE, endpoints, sessionIds, callTimeoutMs };
    const thread = new Worker(fileURLToPath(import.meta.url), { workerData: data });
    await once(thread, 'message');
    return new OutsideWriter(thread);
  }

  /** Resolves with an answer to each call, when all are there. */
  call(session: number, calls: readonly WriterCall[], atOnce: number): Promise<WriterAnswer[]> {
    this.#tasks += 1;
    const task = this.#tasks;
    return new Promise((resolve) => {
      this.#waiting.set(task, resolve);
      this.#thread.postMessage({ task, session, calls, atOnce } satisfies WriterTask);
    });
  }

  async close(): Promise<void> {
    const exit = once(this.#thread, 'exit');
    this.#thread.postMessage('close');
    await exit;
  }
}

const ROLE = 'outside-writer';

async function serve(
  endpoints: readonly string[],
  sessionIds: readonly string[],
  callTimeoutMs: number,
): Promise<void> {
  const limits = { connectTimeoutMs: 1_000, callTimeoutMs };
  const reconnect = { baseMs: 20, capMs: 100 };
  // One that stands still is left for another, where there is one.
  const keepalive = endpoints.length > 1 ? { timeMs: 1_000, timeoutMs: 500 } : {};
  const states = await Promise.all(
    sessionIds.map((sessionId) =>
      BridgedState.open({ endpoints: [...endpoints], sessionId, workers: 0, limits, reconnect, keepalive }),
    ),
  );
  parentPort?.on('message', async (message: WriterTask | 'close') => {
    if (message === 'close') {
      await Promise.all(states.map((state) => state.close()));
      parentPort?.close();
      return;
    }
    const { task, session, calls, atOnce } = message;
    parentPort?.postMessage({ task, answers: await callEach(states[session]!, calls, atOnce) });
  });
  parentPort?.postMessage('open');
}

if (workerData?.role === ROLE) await serve(workerData.endpoints, workerData.sessionIds, workerData.callTimeoutMs);
