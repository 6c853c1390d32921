/**
 * piscina with N slots, used as N supervised threads: one endless task each, made again when its worker dies.
 * Path: BridgedState -> [worker pool] -> slot. Closed: tasks end by themselves, then their threads.
 */
import { fstatSync } from 'node:fs';
import type { MessagePort } from 'node:worker_threads';
import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { Deadlines, deadlineOf } from '../../shared/deadlines.js';
import { BridgeError, WorkerError } from '../../shared/errors.js';
import type { PoolOptions, PoolOptionsInput } from '../../shared/options.js';
import { parsePoolOptions } from '../../shared/options.js';
import { clearInterval, setInterval } from '../../shared/platform-timers.js';
import type { LaneMemory } from '../../shared/port/update-lane.js';
import { makeLane } from '../../shared/port/update-lane.js';
import { systemClock } from '../../shared/system-clock.js';
import { LanePoller } from './lane-poller.js';
import { closedPool, SlotClient } from './slot-client.js';
import { CrashCounter } from './slot-recovery.js';

/** The one place that knows where the worker code is. */
const ENTRY_URL = new URL('../../workers/entry.js', import.meta.url).href;

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

type RunSlot = (task: { port: unknown; lane: LaneMemory; spacingMs: number }) => Promise<void>;

/** Worker threads that several states may share. `await WorkerPool.open({ workers: 2 })`; the state that makes its own closes it too. */
export class WorkerPool implements AsyncDisposable {
  readonly #options: PoolOptions;
  readonly #piscina: Piscina | undefined;
  readonly #slots: SlotClient[];
  readonly #poller: LanePoller;
  readonly #tasks = new Set<Promise<void>>();
  #nextBridge = 1;
  #isClosing = false;
  #idleCheck: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: PoolOptions) {
    this.#options = options;
    const poller = new LanePoller(options.spacingMs);
    this.#poller = poller;
    this.#slots = Array.from({ length: Math.max(1, options.workers) }, (_, number) => {
      const slot = new SlotClient(number, poller);
      poller.add(slot);
      return slot;
    });
    if (options.workers === 0) return;
    this.#piscina = new Piscina({
      filename: ENTRY_URL,
      // A thread that waits in Atomics.wait between tasks has no timers and no sockets.
      atomics: 'disabled',
      minThreads: options.workers,
      maxThreads: options.workers,
      idleTimeout: Number.POSITIVE_INFINITY,
      // With a spare place the task of a dead worker would land on a living one.
      concurrentTasksPerWorker: 1,
      recordTiming: false,
      closeTimeout: CLOSE_GRACE_MS,
      resourceLimits: { maxYoungGenerationSizeMb: options.youngGenerationMb },
    });
    // Without a listener close() rejects; what matters reaches us by the tasks.
    this.#piscina.on('error', (error: unknown) => options.logger.debug({ error: String(error) }, 'worker pool'));
  }

  /** Resolves when every worker runs. @throws InvalidOptionsError, WorkerError when one does not start in time */
  static async open(input: PoolOptionsInput = {}): Promise<WorkerPool> {
    const pool = new WorkerPool(parsePoolOptions(input));
    try {
      await Promise.all(pool.#slots.map((slot) => pool.#start(slot, new CrashCounter())));
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
   * @throws WorkerError when there is no such worker
   */
  async restartWorker(worker: number): Promise<void> {
    const thread = this.#piscina?.threads[worker];
    if (thread === undefined)
      throw new WorkerError(`there is no worker ${worker}: this pool has ${this.workers}, counted from 0`);
    await thread.terminate();
  }

  /**
   * Lets the process exit although the pool is open. With 0 workers the sockets are this thread's own, and it has no effect.
   * piscina holds a port per running task that nobody else can let go of: when nothing but those is left, the pool closes by itself.
   */
  unref(): void {
    for (const slot of this.#slots) slot.unref();
    for (const thread of this.#piscina?.threads ?? []) thread.unref();
    this.#idleCheck ??= setInterval(() => {
      if (isNothingElseLeft(this.#piscina?.threads.length ?? 0)) void this.close();
    }, UNREF_CHECK_MS).unref();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
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
    await this.#piscina?.destroy().catch(ignore);
  }

  /** Runs one slot's task. Resolves when its worker is ready, and afterwards keeps it alive. */
  async #start(slot: SlotClient, crashes: CrashCounter): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    crashes.handleStart(systemClock.nowMs());
    const lane = makeLane(this.#options.credits);
    const ready = slot.start(port1, lane);
    const task = this.#run(port2, lane);
    const settled = task.then(
      () => undefined,
      (cause: unknown) => this.#handleDeath(slot, crashes, cause),
    );
    this.#tasks.add(settled);
    void settled.finally(() => this.#tasks.delete(settled));
    await this.#within(ready, task);
  }

  async #run(port: MessagePort, lane: LaneMemory): Promise<void> {
    const { spacingMs } = this.#options;
    if (this.#piscina === undefined) {
      const { default: runSlot } = (await import(ENTRY_URL)) as { default: RunSlot };
      return runSlot({ port, lane, spacingMs });
    }
    return this.#piscina.run({ port, lane, spacingMs }, { transferList: [port] }) as Promise<void>;
  }

  /** piscina replaces the thread, and leaves its task to us. */
  #handleDeath(slot: SlotClient, crashes: CrashCounter, cause: unknown): void {
    if (this.#isClosing) return;
    this.#options.logger.warn(
      { slot: slot.number, cause: String(cause) },
      'a worker died; its watches go on in another',
    );
    slot.handleDeath();
    const error = crashes.handleDeath(systemClock.nowMs(), cause);
    if (error !== undefined) {
      slot.close(error);
      return;
    }
    this.#start(slot, crashes).catch((failure: unknown) => {
      slot.close(failure instanceof BridgeError ? failure : new WorkerError(String(failure), { cause: failure }));
    });
    slot.recover();
  }

  /** piscina never replaces a worker that fails while it starts: then there is an error instead of a wait. */
  async #within(ready: Promise<void>, task: Promise<void>): Promise<void> {
    const { startTimeoutMs } = this.#options;
    const deadlines = new Deadlines();
    const late = new Promise<never>((_, reject) => {
      const fail = () =>
        reject(
          new WorkerError(`a worker did not start within ${startTimeoutMs} ms: raise startTimeoutMs on a busy machine`),
        );
      deadlines.schedule(deadlineOf(fail), systemClock.nowMs() + startTimeoutMs);
    });
    const died = task.then(() => {
      if (!this.#isClosing) throw new WorkerError('a worker ended before it was ready');
    });
    try {
      await Promise.race([ready, late, died]);
    } catch (cause) {
      if (cause instanceof BridgeError) throw cause;
      throw new WorkerError(`a worker did not start: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
      });
    } finally {
      deadlines.close();
    }
  }
}

function ignore(): void {
  // It is being closed; there is nobody to tell.
}
