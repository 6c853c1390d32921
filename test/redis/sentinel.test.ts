/** Servers that find Redis by sentinels: they go on at whichever process is promoted, and a primary that is none any more is not believed. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import type { BridgeServer } from '../../src/server/index.js';
import { RedisEngine, startBridgeServer } from '../../src/server/index.js';
import { until, within } from '../../src/testing/within.js';
import { freePort } from '../support/free-port.js';
import { closeSentinels, startSentinels } from '../support/redis-sentinels.js';
import { closeRedis, startRedisOnPort, startReplica, withRedis } from '../support/redis-server.js';

withRedis('Redis by its sentinels', () => {
  describe('Redis by its sentinels', () => {
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
      await closeSentinels();
      await closeRedis();
    });

    test('a primary is killed, another one only silent until it is replaced: nothing acknowledged is lost, each set is made once', async () => {
      const first = await startRedisOnPort();
      const replicas = [await startReplica(first.port), await startReplica(first.port)];
      const sentinels = await startSentinels(3, first.port);
      await sentinels.knowReplicas(2);
      // One that nobody listens for, and others that are not named in it.
      const url = `redis+sentinel://127.0.0.1:${await freePort()},127.0.0.1:${sentinels.all[0]!.port}/main/house`;
      const servers = await Promise.all([0, 1].map(() => startServer(url)));
      const clients = await Promise.all(servers.map((server) => openAt(server)));
      await clients[0]!.registerVariable('count', 'integer', 0);
      const told: Told[][] = [[], []];
      for (const [place, client] of clients.entries()) {
        await client.watchVariables('count', (_, __, value, { version, missed, resync }) => {
          told[place]!.push({ value, version, missed, resync });
        });
      }
      let last = 0;
      let isOver = false;
      const setting = (async () => {
        while (!isOver) {
          last += 1;
          assert.equal(await clients[last % 2]!.setVariable('count', last), last + 1);
        }
      })();
      setting.catch(() => undefined);
      const more = (): Promise<void> => {
        const from = last;
        // A set that fails says so here.
        return Promise.race([until(() => last > from + 20, 'sets', FAILOVER_MS), setting]);
      };
      await more();

      first.kill();
      await more();
      const port = await sentinels.primaryPort();
      const second = replicas.find((replica) => replica.port === port)!;
      // Back as a replica, so that there is one when the second is away too.
      await first.run();
      await first.replicate(port);
      await sentinels.knowReplicas(2);

      // Found by the sentinels themselves: one that is told to promote goes by what it last heard of the replicas, and may take one that lacks what was acknowledged.
      second.kill('SIGSTOP');
      await more();
      assert.notEqual(await sentinels.primaryPort(), port);
      // It answers what is asked of it as the primary that it was.
      second.kill('SIGCONT');
      await more();

      isOver = true;
      await within(setting, 'the last set');
      await until(() => told.every((one) => one.at(-1)?.value === last), 'the last of them at both');
      for (const one of told) checkTold(one);
      for (const server of servers) {
        const { engineTakeovers, engineReady } = server.metrics();
        assert.deepEqual([engineTakeovers, engineReady], [2, 1]);
      }
    });

    test('passwords of both are shown to each, and what somebody has to mend is said at once, without them', async () => {
      const primary = await startRedisOnPort('--requirepass', 'one');
      const settings = ['sentinel auth-pass main one', 'requirepass two'];
      const { port } = (await startSentinels(1, primary.port, ...settings)).all[0]!;
      const passwords = '?sentinel_password=two';
      const server = await startServer(`redis+sentinel://:one@127.0.0.1:${port}/main${passwords}`, 'primary');
      assert.equal(server.metrics().engineReady, 1);
      const refused: readonly (readonly [address: string, sentence: RegExp])[] = [
        [
          `redis+sentinel://:one@127.0.0.1:${port}/main`,
          /the sentinel at \S+ refuses \(NOAUTH .*give \?sentinel_password/,
        ],
        [
          `redis+sentinel://:one@127.0.0.1:${port}/main?sentinel_password=one`,
          /the sentinel at \S+ refuses \(WRONGPASS/,
        ],
        [`redis+sentinel://:two@127.0.0.1:${port}/main${passwords}`, /^Redis at \S+ refuses \(WRONGPASS/],
        [
          `redis+sentinel://:one@127.0.0.1:${port}/other${passwords}`,
          /the sentinel at \S+ knows no other: look at the name/,
        ],
        [
          `rediss+sentinel://:one@127.0.0.1:${port}/main${passwords}`,
          /knows no TLS: give its address as redis\+sentinel/,
        ],
        [
          `redis+sentinel://:one@127.0.0.1:${primary.port}/main?sentinel_password=one`,
          /is no sentinel .*give the port of one/,
        ],
      ];
      const waitForEngine = new AbortController().signal;
      await Promise.all(
        refused.map(async ([address, message]) => {
          const start = startBridgeServer({ port: 0, engine: new RedisEngine(address), waitForEngine });
          await assert.rejects(within(start, address), (error: Error & { code: string }) => {
            assert.match(error.message, message);
            assert.doesNotMatch(error.message, /:(one|two)@|password=\w/);
            return error.code === 'ENGINE_UNAVAILABLE';
          });
        }),
      );
    });

    test('sentinels that are away are waited for', async () => {
      const [port, wait] = [await freePort(), new AbortController()];
      const engine = new RedisEngine(`redis+sentinel://127.0.0.1:${port}/main`);
      const start = startBridgeServer({ port: 0, engine, waitForEngine: wait.signal });
      start.catch(() => undefined);
      await until(() => engine.health.state === 'lost', 'the first failure');
      assert.match(String(engine.health.cause), /\/main does not answer \(.*ECONNREFUSED.*it is tried again/);
      wait.abort();
      await assert.rejects(within(start, 'the end'), { code: 'ENGINE_UNAVAILABLE' });
    });
  });
});

const closers: (() => unknown)[] = [];

interface Told {
  readonly value: unknown;
  readonly version: number;
  readonly missed: number;
  readonly resync: boolean;
}

/** Each change once and in order. Where a primary went, a resync may take back the one set that was told and not acknowledged, or skip what was set meanwhile. */
function checkTold(told: readonly Told[]): void {
  let before = 1;
  for (const { value, version, missed, resync } of told) {
    assert.equal(version, Number(value) + 1);
    if (resync) assert.ok(version >= before - 1, `${before}, then ${version}: what was acknowledged is taken back`);
    else assert.deepEqual([version, missed], [before + 1, 0]);
    before = version;
  }
  assert.ok(told.filter(({ resync }) => resync).length <= 2, 'two primaries went');
}

async function startServer(url: string, ack: 'primary' | 'replica' = 'replica'): Promise<BridgeServer> {
  const engine = new RedisEngine(url, { ack, behindMs: FAILOVER_MS });
  const server = await startBridgeServer({ port: 0, engine });
  closers.push(() => server.close());
  return server;
}

async function openAt({ port }: BridgeServer): Promise<BridgedState> {
  // A failover may take longer than the ten seconds that a set has by default: then nobody would know what became of it.
  const limits = { callTimeoutMs: FAILOVER_MS };
  const state = await BridgedState.open({ endpoint: `127.0.0.1:${port}`, sessionId: 'house', workers: 1, limits });
  closers.push(() => state.close());
  return state;
}

/** The longest, beside other tests. */
const FAILOVER_MS = 30_000;
