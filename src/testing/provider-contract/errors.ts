/** What a watcher, a filter or a callback throws is told and counted, and the stream goes on. */
import assert from 'node:assert/strict';
import { WatcherError } from '../../shared/errors.js';
import { until } from '../within.js';
import type { Promised } from './contract-test.js';
import { infoOf, valuesOf } from './recording.js';

export function describeErrors(promise: Promised): void {
  for (const [what, fail] of [
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    [
      'throws no error',
      () => {
        throw 'broken';
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('broken');
      },
    ],
  ] as const) {
    promise(
      `a watcher that ${what} stops nothing: it is told to onError, counted, and called for the next one`,
      async (contract) => {
        const { provider } = contract;
        await contract.floats({ x: 0 });
        const seen: unknown[] = [];
        const errors: Error[] = [];
        const watch = await provider.watchVariables(
          'x',
          (_, __, newValue) => {
            seen.push(newValue);
            return newValue === 2 ? undefined : fail();
          },
          { onError: (error) => errors.push(error) },
        );
        const other = await contract.record('x');
        for (const value of [1, 2, 3]) await provider.setVariable('x', value);
        await until(() => seen.length === 3 && errors.length === 2, 'three calls and two errors');
        assert.deepEqual(seen, [1, 2, 3]);
        assert.deepEqual(valuesOf(await other.take(3)), [1, 2, 3]);
        for (const error of errors) {
          assert.ok(error instanceof WatcherError);
          assert.equal(error.code, 'WATCHER_FAILED');
          assert.match(error.message, /broken/);
          assert.match(error.cause instanceof Error ? error.cause.message : String(error.cause), /broken/);
        }
        const { stats, state } = await infoOf(provider, watch);
        assert.equal(state, 'live');
        assert.deepEqual([stats.errors, stats.updatesDelivered], [2, 3]);
        await watch.stop();
      },
    );
  }

  promise('a filter that throws lets the update through, and is told', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.record('x', {
      filter: (_, newValue) => {
        if (newValue === 2) throw new Error('broken filter');
        return newValue === 3;
      },
    });
    for (const value of [1, 2, 3]) await provider.setVariable('x', value);
    assert.deepEqual(valuesOf(await recording.take(2)), [2, 3]);
    assert.equal(recording.errors.length, 1);
    assert.ok(recording.errors[0] instanceof WatcherError);
    assert.match(recording.errors[0].message, /broken filter/);
    assert.equal((await infoOf(provider, recording.watch)).stats.errors, 1);
  });

  promise('onError, onState and onSynced that throw stop nothing', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const seen: unknown[] = [];
    const broken = () => {
      throw new Error('broken callback');
    };
    const watch = await provider.watchVariables(
      'x',
      (_, __, newValue) => {
        seen.push(newValue);
        throw new Error('broken watcher');
      },
      { onError: broken, onState: broken, onSynced: broken },
    );
    await watch.synced;
    for (const value of [1, 2]) await provider.setVariable('x', value);
    await until(() => seen.length === 2, 'two calls');
    await watch.stop();
    assert.equal(watch.state, 'stopped');
  });

  promise('without onError what is thrown harms nobody', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    let calls = 0;
    const watch = await provider.watchVariables('x', async () => {
      calls += 1;
      throw new Error('nobody listens');
    });
    for (const value of [1, 2]) await provider.setVariable('x', value);
    await until(() => calls === 2, 'two calls');
    assert.equal((await infoOf(provider, watch)).stats.errors, 2);
    await watch.stop();
  });

  promise('a watcher that rejects after its watch has stopped harms nobody', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    let reject: (error: Error) => void = () => undefined;
    const errors: Error[] = [];
    const watch = await provider.watchVariables(
      'x',
      () =>
        new Promise((_, no) => {
          reject = no;
        }),
      { onError: (error) => errors.push(error) },
    );
    const witness = await contract.record('x');
    await provider.setVariable('x', 1);
    await witness.next();
    await until(async () => (await infoOf(provider, watch)).stats.updatesDelivered === 1, 'the call');
    await watch.stop();
    reject(new Error('late'));
    await provider.setVariable('x', 2);
    await witness.next();
    assert.ok(errors.length <= 1);
  });
}
