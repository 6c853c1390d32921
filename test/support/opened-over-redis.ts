/** Servers over Redis and their clients, of one test. */
import { after, afterEach, before, beforeEach } from 'node:test';
import type { BridgedStateOptions } from '../../src/main/index.js';
import { BridgedState } from '../../src/main/index.js';
import type { BridgeServer } from '../../src/server/index.js';
import { RedisEngine, startBridgeServer } from '../../src/server/index.js';
import { closeRedis, RedisServer } from './redis-server.js';
import { ServerProcess } from './server-process.js';

const states: BridgedState[] = [];
const servers: { close(): Promise<void> }[] = [];

export async function startServer(url: string): Promise<ServerProcess> {
  const server = await ServerProcess.start({ engine: url });
  closeLater(server);
  return server;
}

/** One Redis for all tests of a `describe`, each with a prefix of its own there. */
export function overOneRedis(name: string) {
  let redis!: RedisServer;
  let tests = 0;
  before(async () => {
    redis = await RedisServer.start();
  });
  after(() => redis.close());
  beforeEach(() => {
    tests += 1;
  });
  afterEach(closeOpened);
  const prefix = (): string => `${name}${tests}`;
  const url = (): string => `${redis.url}?${prefix()}`;
  const twoServers = (): Promise<[ServerProcess, ServerProcess]> =>
    Promise.all([startServer(url()), startServer(url())]);
  return { redis: () => redis, prefix, url, twoServers };
}

/** In this process; it answers for so long without Redis. */
export async function startBehind(url: string, behindMs: number): Promise<BridgeServer> {
  const server = await startBridgeServer({ port: 0, engine: new RedisEngine(url, { behindMs }) });
  closeLater(server);
  return server;
}

export function closeLater(server: { close(): Promise<void> }): void {
  servers.push(server);
}

/** A client of the session `house`. */
export async function openAt(
  over: readonly { readonly port: number }[],
  options: Omit<BridgedStateOptions, 'endpoint' | 'endpoints'> = {},
): Promise<BridgedState> {
  const endpoints = over.map(({ port }) => `127.0.0.1:${port}`);
  const state = await BridgedState.open({ endpoints, sessionId: 'house', workers: 1, ...options });
  states.push(state);
  return state;
}

/** In the order in which they were opened, servers behind clients, Redis last. */
export async function closeOpened(): Promise<void> {
  for (const state of states.splice(0)) await state.close();
  for (const server of servers.splice(0)) await server.close();
  await closeRedis();
}
