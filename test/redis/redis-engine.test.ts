/** The suite of engines, over Redis: one process of the test's own, a prefix for each engine. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { RedisEngine } from '../../src/server/engine/redis/redis-engine.js';
import type { Engine } from '../../src/server/index.js';
import { EngineTest } from '../../src/testing/engine-contract/engine-test.js';
import type { EngineSetup } from '../../src/testing/index.js';
import { describeEngine } from '../../src/testing/index.js';
import { RedisServer, withRedis } from '../support/redis-server.js';
import { checkDecides } from '../vectors-check/decide-check.js';

withRedis('the engine for Redis', () => {
  describe('over Redis', () => {
    const started = RedisServer.start();
    after(async () => (await started).close());
    const urls = new WeakMap<Engine, string>();
    const over = (url: string): Engine => {
      const engine = new RedisEngine(url);
      urls.set(engine, url);
      return engine;
    };
    let count = 0;
    const setup: EngineSetup = {
      create: async () => {
        count += 1;
        return over(`${(await started).url}?test${count}`);
      },
      reopen: (engine) => over(urls.get(engine)!),
      cut: async () => {
        const redis = await started;
        redis.kill('SIGSTOP');
        return async () => redis.kill('SIGCONT');
      },
    };
    describeEngine('redis', setup);

    test('the script decides as decide.json says', () => EngineTest.run(setup, checkDecides));

    test('what the next link of a client asks for no more is not made, by whichever server that has it still to make', () =>
      EngineTest.run(setup, async (given) => {
        const session = await given.session();
        await session.register('fan');
        const place = (sequence: number) => ({ link: 'link', sequence, answered: 0, before: [] });
        await session.set('fan', 1, { once: place(1) });
        const open = async (answered: number) => {
          const window = await given.engine.openWindow!('s', 'link', answered);
          return [window?.from, window?.outcomes.at(-1)?.sequence];
        };
        assert.deepEqual(await open(3), [0, 1]);
        await assert.rejects(session.set('fan', 2, { once: place(3) }), { code: 'UNKNOWN_OUTCOME' });
        assert.equal(await session.set('fan', 3, { once: place(4) }), 3);
        assert.deepEqual(await open(3), [3, 4]);
      }));

    test('what the sets of a link have done is all there, however many commits made them, until its client says that it knows', () =>
      EngineTest.run(setup, async (given) => {
        const session = await given.session();
        await session.register('fan');
        const open = async (answered: number) => {
          const window = await given.engine.openWindow!('s', 'link', answered);
          return [window?.from, window?.outcomes.map(({ sequence, version }) => [sequence, version])];
        };
        const set = (sequence: number, answered = 0) =>
          session.set('fan', sequence, { once: { link: 'link', sequence, answered, before: [] } });
        await open(0);
        for (const sequence of [1, 2, 3]) await set(sequence);
        assert.deepEqual(await open(0), [
          0,
          [
            [1, 2],
            [2, 3],
            [3, 4],
          ],
        ]);
        // What was refused without being asked has no outcome.
        await set(6, 2);
        assert.deepEqual(await open(2), [
          2,
          [
            [3, 4],
            [6, 5],
          ],
        ]);
      }));
  });
});
