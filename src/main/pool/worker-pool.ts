/**
 * N supervised threads: one endless task each, begun again when its worker dies, at work or while it starts.
 * Path: BridgedState -> [worker pool] -> slot. Closed: tasks end by themselves, then their threads.
 */
import { fstatSync } from 'node:fs';
import { MessageChannel } from 'node:worker_threads';
import { Deadlines, deadlineOf } from '../../shared/deadlines.js';
import { BridgeError, WorkerError } from '../../shared/errors.js';
import type { PoolOptions, PoolOptionsInput } from '../../shared/options.js';
import { parsePoolOptions } from '../../shared/options.js';
import { clearInterval, setInterval } from '../../shared/platform-timers.js';
import { makeLane } from '../../shared/port/update-lane.js';
import { systemClock } from '../../shared/system-clock.js';
import { describeValue } from '../../shared/values/describe-value.js';
import { LanePoller } from './lane-poller.js';
import { closedPool, SlotClient } from './slot-client.js';
import { CrashCounter } from './slot-recovery.js';
import { workerFile } from './worker-file.js';
import type { SlotTaskInput } from './worker-thread.js';
import { WorkerThread } from './worker-thread.js';

/** Time that workers have to end by themselves, ms. */
const CLOSE_GRACE_MS = 5_000;

/** How soon an unreferenced pool notices that nothing else keeps the process, ms. */
const UNREF_CHECK_MS = 100;

/** Whether the process lives on by so many ports at most. Its own output, where that is a pipe or a terminal, is listed and keeps nothing alive. */
function isNothingElseLeft(ports: number): boolean {
  let outputs = [1, 2].filter((fd) => {
    const output = fstatSync(fd);
    return output.isFIFO() || output.isSocket() || output.isCharacterDevice();
  }).length;
  for (const resource of process.getActiveResourcesInfo()) {
    if (resource === 'MessagePort') ports -= 1;
    else if (resource === 'PipeWrap' || resource === 'TTYWrap' || resource === 'TTY') outputs -= 1;
    else return false;
  }
  return ports >= 0 && outputs >= 0;
}

type RunSlot = (task: SlotTaskInput) => Promise<void>;

