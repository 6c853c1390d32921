/** What the compiler knows of `batch`: this file compiles, and what it expects to be wrong is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BatchWatcher, StateProvider, VariableChange, Watcher } from '../../src/main/index.js';
import { LocalState } from '../../src/main/index.js';

test('with batch: true a watcher takes an array and an iterator yields arrays, without it neither', async () => {
  await using state: StateProvider = new LocalState();
  await state.registerVariable('x', 'float', 0);
  const together: BatchWatcher = (changes) => void changes.length;
  const each: Watcher = (identifier) => void identifier;
  await state.watchVariables('x', together, { batch: true });
  await state.watchVariables('x', each, { batch: false });
  await state.watchVariables('x', (changes) => void changes.map(({ newValue }) => newValue), { batch: true });
  await state.watchVariables('x', (identifier, _, __, { version }) => void [identifier.length, version]);
  // @ts-expect-error a watcher of four arguments gets one
  await state.watchVariables('x', each, { batch: true });
  // @ts-expect-error it would be called with an identifier
  await state.watchVariables('x', (changes) => void changes.map(String), { conflate: true });

  const arrays: AsyncIterator<readonly VariableChange[]> = state.watch('x', { batch: true });
  const changes: AsyncIterator<VariableChange> = state.watch('x', { includeInitial: true });
  // @ts-expect-error it yields arrays
  const wrong: AsyncIterator<VariableChange> = state.watch('x', { batch: true });
  await state.setVariable('x', 1);
  assert.equal((await arrays.next()).value?.length, 1);
  assert.equal((await changes.next()).value?.identifier, 'x');
  for (const iterator of [arrays, changes, wrong]) await iterator.return?.();
});
