/** When a variable of a LocalState expires: in a process of its own, in which nothing else holds up the timers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LocalState } from '../../src/main/index.js';
import { until } from '../support/deadline.js';

test('every change, and an equal set, begins the time to live anew, a rollback too', async () => {
  const state = new LocalState();
  const ttlMs = 200;
  const changes: Readonly<Record<string, (name: string) => Promise<unknown>>> = {
    set: (name) => state.setVariable(name, 2),
    'equal set': (name) => state.setVariable(name, 1),
    update: (name) => state.updateVariables({ [name]: 2 }),
    rollback: (name) => state.rollback(name, 1),
    'rollback to what it is': (name) => state.rollback(name, 2),
  };
  const names = Object.keys(changes);
  for (const name of names) await state.registerVariable(name, 'integer', 0, { ttlMs });
  for (const name of names) await state.setVariable(name, 1);
  const lived = new Map<string, number>();
  await state.watchVariables(names, (name, _, __, { deleted }) => {
    if (deleted === 'expired') lived.set(name, performance.now() - changedAt);
  });
  // Half of it passes.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ttlMs / 2);
  const changedAt = performance.now();
  for (const name of names) await changes[name]!(name);

  await until(5_000, () => lived.size === names.length, 'the end of all');

  // The wheel's slots are of some ms.
  assert.deepEqual(
    [...lived].filter(([, ms]) => ms < ttlMs - 20),
    [],
  );
  await state.close();
});
