/** Servers that say where they live: a client that was given one of them goes on at the others. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { RedisEngine } from '../../src/server/index.js';
import { until, within } from '../../src/testing/within.js';
import { freePort } from '../support/free-port.js';
import type { RedisServer } from '../support/redis-server.js';
import { closeRedis, startRedis, withRedis } from '../support/redis-server.js';
import { ServerProcess } from '../support/server-process.js';

withRedis('servers that say where they live', describeAdvertised);

const closers: (() => Promise<void> | void)[] = [];

function describeAdvertised(): void {
  describe('servers that say where they live', () => {
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
      await closeRedis();
    });

    test('a client that was given one goes on at another when that is killed: nothing missed, each set made once', async () => {
      const redis = await startRedis();
      const [first, second] = [await startServer(redis.url), await startServer(redis.url)];
      const state = await BridgedState.open({ endpoints: [endpointOf(second)], sessionId: 'house', workers: 1 });
      closers.push(() => state.close());
      await state.registerVariable('v', 'integer', 0);
      const versions: number[] = [];
      const faults: unknown[] = [];
      await state.watchVariables('v', (_, __, value, { version, missed, resync }) => {
        versions.push(version);
        if (missed > 0 || resync) faults.push([value, missed, resync]);
      });
      const sets: Promise<number>[] = [];
      for (let n = 1; n <= 400; n += 1) {
        sets.push(state.setVariable('v', n));
        if (n === 200) await second.kill();
        else if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      const made = await within(Promise.all(sets), 'the sets', 20_000);
      assert.deepEqual(
        made,
        Array.from({ length: 400 }, (_, place) => place + 2),
      );
      await until(() => versions.length === 400, 'the changes');
      assert.deepEqual(faults, []);
      await until(async () => (await liveAt(redis)).length === 1, 'the end of the lease', 10_000);
      assert.deepEqual(await liveAt(redis), [endpointOf(first)]);
      await first.close();
      assert.deepEqual(await liveAt(redis), [], 'one that is closed goes at once');
    });

    test('what is no endpoint is refused', () => {
      assert.throws(() => new RedisEngine('redis://127.0.0.1', { advertise: 'http://x' }), {
        code: 'INVALID_OPTIONS',
        message: /HOST:PORT/,
      });
    });
  });
}

async function liveAt(redis: RedisServer): Promise<string[]> {
  const said = await redis.command('ZRANGE', 'bs:servers', '0', '-1');
  return said.split('\r\n').filter((line) => line.includes(':') && !/^[*$]/.test(line));
}

function endpointOf({ port }: ServerProcess): string {
  return `127.0.0.1:${port}`;
}

async function startServer(redis: string): Promise<ServerProcess> {
  const port = await freePort();
  const server = await ServerProcess.start({ port, engine: redis, advertise: `127.0.0.1:${port}` });
  closers.push(() => server.close());
  return server;
}
