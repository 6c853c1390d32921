/** What a process used between two moments, and what it holds. */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { sleepUntil } from './monotonic-clock.js';

/** Moments of the monotonic clock, us. */
export interface Interval {
  readonly fromUs: number;
  readonly toUs: number;
  /** Nothing happens in it: the timer that finds out how late the loop is would be most of what is measured. */
  readonly isIdle?: boolean;
}

export interface Usage {
  /** User and system time of all its threads, us. */
  readonly cpuUs: number;
  /** Time that the main thread's loop was not waiting, us. */
  readonly mainActiveUs: number;
  /** The same as a share of the interval, 0 to 1. */
  readonly mainElu: number;
  /** How late the main thread's loop was at the end of a 10 ms timer, 99th percentile, ms; 0 of an idle interval. */
  readonly loopDelayP99Ms: number;
  /** At the end of the interval. */
  readonly rssBytes: number;
}

/** What is known of a server, whose ever it is; undefined where the system does not tell. */
export interface ServerUsage {
  /** User and system time of all its threads, us. */
  readonly cpuUs: number | undefined;
  readonly rssBytes: number | undefined;
}

export interface Memory {
  readonly rssBytes: number | undefined;
  /** Of a Node process's main thread alone. */
  readonly heapBytes: number | undefined;
}

export async function measureUsage({ fromUs, toUs, isIdle }: Interval): Promise<Usage> {
  const delay = monitorEventLoopDelay({ resolution: TIMER_MS });
  await sleepUntil(fromUs);
  const cpuBefore = process.cpuUsage();
  const loopBefore = performance.eventLoopUtilization();
  if (isIdle !== true) delay.enable();
  await sleepUntil(toUs);
  const loop = performance.eventLoopUtilization(loopBefore);
  const cpu = process.cpuUsage(cpuBefore);
  delay.disable();
  return {
    cpuUs: cpu.user + cpu.system,
    mainActiveUs: loop.active * 1_000,
    mainElu: loop.utilization,
    // The histogram holds the time from one end of the timer to the next.
    loopDelayP99Ms: isIdle === true ? 0 : Math.max(0, delay.percentile(99) / 1e6 - TIMER_MS),
    rssBytes: process.memoryUsage.rss(),
  };
}

/** After garbage collection of the main thread; the workers collect when they like. */
export async function measureMemory(): Promise<Memory> {
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.();
    await turn();
  }
  const { rss, heapUsed } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed };
}

/** A shorter one would be a good part of what a thread that is nearly idle does. */
const TIMER_MS = 10;
