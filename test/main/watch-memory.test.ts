/** What ended watches leave behind: nothing. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LocalState, reactive, Variables } from '../../src/main/index.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const ROUNDS = 5_000;
/** A left loop kept 3,700, a waitFor 4,800. Objects that wait for a later collection are some. */
const MOST_BYTES_EACH = 300;

describe('memory is where it was after thousands of', () => {
  const state = new LocalState();
  before(() => state.registerVariable('t', 'integer', 0));
  const variables = new Variables(state);
  const t = { name: 't', type: 'integer' } as const;
  const rounds: Readonly<Record<string, () => Promise<unknown>>> = {
    'loops that are left': async () => {
      for await (const _ of state.watch('t', { includeInitial: true })) break;
    },
    'values that are waited for': () => variables.waitFor(t, (value) => Number(value) >= 0),
    'reactive variables that are closed': async () => (await reactive(state, 't')).close(),
    'watches that are stopped': async () => (await state.watchVariables('t', () => undefined)).stop(),
    'watches whose end was waited for': async () => {
      const watch = await state.watchVariables('t', () => undefined);
      const synced = watch.synced.catch(() => undefined);
      await watch.stop();
      await synced;
    },
    'iterators that are returned from while one waits': async () => {
      const changes = state.watch('t');
      const next = changes.next();
      await changes.return?.();
      await next;
    },
    'loops that are refused': () =>
      state
        .watch('nowhere')
        .next()
        .catch(() => undefined),
    'watches that a signal ends': async () => {
      const end = new AbortController();
      await state.watchVariables('t', () => undefined, { signal: end.signal });
      end.abort();
    },
  };
  for (const [what, round] of Object.entries(rounds)) {
    test(what, async () => {
      for (let n = 0; n < 200; n += 1) await round();
      const before = await usedBytes();
      for (let n = 0; n < ROUNDS; n += 1) await round();
      const each = ((await usedBytes()) - before) / ROUNDS;
      assert.ok(each < MOST_BYTES_EACH, `${Math.round(each)} bytes each`);
      assert.deepEqual(await state.listWatchers(), []);
    });
  }
});

/** Finalisers run in a turn of their own, and what they let go of goes with the next collection. */
async function usedBytes(): Promise<number> {
  for (let round = 0; round < 5; round += 1) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  collect();
  return process.memoryUsage().heapUsed;
}
