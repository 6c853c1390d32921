/** Closing: every watch ends, every call is answered, and nothing is called afterwards. */
import assert from 'node:assert/strict';
import { ClosedError, WatchNotFoundError } from '../../shared/errors.js';
import { turn, within } from '../within.js';
import type { Promised } from './contract-test.js';

export function describeLifecycle(promise: Promised): void {
  promise('closing ends every watch, and closing twice is fine', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const states: string[] = [];
    const recordings = [
      await contract.record('x', { onState: (state) => states.push(state) }),
      await contract.record('x', { debounceMs: 60_000 }),
    ];
    await within(Promise.all([provider.close(), provider.close()]), 'the end of the provider');
    await provider.close();
    for (const { watch } of recordings) assert.equal(watch.state, 'stopped');
    assert.equal(states.at(-1), 'stopped');
  });

  promise('a second closing waits for the first', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    await contract.record('x');
    const ended: string[] = [];
    const first = provider.close().then(() => ended.push('first'));
    await within(Promise.all([provider.close().then(() => ended.push('second')), first]), 'the end of both');
    assert.deepEqual(ended, ['first', 'second']);
  });

  promise('Symbol.asyncDispose closes', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const { watch } = await contract.record('x');
    await provider[Symbol.asyncDispose]();
    assert.equal(watch.state, 'stopped');
  });

  promise('after closing each call says that the state was closed', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const exported = await provider.exportState();
    await provider.close();
    const calls: (() => Promise<unknown>)[] = [
      () => provider.registerVariable('y', 'float', 1),
      () => provider.getVariable('x'),
      () => provider.getVariables('x'),
      () => provider.getVariableInfo('x'),
      () => provider.listVariables(),
      () => provider.setVariable('x', 1),
      () => provider.updateVariables({ x: 1 }),
      () => provider.deleteVariable('x'),
      () => provider.history('x'),
      () => provider.rollback('x', 1),
      () => provider.watchVariables('x', () => undefined),
      () => provider.watch('x').next(),
      () => provider.exportState(),
      () => provider.importState(exported),
    ];
    for (const call of calls) {
      await assert.rejects(within(call(), String(call)), (error: Error) => {
        assert.ok(error instanceof ClosedError, `${String(call)}: ${String(error)}`);
        assert.equal(error.code, 'CLOSED');
        return true;
      });
    }
  });

  promise('calls that were made before it is closed are answered, in their order', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const calls = {
      register: provider.registerVariable('y', 'integer', 1),
      set: provider.setVariable('y', 2),
      update: provider.updateVariables({ x: 1, y: 3 }, { atomic: true }),
      get: provider.getVariable('x'),
      list: provider.listVariables('x'),
      history: provider.history('x'),
      rollback: provider.rollback('y', 1),
      delete: provider.deleteVariable('y'),
    };
    const closing = provider.close();
    const outcomes = await within(Promise.allSettled(Object.values(calls)), 'an answer to each');
    await within(closing, 'the end of the provider');
    const refused = outcomes.flatMap((outcome, place) =>
      outcome.status === 'rejected' ? [`${Object.keys(calls)[place]}: ${outcome.reason}`] : [],
    );
    assert.deepEqual(refused, []);
    assert.deepEqual([await calls.set, await calls.rollback], [2, 4]);
  });

  promise('after closing, and from the call on, no watch is listed', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.record('x');
    const closing = provider.close();
    assert.deepEqual(await within(provider.listWatchers(), 'the list while it closes'), []);
    await within(closing, 'the end of the provider');
    assert.deepEqual(await within(provider.listWatchers(), 'the list after it'), []);
    await assert.rejects(provider.unwatchVariables(recording.watch), WatchNotFoundError);
  });

  promise('no watcher is called after close() resolves', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.record('x');
    const sets = Array.from({ length: 100 }, (_, n) => provider.setVariable('x', n + 1));
    // Answered or told that they were not: either is right, silence is not.
    const settled = Promise.allSettled(sets);
    await within(provider.close(), 'the end of the provider');
    const calls = recording.calls.length;
    const results = await within(settled, 'an answer to each set');
    assert.equal(results.length, 100);
    for (let turns = 0; turns < 20; turns += 1) await turn();
    assert.equal(recording.calls.length, calls);
  });

  promise('two providers know nothing of each other', async (contract) => {
    const { provider } = contract;
    const other = await contract.another();
    await contract.floats({ x: 0 });
    await other.registerVariable('x', 'string', 'other');
    const recording = await contract.record('x');
    await other.setVariable('x', 'mine');
    await provider.setVariable('x', 1);
    assert.equal((await recording.next()).newValue, 1);
    await other.close();
    await provider.setVariable('x', 2);
    assert.equal((await recording.next()).newValue, 2);
  });

  promise('a watch that is stopped after its provider was closed is just over', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const { watch } = await contract.record('x');
    await provider.close();
    await within(watch.stop(), 'the stop');
    assert.equal(watch.state, 'stopped');
  });
}
