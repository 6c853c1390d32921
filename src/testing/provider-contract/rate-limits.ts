/** Debounced, throttled, conflated: the newest value arrives, old and new chain, and what was replaced is counted as asked for. */
import assert from 'node:assert/strict';
import type { WatchOptionsInput } from '../../shared/options.js';
import { until } from '../within.js';
import type { Promised } from './contract-test.js';
import { infoOf } from './recording.js';

const SETS = 40;

const LIMITS: readonly (readonly [name: string, options: WatchOptionsInput])[] = [
  ['debounceMs', { debounceMs: 200 }],
  ['debounceMs with maxWaitMs', { debounceMs: 100, maxWaitMs: 250 }],
  ['throttleMs', { throttleMs: 200 }],
  ['conflate', { conflate: true }],
  ['debounceMs and throttleMs', { debounceMs: 50, throttleMs: 200 }],
];

export function describeRateLimits(promise: Promised): void {
  for (const [name, options] of LIMITS) {
    promise(
      `with ${name} the newest value arrives, old and new chain, and the rest is rate-limited, not missed`,
      async (contract) => {
        const { provider } = contract;
        await contract.floats({ x: 0 });
        const recording = await contract.record('x', options);
        await Promise.all(Array.from({ length: SETS }, (_, n) => provider.setVariable('x', n + 1)));
        const calls = await recording.takeUntil((call) => call.newValue === SETS, `the value ${SETS}`);
        let old = 0;
        for (const { oldValue, newValue, metadata } of calls) {
          assert.equal(oldValue, old, 'old is what this watcher saw last');
          assert.equal(metadata.version, (newValue as number) + 1);
          assert.equal(metadata.missed, 0);
          old = newValue as number;
        }
        const { stats } = await infoOf(provider, recording.watch);
        assert.equal(stats.updatesDelivered, calls.length);
        assert.equal(stats.updatesDelivered + stats.updatesRateLimited, SETS);
        assert.equal(stats.updatesMissed, 0);
        if (name !== 'conflate') assert.ok(calls.length < SETS, 'something was held back');
      },
    );
  }

  promise('a variable that is quiet is told although another is busy', async (contract) => {
    const { provider } = contract;
    await contract.floats({ busy: 0, quiet: 0 });
    const recording = await contract.record(['busy', 'quiet'], { debounceMs: 30, maxWaitMs: 60_000 });
    await provider.setVariable('quiet', 1);
    let isBusy = true;
    const writer = (async () => {
      for (let n = 1; isBusy; n += 1) await provider.setVariable('busy', n);
    })();
    try {
      await recording.takeUntil(({ identifier }) => identifier === 'quiet', 'the quiet variable');
    } finally {
      isBusy = false;
      await writer;
    }
  });

  promise('the first update of a throttled watch is told at once, and the last one in the end', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.record('x', { throttleMs: 60_000 });
    await provider.setVariable('x', 1);
    assert.equal((await recording.next()).newValue, 1);
    await provider.setVariable('x', 2);
    await until(async () => (await infoOf(provider, recording.watch)).stats.buffered === 1, 'the second is held');
    assert.equal(recording.waiting, 0);
    const { stats } = await infoOf(provider, recording.watch);
    assert.deepEqual([stats.updatesDelivered, stats.updatesRateLimited, stats.updatesMissed], [1, 0, 0]);
  });

  promise('an initial value waits for no rate limit', async (contract) => {
    await contract.floats({ x: 7 });
    const recordings = [
      await contract.record('x', { includeInitial: true, debounceMs: 60_000 }),
      await contract.record('x', { includeInitial: true, throttleMs: 60_000 }),
    ];
    for (const recording of recordings) {
      const { newValue, metadata } = await recording.next();
      assert.deepEqual([newValue, metadata.initial], [7, true]);
    }
  });

  promise('a filter is asked before the rate limit', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.record('x', { debounceMs: 50, filter: (_, now) => (now as number) % 2 === 0 });
    await Promise.all(Array.from({ length: 9 }, (_, n) => provider.setVariable('x', n + 1)));
    const calls = await recording.takeUntil((call) => call.newValue === 8, 'the value 8');
    assert.ok(calls.every((call) => (call.newValue as number) % 2 === 0));
  });

  promise('what is held back when a watch stops is not told', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.record('x', { debounceMs: 60_000 });
    await provider.setVariable('x', 1);
    await until(async () => (await infoOf(provider, recording.watch)).stats.buffered === 1, 'the update is held');
    await recording.watch.stop();
    assert.equal(recording.calls.length, 0);
  });
}
