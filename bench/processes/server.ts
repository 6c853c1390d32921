/** The bridge server of a measurement, alone in its process. */
import { startBridgeServer } from '../../src/server/index.js';
import { answerParent } from './child-link.js';
import type { Interval, Memory, ServerUsage } from './usage.js';
import { measureMemory, measureUsage } from './usage.js';

export interface OpenWatches {
  readonly streams: number;
  readonly observers: number;
}

const server = await startBridgeServer({ port: 0 });
let meteredFrom = process.cpuUsage();

const calls = {
  port: (_: null) => server.port,
  usage: (interval: Interval): Promise<ServerUsage> => measureUsage(interval),
  memory: (_: null): Promise<Memory> => measureMemory(),
  /** CPU from here to `stopMeter`. */
  startMeter: (_: null) => {
    meteredFrom = process.cpuUsage();
  },
  stopMeter: (_: null): ServerUsage => {
    const { user, system } = process.cpuUsage(meteredFrom);
    return { cpuUs: user + system, rssBytes: process.memoryUsage.rss() };
  },
  /** What watches are still there. */
  open: (_: null): OpenWatches | undefined => {
    const { streams, observers } = server.metrics();
    return { streams, observers };
  },
};

/** Answered by the server of a peer too, as far as it can. */
export type ServerCalls = typeof calls;

answerParent(calls);
