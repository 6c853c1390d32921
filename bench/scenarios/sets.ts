/**
 * Single sets, each with an answer of its own that is waited for: one after the other, and 64 on their way. Closed loops: the latency is that at
 * full load.
 */
import type { ClientChoice } from '../processes/open-watch-client.js';
import { workersOf } from '../processes/open-watch-client.js';
import { mbOf, rowOf } from '../report/row.js';
import { compareClients } from './compared-job.js';
import type { Measured, Scenario } from './scenario.js';
import { outcomeOfCases } from './scenario.js';
import { StreamProcesses } from './stream-processes.js';

export const sets: Scenario = {
  name: 'sets',
  summary: 'single sets, one awaited after another and 64 in flight: rate reached, CPU of one',
  run: async (options) => {
    const isQuick = options.size === 'quick';
    const seconds = options.seconds ?? (isQuick ? 1 : 2);
    const title = `sets: single setVariable calls, each awaited, ${seconds} s; times until they were answered`;
    return outcomeOfCases(title, isQuick ? [64] : [1, 64], (inFlight) =>
      compareClients(options, title, COMPARED, PEERS, (choice) =>
        setOnce(choice, { inFlight, seconds, warmupSeconds: isQuick ? 0.5 : 1 }),
      ),
    );
  },
};

interface SetJob {
  readonly inFlight: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
}

async function setOnce(choice: ClientChoice, { inFlight, seconds, warmupSeconds }: SetJob): Promise<Measured> {
  await using processes = await StreamProcesses.start(choice, VARIABLES);
  const { server, watcher } = processes;
  const plan = { variables: VARIABLES, inFlight };
  await watcher.call('sets', { ...plan, seconds: warmupSeconds });
  await server.call('startMeter', null);
  const report = await watcher.call('sets', { ...plan, seconds }, seconds * 1_000 + GRACE_MS);
  const { cpuUs: serverCpuUs = Number.NaN, rssBytes } = await server.call('stopMeter', null);
  const row = rowOf({
    scenario: 'sets',
    transport: choice.kind,
    case: `${inFlight} in flight`,
    workers: workersOf(choice),
    in_flight: inFlight,
    reached: (report.sets * 1e6) / report.us,
    p50_ms: report.latencyMs.p50,
    p90_ms: report.latencyMs.p90,
    p99_ms: report.latencyMs.p99,
    p999_ms: report.latencyMs.p999,
    max_ms: report.latencyMs.max,
    curve_ms: report.latencyMs.curve,
    main_busy_us: report.mainActiveUs / report.sets,
    main_elu: report.mainActiveUs / report.us,
    client_cpu_us: report.cpuUs / report.sets,
    server_cpu_us: serverCpuUs / report.sets,
    client_rss_mb: mbOf(report.rssBytes),
    server_rss_mb: mbOf(rssBytes),
  });
  return { row, problems: report.sets === 0 ? [`sets, ${choice.kind}: none was answered`] : [] };
}

const VARIABLES = 1_000;
const GRACE_MS = 30_000;
const COMPARED = ['reached', 'p50_ms', 'p99_ms', 'main_busy_us', 'main_elu', 'client_cpu_us', 'server_cpu_us'] as const;
/** NATS core answers no set. */
const PEERS = { able: ['redis', 'nats-kv', 'etcd'], quick: [] } as const;
