/**
 * The thread of one slot: a piscina pool of exactly one, so that its task cannot land on another's thread and a crash is nobody else's.
 * Path: worker pool -> [worker thread] -> workers/piscina-task. Closed: the thread has ended.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import { WorkerError } from '../../shared/errors.js';
import type { Logger } from '../../shared/logger.js';
import { setImmediate } from '../../shared/platform-timers.js';
import type { LaneMemory } from '../../shared/port/update-lane.js';
import { sentenceOf } from '../../shared/thrown.js';

export interface WorkerThreadOptions {
  /** URL of workers/piscina-task, or of a bundled worker. */
  readonly entryUrl: string;
  readonly youngGenerationMb: number;
  readonly logger: Logger;
}

/** What `workers/entry` is given; the port comes by transfer. */
export interface SlotTaskInput {
  readonly port: MessagePort;
  readonly lane: LaneMemory;
  readonly spacingMs: number;
}

export class WorkerThread {
  readonly #options: WorkerThreadOptions;
  readonly #Piscina: typeof Piscina;
  #piscina: Piscina;
  #onLost: (cause: unknown) => void = () => undefined;
  #isReferenced = true;

  /** So many. Without one piscina is not loaded, which takes 90 ms of CPU. @throws WorkerError */
  static async several(count: number, options: WorkerThreadOptions): Promise<WorkerThread[]> {
    if (count === 0) return [];
    const { Piscina } = await import('piscina');
    const threads: WorkerThread[] = [];
    try {
      while (threads.length < count) threads.push(new WorkerThread(options, Piscina));
      return threads;
    } catch (cause) {
      await Promise.all(threads.map((thread) => thread.destroy().catch(ignore)));
      throw new WorkerError(
        `a worker thread cannot be made (${sentenceOf(cause)}): permit it, under Node's permission model by --allow-worker, or give workers: 0`,
        { cause },
      );
    }
  }

  private constructor(options: WorkerThreadOptions, piscina: typeof Piscina) {
    this.#options = options;
    this.#Piscina = piscina;
    this.#piscina = this.#make();
  }

  /** Rejects when the thread dies, also while it starts: piscina makes a thread that dies while it starts never again, we do. */
  async run(task: SlotTaskInput): Promise<void> {
    if (this.#piscina.threads.length === 0) await this.#renew();
    const lost = new Promise<never>((_, reject) => {
      this.#onLost = reject;
    });
    await Promise.race([this.#piscina.run(task, { transferList: [task.port] }), lost]);
  }

  /** Ends the thread at once, as a crash would. */
  async terminate(): Promise<void> {
    await this.#piscina.threads[0]?.terminate();
  }

  unref(): void {
    this.#isReferenced = false;
    for (const thread of this.#piscina.threads) thread.unref();
  }

  async destroy(): Promise<void> {
    await this.#piscina.destroy();
  }

  async #renew(): Promise<void> {
    const dead = this.#piscina;
    this.#piscina = this.#make();
    if (!this.#isReferenced) this.unref();
    await dead.destroy().catch(ignore);
  }

  #make(): Piscina {
    const { entryUrl, youngGenerationMb, logger } = this.#options;
    const piscina = new this.#Piscina({
      filename: entryUrl,
      // A thread that waits in Atomics.wait between tasks has no timers and no sockets.
      atomics: 'disabled',
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      recordTiming: false,
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
    });
    let cause: unknown = new Error('the worker thread ended while it started');
    // Without a listener close() rejects; what matters reaches us by the task.
    piscina.on('error', (error: unknown) => {
      cause = error;
      logger.debug({ error: String(error) }, 'worker thread');
    });
    piscina.on('workerDestroy', () => {
      // By then piscina has made another, or never will.
      setImmediate(() => {
        if (piscina === this.#piscina && piscina.threads.length === 0) this.#onLost(cause);
      });
    });
    return piscina;
  }
}

function ignore(): void {
  // It is dead already.
}
