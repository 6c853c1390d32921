/** More updates than a watch may buffer: bounded, and nothing is lost silently. */
import assert from 'node:assert/strict';
import { BufferOverflowError } from '../../shared/errors.js';
import { until, within } from '../within.js';
import type { ContractTest, Promised } from './contract-test.js';
import { infoOf } from './recording.js';

/** In process they come within one turn; over a connection each is a call, and fewer make the same point. */
/** By calls the sets of one variable wait for one another: a round trip each. */
const SETS = { local: 5_000, link: 1_000, stream: 200 } as const;

const setsOf = ({ provider }: ContractTest): number => SETS[provider.capabilities.transport];

export function describeOverflow(promise: Promised): void {
  for (const overflow of ['conflate', 'drop-oldest'] as const) {
    promise(
      `with '${overflow}' each update is delivered, or the next one says how many were missed`,
      async (contract) => {
        const { provider } = contract;
        await contract.floats({ x: 0 });
        const recording = await contract.record('x', { bufferLimit: 16, overflow });
        const sets = await rush(contract, ['x']);
        const calls = await recording.takeUntil((call) => call.newValue === sets, `the value ${sets}`);
        recording.checkChained({ x: { value: 0, version: 1 } });
        const missed = calls.reduce((sum, { metadata }) => sum + metadata.missed, 0);
        assert.equal(calls.length + missed, sets);
        const { stats } = await infoOf(provider, recording.watch);
        assert.equal(stats.updatesDelivered, calls.length);
        assert.equal(stats.updatesMissed, missed);
        assert.equal(stats.buffered, 0);
      },
    );

    promise(`with '${overflow}' the newest of every variable arrives`, async (contract) => {
      const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
      await contract.floats(Object.fromEntries(names.map((name) => [name, 0])));
      const recording = await contract.record(names, { bufferLimit: 16, overflow });
      const sets = await rush(contract, names);
      const last = new Map<string, unknown>();
      await until(() => {
        for (const { identifier, newValue } of recording.calls) last.set(identifier, newValue);
        return names.every((name) => last.get(name) === sets / names.length);
      }, 'the newest of each');
      recording.checkChained(Object.fromEntries(names.map((name) => [name, { value: 0, version: 1 }])));
    });
  }

  promise("with 'error' a watch that falls behind fails, and what it told before has no gap", async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const states: string[] = [];
    const recording = await contract.record('x', {
      bufferLimit: 1,
      overflow: 'error',
      onState: (state) => states.push(state),
    });
    const sets = await rush(contract, ['x']);
    const isOver = () => recording.watch.state === 'failed' || recording.calls.at(-1)?.newValue === sets;
    await until(isOver, 'the watch fails, or has kept up');
    recording.checkChained({ x: { value: 0, version: 1 } });
    assert.ok(recording.calls.every(({ metadata }) => metadata.missed === 0));
    // A provider with more room on the way may keep up.
    if (recording.watch.state !== 'failed') return;
    assert.ok(recording.errors[0] instanceof BufferOverflowError);
    assert.equal(recording.errors[0].code, 'BUFFER_OVERFLOW');
    assert.equal(states.at(-1), 'failed');
    assert.deepEqual(await provider.listWatchers(), []);
  });

  for (const overflow of ['error', 'drop-oldest', 'conflate'] as const) {
    promise(
      `a watch of more variables than its buffer holds begins with each of them, with '${overflow}'`,
      async (contract) => {
        const { provider } = contract;
        const names = Array.from({ length: 40 }, (_, n) => `v${n}`);
        await contract.floats(Object.fromEntries(names.map((name) => [name, 0])));
        for (const includeInitial of [true, false]) {
          // Nothing of it passes its buffer by.
          const options = { overflow, bufferLimit: 8, includeInitial, priority: 'background' } as const;
          const one = await contract.record(names, options);
          const turns = await contract.recordBatches(names, options);
          const loop = provider.watch(names, options);
          await loop.ready;
          await provider.setVariable('v39', includeInitial ? 1 : 2);
          for (const { calls, errors } of [one, turns]) {
            await until(
              () => calls.at(-1)?.identifier === 'v39' && calls.at(-1)?.metadata.initial === false,
              'the change',
            );
            assert.deepEqual(errors, []);
            const initial = calls.filter(({ metadata }) => metadata.initial).map(({ identifier }) => identifier);
            assert.deepEqual(initial.sort(), includeInitial ? [...names].sort() : []);
            assert.ok(calls.every(({ metadata }) => metadata.missed === 0));
          }
          const first = await within(loop.next(), 'the first change of the loop');
          assert.equal(first.value.metadata.initial, includeInitial);
          await loop.return?.();
        }
      },
    );
  }

  promise('a watch whose buffer never filled missed nothing', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.record('x', { bufferLimit: 1_024 });
    const sets = Math.min(setsOf(contract), 1_000);
    await Promise.all(Array.from({ length: sets }, (_, n) => provider.setVariable('x', n + 1)));
    const calls = await recording.take(sets);
    assert.ok(calls.every(({ metadata }) => metadata.missed === 0));
  });

  promise('an initial value that was buffered over is not counted as missed', async (contract) => {
    await contract.floats({ x: 0 });
    const watching = contract.record('x', { includeInitial: true, bufferLimit: 4 });
    // Before the watch is registered, too: nothing can come between.
    const recording = await watching;
    const sets = await rush(contract, ['x']);
    const calls = await recording.takeUntil((call) => call.newValue === sets, `the value ${sets}`);
    const changes = calls.filter(({ metadata }) => !metadata.initial);
    const last = calls.at(-1)!;
    const told = changes.reduce((sum, { metadata }) => sum + 1 + metadata.missed, 0);
    assert.equal(told, last.metadata.version - 1);
  });
}

/** Sets that are all called before the loop turns. How many. */
async function rush(contract: ContractTest, names: readonly string[]): Promise<number> {
  const { provider } = contract;
  const count = setsOf(contract);
  const sets: Promise<unknown>[] = [];
  for (let n = 1; n <= count / names.length; n += 1) for (const name of names) sets.push(provider.setVariable(name, n));
  await Promise.all(sets);
  return count;
}
