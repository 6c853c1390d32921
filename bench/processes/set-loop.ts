/** Single sets as fast as they are answered, with a fixed number on their way: a closed loop, for the rate reached and the CPU of one. */
import { createHistogram, performance } from 'node:perf_hooks';
import { nowUs } from './monotonic-clock.js';
import type { Latency } from './update-recorder.js';
import { readLatency } from './update-recorder.js';
import { variableName } from './variable-name.js';
import type { WatchClient } from './watch-client.js';

export interface SetLoopPlan {
  readonly variables: number;
  readonly inFlight: number;
  readonly seconds: number;
}

export interface SetLoopReport {
  readonly sets: number;
  readonly us: number;
  readonly cpuUs: number;
  readonly mainActiveUs: number;
  readonly rssBytes: number;
  readonly latencyMs: Latency;
}

export async function setInFlight(client: WatchClient, plan: SetLoopPlan): Promise<SetLoopReport> {
  const { variables, inFlight, seconds } = plan;
  const histogram = createHistogram({ lowest: 1, highest: 60e9, figures: 3 });
  const cpuBefore = process.cpuUsage();
  const loopBefore = performance.eventLoopUtilization();
  const startedUs = nowUs();
  const untilUs = startedUs + seconds * 1e6;
  let sets = 0;
  const lanes = Array.from({ length: inFlight }, async () => {
    for (let sentUs = nowUs(); sentUs < untilUs; sentUs = nowUs()) {
      sets += 1;
      lastValue += 1;
      await client.set(variableName(lastValue % variables), lastValue);
      histogram.record(Math.max(1, Math.round((nowUs() - sentUs) * 1_000)));
    }
  });
  await Promise.all(lanes);
  const us = nowUs() - startedUs;
  const cpu = process.cpuUsage(cpuBefore);
  return {
    sets,
    us,
    cpuUs: cpu.user + cpu.system,
    mainActiveUs: performance.eventLoopUtilization(loopBefore).active * 1_000,
    rssBytes: process.memoryUsage.rss(),
    latencyMs: readLatency(histogram),
  };
}

/** Never the same again: an equal value would change nothing. */
let lastValue = 0;
