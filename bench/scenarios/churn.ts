/** Watching and unwatching, again and again: what it costs, and whether anything stays behind. */
import { deadlineForMs } from '../processes/bench-process.js';
import type { ClientChoice } from '../processes/open-watch-client.js';
import { workersOf } from '../processes/open-watch-client.js';
import { mbOf, rowOf } from '../report/row.js';
import { compareClients } from './compared-job.js';
import type { Measured, Scenario } from './scenario.js';
import { StreamProcesses } from './stream-processes.js';

export const churn: Scenario = {
  name: 'churn',
  summary: 'watching and unwatching in rounds, with memory before and after',
  run: (options) => {
    const isQuick = options.size === 'quick';
    const watches = options.watches ?? (isQuick ? 300 : 1_000);
    const rounds = isQuick ? 2 : 6;
    const title = `churn: ${rounds} rounds of ${watches} watches opened and stopped, after a first one`;
    return compareClients(options, title, COMPARED, { able: [] }, (choice) => churnOnce(choice, watches, rounds));
  },
};

async function churnOnce(choice: ClientChoice, watches: number, rounds: number): Promise<Measured> {
  await using processes = await StreamProcesses.start(choice, watches);
  const { server, watcher } = processes;
  const memory = () => Promise.all([watcher.call('memory', null), server.call('memory', null)]);
  const round = async () => {
    const { openMs } = await watcher.call('watch', { watches, variables: watches }, deadlineForMs(watches));
    const { stopMs } = await watcher.call('unwatch', null, deadlineForMs(watches));
    return openMs + stopMs;
  };
  await round();
  const [clientBefore, serverBefore] = await memory();
  let totalMs = 0;
  for (let done = 0; done < rounds; done += 1) totalMs += await round();
  const [client, server_] = await memory();
  const { streams, observers } = (await server.call('open', null))!;
  const growthMb = (after = Number.NaN, before = Number.NaN) => (after - before) / 2 ** 20;
  const row = rowOf({
    scenario: 'churn',
    transport: choice.kind,
    workers: workersOf(choice),
    watches,
    watch_unwatch_us: (totalMs * 1_000) / (rounds * watches),
    client_growth_mb: growthMb(client.rssBytes, clientBefore.rssBytes),
    client_heap_growth_mb: growthMb(client.heapBytes, clientBefore.heapBytes),
    server_growth_mb: growthMb(server_.rssBytes, serverBefore.rssBytes),
    server_heap_growth_mb: growthMb(server_.heapBytes, serverBefore.heapBytes),
    client_rss_mb: mbOf(client.rssBytes),
    server_rss_mb: mbOf(server_.rssBytes),
    streams_left: streams,
  });
  const left = streams + observers;
  return {
    row,
    problems: left === 0 ? [] : [`churn, ${choice.kind}: ${streams} streams and ${observers} observers were left`],
  };
}

const COMPARED = ['watch_unwatch_us', 'client_rss_mb', 'server_rss_mb'] as const;
