/** Deleted and expired variables: their watchers hear of it, and a watch without variables ends. */
import assert from 'node:assert/strict';
import { VariablesNotFoundError } from '../../shared/errors.js';
import { until, within } from '../within.js';
import type { Promised } from './contract-test.js';

export function describeGoneVariables(promise: Promised): void {
  promise(
    'a deletion is the last that a watcher hears of a variable: no new value, the old one, and why',
    async (contract) => {
      const { provider } = contract;
      const id = await provider.registerVariable('fan', 'integer', 1);
      const recording = await contract.record('fan');
      await provider.setVariable('fan', 2);
      await provider.deleteVariable('fan');
      const [set, gone] = await recording.take(2);
      assert.equal(set!.metadata.deleted, undefined);
      assert.deepEqual([gone!.identifier, gone!.oldValue, gone!.newValue], ['fan', 2, undefined]);
      assert.equal(gone!.metadata.deleted, 'deleted');
      assert.equal(gone!.metadata.variableId, id);
      assert.ok(gone!.metadata.version > set!.metadata.version);
      assert.ok(gone!.metadata.revision > set!.metadata.revision);
    },
  );

  promise('a watch whose last variable is deleted stops by itself, without an error', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 1, b: 2 });
    const states: string[] = [];
    const recording = await contract.record(['a', 'b'], { onState: (state) => states.push(state) });
    await provider.deleteVariable('a');
    assert.equal((await recording.next()).metadata.deleted, 'deleted');
    await provider.setVariable('b', 3);
    assert.equal((await recording.next()).newValue, 3);
    assert.equal(recording.watch.state, 'live');
    await provider.deleteVariable('b');
    assert.equal((await recording.next()).metadata.deleted, 'deleted');
    await until(() => recording.watch.state === 'stopped', 'the watch stops');
    assert.equal(states.at(-1), 'stopped');
    assert.deepEqual(await provider.listWatchers(), []);
    assert.deepEqual(recording.errors, []);
  });

  promise(
    'a variable registered again under the name is another one: a watch that ended does not hear of it',
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 1 });
      const ended = await contract.record('x');
      await provider.deleteVariable('x');
      await ended.next();
      await provider.registerVariable('x', 'float', 5);
      const next = await contract.record('x');
      await provider.setVariable('x', 6);
      const { oldValue, newValue, metadata } = await next.next();
      assert.deepEqual([oldValue, newValue, metadata.version], [5, 6, 2]);
      assert.equal(ended.waiting, 0);
    },
  );

  promise('no filter, condition or rate limit keeps a deletion from its watcher', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 1 });
    const recordings = [
      await contract.record('x', { filter: () => false }),
      await contract.record('x', { filter: { gt: 100 } }),
      await contract.record('x', { debounceMs: 60_000 }),
      await contract.record('x', { throttleMs: 60_000 }),
      await contract.record('x', { conflate: true }),
    ];
    await provider.setVariable('x', 2);
    await provider.deleteVariable('x');
    for (const recording of recordings) {
      const calls = await recording.takeUntil(({ metadata }) => metadata.deleted !== undefined, 'the deletion');
      assert.equal(calls.at(-1)?.newValue, undefined);
    }
  });

  promise('a variable expires when its time is over, and watchers hear that it did', async (contract) => {
    const { provider } = contract;
    await provider.registerVariable('lease', 'string', 'mine', { ttlMs: 400 });
    const recording = await contract.record('lease');
    const { oldValue, newValue, metadata } = await recording.next();
    assert.deepEqual([oldValue, newValue, metadata.deleted], ['mine', undefined, 'expired']);
    await contract.refuses(() => provider.getVariable('lease'), VariablesNotFoundError);
    await until(() => recording.watch.state === 'stopped', 'the watch stops');
  });

  promise('an iteration ends after the deletion of its last variable', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 1 });
    const changes = provider.watch('x', { includeInitial: true });
    const first = await changes.next();
    assert.equal(first.value?.newValue, 1);
    await provider.setVariable('x', 2);
    await provider.deleteVariable('x');
    const seen: unknown[] = [];
    const loop = async () => {
      for await (const { newValue, metadata } of changes) seen.push(metadata.deleted ?? newValue);
    };
    await within(loop(), 'the end of the loop');
    assert.deepEqual(seen, [2, 'deleted']);
  });
}
