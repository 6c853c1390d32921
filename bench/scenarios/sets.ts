/** Single sets, one unary call each, 64 on their way: the rate reached, and what one costs. A closed loop: its latency is that at full load. */
import type { ClientChoice } from '../processes/open-watch-client.js';
import { rowOf } from '../report/row.js';
import { compareWithPlain } from './compared-job.js';
import type { Measured, Scenario } from './scenario.js';
import { StreamProcesses } from './stream-processes.js';

export const sets: Scenario = {
  name: 'sets',
  summary: 'single sets with 64 in flight: rate reached, CPU of one',
  run: (options) => {
    const isQuick = options.size === 'quick';
    const seconds = options.seconds ?? (isQuick ? 1 : 5);
    const title = `sets: single setVariable calls, ${IN_FLIGHT} in flight, ${seconds} s; times until they were answered`;
    return compareWithPlain(options, title, COMPARED, (choice) => setOnce(choice, seconds, isQuick ? 0.5 : 1));
  },
};

async function setOnce(choice: ClientChoice, seconds: number, warmupSeconds: number): Promise<Measured> {
  await using processes = await StreamProcesses.start(choice, VARIABLES);
  const { server, watcher } = processes;
  const plan = { variables: VARIABLES, inFlight: IN_FLIGHT };
  await watcher.call('sets', { ...plan, seconds: warmupSeconds });
  await server.call('startMeter', null);
  const report = await watcher.call('sets', { ...plan, seconds }, seconds * 1_000 + GRACE_MS);
  const { cpuUs: serverCpuUs, rssBytes } = await server.call('stopMeter', null);
  const row = rowOf({
    scenario: 'sets',
    transport: choice.kind,
    workers: choice.kind === 'plain' ? undefined : choice.workers,
    reached: (report.sets * 1e6) / report.us,
    p50_ms: report.latencyMs.p50,
    p90_ms: report.latencyMs.p90,
    p99_ms: report.latencyMs.p99,
    p999_ms: report.latencyMs.p999,
    max_ms: report.latencyMs.max,
    main_busy_us: report.mainActiveUs / report.sets,
    main_elu: report.mainActiveUs / report.us,
    client_cpu_us: report.cpuUs / report.sets,
    server_cpu_us: serverCpuUs / report.sets,
    client_rss_mb: report.rssBytes / 2 ** 20,
    server_rss_mb: rssBytes / 2 ** 20,
  });
  return { row, problems: report.sets === 0 ? [`sets, ${choice.kind}: none was answered`] : [] };
}

const VARIABLES = 1_000;
const IN_FLIGHT = 64;
const GRACE_MS = 30_000;
const COMPARED = ['reached', 'p50_ms', 'p99_ms', 'main_busy_us', 'main_elu', 'client_cpu_us', 'server_cpu_us'] as const;
