/** A server that begins over Redis has more of a variable than the last versions beside its value: the log of its bucket says what was before them. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import type { BridgeServer, BridgeServerOptions } from '../../src/server/index.js';
import { RedisEngine, startBridgeServer } from '../../src/server/index.js';
import { until } from '../../src/testing/within.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { closeSentinels, startSentinels } from '../support/redis-sentinels.js';
import { closeRedis, startRedis, startRedisOnPort, withRedis } from '../support/redis-server.js';
import { SOON } from '../support/seen-updates.js';

withRedis('histories over Redis', () => {
  describe('a server that begins over Redis', () => {
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
      await closeSentinels();
      await closeRedis();
    });

    const addresses = {
      'one Redis': async () => (await startRedis()).url,
      'one that sentinels name': async () => {
        const primary = await startRedisOnPort();
        return `${(await startSentinels(1, primary.port)).url}/house`;
      },
      'a cluster': async () => (await RedisCluster.start()).url,
    };
    for (const [place, start] of Object.entries(addresses))
      test(`replays the 200 sets that were made before it to whoever was away, by link and by streams: ${place}`, async () => {
        const url = await start();
        const servers = [await startServer(url), await startServer(url)] as const;
        const setter = await openAt(servers[1].port);
        await setter.registerVariable('v', 'integer', 0);
        await setter.setVariable('v', 1);
        const told: (readonly [value: unknown, version: number, missed: number, resync: boolean])[][] = [[], []];
        for (const [index, transport] of (['link', 'stream'] as const).entries()) {
          const watcher = await openAt(servers[0].port, transport);
          await watcher.watchVariables('v', (_, __, value, { version, missed, resync }) => {
            told[index]!.push([value, version, missed, resync]);
          });
        }
        await setter.setVariable('v', 2);
        await until(() => told.every(({ length }) => length === 1), 'a change');

        await servers[0].close();
        const numbers = Array.from({ length: 200 }, (_, index) => index + 3);
        await Promise.all(numbers.map((number) => setter.setVariable('v', number)));
        await startServer(url, { port: servers[0].port });

        await until(() => told.every((calls) => calls.at(-1)?.[0] === 202), 'the last of them');
        const all = [2, ...numbers].map((number) => [number, number + 1, 0, false]);
        assert.deepEqual(told, [all, all]);
        const kept = await (await openAt(servers[0].port)).history('v', { limit: 1_000 });
        assert.deepEqual(
          kept.map(({ value }) => value),
          [0, 1, 2, ...numbers],
        );
      });
  });
});

/** Of one test: closed when it is over, the last first. */
const closers: (() => Promise<void>)[] = [];

async function startServer(url: string, options: BridgeServerOptions = {}): Promise<BridgeServer> {
  const server = await startBridgeServer({ port: 0, ...options, engine: new RedisEngine(url) });
  closers.push(() => server.close());
  return server;
}

async function openAt(port: number, transport: 'link' | 'stream' = 'link'): Promise<BridgedState> {
  const endpoints = [`127.0.0.1:${port}`];
  const state = await BridgedState.open({ endpoints, sessionId: 'house', workers: 0, transport, ...SOON });
  closers.push(() => state.close());
  return state;
}
