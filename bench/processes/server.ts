/** The bridge server of a measurement, alone in its process. */
import { channel as diagnosticsChannel } from 'node:diagnostics_channel';
import { type Engine, LocalEngine, RedisEngine, SqliteJournal, startBridgeServer } from '../../src/server/index.js';
import { answerParent } from './child-link.js';
import { nowUs } from './monotonic-clock.js';
import type { Interval, Memory, ServerUsage } from './usage.js';
import { measureMemory, measureUsage } from './usage.js';

export interface OpenWatches {
  readonly streams: number;
  readonly observers: number;
}

// argv: port, what keeps its state (the Redis that it shares with others, or sqlite:DIR; 'memory' and nothing: none does), and whether its
// limits are the defaults: they are for servers that strangers reach, and one client holds here what they allow many together.
const [port = '0', keeper = 'memory', limits] = process.argv.slice(2);
const SQLITE = 'sqlite:';
const NO_LIMITS = {
  maxStreams: 1_000_000,
  maxConnectionBytes: 2 ** 40,
  maxSessionBytes: 2 ** 40,
  maxTotalBytes: 2 ** 50,
};
const channel = diagnosticsChannel('net.server.socket');
const server = await startBridgeServer({
  port: Number(port),
  ...(keeper === 'memory' ? {} : { engine: engineOf(keeper) }),
  ...(limits === 'default-limits' ? {} : NO_LIMITS),
});
const listeningSinceUs = nowUs();

/** Sockets that it was given. */
let connections = 0;
channel.subscribe(() => {
  connections += 1;
});

let meteredFrom = process.cpuUsage();

const calls = {
  port: (_: null) => server.port,
  connections: (_: null) => connections,
  listeningSinceUs: (_: null) => listeningSinceUs,
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

function engineOf(where: string): Engine {
  if (!where.startsWith(SQLITE)) return new RedisEngine(where);
  return new LocalEngine(new SqliteJournal(where.slice(SQLITE.length)));
}
