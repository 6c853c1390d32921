/** `peek`: present numbers and booleans, at once. */
import assert from 'node:assert/strict';
import { InvalidArgumentError } from '../../shared/errors.js';
import { until, within } from '../within.js';
import type { Promised } from './contract-test.js';

export function describePeeking(promise: Promised): void {
  promise(
    'a watch that has caught up can be peeked, by name and by id, whichever it was made with',
    async (contract) => {
      const { provider } = contract;
      const ids = [
        await provider.registerVariable('a', 'float', 1.5),
        await provider.registerVariable('b', 'integer', -7),
        await provider.registerVariable('c', 'boolean', false),
      ];
      for (const made of [['a', 'b', 'c'], ids]) {
        const recording = await contract.record(made, { includeInitial: true });
        await within(recording.watch.synced, 'the watch');
        await recording.take(3);
        for (const asked of [['a', 'b', 'c'], ids])
          assert.deepEqual(
            asked.map((identifier) => provider.peek(identifier)),
            [1.5, -7, false],
          );
        await recording.watch.stop();
      }
    },
  );

  promise('within a call peek says what the watcher is told, or something newer', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const seen: [told: number, peeked: unknown][] = [];
    const watch = await provider.watchVariables('x', (identifier, _, newValue) => {
      seen.push([newValue as number, provider.peek(identifier)]);
    });
    await Promise.all(Array.from({ length: 50 }, (_, n) => provider.setVariable('x', n + 1)));
    await until(() => seen.at(-1)?.[0] === 50, 'the last value');
    for (const [told, peeked] of seen)
      assert.ok(typeof peeked === 'number' && peeked >= told, `${told}, ${String(peeked)}`);
    assert.equal(provider.peek('x'), 50);
    await watch.stop();
  });

  promise(
    'a change that a condition or a filter keeps from the watcher is peeked too, or the last that it let through',
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 0, y: 0 });
      const recording = await contract.record('x', { filter: { gt: 10 } });
      const other = await contract.record('y', { filter: () => false });
      const whole = await contract.record(['x', 'y']);
      await provider.updateVariables({ x: 5, y: 5 });
      await whole.take(2);
      await until(() => provider.peek('x') === 5 && provider.peek('y') === 5, 'both values');
      assert.deepEqual([recording.calls.length, other.calls.length], [0, 0]);
    },
  );

  promise('what is neither number nor boolean cannot be peeked, nor can an integer beyond 2^53', async (contract) => {
    const { provider } = contract;
    await provider.registerVariable('text', 'string', 'on');
    await provider.registerVariable('map', 'map', { a: 1 });
    await provider.registerVariable('count', 'integer', 1);
    const recording = await contract.record(['text', 'map', 'count']);
    await within(recording.watch.synced, 'the watch');
    assert.deepEqual([provider.peek('text'), provider.peek('map')], [undefined, undefined]);
    await provider.setVariable('count', 2n ** 60n);
    await recording.take(1);
    assert.equal(provider.peek('count'), undefined);
    await provider.setVariable('count', 3);
    await recording.take(1);
    assert.equal(provider.peek('count'), 3);
  });

  promise('a variable that is gone, or was never there, cannot be peeked', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 1 });
    const recording = await contract.record('x');
    await within(recording.watch.synced, 'the watch');
    assert.equal(provider.peek('x'), 1);
    await provider.deleteVariable('x');
    await recording.take(1);
    assert.deepEqual([provider.peek('x'), provider.peek('nobody')], [undefined, undefined]);
  });

  promise('a variable that a pattern has found can be peeked, and one that is found later', async (contract) => {
    const { provider } = contract;
    await contract.floats({ 'temp.a': 1 });
    const recording = await contract.record({ pattern: 'temp.*' }, { includeInitial: true });
    await recording.take(1);
    assert.equal(provider.peek('temp.a'), 1);
    await contract.floats({ 'temp.b': 2 });
    await recording.take(1);
    assert.equal(provider.peek('temp.b'), 2);
    await provider.setVariable('temp.b', 3);
    await recording.take(1);
    assert.equal(provider.peek('temp.b'), 3);
    await provider.deleteVariable('temp.b');
    await recording.take(1);
    assert.equal(provider.peek('temp.b'), undefined);
    await provider.registerVariable('temp.b', 'string', 'text');
    await recording.take(1);
    assert.equal(provider.peek('temp.b'), undefined);
  });

  promise('a variable that no watch covers is unknown, or at its present value', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 1, y: 1 });
    const recording = await contract.record(['x', 'y']);
    await within(recording.watch.synced, 'the watch');
    await recording.watch.remove('x');
    await provider.setVariable('x', 2);
    assert.ok([undefined, 2].includes(provider.peek('x') as number | undefined));
    assert.equal(provider.peek('y'), 1);
    await recording.watch.stop();
    await provider.setVariable('y', 2);
    assert.ok([undefined, 2].includes(provider.peek('y') as number | undefined));
  });

  promise('peek refuses what is no identifier, and knows nothing when its provider is closed', async (contract) => {
    await contract.floats({ x: 1 });
    const recording = await contract.record('x');
    await within(recording.watch.synced, 'the watch');
    const { provider } = contract;
    for (const wrong of ['', 7, undefined]) assert.throws(() => provider.peek(wrong as string), InvalidArgumentError);
    const another = await contract.another();
    await another.registerVariable('x', 'float', 1);
    await another.close();
    assert.equal(another.peek('x'), undefined);
  });
}
