/** A watcher may set, watch, add, remove and stop: nothing recurses, what it causes comes in a later turn. */
import assert from 'node:assert/strict';
import type { Watch } from '../../main/state-provider.js';
import { setImmediate, setTimeout } from '../../shared/platform-timers.js';
import { until, within } from '../within.js';
import type { Promised } from './contract-test.js';

export function describeInsideCalls(promise: Promised): void {
  promise(
    'what a watcher sets is told in a later turn of the event loop, and never inside the call',
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 0 });
      const seen: [unknown, unknown][] = [];
      let depth = 0;
      let isSameTurn = false;
      const faults: string[] = [];
      const watch = await provider.watchVariables('x', (_, oldValue, newValue) => {
        if (depth > 0) faults.push(`${String(newValue)} came inside the call`);
        if (isSameTurn) faults.push(`${String(newValue)} came in the same turn`);
        depth += 1;
        seen.push([oldValue, newValue]);
        isSameTurn = true;
        setImmediate(() => (isSameTurn = false));
        if ((newValue as number) < 10) void provider.setVariable('x', (newValue as number) + 1);
        depth -= 1;
      });
      await provider.setVariable('x', 1);
      await until(() => seen.length === 10, 'the chain of sets');
      assert.deepEqual(
        seen,
        Array.from({ length: 10 }, (_, n) => [n, n + 1]),
      );
      assert.deepEqual(faults, []);
      await watch.stop();
    },
  );

  promise('a watcher that sets for ever keeps nothing else from running', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    for (const isLate of [false, true]) {
      let isOn = true;
      const watch = await provider.watchVariables('x', async (_, __, newValue) => {
        if (isLate) await undefined;
        if (isOn && (newValue as number) < 1e6) await provider.setVariable('x', (newValue as number) + 1);
      });
      await provider.setVariable('x', -1);
      await within(new Promise((resolve) => setTimeout(resolve, 20)), 'a timer');
      isOn = false;
      await watch.stop();
      assert.ok(
        ((await provider.getVariable('x')) as number) < 1e6,
        'the timer was met long before the watcher was done',
      );
    }
  });

  promise('a loop of awaited sets keeps nothing else from running, and loses nothing', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.record('x');
    let isMet = false;
    setTimeout(() => {
      isMet = true;
    }, 20);
    let n = 0;
    while (!isMet && n < 1e6) {
      n += 1;
      await provider.setVariable('x', n);
    }
    assert.ok(n < 1e6, 'the timer was met long before the loop was done');
    const calls = await recording.take(n);
    assert.ok(calls.every(({ metadata }) => metadata.missed === 0));
  });

  promise('two watchers that set each other’s variable take turns', async (contract) => {
    const { provider } = contract;
    await contract.floats({ ping: 0, pong: 0 });
    const last = new Promise<void>((resolve, reject) => {
      const play = (other: string) => (_: string, __: unknown, newValue: unknown) => {
        if ((newValue as number) >= 50) resolve();
        else provider.setVariable(other, (newValue as number) + 1).catch(reject);
      };
      Promise.all([provider.watchVariables('ping', play('pong')), provider.watchVariables('pong', play('ping'))])
        .then(() => provider.setVariable('ping', 1))
        .catch(reject);
    });
    await within(last, '50 turns');
    assert.deepEqual(
      await provider.getVariables(['ping', 'pong']),
      new Map([
        ['ping', 49],
        ['pong', 50],
      ]),
    );
    await Promise.all((await provider.listWatchers()).map(({ ref }) => provider.unwatchVariables(ref)));
  });

  promise('a watcher may stop its own watch, and is not called again', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const calls: unknown[] = [];
    const held: { watch?: Watch } = {};
    let stopping: Promise<void> | undefined;
    held.watch = await provider.watchVariables('x', (_, __, newValue) => {
      calls.push(newValue);
      stopping = held.watch?.stop();
    });
    const witness = await contract.record('x');
    await Promise.all(Array.from({ length: 10 }, (_, n) => provider.setVariable('x', n + 1)));
    await witness.take(10);
    await until(() => calls.length > 0, 'the call');
    await within(stopping!, 'the stop from inside');
    assert.deepEqual(calls, [1]);
    assert.equal(held.watch.state, 'stopped');
  });

  promise('an async watcher may wait for its own stop', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const held: { watch?: Watch } = {};
    const stopped = new Promise<void>((resolve) => {
      const watching = provider.watchVariables('x', async () => {
        await held.watch?.stop();
        resolve();
      });
      void watching.then((watch) => {
        held.watch = watch;
        return provider.setVariable('x', 1);
      });
    });
    await within(stopped, 'the stop');
    assert.deepEqual(await provider.listWatchers(), []);
  });

  promise('a watcher may stop another watch', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const other = await contract.record('x');
    const calls: unknown[] = [];
    let stopping: Promise<void> | undefined;
    const watch = await provider.watchVariables('x', (_, __, newValue) => {
      calls.push(newValue);
      stopping ??= other.watch.stop();
    });
    await provider.setVariable('x', 1);
    await until(() => calls.length === 1, 'the call');
    await within(stopping!, 'the stop');
    const before = other.calls.length;
    await provider.setVariable('x', 2);
    await until(() => calls.length === 2, 'the second call');
    assert.equal(other.calls.length, before);
    await watch.stop();
  });

  promise('a watcher may watch: the new watch sees what is set after it', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const inner: unknown[] = [];
    let isWatched = false;
    const outer = await contract.record('x');
    const watch = await provider.watchVariables('x', async () => {
      if (isWatched) return;
      isWatched = true;
      await provider.watchVariables('x', (_, oldValue, newValue) => inner.push([oldValue, newValue]));
      await provider.setVariable('x', 100);
    });
    await provider.setVariable('x', 1);
    await until(() => inner.length === 1, 'the call of the inner watch');
    assert.deepEqual(inner, [[1, 100]]);
    await outer.take(2);
    await watch.stop();
    for (const { ref } of await provider.listWatchers())
      if (ref !== outer.watch.ref) await provider.unwatchVariables(ref);
  });

  promise('a watcher may add a variable and remove one', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0, y: 0 });
    const calls: unknown[] = [];
    const held: { watch?: Watch } = {};
    let change: Promise<void> | undefined;
    held.watch = await provider.watchVariables('x', (identifier, _, newValue) => {
      calls.push([identifier, newValue]);
      if (identifier === 'x') change = held.watch?.add('y').then(() => held.watch?.remove('x'));
    });
    await provider.setVariable('x', 1);
    await until(() => change !== undefined, 'the call');
    await within(change!, 'the change from inside');
    assert.deepEqual(held.watch.identifiers, ['y']);
    await provider.setVariable('x', 2);
    await provider.setVariable('y', 1);
    await until(() => calls.length === 2, 'the call for the added variable');
    assert.deepEqual(calls, [
      ['x', 1],
      ['y', 1],
    ]);
    await held.watch.stop();
  });

  promise('a watcher may delete its own variable', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const calls: unknown[] = [];
    const watch = await provider.watchVariables('x', (_, __, newValue, { deleted }) => {
      calls.push(deleted ?? newValue);
      if (deleted === undefined) void provider.deleteVariable('x');
    });
    await provider.setVariable('x', 1);
    await until(() => watch.state === 'stopped', 'the end of the watch');
    assert.deepEqual(calls, [1, 'deleted']);
  });

  promise('a filter may read, set and stop without harm', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0, y: 0 });
    const held: { watch?: Watch } = {};
    const recording = await contract.record('x', {
      filter: (_, newValue) => {
        void provider.setVariable('y', newValue as number);
        if (newValue === 2) void held.watch?.stop();
        return true;
      },
    });
    held.watch = recording.watch;
    const witness = await contract.record('y');
    for (const value of [1, 2, 3]) await provider.setVariable('x', value);
    await witness.take(2);
    assert.deepEqual(
      recording.calls.map(({ newValue }) => newValue),
      [1],
    );
  });

  promise('the position moves before the call: a watcher that throws is not told the same again', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const seen: unknown[] = [];
    const watch = await provider.watchVariables(
      'x',
      (_, oldValue, newValue) => {
        seen.push([oldValue, newValue]);
        throw new Error('no');
      },
      { onError: () => undefined },
    );
    for (const value of [1, 2, 3]) await provider.setVariable('x', value);
    await until(() => seen.length === 3, 'three calls');
    assert.deepEqual(seen, [
      [0, 1],
      [1, 2],
      [2, 3],
    ]);
    await watch.stop();
  });
}
