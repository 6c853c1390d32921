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
    return this.#ask({ session, calls, atOnce });
  }

  #ask(what: Omit<WriterTask, 'task'> | 'leave'): Promise<WriterAnswer[]> {
    this.#tasks += 1;
    const task = this.#tasks;
    return new Promise((resolve) => {
      this.#waiting.set(task, resolve);
      this.#thread.postMessage(what === 'leave' ? { task } : ({ ...what, task } satisfies WriterTask));
    });
  }

  /** Its states are closed, until they are needed again: nobody of it uses a session. */
  leave(): Promise<void> {
    return this.#ask('leave').then(() => undefined);
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
  const open = (sessionId: string) =>
    BridgedState.open({ endpoints: [...endpoints], sessionId, workers: 0, limits, reconnect, keepalive });
  const states = new Map<number, Promise<BridgedState>>(sessionIds.map((sessionId, place) => [place, open(sessionId)]));
  await Promise.all(states.values());
  let whenLeft: Promise<unknown> = Promise.resolve();
  const leave = async () => {
    const left = [...states.values()];
    states.clear();
    whenLeft = Promise.all(left.map(async (state) => (await state).close()));
    await whenLeft;
  };
  parentPort?.on('message', async (message: WriterTask | { readonly task: number } | 'close') => {
    if (message === 'close') {
      await leave();
      parentPort?.close();
      return;
    }
    const { task } = message;
    if (!('calls' in message)) {
      await leave();
      parentPort?.postMessage({ task, answers: [] });
      return;
    }
    const { session, calls, atOnce } = message;
    // Of two states of one session nobody promises an order.
    const state = states.get(session) ?? whenLeft.then(() => open(sessionIds[session]!));
    states.set(session, state);
    parentPort?.postMessage({ task, answers: await callEach(await state, calls, atOnce) });
  });
  parentPort?.postMessage('open');
}

if (workerData?.role === ROLE) await serve(workerData.endpoints, workerData.sessionIds, workerData.callTimeoutMs);
