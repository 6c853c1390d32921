/** Opening thousands of watches: how long until all are registered, and what each costs in memory at both ends. */
import { deadlineForMs } from '../processes/bench-process.js';
import type { ClientChoice } from '../processes/open-watch-client.js';
import { bothWays, transportOf, watchesAllByOneCall, workersOf } from '../processes/open-watch-client.js';
import { mbOf, rowOf } from '../report/row.js';
import { compareClients } from './compared-job.js';
import type { Measured, Scenario } from './scenario.js';
import { StreamProcesses } from './stream-processes.js';

export const open: Scenario = {
  name: 'open',
  summary: 'time to open thousands of watches, by a call each and by one call, and memory per watch',
  run: (options) => {
    const watches = options.watches ?? (options.size === 'quick' ? 1_000 : 5_000);
    const title = `open: ${watches} watches at once; memory per watch, resident and the main thread's heap`;
    const peers = { able: ['redis', 'nats'] as const, ways: bothWays };
    return compareClients(options, title, COMPARED, peers, (choice) => openOnce(choice, watches));
  },
};

async function openOnce(choice: ClientChoice, watches: number): Promise<Measured> {
  await using processes = await StreamProcesses.start(choice, watches + WARMUP_WATCHES);
  const { server, watcher } = processes;
  const memory = () => Promise.all([watcher.call('memory', null), server.call('memory', null)]);
  // Code, connections and buffers that the first watches bring are no cost of each further one.
  await watcher.call('watch', { watches: WARMUP_WATCHES, variables: WARMUP_WATCHES, firstVariable: watches });
  const [clientBefore, serverBefore] = await memory();
  const plan = { watches, variables: watches, byOneCall: watchesAllByOneCall(choice) };
  const { openMs } = await watcher.call('watch', plan, deadlineForMs(watches));
  const [client, server_] = await memory();
  const held = await server.call('open', null);
  const kbPerWatch = (after = Number.NaN, before = Number.NaN) => (after - before) / 1_024 / watches;
  const row = rowOf({
    scenario: 'open',
    transport: transportOf(choice),
    workers: workersOf(choice),
    watches,
    open_ms: openMs,
    client_kb_per_watch: kbPerWatch(client.rssBytes, clientBefore.rssBytes),
    client_heap_kb_per_watch: kbPerWatch(client.heapBytes, clientBefore.heapBytes),
    server_kb_per_watch: kbPerWatch(server_.rssBytes, serverBefore.rssBytes),
    server_heap_kb_per_watch: kbPerWatch(server_.heapBytes, serverBefore.heapBytes),
    client_rss_mb: mbOf(client.rssBytes),
    server_rss_mb: mbOf(server_.rssBytes),
  });
  const wanted = (plan.byOneCall ? 1 : watches) + WARMUP_WATCHES;
  const isWrong = held !== undefined && held.streams !== wanted;
  const problems = isWrong ? [`open, ${choice.kind}: the server has ${held.streams} watches, not ${wanted}`] : [];
  return { row, problems };
}

const WARMUP_WATCHES = 200;
const COMPARED = ['open_ms', 'client_kb_per_watch', 'server_kb_per_watch', 'client_rss_mb'] as const;
