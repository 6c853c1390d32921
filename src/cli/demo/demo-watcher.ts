/** The demo's watching process: what a service that embeds the library is. One watch for each variable, gRPC in the workers. */
import type { RecordableHistogram } from 'node:perf_hooks';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UpdateMetadata, VariableValue } from '../../main/index.js';
import { BridgedState } from '../../main/index.js';
import { nowUs } from './demo-clock.js';
import type { FromWatcher, Latency, ToWatcher, WatcherProgress, WatcherSettings } from './demo-message.js';
import { DEMO_SESSION, demoVariable } from './demo-message.js';
import { followParent, leaveParent, tellParent } from './demo-parent.js';

export async function demoWatcher(): Promise<void> {
  let watching: WatchingProcess | undefined;
  try {
    await followParent<ToWatcher>(async (message) => {
      switch (message.kind) {
        case 'settings':
          watching = await WatchingProcess.open(message.settings);
          tell({ kind: 'connected' });
          break;
        case 'watch':
          await watching?.watch();
          break;
        case 'finish':
          await watching?.finish(message.expected);
          break;
        default:
          message satisfies never;
      }
    });
  } finally {
    await watching?.close();
    leaveParent();
  }
}

class WatchingProcess {
  readonly #state: BridgedState;
  readonly #settings: WatcherSettings;
  readonly #recent = makeHistogram();
  readonly #run = makeHistogram();
  #delivered = 0;
  #missed = 0;
  #warmUpEndsUs = Number.POSITIVE_INFINITY;
  #utilization = performance.eventLoopUtilization();
  #reporting: NodeJS.Timeout | undefined;

  private constructor(state: BridgedState, settings: WatcherSettings) {
    this.#state = state;
    this.#settings = settings;
  }

  static async open(settings: WatcherSettings): Promise<WatchingProcess> {
    const { ports, workers } = settings;
    const state = await BridgedState.open({
      endpoints: ports.map((port) => `127.0.0.1:${port}`),
      sessionId: DEMO_SESSION,
      ...(workers === undefined ? {} : { workers }),
    });
    return new WatchingProcess(state, settings);
  }

  async watch(): Promise<void> {
    const startedAtMs = performance.now();
    const names = Array.from({ length: this.#settings.watches }, (_, number) => demoVariable(number));
    await Promise.all(names.map((name) => this.#state.watchVariables(name, this.#handleUpdate)));
    const openMs = performance.now() - startedAtMs;
    tell({ kind: 'watching', openMs, progress: await this.#takeProgress() });
    this.#reporting = setInterval(() => {
      void this.#takeProgress().then((progress) => tell({ kind: 'progress', progress }));
    }, this.#settings.reportEveryMs);
  }

  /** Reports when `expected` updates are accounted for, or time is up. */
  async finish(expected: number): Promise<void> {
    const endAtMs = performance.now() + DRAIN_MS;
    let counted = -1;
    let giveUpAtMs = endAtMs;
    while (this.#delivered + this.#missed < expected && performance.now() < Math.min(giveUpAtMs, endAtMs)) {
      if (this.#delivered + this.#missed > counted) giveUpAtMs = performance.now() + SILENCE_MS;
      counted = this.#delivered + this.#missed;
      await sleep(5);
    }
    clearInterval(this.#reporting);
    tell({ kind: 'finished', progress: await this.#takeProgress() });
  }

  close(): Promise<void> {
    clearInterval(this.#reporting);
    return this.#state.close();
  }

  readonly #handleUpdate = (
    _identifier: string,
    _oldValue: VariableValue | undefined,
    newValue: VariableValue | undefined,
    { missed }: UpdateMetadata,
  ): void => {
    const now = nowUs();
    this.#delivered += 1;
    this.#missed += missed;
    if (this.#warmUpEndsUs === Number.POSITIVE_INFINITY) this.#warmUpEndsUs = now + WARM_UP_US;
    const latencyUs = Math.max(1, now - (newValue as number));
    this.#recent.record(latencyUs);
    if (now >= this.#warmUpEndsUs) this.#run.record(latencyUs);
  };

  async #takeProgress(): Promise<WatcherProgress> {
    const before = this.#utilization;
    this.#utilization = performance.eventLoopUtilization();
    const workers = this.#state.workers === 0 ? [] : await this.#state.workerStats();
    const latency = latencyOf(this.#recent);
    this.#recent.reset();
    return {
      delivered: this.#delivered,
      missed: this.#missed,
      latency,
      latencyOfRun: latencyOf(this.#run),
      mainUtilization: performance.eventLoopUtilization(this.#utilization, before).utilization,
      workers: workers.map(({ workerId, watches, streams, utilization }) => ({
        workerId,
        watches,
        streams,
        utilization,
      })),
    };
  }
}

/** Microseconds, up to a minute. */
function makeHistogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 });
}

function latencyOf(histogram: RecordableHistogram): Latency | undefined {
  if (histogram.count === 0) return undefined;
  return {
    p50: histogram.percentile(50) / 1_000,
    p99: histogram.percentile(99) / 1_000,
    max: histogram.max / 1_000,
  };
}

const tell = (message: FromWatcher): void => tellParent(message);

/** What is still on its way may take this long, ms, and may pause for so long. */
const DRAIN_MS = 20_000;
const SILENCE_MS = 5_000;
/** Left out of the run's latency: code that runs for the first time is slow for reasons of its own. */
const WARM_UP_US = 2_000_000;
