/**
 * The demo's writer process: registers the variables and sets them on schedule. Each value is the moment for which its set was scheduled.
 * Slow: at most 100 batches are on their way. Sets that are due meanwhile wait, their lateness counts, and they go as fewer, larger batches.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BridgedState } from '../../main/index.js';
import { nowUs } from './demo-clock.js';
import type { FromWriter, ToWriter, WriterSettings } from './demo-message.js';
import { DEMO_SESSION, demoVariable } from './demo-message.js';
import type { DueSets } from './demo-pacer.js';
import { DemoPacer } from './demo-pacer.js';
import { followParent, leaveParent, tellParent } from './demo-parent.js';

export async function demoWriter(): Promise<void> {
  let writer: Writer | undefined;
  try {
    await followParent<ToWriter>(async (message) => {
      switch (message.kind) {
        case 'settings':
          writer = await Writer.open(message.settings);
          tell({ kind: 'registered' });
          break;
        case 'start':
          // Not waited for: `stop` has to be heard.
          writer?.start();
          break;
        case 'stop':
          await writer?.stop();
          break;
        default:
          message satisfies never;
      }
    });
  } finally {
    await writer?.close();
    leaveParent();
  }
}

class Writer {
  readonly #state: BridgedState;
  readonly #settings: WriterSettings;
  readonly #names: readonly string[];
  readonly #batch = new Map<string, number>();
  #underWay = 0;
  #acknowledged = 0;
  #failed = 0;
  #failure = '';
  #isStopping = false;
  #pacing: Promise<void> | undefined;

  private constructor(state: BridgedState, settings: WriterSettings) {
    this.#state = state;
    this.#settings = settings;
    this.#names = Array.from({ length: settings.variables }, (_, number) => demoVariable(number));
  }

  static async open(settings: WriterSettings): Promise<Writer> {
    // A worker for gRPC: the main thread keeps the schedule.
    const state = await BridgedState.open({
      endpoints: settings.ports.map((port) => `127.0.0.1:${port}`),
      sessionId: DEMO_SESSION,
      workers: 1,
      source: 'demo-writer',
    });
    const writer = new Writer(state, settings);
    await writer.#register();
    return writer;
  }

  start(): void {
    this.#pacing = this.#pace();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#pacing;
    while (this.#underWay > 0) await nextTurn();
    tell({ kind: 'stopped', acknowledged: this.#acknowledged, failed: this.#failed, failure: this.#failure });
  }

  close(): Promise<void> {
    this.#isStopping = true;
    return this.#state.close();
  }

  async #register(): Promise<void> {
    for (let from = 0; from < this.#names.length; from += REGISTERED_AT_ONCE) {
      const names = this.#names.slice(from, from + REGISTERED_AT_ONCE);
      await Promise.all(names.map((name) => this.#state.registerVariable(name, 'float', 0)));
    }
  }

  async #pace(): Promise<void> {
    const sleeper = new Int32Array(new SharedArrayBuffer(4));
    const pacer = new DemoPacer(nowUs() + 1_000, this.#settings.rate);
    let reportAtUs = nowUs() + REPORT_EVERY_US;
    while (!this.#isStopping) {
      const now = nowUs();
      while (this.#underWay < MOST_UNDER_WAY) {
        const due = pacer.take(now);
        if (due === undefined) break;
        this.#add(due);
      }
      this.#flush();
      if (now >= reportAtUs) {
        reportAtUs += REPORT_EVERY_US;
        tell({ kind: 'progress', acknowledged: this.#acknowledged, failed: this.#failed });
      }
      // Answers come in here. Then this thread sleeps to the microsecond, which a timer does not: the worker is not disturbed.
      await nextTurn();
      const leftMs = Math.min(1, (pacer.nextUs - nowUs()) / 1_000);
      if (leftMs > 0) Atomics.wait(sleeper, 0, 0, leftMs);
      else if (this.#underWay >= MOST_UNDER_WAY) Atomics.wait(sleeper, 0, 0, 1);
    }
  }

  /** A batch has one value of each variable: where one is due again, the next batch begins. */
  #add({ scheduledUs, first, count }: DueSets): void {
    for (let index = 0; index < count; index += 1) {
      const name = this.#names[(first + index) % this.#names.length]!;
      if (this.#batch.size === MOST_IN_BATCH || this.#batch.has(name)) this.#flush();
      // Equal values would be no change: a second one of the same moment is a microsecond later.
      this.#batch.set(name, scheduledUs + Math.floor(index / this.#names.length));
    }
  }

  #flush(): void {
    if (this.#batch.size === 0) return;
    void this.#update(Object.fromEntries(this.#batch), this.#batch.size);
    this.#batch.clear();
  }

  async #update(values: Record<string, number>, sets: number): Promise<void> {
    this.#underWay += 1;
    try {
      await this.#state.updateVariables(values);
      this.#acknowledged += sets;
    } catch (error) {
      this.#failed += sets;
      this.#failure ||= error instanceof Error ? error.message : String(error);
    } finally {
      this.#underWay -= 1;
    }
  }
}

const tell = (message: FromWriter): void => tellParent(message);

const REGISTERED_AT_ONCE = 200;
const MOST_IN_BATCH = 1_000;
const MOST_UNDER_WAY = 100;
const REPORT_EVERY_US = 250_000;