/** Worker threads that several states may share. `await WorkerPool.open({ workers: 2 })`; the state that makes its own closes it too. */
export class WorkerPool implements AsyncDisposable {
  readonly #options: PoolOptions;
  readonly #entryUrl: string;
  readonly #slots: SlotClient[];
  /** By slot; none with 0 workers. */
  readonly #threads: WorkerThread[];
  readonly #poller: LanePoller;
  readonly #tasks = new Set<Promise<void>>();
  #nextBridge = 1;
  #isClosing = false;
  #idleCheck: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: PoolOptions, entryUrl: string, threads: WorkerThread[]) {
    this.#options = options;
    this.#entryUrl = entryUrl;
    this.#threads = threads;
    const poller = new LanePoller(options.spacingMs);
    this.#poller = poller;
    this.#slots = Array.from({ length: Math.max(1, options.workers) }, (_, number) => {
      const slot = new SlotClient(number, poller);
      poller.add(slot);
      return slot;
    });
  }

  /** Resolves when every worker runs. @throws InvalidOptionsError, WorkerError when one does not start in time */
  static async open(input: PoolOptionsInput = {}): Promise<WorkerPool> {
    const options = parsePoolOptions(input);
    const { workers, workerUrl, youngGenerationMb, logger } = options;
    const entryUrl = workerFile(workerUrl);
    const threads = await WorkerThread.several(workers, { entryUrl, youngGenerationMb, logger });
    const pool = new WorkerPool(options, entryUrl, threads);
    try {
      await Promise.all(pool.#slots.map((slot) => pool.#supervise(slot)));
    } catch (error) {
      await pool.close();
      throw error;
    }
    return pool;
  }

  /** Worker threads; 0 when the main thread does their work. */
  get workers(): number {
    return this.#options.workers;
  }

  /** For states only. */
  get slots(): readonly SlotClient[] {
    return this.#slots;
  }

  /** For states only: a number that no other state of this pool has. */
  nextBridge(): number {
    const bridge = this.#nextBridge;
    this.#nextBridge += 1;
    return bridge;
  }

  /**
   * Ends one worker at once, as a crash would; its watches go on in a fresh one from where they are.
   * @throws WorkerError when there is no such worker, ClosedError
   */
  async restartWorker(worker: number): Promise<void> {
    if (this.#isClosing) throw closedPool();
    const thread = this.#threads[worker];
    if (thread === undefined)
      throw new WorkerError(
        `there is no worker ${describeValue(worker)}: this pool has ${this.workers}, counted from 0`,
      );
    await thread.terminate();
  }

  /**
   * Lets the process exit although the pool is open. With 0 workers the sockets are this thread's own, and it has no effect.
   * piscina holds a port per running task that nobody else can let go of: when nothing but those is left, the pool closes by itself.
   */
  unref(): void {
    for (const slot of this.#slots) slot.unref();
    for (const thread of this.#threads) thread.unref();
    this.#idleCheck ??= setInterval(() => {
      if (isNothingElseLeft(this.#threads.length)) this.#closeUnseen();
    }, UNREF_CHECK_MS).unref();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The process ends: that is no failure of a watch, and no news to whoever waits for a change. */
  #closeUnseen(): void {
    for (const slot of this.#slots) slot.forgetSubscribers();
    void this.close();
  }

  async #close(): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#idleCheck);
    const deadlines = new Deadlines();
    const grace = new Promise<void>((resolve) => {
      deadlines.schedule(
        deadlineOf(() => resolve()),
        systemClock.nowMs() + CLOSE_GRACE_MS,
      );
    });
    const ended = Promise.all(this.#slots.map((slot) => slot.stop().catch(ignore))).then(() =>
      Promise.all(this.#tasks),
    );
    await Promise.race([ended, grace]);
    deadlines.close();
    for (const slot of this.#slots) slot.close(closedPool());
    this.#poller.close();
    // The tasks are over, or out of time: what is left is ended.
    await Promise.all(this.#threads.map((thread) => thread.destroy().catch(ignore)));
  }

  /** Keeps one slot's task running until the pool closes. Resolves when its worker is ready. @throws WorkerError when none lives */
  #supervise(slot: SlotClient): Promise<void> {
    return new Promise((resolve, reject) => {
      const supervision = this.#keepRunning(slot, resolve).catch((error: unknown) => {
        const cause = error instanceof BridgeError ? error : new WorkerError(String(error), { cause: error });
        slot.close(cause);
        reject(cause);
      });
      this.#tasks.add(supervision);
      void supervision.finally(() => this.#tasks.delete(supervision));
    });
  }

  async #keepRunning(slot: SlotClient, onReady: () => void): Promise<void> {
    const crashes = new CrashCounter();
    for (let isFirst = true; ; isFirst = false) {
      crashes.handleStart(systemClock.nowMs());
      const { port1, port2 } = new MessageChannel();
      const lane = makeLane(this.#options.credits);
      const ready = slot.start(port1, lane);
      if (!isFirst) slot.recover();
      const task = this.#run(slot, { port: port2, lane, spacingMs: this.#options.spacingMs });
      const cause = await this.#untilOver(slot, task, ready, onReady);
      if (this.#isClosing) return;
      this.#options.logger.warn(
        { slot: slot.number, cause: String(cause) },
        'a worker died; its watches go on in another',
      );
      slot.handleDeath();
      const error = crashes.handleDeath(systemClock.nowMs(), cause);
      if (error !== undefined) throw error;
    }
  }

  async #run(slot: SlotClient, task: SlotTaskInput): Promise<void> {
    const thread = this.#threads[slot.number];
    if (thread !== undefined) return thread.run(task);
    const { default: runSlot } = (await import(this.#entryUrl)) as { default: RunSlot };
    return runSlot(task);
  }

  /** Resolves with why the task is over. A worker that does not say in time that it runs is ended. */
  async #untilOver(slot: SlotClient, task: Promise<void>, ready: Promise<void>, onReady: () => void): Promise<unknown> {
    const { startTimeoutMs } = this.#options;
    const over = task.then(
      () => new WorkerError('a worker ended before it was told to'),
      (cause: unknown) => cause,
    );
    const deadlines = new Deadlines();
    const late = new Promise<WorkerError>((resolve) => {
      const sentence = `a worker did not start within ${startTimeoutMs} ms: raise startTimeoutMs on a busy machine`;
      deadlines.schedule(
        deadlineOf(() => resolve(new WorkerError(sentence))),
        systemClock.nowMs() + startTimeoutMs,
      );
    });
    const start = await Promise.race([ready.then(() => undefined), over, late]);
    deadlines.close();
    if (start !== undefined) {
      if (start instanceof WorkerError) await this.#threads[slot.number]?.terminate();
      return start;
    }
    onReady();
    return over;
  }
}

function ignore(): void {
  // It is being closed; there is nobody to tell.
}
