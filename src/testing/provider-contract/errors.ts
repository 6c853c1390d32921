/** What a watcher, a filter or a callback throws is told and counted, and the stream goes on. */
import assert from 'node:assert/strict';
import { BridgeError, WatcherError } from '../../shared/errors.js';
import { until } from '../within.js';
import type { Promised } from './contract-test.js';
import { infoOf, valuesOf } from './recording.js';

export function describeErrors(promise: Promised): void {
  promise(
    'the error of a call about one variable names it in its details, by the identifier given',
    async (contract) => {
      const { provider } = contract;
      const id = await provider.registerVariable('low', 'float', 1, { constraints: { max: 5 } });
      const calls: Readonly<Record<string, readonly [identifier: string, call: () => Promise<unknown>]>> = {
        'a value of another type': ['low', () => provider.setVariable('low', 'x')],
        'a value of another type, by id': [id, () => provider.setVariable(id, 'x')],
        'a value of no type': ['low', () => provider.setVariable('low', new Date(0) as never)],
        'a value that is refused': ['low', () => provider.setVariable('low', 6)],
        'another version': ['low', () => provider.setVariable('low', 2, { expectedVersion: 9 })],
        'a version that is not there': ['low', () => provider.rollback('low', 9)],
        'a variable that is there': ['low', () => provider.registerVariable('low', 'float', 1)],
        'a first value of another type': ['new', () => provider.registerVariable('new', 'float', 'x')],
        'a first value that is refused': [
          'new',
          () => provider.registerVariable('new', 'float', 6, { constraints: { max: 5 } }),
        ],
        'a constraint that is none': [
          'new',
          () => provider.registerVariable('new', 'float', 1, { constraints: { max: 'x' } as never }),
        ],
        'none to read': ['nobody', () => provider.getVariable('nobody')],
        'none to look up': ['nobody', () => provider.getVariableInfo('nobody')],
        'none to set': ['nobody', () => provider.setVariable('nobody', 1)],
        'none to delete': ['nobody', () => provider.deleteVariable('nobody')],
        'none to have a history': ['nobody', () => provider.history('nobody')],
      };
      const found: Record<string, unknown> = {};
      for (const [what, [, call]] of Object.entries(calls)) {
        const error = await call().then(String, (reason: BridgeError) => reason);
        assert.ok(error instanceof BridgeError, `${what}: ${String(error)}`);
        found[what] = error.details.identifiers;
      }
      assert.deepEqual(
        found,
        Object.fromEntries(Object.entries(calls).map(([what, [identifier]]) => [what, [identifier]])),
      );
    },
  );

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
