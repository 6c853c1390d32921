/**
 * Memory against watches, at both ends, and the CPU that they cost while nothing changes. A client process has 250,000 watches at most,
 * and several have the same variables: a million watches of one server are four clients.
 */
import { freemem } from 'node:os';
import { BenchProcess, deadlineForMs } from '../processes/bench-process.js';
import { nowUs } from '../processes/monotonic-clock.js';
import type { ClientChoice } from '../processes/open-watch-client.js';
import { bothWays, transportOf, watchesAllByOneCall, workersOf } from '../processes/open-watch-client.js';
import type { WatcherCalls } from '../processes/watcher.js';
import { mbOf, rowOf } from '../report/row.js';
import { compareClients } from './compared-job.js';
import type { Measured, Scenario } from './scenario.js';
import { outcomeOfCases } from './scenario.js';
import { SESSION, StreamProcesses } from './stream-processes.js';

export const memory: Scenario = {
  name: 'memory',
  summary: 'memory against watches, to 1,000,000 on one server, and the CPU of idle watches',
  isLong: true,
  run: (options) => {
    const wanted =
      options.watches !== undefined ? [options.watches] : options.size === 'quick' ? [500, 1_000] : WATCHES;
    const most = Math.floor(freemem() / MACHINE_BYTES_PER_WATCH);
    const cases = wanted.filter((watches) => watches <= most);
    const leftOut = wanted.filter((watches) => watches > most).map((watches) => watches.toLocaleString('en'));
    const note =
      leftOut.length === 0 ? '' : `; ${leftOut.join(' and ')} are left out: this machine has no memory for them`;
    const title = `memory: watches that nothing happens to${note}`;
    return outcomeOfCases(title, cases, (watches) => {
      const peers = {
        able: ['redis', 'nats'] as const,
        fits: ({ kind }: { kind: string }) =>
          kind === 'link' || watches <= (kind === 'stream' || kind === 'plain' ? MAX_STREAMS : MAX_PER_CLIENT),
        ways: bothWays,
      };
      return compareClients(options, title, COMPARED, peers, (choice) => hold(choice, watches));
    });
  },
};

async function hold(choice: ClientChoice, watches: number): Promise<Measured> {
  const clients = Math.ceil(watches / MAX_PER_CLIENT);
  // Those that warm up are some of them: a server takes a million and not one more.
  const each = Math.max(1, Math.ceil(watches / clients) - WARMUP_WATCHES);
  await using processes = await StreamProcesses.start(choice, each + WARMUP_WATCHES);
  const { server } = processes;
  await using others = new WatcherProcesses();
  for (let count = 1; count < clients; count += 1) await others.start(choice, await server.call('port', null));
  const watchers = [processes.watcher, ...others.watchers];
  for (const watcher of watchers) {
    await watcher.call('watch', { watches: WARMUP_WATCHES, variables: WARMUP_WATCHES, firstVariable: each });
  }
  const memoryOfAll = () =>
    Promise.all([server.call('memory', null), ...watchers.map((watcher) => watcher.call('memory', null))]);

  const before = await memoryOfAll();
  let openMs = 0;
  // One after the other: what one client needs while it opens is freed before the next does.
  for (const watcher of watchers) {
    const plan = { watches: each, variables: each, byOneCall: watchesAllByOneCall(choice) };
    openMs += (await watcher.call('watch', plan, deadlineForMs(each))).openMs;
  }
  const after = await memoryOfAll();
  const startUs = nowUs() + SETTLE_US;
  const part = { fromUs: startUs, toUs: startUs + IDLE_US, firstSet: 0, isIdle: true };
  const [idleServer, idleWatcher] = await Promise.all([
    server.call('usage', part),
    watchers[0]!.call('record', { part, work: false }),
  ]);

  const growthOf = (place: number, figure: 'rssBytes' | 'heapBytes') =>
    (after[place]![figure] ?? Number.NaN) - (before[place]![figure] ?? Number.NaN);
  const kb = (bytes: number, count: number) => bytes / 1_024 / count;
  const row = rowOf({
    scenario: 'memory',
    transport: transportOf(choice),
    case: `${watches.toLocaleString('en')} watches${clients === 1 ? '' : ` of ${clients} clients`}`,
    workers: workersOf(choice),
    watches,
    open_ms: openMs,
    client_kb_per_watch: kb(growthOf(1, 'rssBytes'), each),
    client_heap_kb_per_watch: kb(growthOf(1, 'heapBytes'), each),
    server_kb_per_watch: kb(growthOf(0, 'rssBytes'), each * clients),
    server_heap_kb_per_watch: kb(growthOf(0, 'heapBytes'), each * clients),
    client_rss_mb: mbOf(after[1]!.rssBytes),
    server_rss_mb: mbOf(after[0]!.rssBytes),
    client_idle_percent: (idleWatcher.usage.cpuUs * 100) / IDLE_US,
    server_idle_percent: ((idleServer.cpuUs ?? Number.NaN) * 100) / IDLE_US,
  });
  return { row, problems: [] };
}

/** Further watching services. */
class WatcherProcesses implements AsyncDisposable {
  readonly watchers: BenchProcess<WatcherCalls>[] = [];

  async start(choice: ClientChoice, port: number): Promise<void> {
    const watcher = await BenchProcess.start<WatcherCalls>('watcher');
    this.watchers.push(watcher);
    await watcher.call('connect', { choice, port, session: SESSION, values: 'number' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.watchers.map((watcher) => watcher.close()));
  }
}

const WATCHES = [1_000, 10_000, 100_000, 1_000_000];
const MAX_PER_CLIENT = 250_000;
const MAX_STREAMS = 10_000;
const WARMUP_WATCHES = 200;
/** What a watch takes at both ends while it is opened, with room to spare. */
const MACHINE_BYTES_PER_WATCH = 14_000;
const SETTLE_US = 2e6;
const IDLE_US = 10e6;
const COMPARED = ['open_ms', 'client_kb_per_watch', 'server_kb_per_watch', 'server_rss_mb'] as const;
