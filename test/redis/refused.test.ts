/** A Redis that refuses what it is asked: how long `/readyz` says so, what the log tells of it, and that nothing is half done. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { bucketOf } from '../../src/server/engine/redis/format/keys.js';
import { until, within } from '../../src/testing/within.js';
import { startServe } from '../support/command-line.js';
import { closeRedis, type RedisServer, startRedis, startRedisOnPort, withRedis } from '../support/redis-server.js';

withRedis('a Redis that refuses', () => {
  describe('a Redis that refuses', () => {
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
      await closeRedis();
    });

    test('is not ready for as long as it does, though its logs are read, and is when it takes sets again, without one', async () => {
      const redis = await startRedis('--maxmemory-policy', 'noeviction');
      const { state, readyz } = await startServer(redis.url);
      await state.registerVariable('v', 'integer', 0);
      for (const [setting, refused, mended] of [
        ['maxmemory', '1', '0'],
        ['min-replicas-to-write', '1', '0'],
      ] as const) {
        await redis.command('CONFIG', 'SET', setting, refused);
        await assert.rejects(state.setVariable('v', 1));
        const said = new Set<number>();
        const before = await reads(redis);
        await until(async () => {
          said.add((await readyz()).status);
          return (await reads(redis)) > before + 1;
        }, 'reads of the log');
        assert.deepEqual([...said], [503], setting);
        await redis.command('CONFIG', 'SET', setting, mended);
        await until(async () => (await readyz()).status === 200, 'the end of it');
      }
      assert.equal(await state.setVariable('v', 1), 2);
    });

    test('is not ready for as long as it is paused for writes, though nobody sets and it answers all else', async () => {
      const redis = await startRedis();
      const { state, readyz } = await startServer(redis.url, '--behind-ms', '1000');
      await state.registerVariable('v', 'integer', 0);
      await redis.command('CLIENT', 'PAUSE', '60000', 'WRITE');
      // On a busy machine one that is answered late may be said before it, and pass.
      let before = Number.POSITIVE_INFINITY;
      await until(async () => {
        if ((await readyz()).status !== 503) before = Number.POSITIVE_INFINITY;
        else before = Math.min(before, await reads(redis));
        return (await reads(redis)) > before + 3;
      }, 'that it stays so while the log is read');
      assert.equal(await state.getVariable('v'), 0);
      await assert.rejects(state.setVariable('v', 1), { code: 'UNKNOWN_OUTCOME' });
      await redis.command('CLIENT', 'UNPAUSE');
      await until(async () => (await readyz()).status === 200, 'the end of it');
      assert.equal(await state.setVariable('v', 2), 2);
    });

    test('is told by the log without values and passwords', async () => {
      const redis = await startRedisOnPort();
      await redis.command('ACL', 'SETUSER', 'bridge', 'on', '>hidden-word', '~*', '&*', '+@all');
      const url = `redis://bridge:hidden-word@127.0.0.1:${redis.port}`;
      const { state, readyz, serve } = await startServer(url, '--behind-ms', '1000');
      await state.registerVariable('m', 'map', {});
      await redis.command('CONFIG', 'SET', 'maxmemory', '1');
      await assert.rejects(state.setVariable('m', { secret: 'confidential'.repeat(1_000) }), { code: 'STORAGE_FULL' });
      await serve.said(/engine full/);
      await redis.command('CONFIG', 'SET', 'maxmemory', '0');
      await until(async () => (await readyz()).status === 200, 'room');

      await redis.command('ACL', 'SETUSER', 'bridge', 'resetpass', '>another');
      const asking = (await redis.command('CLIENT', 'LIST'))
        .split('\n')
        .filter((line) => line.includes('user=bridge') && !line.includes('cmd=xread'));
      for (const line of asking) await redis.command('CLIENT', 'KILL', 'ID', /id=(\d+)/.exec(line)![1]!);
      await serve.said(/engine lost/);
      assert.match(await (await readyz()).text(), /WRONGPASS/);
      const refused = { code: 'ENGINE_UNAVAILABLE', message: /look at the user and password/ };
      await assert.rejects(within(state.setVariable('m', {}), 'the refusal'), refused);
      const bytes = [...Buffer.from('confidential')].join();
      for (const word of ['hidden-word', 'confidential', bytes, 'maxRetriesPerRequest', 'enableOfflineQueue'])
        assert.ok(!serve.stderr.includes(word), `${word} in ${serve.stderr}`);
    });

    test('half way: a log that is not ours, or a head that is lost, lets nothing be half done', async () => {
      const redis = await startRedis();
      const { state } = await startServer(redis.url);
      await state.registerVariable('v', 'integer', 0);
      const [log, head] = ['log', 'head'].map((name) => `bs:{b${bucketOf('house')}}:${name}`) as [string, string];
      const told: unknown[] = [];
      await state.watchVariables('v', (_name, _old, value, { version, missed }) => told.push([value, version, missed]));

      await redis.command('RENAME', log, 'elsewhere');
      await redis.command('SET', log, 'of somebody else');
      await assert.rejects(state.setVariable('v', 1), { code: 'ENGINE_FORMAT', message: /another program/ });
      await redis.command('DEL', log);
      await redis.command('RENAME', 'elsewhere', log);
      assert.equal(await within(state.setVariable('v', 2), 'a set'), 2);

      await redis.command('DEL', head);
      assert.equal(await within(state.setVariable('v', 3), 'a set behind it'), 3);
      await until(() => told.length === 2, 'both');
      assert.deepEqual(told, [
        [2, 2, 0],
        [3, 3, 0],
      ]);
    });
  });
});

const closers: (() => unknown)[] = [];

async function startServer(url: string, ...more: string[]) {
  const { serve, endpoint, line } = await startServe(
    '--engine',
    url,
    '--admin-port',
    '0',
    '--log-level',
    'warn',
    ...more,
  );
  closers.push(() => serve.kill());
  const state = await BridgedState.open({ endpoint, sessionId: 'house', workers: 0 });
  closers.push(() => state.close());
  return { serve, state, readyz: () => fetch(`http://127.0.0.1:${line.adminPort}/readyz`) };
}

/** Of logs, by all servers. */
async function reads(redis: RedisServer): Promise<number> {
  return Number(/cmdstat_xread:calls=(\d+)/.exec(await redis.command('INFO', 'commandstats'))?.[1] ?? 0);
}
