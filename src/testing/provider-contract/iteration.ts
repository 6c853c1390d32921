/** A watch as an async iterable: leaving it ends the watch, whichever way. */
import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { StateProvider } from '../../main/state-provider.js';
import type { VariableChange } from '../../main/watch/watcher.js';
import { AbortedError, BufferOverflowError, ClosedError, VariablesNotFoundError } from '../../shared/errors.js';
import { turn, until, within } from '../within.js';
import type { Promised } from './contract-test.js';
import { pairsOf, valuesOf } from './recording.js';

export function describeIteration(promise: Promised): void {
  promise('a loop sees every change in order, and break ends the watch', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const changes = provider.watch('x', { includeInitial: true });
    const seen: VariableChange[] = [];
    const loop = async () => {
      for await (const change of changes) {
        seen.push(change);
        if (change.metadata.initial) await Promise.all([1, 2, 3].map((value) => provider.setVariable('x', value)));
        if (change.newValue === 3) break;
      }
    };
    await within(loop(), 'the end of the loop');
    assert.deepEqual(pairsOf(seen), [
      [undefined, 0],
      [0, 1],
      [1, 2],
      [2, 3],
    ]);
    assert.deepEqual(
      seen.map(({ identifier, metadata }) => [identifier, metadata.version]),
      [
        ['x', 1],
        ['x', 2],
        ['x', 3],
        ['x', 4],
      ],
    );
    assert.deepEqual(await provider.listWatchers(), []);
    assert.deepEqual(await changes.next(), { done: true, value: undefined });
  });

  promise('a watch is registered at once, before anybody asks for a change', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const changes = provider.watch('x');
    await registered(provider);
    await provider.setVariable('x', 1);
    await provider.setVariable('x', 2);
    assert.deepEqual(pairsOf([await nextOf(changes), await nextOf(changes)]), [
      [0, 1],
      [1, 2],
    ]);
    await changes.return?.();
  });

  promise('a loop is ready when its watch is registered: a set made after that is seen', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const changes = provider.watch('x');
    await within(changes.ready, 'the registration');
    assert.equal((await provider.listWatchers()).length, 1);
    await provider.setVariable('x', 1);
    assert.deepEqual(pairsOf([await nextOf(changes)]), [[0, 1]]);
    await changes.return?.();
    await changes.ready;
  });

  promise(
    'a loop that is left, or whose signal ends it, before it is registered says so to whoever waits for that',
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 0 });
      const left = provider.watch('x');
      // In process it was registered at once.
      const ready = left.ready.then(
        () => undefined,
        (error: unknown) => error,
      );
      await left.return?.();
      const error = await within(ready, 'the end of the wait');
      assert.ok(error === undefined || error instanceof ClosedError, String(error));
      const ended = provider.watch('x', { signal: AbortSignal.abort() });
      await assert.rejects(within(ended.ready, 'the end of the wait'), AbortedError);
      await assert.rejects(ended.next(), AbortedError);
      assert.deepEqual(await provider.listWatchers(), []);
    },
  );

  promise(
    'a loop that could not be registered is not ready for the reason that its first next() throws',
    async (contract) => {
      const { provider } = contract;
      const changes = provider.watch('not there');
      const error = await changes.ready.catch((reason: unknown) => reason);
      assert.ok(error instanceof VariablesNotFoundError, String(error));
      await assert.rejects(changes.next(), (thrown) => thrown === error);
    },
  );

  promise('a change that comes while a next() waits goes to it; several wait in order', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const changes = provider.watch('x');
    const waiting = [changes.next(), changes.next(), changes.next()];
    await registered(provider);
    for (const value of [1, 2, 3]) await provider.setVariable('x', value);
    const results = await within(Promise.all(waiting), 'three changes');
    assert.deepEqual(
      results.map(({ value }) => (value as VariableChange).newValue),
      [1, 2, 3],
    );
    await changes.return?.();
  });

  for (const [how, end] of [
    ['return()', async (changes: AsyncIterableIterator<VariableChange>) => void (await changes.return?.())],
    [
      'throw()',
      (changes: AsyncIterableIterator<VariableChange>) =>
        assert.rejects(async () => changes.throw?.(new Error('enough')), /enough/),
    ],
    ['Symbol.asyncDispose', (changes: AsyncDisposable) => changes[Symbol.asyncDispose]()],
  ] as const) {
    promise(`${how} ends the watch, and whoever waits is done`, async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 0 });
      const changes = provider.watch('x');
      await registered(provider);
      const waiting = [changes.next(), changes.next()];
      await within(end(changes) as Promise<unknown>, how);
      for (const next of waiting)
        assert.deepEqual(await within(next, 'a waiting next()'), { done: true, value: undefined });
      assert.deepEqual(await changes.next(), { done: true, value: undefined });
      await until(async () => (await provider.listWatchers()).length === 0, 'no watch is left');
    });
  }

  promise('return() before the watch is registered leaves none behind', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const changes = provider.watch('x');
    await changes.return?.();
    assert.deepEqual(await changes.next(), { done: true, value: undefined });
    assert.deepEqual(await provider.listWatchers(), []);
  });

  promise('an aborted signal ends the loop without an error', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const end = new AbortController();
    const seen: unknown[] = [];
    const loop = async () => {
      for await (const { newValue } of provider.watch('x', { includeInitial: true, signal: end.signal })) {
        seen.push(newValue);
        end.abort();
      }
    };
    await within(loop(), 'the end of the loop');
    assert.deepEqual(seen, [0]);
    await until(async () => (await provider.listWatchers()).length === 0, 'no watch is left');
  });

  promise('a signal that was aborted before is thrown by the first next()', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const reason = new Error('too late');
    const changes = provider.watch('x', { signal: AbortSignal.abort(reason) });
    await assert.rejects(within(changes.next(), 'the first next()'), (error: Error) => {
      assert.ok(error instanceof AbortedError);
      assert.equal(error.cause, reason);
      return true;
    });
    assert.deepEqual(await changes.next(), { done: true, value: undefined });
  });

  promise('missing variables are thrown by the first next()', async (contract) => {
    const changes = contract.provider.watch(['nobody', 'none']);
    await assert.rejects(within(changes.next(), 'the first next()'), (error: Error) => {
      assert.ok(error instanceof VariablesNotFoundError);
      assert.deepEqual(error.identifiers, ['nobody', 'none']);
      return true;
    });
    assert.deepEqual(await changes.next(), { done: true, value: undefined });
  });

  promise('whoever has left hears of no failure', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const changes = provider.watch('unknown');
    await assert.rejects(
      within(
        provider.watchVariables('unknown', () => undefined),
        'the refusal',
      ),
      VariablesNotFoundError,
    );
    assert.deepEqual(await changes.return?.('left'), { done: true, value: 'left' });
    assert.deepEqual(await within(changes.next(), 'the end'), { done: true, value: undefined });
  });

  promise('an iterable that nobody asks for a change fails silently', async (contract) => {
    contract.provider.watch('nobody');
    for (let turns = 0; turns < 20; turns += 1) await turn();
  });

  promise("a slow loop with 'drop-oldest' gets the newest, and what it missed, exactly", async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const changes = provider.watch('x', { bufferLimit: 4, overflow: 'drop-oldest' });
    await registered(provider);
    for (let n = 1; n <= 10; n += 1) await provider.setVariable('x', n);
    await delivered(provider, 10);
    const seen = [await nextOf(changes), await nextOf(changes), await nextOf(changes), await nextOf(changes)];
    assert.deepEqual(pairsOf(seen), [
      [0, 7],
      [7, 8],
      [8, 9],
      [9, 10],
    ]);
    assert.deepEqual(
      seen.map(({ metadata }) => metadata.missed),
      [6, 0, 0, 0],
    );
    await provider.setVariable('x', 11);
    assert.deepEqual(pairsOf([await nextOf(changes)]), [[10, 11]]);
    await changes.return?.();
  });

  promise(
    "a slow loop with 'conflate' gets the newest of each variable, and what it missed, exactly",
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ a: 0, b: 0 });
      const changes = provider.watch(['a', 'b'], { bufferLimit: 4, overflow: 'conflate', includeInitial: true });
      await registered(provider);
      for (let n = 1; n <= 10; n += 1) {
        await provider.setVariable('a', n);
        await provider.setVariable('b', -n);
      }
      await delivered(provider, 22);
      const seen: VariableChange[] = [];
      while (seen.filter(({ newValue }) => Math.abs(newValue as number) === 10).length < 2)
        seen.push(await nextOf(changes));
      assert.ok(seen.length <= 4, 'no more than bufferLimit waited');
      for (const name of ['a', 'b']) {
        let old: unknown;
        let version = 0;
        for (const { oldValue, newValue, metadata } of seen.filter(({ identifier }) => identifier === name)) {
          assert.deepEqual(oldValue, old);
          // An initial value that was replaced is no change, and so not counted.
          const unseen = metadata.initial ? 1 : 0;
          assert.equal(metadata.version - metadata.missed - unseen - version, 1, 'every change is told or missed');
          old = newValue;
          version = metadata.version;
        }
        assert.equal(version, 11);
      }
      await changes.return?.();
    },
  );

  promise("a slow loop with 'error' gets what was buffered, and then the overflow is thrown", async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const changes = provider.watch('x', { bufferLimit: 4, overflow: 'error' });
    await registered(provider);
    for (let n = 1; n <= 10; n += 1) await provider.setVariable('x', n);
    await until(async () => (await provider.listWatchers()).length === 0, 'the watch ends');
    const seen: VariableChange[] = [];
    const loop = async () => {
      for await (const change of changes) seen.push(change);
    };
    await assert.rejects(
      within(loop(), 'the end of the loop'),
      (error: Error) => error instanceof BufferOverflowError && error.code === 'BUFFER_OVERFLOW',
    );
    assert.deepEqual(valuesOf(seen), [1, 2, 3, 4]);
    assert.deepEqual(await changes.next(), { done: true, value: undefined });
  });

  promise('filters and conditions hold for iterables too', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 20 });
    for (const filter of [
      { changedBy: 1 } as const,
      (old: unknown, now: unknown) => Math.abs((now as number) - (old as number)) >= 1,
    ]) {
      await provider.setVariable('x', 20);
      const changes = provider.watch('x', { filter });
      await registered(provider);
      await provider.setVariable('x', 20.5);
      await provider.setVariable('x', 22);
      assert.deepEqual(pairsOf([await nextOf(changes)]), [[20.5, 22]]);
      await changes.return?.();
    }
  });

  promise('an iterator that nobody holds any more ends its watch', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    await (async () => {
      const changes = provider.watch('x', { includeInitial: true });
      await nextOf(changes);
    })();
    assert.equal((await provider.listWatchers()).length, 1);
    const collect = collector();
    await until(async () => {
      collect();
      return (await provider.listWatchers()).length === 0;
    }, 'the collected iterator has ended its watch');
  });

  promise('an iterator that a loop waits on is not collected', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const seen = (async () => {
      for await (const { newValue } of provider.watch('x')) return newValue;
      return 'ended';
    })();
    await registered(provider);
    const collect = collector();
    for (let round = 0; round < 5; round += 1) {
      collect();
      await turn();
    }
    await provider.setVariable('x', 1);
    assert.equal(await within(seen, 'the change'), 1);
  });

  promise(
    'a change that is awaited without holding the iterator comes, although it could be collected',
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 0 });
      const next = provider.watch('x').next();
      await registered(provider);
      const collect = collector();
      for (let round = 0; round < 5; round += 1) {
        collect();
        await turn();
      }
      await provider.setVariable('x', 1);
      const { done, value } = await within(next, 'the change');
      assert.deepEqual([done, value?.newValue], [false, 1]);
      const isOver = async () => {
        collect();
        return (await provider.listWatchers()).length === 0;
      };
      await until(isOver, 'its watch ends with it');
    },
  );

  promise("with 'drop-oldest' a waiting loop is told what its buffer left out before", async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 0, b: 0 });
    const changes = provider.watch(['a', 'b'], { bufferLimit: 4, overflow: 'drop-oldest' });
    await registered(provider);
    for (let n = 1; n <= 3; n += 1) await provider.setVariable('a', n);
    for (let n = 1; n <= 6; n += 1) await provider.setVariable('b', n);
    await delivered(provider, 9);
    // Those of a are all dropped, and nothing of it waits that could say so.
    const seen: VariableChange[] = [];
    for (let n = 0; n < 4; n += 1) seen.push(await nextOf(changes));
    assert.deepEqual(valuesOf(seen), [3, 4, 5, 6]);
    const next = nextOf(changes);
    await provider.setVariable('a', 4);
    const { oldValue, newValue, metadata } = await next;
    assert.deepEqual([oldValue, newValue, metadata.missed], [0, 4, 3]);
    await changes.return?.();
  });

  promise('closing the provider ends its loops', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const loop = (async () => {
      const seen: unknown[] = [];
      for await (const { newValue } of provider.watch('x', { includeInitial: true })) seen.push(newValue);
      return seen;
    })();
    await registered(provider);
    await until(
      async () => (await provider.listWatchers())[0]?.stats.updatesDelivered === 1,
      'the initial value is taken',
    );
    await provider.close();
    assert.deepEqual(await within(loop, 'the end of the loop'), [0]);
  });
}

async function nextOf(changes: AsyncIterator<VariableChange>): Promise<VariableChange> {
  const { done, value } = await within(changes.next(), 'the next change');
  assert.notEqual(done, true, 'the iteration goes on');
  return value;
}

/** The only watch is registered. */
async function registered(provider: StateProvider): Promise<void> {
  await until(async () => (await provider.listWatchers())[0]?.state === 'live', 'the watch is registered');
}

/** The only watch has delivered that many, to its loop or its buffer. */
async function delivered(provider: StateProvider, updates: number): Promise<void> {
  const holds = async () => (await provider.listWatchers())[0]?.stats.updatesDelivered === updates;
  await until(holds, `${updates} updates are delivered`);
}

function collector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
