/** One-way latency from a writer's schedule to a watcher's callback, through a server: the job of `steady`, `busy` and `fanout`. */
import { deadlineForMs } from '../processes/bench-process.js';
import type { ValueKind } from '../processes/measured-value.js';
import { MEASURED_VALUES } from '../processes/measured-value.js';
import { nowUs } from '../processes/monotonic-clock.js';
import type { ClientChoice } from '../processes/open-watch-client.js';
import { peerOf, transportOf, watchesAllByOneCall, workersOf } from '../processes/open-watch-client.js';
import type { Burst } from '../processes/write-schedule.js';
import { MAX_BATCH, meanSetsPerSecond, WriteSchedule } from '../processes/write-schedule.js';
import type { RawRow } from '../report/row.js';
import { mbOf, rowOf } from '../report/row.js';
import type { Load, Measured } from './scenario.js';
import type { StartWatcher, StartWriter } from './stream-processes.js';
import { StreamProcesses } from './stream-processes.js';

export interface StreamJob extends Load {
  readonly scenario: string;
  /** Watch w is on variable w modulo these. */
  readonly variables: number;
  /** Whether the watching thread also works 5 ms in every 20. */
  readonly worksBeside: boolean;
  /** What the scenario varies, in words. */
  readonly case?: string;
  readonly burst?: Burst;
  /** The first watch's callback holds the main thread for so long, ms. */
  readonly slowMs?: number;
  /** Numbers when left out. */
  readonly values?: ValueKind;
  /** More than others may stand: what a baseline does not deliver in time is told, and no failure. */
  readonly overloads?: boolean;
  /** One server is written to and the other watched, over one Redis; the server's figures are those of the first. */
  readonly hasTwoServers?: boolean;
  /** Ours in Node when left out. */
  readonly startWatcher?: StartWatcher;
  /** Ours in Node when left out; another is measured itself: the client's CPU of the row is that of who sets. */
  readonly startWriter?: StartWriter;
}

export async function runStreamJob(choice: ClientChoice, job: StreamJob): Promise<Measured> {
  await using processes = await StreamProcesses.start(
    choice,
    job.variables,
    job.values,
    job.startWatcher,
    job.startWriter,
    job.hasTwoServers,
  );
  const { server, writer, watcher } = processes;
  const { watches, variables } = job;
  const watched = { watches, variables, slowMs: job.slowMs ?? 0, byOneCall: watchesAllByOneCall(choice) };
  await watcher.call('watch', watched, deadlineForMs(watches));

  const { plan, part } = planOf(job, Math.round(nowUs()) + LEAD_US);
  const deadlineMs = (part.toUs - nowUs()) / 1_000 + GRACE_MS;
  const [written, recorded, serverUsage] = await Promise.all([
    writer.call('write', plan, deadlineMs),
    watcher.call('record', { part, work: job.worksBeside }, deadlineMs),
    server.call('usage', part, deadlineMs),
  ]);
  const watchesPerVariable = watches / variables;
  const expectedInAll = written.acknowledged * watchesPerVariable;
  const recording = await watcher.call('settle', { expected: expectedInAll }, GRACE_MS);
  const { usage } = recorded;

  const endUs = Math.max(part.toUs, recording.lastAtUs ?? 0);
  const perUpdate = (us = Number.NaN) => us / recording.callsInTime;
  const raw: RawRow = {
    scenario: job.scenario,
    transport: transportOf(choice),
    case: job.case,
    workers: workersOf(choice),
    watches,
    rate: job.rate,
    reached: (recording.delivered * 1e6) / (endUs - part.fromUs),
    expected: (plan.sets - part.firstSet) * watchesPerVariable,
    delivered: recording.delivered,
    missed: recording.missed,
    p50_ms: recording.latencyMs?.p50,
    p90_ms: recording.latencyMs?.p90,
    p99_ms: recording.latencyMs?.p99,
    p999_ms: recording.latencyMs?.p999,
    max_ms: recording.latencyMs?.max,
    curve_ms: recording.latencyMs?.curve,
    main_busy_us: perUpdate(Math.max(0, usage.mainActiveUs - recorded.workUs)),
    main_elu: usage.mainElu,
    loop_delay_p99_ms: usage.loopDelayP99Ms,
    client_cpu_us: written.cpuUs === undefined ? perUpdate(usage.cpuUs) : written.cpuUs / written.acknowledged,
    server_cpu_us: perUpdate(serverUsage.cpuUs),
    client_rss_mb: usage.rssBytes / 2 ** 20,
    server_rss_mb: mbOf(serverUsage.rssBytes),
    writer_late_p99_ms: written.lateP99Ms,
  };

  const problems: string[] = [];
  const complain = (count: number, what: string) => {
    if (count > 0) problems.push(`${job.scenario}, ${transportOf(choice)}: ${count} ${what}`);
  };
  complain(written.failed, `sets failed: ${written.failure}`);
  complain(recording.lost, 'updates were skipped without being counted as missed');
  complain(recording.disordered, 'updates came twice or out of order');
  complain(recording.errors, `errors were told to watches: ${recording.firstError}`);
  const unaccounted = Math.max(0, expectedInAll - recording.deliveredInAll - recording.missedInAll - recording.lost);
  complain(unaccounted, `of ${expectedInAll} updates were neither delivered nor counted as missed`);
  const mayFail = peerOf(choice) !== undefined || (job.overloads === true && choice.kind !== 'link');
  if (!mayFail) return { row: rowOf(raw), problems };
  // A peer promises less, and what it cannot do at this load is a finding, no failure.
  for (const problem of problems) process.stderr.write(`bench: ${problem}\n`);
  return { row: rowOf(raw), problems: [] };
}

/** From the load to single sets: the warm-up's first, then those that count. */
export function planOf(job: StreamJob, startUs: number) {
  const setsPerSecond = (job.rate * job.variables) / job.watches;
  const mean = meanSetsPerSecond({ setsPerSecond, burst: job.burst });
  const firstSet = Math.ceil(mean * job.warmupSeconds);
  const sets = firstSet + Math.ceil(mean * job.seconds);
  const { variables, burst } = job;
  const maxBatch = Math.min(
    MAX_BATCH,
    Math.floor(CALL_BYTES / (64 + MEASURED_VALUES[job.values ?? 'number'].jsonBytes)),
  );
  const plan = { startUs, setsPerSecond, sets, variables, burst, maxBatch };
  const fromUs = new WriteSchedule(plan).scheduledAtUs(firstSet);
  return { plan, part: { firstSet, fromUs, toUs: fromUs + job.seconds * 1e6 } };
}

/** Time for the three processes to get their parts. */
const LEAD_US = 200_000;
const GRACE_MS = 40_000;
/** Of the values of one call, so that SetConnection takes it with its names. */
const CALL_BYTES = 32_000;

/** Compared with the baselines. */
export const LATENCY_FIGURES = [
  'p50_ms',
  'p99_ms',
  'p999_ms',
  'main_busy_us',
  'main_elu',
  'client_cpu_us',
  'server_cpu_us',
] as const;
