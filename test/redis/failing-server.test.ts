/** Of two servers over one Redis one falls silent, or is killed: its clients go on at the other. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { WatchOptions } from '../../src/main/index.js';
import { until, within } from '../../src/testing/within.js';
import { HeldRedis } from '../support/held-redis.js';
import { openAt, overOneRedis, startBehind, startServer } from '../support/opened-over-redis.js';
import { withRedis } from '../support/redis-server.js';

withRedis('a server of two over Redis', describeFailing);

function describeFailing(): void {
  describe('a server of two over one Redis', () => {
    const { redis, prefix, url, twoServers } = overOneRedis('failing');

    test('a server that falls silent under a set by the link: it is made at the other within its time, and once', async () => {
      const servers = await twoServers();
      const state = await openAt(servers, { transport: 'link', keepalive: { timeMs: 60_000, timeoutMs: 300 } });
      await state.registerVariable('v', 'integer', 0);
      assert.equal(await state.setVariable('v', 1), 2);
      servers[0].child.kill('SIGSTOP');
      assert.equal(await within(state.setVariable('v', 2), 'a set'), 3);
      servers[0].child.kill('SIGCONT');
      assert.equal((await state.getVariableInfo('v')).version, 3);
    });

    test('a server that falls silent while nothing is said: its watches are live at the other before long, and miss nothing', async () => {
      const servers = await twoServers();
      const [watcher, other] = [await openAt(servers), await openAt([servers[1]])];
      await watcher.registerVariable('v', 'integer', 0);
      await until(async () => (await other.listVariables()).length === 1, 'the variable');
      const seen: unknown[] = [];
      await watcher.watchVariables('v', (_, old, value, { missed, resync }) => {
        seen.push([old, value, missed, resync]);
      });
      servers[0].child.kill('SIGSTOP');
      const reading = watcher.history('v');
      await other.setVariable('v', 1);
      // By the defaults of one endpoint it would be 13 s.
      await until(() => seen.length > 0, 'the change');
      assert.deepEqual(seen, [[0, 1, 0, false]]);
      const [first] = await within(reading, 'what was asked of the silent one');
      assert.equal(first?.value, 0);
      servers[0].child.kill('SIGCONT');
      assert.equal(await watcher.setVariable('v', 2), 3);
    });

    for (const transport of ['link', 'stream'] as const) {
      test(`a watch that comes to a server that is behind the one that was killed waits for it, and is told nothing again, by ${transport}`, async () => {
        await using held = await HeldRedis.start(redis().path);
        const ahead = await startServer(url());
        const behind = await startBehind(`${held.url}/${prefix()}`, 500);
        const other = await openAt([await startServer(url())]);
        const watcher = await openAt([ahead, behind], { transport });
        await watcher.registerVariable('v', 'integer', 0);
        await other.registerVariable('gone', 'integer', 0);
        const late = await openAt([behind]);
        await until(async () => (await late.listVariables()).length === 2, 'the variables');
        const seen: unknown[] = [];
        // What a condition has kept out is known by versions, whatever carries it.
        const options: WatchOptions = { filter: { gt: 0 }, missing: 'wait' };
        const watch = await watcher.watchVariables(
          ['v', 'new'],
          (name, old, value, { version, missed, resync, deleted }) => {
            seen.push([name, old, value, version, missed, resync, deleted]);
          },
          options,
        );
        const failed = behind.metrics().callsFailed;
        held.hold();
        for (let value = 1; value <= 5; value += 1) await other.setVariable('v', value);
        // Not known to the one that is behind.
        await other.registerVariable('new', 'integer', 7);
        await until(() => seen.length === 6, 'what is set first');
        await ahead.kill();
        await until(() => watch.state !== 'live', 'the break');
        // A read does without what is not known for 300 ms; the watch is refused after 500 ms, and comes again.
        await until(
          () => behind.metrics().callsFailed > failed || seen.length > 6,
          'word of the server that is behind',
        );
        assert.equal(seen.length, 6);
        await other.setVariable('v', 6);
        held.release();
        await until(() => seen.length >= 7, 'what is set last');
        await other.setVariable('v', 7);
        await until(() => seen.length >= 8, 'one more');
        assert.deepEqual(seen, [
          ...[1, 2, 3, 4, 5].map((value) => ['v', value - 1, value, value + 1, 0, false, undefined]),
          ['new', undefined, 7, 1, 0, false, undefined],
          ...[6, 7].map((value) => ['v', value - 1, value, value + 1, 0, false, undefined]),
        ]);
      });
    }

    test('a server that is killed: its clients go on at the other, nothing is missed, and each set is made once', async () => {
      const servers = await twoServers();
      const setter = await openAt(servers);
      const watcher = await openAt(servers);
      const other = await openAt([servers[1]]);
      await setter.registerVariable('v', 'integer', 0);
      await until(async () => (await other.listVariables()).length === 1, 'the variable');
      const seen: { value: unknown; version: number; missed: number; resync: boolean }[] = [];
      await watcher.watchVariables('v', (_, __, value, { version, missed, resync }) => {
        seen.push({ value, version, missed, resync });
      });
      const sets: Promise<unknown>[] = [];
      for (let n = 1; n <= 2_000; n += 1) {
        sets.push(setter.setVariable('v', n));
        if (n === 1_000) await servers[0].kill();
        else if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      const versions = await within(Promise.all(sets), 'all sets');
      assert.deepEqual(
        versions,
        Array.from({ length: 2_000 }, (_, n) => n + 2),
      );
      await until(() => seen.at(-1)?.version === 2_001, 'the last change');
      assert.deepEqual(
        seen.filter(({ missed, resync }) => missed > 0 || resync),
        [],
      );
      assert.deepEqual(
        seen.map(({ value }) => value),
        Array.from({ length: 2_000 }, (_, n) => n + 1),
      );
      assert.equal((await other.getVariableInfo('v')).version, 2_001);
    });
  });
}
