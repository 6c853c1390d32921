/** Ending a watch, and changing what it watches. */
import assert from 'node:assert/strict';
import type { StateProvider, Watch } from '../../main/state-provider.js';
import { ClosedError, VariablesNotFoundError, WatchNotFoundError } from '../../shared/errors.js';
import { until } from '../within.js';
import type { Promised } from './contract-test.js';
import { infoOf, pairsOf, valuesOf } from './recording.js';

export function describeStopping(promise: Promised): void {
  for (const [how, stop] of [
    ['unwatchVariables with its ref', (c: Stopping) => c.provider.unwatchVariables(c.watch.ref)],
    ['unwatchVariables with the watch', (c: Stopping) => c.provider.unwatchVariables(c.watch)],
    ['stop()', (c: Stopping) => c.watch.stop()],
    ['Symbol.asyncDispose', (c: Stopping) => c.watch[Symbol.asyncDispose]()],
    ['remove() of all that it watches', (c: Stopping) => c.watch.remove(['x', 'y'])],
  ] as const) {
    promise(`after ${how} resolves the watcher is not called any more`, async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 0, y: 0 });
      const recording = await contract.record(['x', 'y']);
      const witness = await contract.record(['x', 'y']);
      const sets = Array.from({ length: 20 }, (_, n) => provider.setVariable('x', n + 1));
      await stop({ provider, watch: recording.watch });
      const calls = recording.calls.length;
      await Promise.all(sets);
      await provider.setVariable('y', 1);
      await witness.take(21);
      assert.equal(recording.calls.length, calls);
      assert.equal(recording.watch.state, 'stopped');
      assert.deepEqual(
        (await provider.listWatchers()).map(({ ref }) => ref),
        [witness.watch.ref],
      );
    });
  }

  promise('a stopped watch is not found, and stopping twice is fine', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const { watch } = await contract.record('x');
    await Promise.all([watch.stop(), watch.stop()]);
    await watch.stop();
    await contract.refuses(() => provider.unwatchVariables(watch.ref), WatchNotFoundError);
    await contract.refuses(() => provider.unwatchVariables(watch), WatchNotFoundError);
  });

  promise('onState tells live, and then stopped', async (contract) => {
    await contract.floats({ x: 0 });
    const states: string[] = [];
    const { watch } = await contract.record('x', { onState: (state) => states.push(state) });
    await watch.synced;
    await watch.stop();
    assert.equal(states.at(-1), 'stopped');
    assert.equal(states.filter((state) => state === 'live').length, 1);
    assert.equal(states.filter((state) => state === 'stopped').length, 1);
  });

  promise('an added variable is told from then on, those watched before go on', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0, y: 0 });
    await provider.setVariable('y', 1);
    const recording = await contract.record('x');
    await recording.watch.add('y');
    assert.deepEqual([...recording.watch.identifiers].sort(), ['x', 'y']);
    await provider.setVariable('y', 2);
    assert.deepEqual(pairsOf([await recording.next()]), [[1, 2]]);
    await provider.setVariable('x', 1);
    assert.deepEqual(pairsOf([await recording.next()]), [[0, 1]]);
  });

  promise('with includeInitial an added variable comes with its present value first', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0, y: 5 });
    const recording = await contract.record('x', { includeInitial: true });
    await recording.next();
    await recording.watch.add(['x', 'y']);
    await provider.setVariable('y', 6);
    const calls = await recording.take(2);
    assert.deepEqual(
      calls.map(({ identifier, oldValue, newValue, metadata }) => [identifier, oldValue, newValue, metadata.initial]),
      [
        ['y', undefined, 5, true],
        ['y', 5, 6, false],
      ],
    );
  });

  promise('adding missing variables fails with all their names and adds none', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0, y: 0 });
    const recording = await contract.record('x');
    const error = await contract.refuses(() => recording.watch.add(['y', 'nobody', 'none']), VariablesNotFoundError);
    assert.deepEqual(error.identifiers, ['nobody', 'none']);
    assert.deepEqual(recording.watch.identifiers, ['x']);
    await provider.setVariable('y', 1);
    await provider.setVariable('x', 1);
    assert.equal((await recording.next()).identifier, 'x');
  });

  promise('adding what is watched already changes nothing', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.record('x');
    await recording.watch.add('x');
    await provider.setVariable('x', 1);
    await provider.setVariable('x', 2);
    assert.deepEqual(valuesOf(await recording.take(2)), [1, 2]);
    assert.deepEqual(recording.watch.identifiers, ['x']);
  });

  promise('a removed variable is not told any more, the others go on', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0, y: 0, z: 0 });
    const recording = await contract.record(['x', 'y', 'z']);
    const witness = await contract.record('y');
    await recording.watch.remove(['y', 'nobody']);
    assert.deepEqual([...recording.watch.identifiers].sort(), ['x', 'z']);
    await provider.setVariable('y', 1);
    await witness.next();
    await provider.setVariable('x', 1);
    await provider.setVariable('z', 1);
    assert.deepEqual((await recording.take(2)).map(({ identifier }) => identifier).sort(), ['x', 'z']);
    assert.equal(recording.watch.state, 'live');
  });

  promise('a variable that was removed may be added again', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0, y: 0 });
    const recording = await contract.record(['x', 'y']);
    await provider.setVariable('y', 1);
    await recording.next();
    await recording.watch.remove('y');
    await provider.setVariable('y', 2);
    await recording.watch.add('y');
    await provider.setVariable('y', 3);
    const { oldValue, newValue } = await recording.next();
    assert.deepEqual([oldValue, newValue], [2, 3]);
  });

  promise('a variable that was deleted and registered again may be added again', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0, y: 0 });
    const recording = await contract.record(['x', 'y']);
    await provider.deleteVariable('y');
    assert.equal((await recording.next()).metadata.deleted, 'deleted');
    await contract.floats({ y: 10 });
    await recording.watch.add('y');
    assert.deepEqual([...recording.watch.identifiers].sort(), ['x', 'y']);
    await provider.setVariable('y', 11);
    await provider.setVariable('x', 1);
    assert.deepEqual(
      new Set(pairsOf(await recording.take(2))),
      new Set([
        [10, 11],
        [0, 1],
      ]),
    );
  });

  promise('a watch that has none but deleted variables left is over', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0, y: 0 });
    const recording = await contract.record(['x', 'y']);
    await provider.deleteVariable('y');
    await recording.next();
    await recording.watch.remove('x');
    assert.equal(recording.watch.state, 'stopped');
    await until(async () => (await provider.listWatchers()).length === 0, 'no watch is left');
  });

  promise('what is held back of a removed variable is not told', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0, y: 0 });
    const recording = await contract.record(['x', 'y'], { debounceMs: 100 });
    await provider.updateVariables({ x: 1, y: 1 });
    const isHeld = async () => (await infoOf(provider, recording.watch)).stats.buffered === 2;
    await until(isHeld, 'both are held back');
    await recording.watch.remove('x');
    await provider.setVariable('y', 2);
    const { identifier, oldValue, newValue } = await recording.next();
    assert.deepEqual([identifier, oldValue, newValue], ['y', 0, 2]);
    assert.equal(recording.calls.length, 1);
  });

  promise('a watch that is over takes no more variables', async (contract) => {
    await contract.floats({ x: 0, y: 0 });
    const { watch } = await contract.record('x');
    await watch.stop();
    const error = await contract.refuses(() => watch.add('y'), ClosedError);
    assert.equal(error.code, 'CLOSED');
  });

  promise('watching and stopping 200 times leaves nothing behind', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    for (let round = 0; round < 200; round += 1) {
      const watch = await provider.watchVariables('x', () => undefined);
      await watch.stop();
    }
    assert.deepEqual(await provider.listWatchers(), []);
    const recording = await contract.record('x');
    await provider.setVariable('x', 1);
    assert.deepEqual(pairsOf([await recording.next()]), [[0, 1]]);
  });

  promise('of two watches stopped and watched in turn the other never loses an update', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const steady = await contract.record('x');
    for (let n = 1; n <= 30; n += 1) {
      const other = await provider.watchVariables('x', () => undefined);
      await Promise.all([provider.setVariable('x', n), other.stop()]);
    }
    assert.deepEqual(
      valuesOf(await steady.take(30)),
      Array.from({ length: 30 }, (_, n) => n + 1),
    );
  });
}

interface Stopping {
  readonly provider: StateProvider;
  readonly watch: Watch;
}
