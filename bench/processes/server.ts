/** The bridge server of a measurement, alone in its process. */
import { startBridgeServer } from '../../src/server/index.js';
import { answerParent } from './child-link.js';
import type { Interval } from './usage.js';
import { measureMemory, measureUsage } from './usage.js';

const server = await startBridgeServer({ port: 0 });
let meteredFrom = process.cpuUsage();

const calls = {
  port: (_: null) => server.port,
  usage: (interval: Interval) => measureUsage(interval),
  memory: (_: null) => measureMemory(),
  /** CPU from here to `stopMeter`. */
  startMeter: (_: null) => {
    meteredFrom = process.cpuUsage();
  },
  stopMeter: (_: null) => {
    const { user, system } = process.cpuUsage(meteredFrom);
    return { cpuUs: user + system, rssBytes: process.memoryUsage.rss() };
  },
  /** What watches are still there. */
  open: (_: null) => {
    const { streams, observers } = server.metrics();
    return { streams, observers };
  },
};

export type ServerCalls = typeof calls;

answerParent(calls);
