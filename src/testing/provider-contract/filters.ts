/** Filters as functions: what they let pass silently is counted, and moves the old value all the same. */
import assert from 'node:assert/strict';
import { until } from '../within.js';
import type { Promised } from './contract-test.js';
import { infoOf, pairsOf } from './recording.js';

export function describeFilters(promise: Promised): void {
  promise(
    '|new - old| > 1.0 lets 20 to 20.5 pass silently, and 20.5 to 22.0 through with old 20.5',
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ temperature: 20 });
      const recording = await contract.record('temperature', {
        filter: (old, now) => Math.abs((now as number) - (old as number)) > 1.0,
      });
      await provider.setVariable('temperature', 20.5);
      await provider.setVariable('temperature', 22);
      const call = await recording.next();
      assert.deepEqual(pairsOf([call]), [[20.5, 22]]);
      assert.deepEqual([call.metadata.version, call.metadata.missed], [3, 0], 'filtered is not missed');
    },
  );

  promise('a filter is asked once for every change, with old and new in a chain', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const asked: unknown[] = [];
    const recording = await contract.record('x', {
      filter: (old, now) => {
        asked.push([old, now]);
        return now === 5;
      },
    });
    for (let n = 1; n <= 5; n += 1) await provider.setVariable('x', n);
    assert.deepEqual(pairsOf([await recording.next()]), [[4, 5]]);
    assert.deepEqual(
      asked,
      [1, 2, 3, 4, 5].map((n) => [n - 1, n]),
    );
  });

  promise('each variable has an old value of its own', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 0, b: 100 });
    const recording = await contract.record(['a', 'b'], {
      filter: (old, now) => (now as number) - (old as number) > 5,
    });
    await provider.setVariable('a', 5);
    await provider.setVariable('b', 105);
    await provider.setVariable('a', 11);
    await provider.setVariable('b', 111);
    const calls = await recording.take(2);
    assert.deepEqual(
      new Map(calls.map((call) => [call.identifier, [call.oldValue, call.newValue]])),
      new Map([
        ['a', [5, 11]],
        ['b', [105, 111]],
      ]),
    );
  });

  promise('filtered updates are counted as filtered', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.record('x', { filter: (_, now) => (now as number) % 5 === 0 });
    for (let n = 1; n <= 20; n += 1) await provider.setVariable('x', n);
    await recording.take(4);
    await until(
      async () => (await infoOf(provider, recording.watch)).stats.updatesReceived === 20,
      'all 20 are received',
    );
    const { stats } = await infoOf(provider, recording.watch);
    assert.deepEqual([stats.updatesDelivered, stats.updatesFiltered, stats.updatesMissed], [4, 16, 0]);
  });

  promise('a truthy answer lets through, a falsy one does not', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const answers = [0, 'yes', '', 1, null, {}, undefined, Number.NaN, true];
    const recording = await contract.record('x', { filter: (_, now) => answers[(now as number) - 1] as boolean });
    for (let n = 1; n <= answers.length; n += 1) await provider.setVariable('x', n);
    assert.deepEqual(
      (await recording.take(4)).map((call) => call.newValue),
      [2, 4, 6, 9],
    );
  });
}
