/** Callbacks run where their maker stands: in the async context of whoever registered them, whoever set the value or opened the provider. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { until, within } from '../within.js';
import type { Promised } from './contract-test.js';

export function describeCallers(promise: Promised): void {
  for (const [how, options] of [
    ['at once', {}],
    ['debounced', { debounceMs: 5 }],
    ['conflated', { conflate: true }],
  ] as const) {
    promise(`watcher, filter and callbacks run in their maker's async context, ${how}`, async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 0 });
      const caller = new AsyncLocalStorage<string>();
      const seen = new Map<string, Set<string | undefined>>();
      const note = (what: string) => {
        const stores = seen.get(what) ?? new Set();
        seen.set(what, stores.add(caller.getStore()));
      };
      const watch = await caller.run('maker', () =>
        provider.watchVariables(
          'x',
          () => {
            note('watcher');
            throw new Error('told to onError');
          },
          {
            ...options,
            filter: () => {
              note('filter');
              return true;
            },
            onError: () => note('onError'),
            onState: () => note('onState'),
            onSynced: () => note('onSynced'),
          },
        ),
      );
      await within(watch.synced, 'synced');
      for (const value of [1, 2]) await caller.run('setter', () => provider.setVariable('x', value));
      await until(() => seen.has('onError'), 'a call');
      await caller.run('stopper', () => watch.stop());
      for (const what of ['watcher', 'filter', 'onError', 'onState', 'onSynced']) {
        assert.deepEqual([...(seen.get(what) ?? [])], ['maker'], what);
      }
    });
  }

  promise('each watch has its own maker, and none may be none', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const caller = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const watcher = () => void seen.push(caller.getStore());
    for (const maker of ['one', 'two']) await caller.run(maker, () => provider.watchVariables('x', watcher));
    await provider.watchVariables('x', watcher);
    await caller.run('setter', () => provider.setVariable('x', 1));
    await until(() => seen.length === 3, 'three calls');
    assert.deepEqual(new Set(seen), new Set(['one', 'two', undefined]));
    for (const { ref } of await provider.listWatchers()) await provider.unwatchVariables(ref);
  });

  promise('a loop goes on in its own async context', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const caller = new AsyncLocalStorage<string>();
    const loop = caller.run('loop', async () => {
      for await (const { newValue } of provider.watch('x', { filter: () => caller.getStore() === 'loop' })) {
        return [newValue, caller.getStore()];
      }
      return [];
    });
    await until(async () => (await provider.listWatchers())[0]?.state === 'live', 'the watch is registered');
    await caller.run('setter', () => provider.setVariable('x', 1));
    assert.deepEqual(await within(loop, 'the change'), [1, 'loop']);
  });
}
