/** A pattern watches what fits it, now and later. */
import assert from 'node:assert/strict';
import { InvalidArgumentError } from '../../shared/errors.js';
import { until } from '../within.js';
import type { Promised } from './contract-test.js';
import { pairsOf } from './recording.js';

export function describePatterns(promise: Promised): void {
  promise('a pattern tells what fits it, under its name, and nothing else', async (contract) => {
    const { provider } = contract;
    await contract.floats({ 'room/a': 1, 'room/b': 1, hall: 1 });
    const recording = await contract.record({ pattern: 'room/*' });
    await provider.setVariable('hall', 2);
    await provider.setVariable('room/b', 2);
    await provider.setVariable('room/a', 3);
    const calls = await recording.take(2);
    assert.deepEqual(
      calls.map(({ identifier, oldValue, newValue }) => [identifier, oldValue, newValue]),
      [
        ['room/b', 1, 2],
        ['room/a', 1, 3],
      ],
    );
    assert.deepEqual([...recording.watch.identifiers].sort(), ['room/a', 'room/b']);
  });

  promise('a variable that is registered later joins, and is told from its first version on', async (contract) => {
    const { provider } = contract;
    const recording = await contract.record({ pattern: 'room/*' }, { includeInitial: true });
    assert.deepEqual([...recording.watch.identifiers], []);
    const id = await provider.registerVariable('room/new', 'integer', 1);
    await provider.setVariable('room/new', 2);
    const calls = await recording.take(2);
    assert.deepEqual(pairsOf(calls), [
      [undefined, 1],
      [1, 2],
    ]);
    const [registered, set] = calls;
    assert.deepEqual([registered!.metadata.version, set!.metadata.version], [1, 2]);
    assert.deepEqual([registered!.metadata.initial, registered!.metadata.missed], [false, 0]);
    assert.equal(set!.metadata.variableId, id);
    assert.deepEqual([...recording.watch.identifiers], ['room/new']);
  });

  promise('a pattern has found a variable also where its condition keeps it from the watcher', async (contract) => {
    const { provider } = contract;
    const recording = await contract.record({ pattern: 'room/*' }, { filter: { gt: 5 } });
    await contract.floats({ 'room/a': 1, 'room/b': 6 });
    const [first] = await recording.take(1);
    assert.deepEqual([first!.identifier, first!.oldValue, first!.newValue], ['room/b', undefined, 6]);
    assert.deepEqual([...recording.watch.identifiers].sort(), ['room/a', 'room/b']);
    await provider.setVariable('room/a', 2);
    await provider.setVariable('room/a', 7);
    const [second] = await recording.take(1);
    assert.deepEqual([second!.identifier, second!.oldValue, second!.newValue], ['room/a', 2, 7]);
    const { updatesDelivered, updatesFiltered, updatesMissed } = (await provider.listWatchers())[0]!.stats;
    assert.deepEqual([updatesDelivered, updatesFiltered, updatesMissed], [2, 2, 0]);
  });

  promise('with includeInitial a pattern begins with the values of what is there', async (contract) => {
    await contract.floats({ 'room/a': 1, 'room/b': 2, hall: 3 });
    const recording = await contract.record({ pattern: ['room/*'] }, { includeInitial: true });
    const calls = await recording.take(2);
    assert.deepEqual(
      calls.map(({ identifier, newValue, metadata }) => [identifier, newValue, metadata.initial]),
      [
        ['room/a', 1, true],
        ['room/b', 2, true],
      ],
    );
    await recording.watch.synced;
  });

  promise(
    'one that is deleted leaves, and its name comes back as another variable; the watch stays',
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ 'room/a': 1 });
      const recording = await contract.record({ pattern: 'room/*' });
      await recording.watch.synced;
      await provider.deleteVariable('room/a');
      const gone = await recording.next();
      assert.deepEqual([gone.oldValue, gone.newValue, gone.metadata.deleted], [1, undefined, 'deleted']);
      await until(async () => recording.watch.identifiers.length === 0, 'it has left');
      assert.equal(recording.watch.state, 'live');
      await provider.registerVariable('room/a', 'integer', 7);
      await provider.setVariable('room/a', 8);
      const again = await recording.take(2);
      assert.deepEqual(pairsOf(again), [
        [undefined, 7],
        [7, 8],
      ]);
      assert.deepEqual(
        again.map(({ metadata: { version, resync, missed } }) => [version, resync, missed]),
        [
          [1, false, 0],
          [2, false, 0],
        ],
      );
    },
  );

  promise('a variable that fits several patterns of a watch is told once', async (contract) => {
    const { provider } = contract;
    await contract.floats({ 'room/a': 1, hall: 1 });
    const recording = await contract.record({ pattern: ['room/*', '*/a', '?all'] });
    await provider.setVariable('room/a', 2);
    await provider.setVariable('hall', 2);
    const calls = await recording.take(2);
    assert.deepEqual(
      calls.map(({ identifier }) => identifier),
      ['room/a', 'hall'],
    );
  });

  promise('several watches may have the same pattern, and one of names beside them', async (contract) => {
    const { provider } = contract;
    const recordings = [
      await contract.record({ pattern: 'room/*' }),
      await contract.record({ pattern: 'room/*' }),
      await contract.record('room/a', { missing: 'wait' }),
    ];
    await provider.registerVariable('room/a', 'integer', 1);
    for (const recording of recordings) assert.equal((await recording.next()).newValue, 1);
    await recordings[0]!.watch.stop();
    await provider.setVariable('room/a', 2);
    for (const recording of recordings.slice(1)) assert.equal((await recording.next()).newValue, 2);
    assert.equal(recordings[0]!.calls.length, 1);
  });

  promise('a pattern that is stopped hears of nothing that comes later', async (contract) => {
    const { provider } = contract;
    await contract.floats({ 'room/a': 1 });
    const recording = await contract.record({ pattern: 'room/*' });
    await recording.watch.stop();
    const witness = await contract.record({ pattern: 'room/*' });
    await provider.registerVariable('room/b', 'integer', 1);
    await provider.setVariable('room/a', 2);
    await witness.take(2);
    assert.equal(recording.calls.length, 0);
  });

  promise('what a batch registers and sets under a pattern arrives in the order of its revisions', async (contract) => {
    const { provider } = contract;
    await contract.floats({ 'room/a': 0, 'room/b': 0 });
    const recording = await contract.record({ pattern: 'room/*' }, { atomic: true });
    await provider.registerVariable('room/c', 'integer', 0);
    await provider.updateVariables({ 'room/a': 1, 'room/b': 1, 'room/c': 1 }, { atomic: true });
    const calls = await recording.take(4);
    const revisions = calls.map(({ metadata }) => metadata.revision);
    assert.deepEqual(
      revisions,
      [...revisions].sort((a, b) => a - b),
    );
    assert.equal(new Set(revisions.slice(1)).size, 1);
  });

  promise('a condition and a rate limit count for each variable that a pattern finds', async (contract) => {
    const { provider } = contract;
    const recording = await contract.record({ pattern: 'room/*' }, { filter: { gt: 10 } });
    await provider.registerVariable('room/a', 'integer', 20);
    await provider.setVariable('room/a', 5);
    await provider.setVariable('room/a', 30);
    const calls = await recording.take(2);
    assert.deepEqual(pairsOf(calls), [
      [undefined, 20],
      [5, 30],
    ]);
    const [info] = await provider.listWatchers();
    assert.equal(info!.stats.updatesFiltered, 1);
  });

  promise('an iterable may have a pattern, and listWatchers names it', async ({ provider }) => {
    const changes = provider.watch({ pattern: 'room/*' });
    const first = changes.next();
    await until(async () => (await provider.listWatchers())[0]?.state === 'live', 'the watch is registered');
    const [info] = await provider.listWatchers();
    assert.deepEqual(info!.patterns, ['room/*']);
    await provider.registerVariable('room/a', 'integer', 1);
    const { value } = await first;
    assert.deepEqual([value?.identifier, value?.newValue], ['room/a', 1]);
    await changes.return?.();
  });

  promise('a pattern that is none is refused, and what a pattern watches is not changed by names', async (contract) => {
    const { provider } = contract;
    const bad: unknown[] = [
      { pattern: '' },
      { pattern: [] },
      { pattern: 7 },
      { pattern: 'a'.repeat(513) },
      { pattern: '\ud800' },
      { pattern: Array.from({ length: 101 }, (_, place) => `p${place}`) },
      { pattern: 'a', names: ['b'] },
      {},
      null,
    ];
    for (const target of bad) {
      await contract.refuses(
        () => provider.watchVariables(target as { pattern: string }, () => undefined),
        InvalidArgumentError,
        `a watch of ${JSON.stringify(target)}`,
      );
    }
    const { watch } = await contract.record({ pattern: 'room/*' });
    await contract.refuses(() => watch.add('hall'), InvalidArgumentError);
    await contract.refuses(() => watch.remove('hall'), InvalidArgumentError);
    assert.equal(watch.state, 'live');
  });
}
