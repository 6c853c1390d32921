/** listWatchers: who watches what, and books that balance. */
import assert from 'node:assert/strict';
import { dateNowMs } from '../../shared/platform-timers.js';
import { until } from '../within.js';
import type { Promised } from './contract-test.js';
import { infoOf } from './recording.js';

export function describeWatcherInfo(promise: Promised): void {
  promise('every running watch is listed, with all that there is to say of it', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 0, b: 0 });
    const startedAt = dateNowMs();
    const one = await contract.record(['a', 'b']);
    const other = await contract.record('b');
    const infos = await provider.listWatchers();
    assert.deepEqual(infos.map(({ ref }) => ref).sort(), [one.watch.ref, other.watch.ref].sort());
    const info = infos.find(({ ref }) => ref === one.watch.ref)!;
    assert.deepEqual([...info.identifiers].sort(), ['a', 'b']);
    assert.equal(info.alive, true);
    assert.equal(info.state, 'live');
    assert.equal(info.transport, provider.capabilities.transport);
    assert.ok(Number.isInteger(info.workerId) && info.workerId >= -1);
    assert.ok(Math.abs(info.createdAt - startedAt) < 600_000, 'ms since 1970');
    const { uptimeMs, ...stats } = info.stats;
    assert.ok(uptimeMs >= 0);
    assert.deepEqual(stats, {
      updatesReceived: 0,
      updatesDelivered: 0,
      updatesFiltered: 0,
      updatesRateLimited: 0,
      updatesMissed: 0,
      errors: 0,
      reconnects: 0,
      yields: 0,
      buffered: 0,
      lastUpdateAt: undefined,
      latencyMs: undefined,
    });
  });

  promise('updates are counted, their latency and the last of them are known', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.record('x');
    for (let n = 1; n <= 10; n += 1) await provider.setVariable('x', n);
    await recording.take(10);
    const { stats } = await infoOf(provider, recording.watch);
    assert.equal(stats.updatesReceived, 10);
    assert.equal(stats.updatesDelivered, 10);
    assert.ok(stats.lastUpdateAt !== undefined && stats.lastUpdateAt > 1.6e12);
    assert.ok(stats.latencyMs !== undefined && stats.latencyMs.p50 > 0 && stats.latencyMs.p50 <= stats.latencyMs.p99);
  });

  promise(
    'delivered, filtered, rate-limited, missed and buffered make up the versions since registration',
    async (contract) => {
      const { provider } = contract;
      const sets = 600;
      await contract.floats({ x: 0 });
      const isEven = (_: unknown, now: unknown) => (now as number) % 2 === 0;
      const recordings = [
        await contract.record('x'),
        await contract.record('x', { filter: isEven }),
        await contract.record('x', { filter: { gt: 300 } }),
        await contract.record('x', { bufferLimit: 8 }),
        await contract.record('x', { bufferLimit: 8, overflow: 'drop-oldest' }),
        await contract.record('x', { bufferLimit: 8, filter: isEven }),
        await contract.record('x', { bufferLimit: 8, filter: { gt: 300 }, throttleMs: 20 }),
        await contract.record('x', { debounceMs: 20 }),
        await contract.record('x', { throttleMs: 60_000 }),
        await contract.record('x', { conflate: true, bufferLimit: 1 }),
      ];
      await Promise.all(Array.from({ length: sets }, (_, n) => provider.setVariable('x', n + 1)));
      for (const { watch } of recordings) {
        let books = '';
        await until(async () => {
          const { stats } = await infoOf(provider, watch);
          const { updatesDelivered, updatesFiltered, updatesRateLimited, updatesMissed, buffered } = stats;
          books = JSON.stringify({ updatesDelivered, updatesFiltered, updatesRateLimited, updatesMissed, buffered });
          return updatesDelivered + updatesFiltered + updatesRateLimited + updatesMissed + buffered === sets;
        }, 'the books balance').catch((cause: unknown) => assert.fail(`${sets} sets, ${books}, ${String(cause)}`));
      }
    },
  );

  promise('with many variables the books balance too', async (contract) => {
    const { provider } = contract;
    const names = Array.from({ length: 20 }, (_, n) => `v${n}`);
    await contract.floats(Object.fromEntries(names.map((name) => [name, 0])));
    const recording = await contract.record(names, { filter: { not: { in: [3, 7] } } });
    const sets: Promise<unknown>[] = [];
    for (let n = 1; n <= 10; n += 1) for (const name of names) sets.push(provider.setVariable(name, n));
    await Promise.all(sets);
    await recording.take(160);
    await until(
      async () => (await infoOf(provider, recording.watch)).stats.updatesReceived === 200,
      'all are received',
    );
    const { stats } = await infoOf(provider, recording.watch);
    assert.deepEqual(
      [stats.updatesDelivered, stats.updatesFiltered, stats.updatesMissed, stats.buffered],
      [160, 40, 0, 0],
    );
  });
}
