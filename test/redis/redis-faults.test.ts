/** Redis itself fails under two servers: what was acknowledged is there, or its loss is told; what was refused was not done. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import type { BridgeError } from '../../src/main/index.js';
import { bucketOf } from '../../src/server/engine/redis/format/keys.js';
import { RedisEngine, startBridgeServer } from '../../src/server/index.js';
import { until, within } from '../../src/testing/within.js';
import { closeOpened, openAt, startServer } from '../support/opened-over-redis.js';
import { startRedis, withRedis } from '../support/redis-server.js';

withRedis('Redis itself', describeFaults);

function describeFaults(): void {
  describe('Redis itself', () => {
    afterEach(closeOpened);

    test('killed and started again on its files: nothing that was acknowledged is lost, and nobody misses anything', async () => {
      const redis = await startRedis('--appendonly', 'yes', '--appendfsync', 'always');
      const servers = [await startServer(redis.url), await startServer(redis.url)];
      const [setter, watcher] = await Promise.all(servers.map((server) => openAt([server])));
      await setter!.registerVariable('v', 'integer', 0);
      await until(async () => (await watcher!.listVariables()).length === 1, 'the variable');
      const seen: number[] = [];
      const faults: unknown[] = [];
      await watcher!.watchVariables('v', (_, __, value, { missed, resync }) => {
        seen.push(Number(value));
        if (missed > 0 || resync) faults.push([value, missed, resync]);
      });
      const sets: Promise<number>[] = [];
      for (let n = 1; n <= 300; n += 1) {
        sets.push(setter!.setVariable('v', n));
        if (n % 100 === 50) {
          redis.kill();
          await redis.ended();
          await redis.run();
        }
      }
      const versions = await within(Promise.all(sets), 'all sets', 20_000);
      assert.deepEqual(
        versions,
        Array.from({ length: 300 }, (_, n) => n + 2),
      );
      await until(() => seen.at(-1) === 300, 'the last change');
      assert.deepEqual([seen.length, faults], [300, []]);
    });

    test('begun again with less than it had acknowledged: every watch is told so, at both servers, and goes on', async () => {
      const redis = await startRedis();
      const servers = [await startServer(redis.url), await startServer(redis.url)];
      const [one, other] = await Promise.all(servers.map((server) => openAt([server])));
      await one!.registerVariable('v', 'integer', 0);
      await until(async () => (await other!.listVariables()).length === 1, 'the variable');
      const seen: { value: unknown; version: number; resync: boolean }[][] = [[], []];
      for (const [place, state] of [one!, other!].entries()) {
        await state.watchVariables('v', (_, __, value, { version, resync }) => {
          seen[place]!.push({ value, version, resync });
        });
      }
      await one!.setVariable('v', 1);
      assert.match(await redis.command('SAVE'), /OK/);
      await other!.setVariable('v', 2);
      await one!.setVariable('v', 3);
      await until(() => seen.every((told) => told.at(-1)?.value === 3), 'what will be lost');
      redis.kill();
      await redis.ended();
      await redis.run();
      await until(() => seen.every((told) => told.at(-1)?.value === 1), 'what is left');
      assert.deepEqual(
        seen.map((told) => told.at(-1)),
        [
          { value: 1, version: 2, resync: true },
          { value: 1, version: 2, resync: true },
        ],
      );
      assert.equal(await other!.setVariable('v', 7), 3);
      await until(() => seen.every((told) => told.at(-1)?.value === 7), 'what comes then');
      assert.deepEqual([await one!.getVariable('v'), (await one!.getVariableInfo('v')).version], [7, 3]);
    });

    test('stopped for a while: what was asked meanwhile is made once when it goes on, and what is known is said', async () => {
      const redis = await startRedis();
      const servers = [await startServer(redis.url), await startServer(redis.url)];
      const [one, other] = await Promise.all(servers.map((server) => openAt([server])));
      await one!.registerVariable('v', 'integer', 0);
      assert.equal(await other!.getVariable('v'), 0);
      redis.kill('SIGSTOP');
      const sets = [one!.setVariable('v', 1), other!.setVariable('v', 2)];
      await Promise.all(
        [one, other].map((state) =>
          until(() => Promise.resolve(state!.getVariable('v')).then(() => true), 'what is known'),
        ),
      );
      redis.kill('SIGCONT');
      assert.deepEqual((await within(Promise.all(sets), 'both sets', 20_000)).sort(), [2, 3]);
      const versions = await Promise.all(
        [one, other].map(async (state) => (await state!.getVariableInfo('v')).version),
      );
      assert.deepEqual(versions, [3, 3]);
    });

    test('full: sets are refused with nothing done, and it goes on by itself when there is room', async () => {
      const redis = await startRedis('--maxmemory-policy', 'noeviction');
      const server = await startServer(redis.url);
      const state = await openAt([server]);
      await state.registerVariable('v', 'string', '');
      await redis.command('CONFIG', 'SET', 'maxmemory', '1');
      await assert.rejects(state.setVariable('v', 'x'), { code: 'STORAGE_FULL' });
      await assert.rejects(state.registerVariable('w', 'string', ''), { code: 'STORAGE_FULL' });
      // Too long for a link: a call of its own.
      const long = { v: 'x'.repeat(10_000) };
      for (const atomic of [false, true])
        await assert.rejects(state.updateVariables(long, { atomic }), { code: 'STORAGE_FULL' });
      assert.equal(await state.getVariable('v'), '');
      const { id } = await state.getVariableInfo('v');
      await assert.rejects(state.deleteVariable('v'), { code: 'STORAGE_FULL' });
      const kept = await redis.command('HEXISTS', `bs:{b${bucketOf('house')}}:v:house`, id);
      assert.equal(kept, ':1\r\n', 'a deletion that is refused has deleted nothing');
      const late = await openAt([server]);
      const values: unknown[] = [];
      const seen = await late.watchVariables('v', (_name, _old, value) => values.push(value), { includeInitial: true });
      await seen.synced;
      assert.deepEqual(values, [''], 'a link is opened, and reads what is there');
      await redis.command('CONFIG', 'SET', 'maxmemory', '0');
      assert.equal(await late.setVariable('v', 'x'), 2);
      assert.equal((await state.listVariables()).length, 1);
    });

    test('full, then killed: what it refused does not count as lost when a server dies too', async () => {
      const redis = await startRedis('--appendonly', 'yes', '--appendfsync', 'always');
      const servers = [await startServer(redis.url), await startServer(redis.url)] as const;
      const state = await openAt(servers);
      const told: unknown[] = [];
      await state.registerVariable('v', 'integer', 0);
      await state.watchVariables('v', (_name, _old, value) => told.push(value), {
        onError: (error) => told.push(error),
      });
      assert.equal(await state.setVariable('v', 1), 2);
      await redis.command('CONFIG', 'SET', 'maxmemory', '1');
      for (let n = 0; n < 3; n += 1) await assert.rejects(state.setVariable('v', 9), { code: 'STORAGE_FULL' });
      redis.kill();
      await redis.ended();
      await redis.run();
      assert.equal(await state.setVariable('v', 2), 3);
      await servers[0].kill();
      assert.equal(await state.setVariable('v', 3), 4);
      await until(() => told.at(-1) === 3, 'the last');
      assert.deepEqual(told, [1, 2, 3]);
    });

    test('that refuses for good says so at once, with nothing done, and goes on by itself when the cause is gone', async () => {
      const redis = await startRedis();
      const server = await startServer(redis.url);
      const state = await openAt([server]);
      await state.registerVariable('v', 'integer', 1);
      const head = `bs:{b${bucketOf('house')}}:head`;

      await redis.command('ACL', 'SETUSER', 'default', '-evalsha');
      await assert.rejects(state.setVariable('v', 2), { code: 'ENGINE_UNAVAILABLE', message: /NOPERM/ });
      await redis.command('ACL', 'SETUSER', 'default', '+evalsha');
      assert.equal(await state.setVariable('v', 2), 2);

      await redis.command('RENAME', head, 'elsewhere');
      await redis.command('SET', head, 'of somebody else');
      await assert.rejects(state.setVariable('v', 3), { code: 'ENGINE_FORMAT', message: /another program/ });
      await redis.command('DEL', head);
      await redis.command('RENAME', 'elsewhere', head);
      assert.equal(await state.setVariable('v', 3), 3);
      assert.equal((await state.getVariableInfo('v')).version, 3);
    });

    test('what is wrong at the start is said', async () => {
      const redis = await startRedis('--requirepass', 'secret word');
      const start = (url: string) => startBridgeServer({ port: 0, engine: new RedisEngine(url) });
      await assert.rejects(start(redis.url), (error: BridgeError) => {
        assert.match(error.message, /NOAUTH/);
        return error.code === 'ENGINE_UNAVAILABLE';
      });
      await assert.rejects(start('redis://127.0.0.1:1'), {
        code: 'ENGINE_UNAVAILABLE',
        message: /127\.0\.0\.1:1 .*ECONNREFUSED/,
      });
      assert.throws(() => new RedisEngine('http://somewhere'), { code: 'INVALID_OPTIONS' });
      const foreign = await startRedis();
      await foreign.command('SET', 'bs:meta', 'of somebody else');
      await assert.rejects(start(foreign.url), { code: 'ENGINE_FORMAT' });
      await foreign.command('DEL', 'bs:meta');
      await foreign.command('HSET', 'bs:meta', 'format', '99');
      await assert.rejects(start(foreign.url), { code: 'ENGINE_FORMAT', message: /99/ });
    });
  });
}
