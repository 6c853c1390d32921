/** `batch: true`: the watcher gets an array of changes a turn, an iterator yields arrays; what is promised of single calls holds within them. */
import assert from 'node:assert/strict';
import type { VariableChange } from '../../main/watch/watcher.js';
import { WatcherError } from '../../shared/errors.js';
import { turn, until, within } from '../within.js';
import type { Promised } from './contract-test.js';
import { infoOf, pairsOf, valuesOf } from './recording.js';

export function describeChangesTogether(promise: Promised): void {
  promise('what was set atomically is one array of an atomic watch, in the order of its revision', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 0, b: 0, c: 0 });
    const recording = await contract.recordBatches(['a', 'b', 'c'], { atomic: true });
    await provider.updateVariables({ a: 1, b: 2, c: 3 }, { atomic: true });
    await provider.updateVariables({ c: 4, b: 5 }, { atomic: true });
    await recording.take(5);
    for (const revision of new Set(recording.calls.map(({ metadata }) => metadata.revision))) {
      const holding = recording.batches.filter((batch) => batch.some(({ metadata }) => metadata.revision === revision));
      assert.equal(holding.length, 1, 'no array has a part of what was set atomically');
    }
    assert.deepEqual(
      recording.calls.map(({ metadata }) => metadata.revision),
      recording.calls.map(({ metadata }) => metadata.revision).sort((a, b) => a - b),
    );
  });

  promise('arrays hold every change once, in order, and old and new chain over them', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 0, b: 0 });
    const recording = await contract.recordBatches(['a', 'b']);
    const sets = Array.from({ length: 100 }, (_, n) => [
      provider.setVariable('a', n + 1),
      provider.setVariable('b', -n - 1),
    ]);
    await Promise.all(sets.flat());
    await recording.take(200);
    recording.checkChained({ a: { value: 0, version: 1 }, b: { value: 0, version: 1 } });
    assert.ok(
      recording.batches.every((batch) => batch.length > 0),
      'nobody is called with an empty array',
    );
    const { stats } = await infoOf(provider, recording.watch);
    assert.deepEqual([stats.updatesDelivered, stats.updatesMissed, stats.buffered], [200, 0, 0]);
  });

  promise('with includeInitial the initial values come in arrays too, before every later version', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 1, b: 2 });
    const recording = await contract.recordBatches(['a', 'b'], { includeInitial: true });
    await within(recording.watch.synced, 'the initial values');
    assert.deepEqual(
      new Set(
        recording.calls.map(({ identifier, newValue, metadata }) => [identifier, newValue, metadata.initial].join()),
      ),
      new Set(['a,1,true', 'b,2,true']),
      'synced comes when they have been told',
    );
    await recording.take(2);
    await provider.setVariable('a', 3);
    assert.deepEqual(pairsOf(await recording.take(1)), [[1, 3]]);
  });

  promise('a filter is asked for each change, and what it keeps out is in no array', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const asked: unknown[] = [];
    const recording = await contract.recordBatches('x', {
      filter: (_, now) => {
        asked.push(now);
        return (now as number) % 2 === 0;
      },
    });
    await Promise.all([1, 2, 3, 4].map((value) => provider.setVariable('x', value)));
    assert.deepEqual(pairsOf(await recording.take(2)), [
      [1, 2],
      [3, 4],
    ]);
    assert.deepEqual(asked, [1, 2, 3, 4]);
  });

  promise('with conflate an array has each variable once, at its newest value', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 0, b: 0 });
    const recording = await contract.recordBatches(['a', 'b'], { conflate: true });
    const sets = Array.from({ length: 40 }, (_, n) => [
      provider.setVariable('a', n + 1),
      provider.setVariable('b', n + 1),
    ]);
    await Promise.all(sets.flat());
    await until(
      () =>
        ['a', 'b'].every((name) => recording.calls.some((call) => call.identifier === name && call.newValue === 40)),
      'the newest values',
    );
    for (const batch of recording.batches)
      assert.equal(new Set(batch.map(({ identifier }) => identifier)).size, batch.length);
    const { stats } = await infoOf(provider, recording.watch);
    assert.equal(stats.updatesDelivered + stats.updatesRateLimited, 80);
    assert.equal(stats.updatesMissed, 0);
  });

  promise('debounced changes come in an array when they are due', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.recordBatches('x', { debounceMs: 30 });
    await Promise.all([1, 2, 3].map((value) => provider.setVariable('x', value)));
    const calls = await recording.takeUntil((call) => call.newValue === 3, 'the value 3');
    assert.equal(calls[0]!.oldValue, 0);
    assert.equal(recording.batches.flat().length, calls.length);
  });

  promise(
    'what a batching watcher throws, or rejects with, goes to onError, and the watch goes on',
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 0 });
      const errors: Error[] = [];
      const seen: unknown[] = [];
      const watch = await provider.watchVariables(
        'x',
        (changes) => {
          seen.push(...valuesOf(changes));
          if (seen.length === 1) throw new Error('first');
          return seen.length === 2 ? Promise.reject(new Error('second')) : undefined;
        },
        { batch: true, onError: (error) => void errors.push(error) },
      );
      for (const value of [1, 2, 3]) {
        await provider.setVariable('x', value);
        await until(() => seen.length === value, `the value ${value}`);
      }
      await until(() => errors.length === 2, 'both errors');
      assert.ok(errors.every((error) => error instanceof WatcherError));
      assert.deepEqual(
        errors.map((error) => (error.cause as Error).message),
        ['first', 'second'],
      );
      assert.equal((await infoOf(provider, watch)).stats.errors, 2);
      await watch.stop();
    },
  );

  promise('a watcher that stops its watch from inside a call gets no other array', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    let calls = 0;
    const stopped: Promise<void>[] = [];
    const watch = await provider.watchVariables(
      'x',
      () => {
        calls += 1;
        stopped.push(watch.stop());
      },
      { batch: true },
    );
    await provider.setVariable('x', 1);
    await until(() => calls > 0, 'the first array');
    await Promise.all([2, 3].map((value) => provider.setVariable('x', value)));
    await within(Promise.all(stopped), 'the end of the watch');
    for (let n = 0; n < 5; n += 1) await turn();
    assert.equal(calls, 1);
  });

  promise('what is set inside a call comes in a later array', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    let isInside = false;
    const seen: unknown[] = [];
    const watch = await provider.watchVariables(
      'x',
      (changes) => {
        assert.equal(isInside, false, 'nothing recurses');
        isInside = true;
        seen.push(valuesOf(changes));
        const last = changes.at(-1)!.newValue as number;
        if (last < 3) void provider.setVariable('x', last + 1);
        isInside = false;
      },
      { batch: true, onError: (error) => assert.fail(error) },
    );
    await provider.setVariable('x', 1);
    await until(() => seen.length === 3, 'three arrays');
    assert.deepEqual(seen, [[1], [2], [3]]);
    await watch.stop();
  });

  promise('a deletion is in the last array, and then the watch ends', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    let toldBeforeEnd: number | undefined;
    const recording = await contract.recordBatches('x', {
      onState: (state) => {
        if (state === 'stopped') toldBeforeEnd = recording.calls.length;
      },
    });
    await provider.setVariable('x', 1);
    await provider.deleteVariable('x');
    const calls = await recording.take(2);
    assert.deepEqual(
      calls.map(({ newValue, metadata }) => [newValue, metadata.deleted]),
      [
        [1, undefined],
        [undefined, 'deleted'],
      ],
    );
    await until(() => toldBeforeEnd !== undefined, 'the end of the watch');
    assert.equal(toldBeforeEnd, 2);
  });

  promise('an iterator yields arrays of what waits, whole turns to a loop that waits for them', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 0, b: 0, c: 0 });
    const changes = provider.watch(['a', 'b', 'c'], { batch: true, atomic: true, bufferLimit: 2 });
    const first = changes.next();
    await until(async () => (await provider.listWatchers())[0]?.state === 'live', 'the watch');
    await provider.updateVariables({ a: 1, b: 2, c: 3 }, { atomic: true });
    const result = await within(first, 'the first array');
    assert.deepEqual(valuesOf(result.value as VariableChange[]), [1, 2, 3], 'larger than the buffer, and whole');
    await Promise.all(Array.from({ length: 20 }, (_, n) => provider.setVariable('a', n + 2)));
    let versions = 1;
    let last: unknown;
    while (last !== 21) {
      const { value } = (await within(changes.next(), 'another array')) as { value: readonly VariableChange[] };
      assert.ok(value.length > 0);
      for (const { metadata, newValue } of value) {
        versions += 1 + metadata.missed;
        assert.equal(metadata.version, versions + 1, 'each version is told, or told as missed');
        last = newValue;
      }
    }
    await changes.return?.();
    assert.deepEqual(await provider.listWatchers(), []);
  });
}
