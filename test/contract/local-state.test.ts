/** The suite against the provider in process, and what only there can be said exactly: nothing comes between the caller and the ring. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import type { WatcherInfo } from '../../src/main/index.js';
import { BufferOverflowError, LocalState } from '../../src/main/index.js';
import { describeStateProvider } from '../../src/testing/index.js';
import { within } from '../support/deadline.js';

describeStateProvider('LocalState', async () => new LocalState());

const SETS = 5_000;

async function given(value = 0): Promise<LocalState> {
  const state = new LocalState();
  await state.registerVariable('x', 'integer', value);
  return state;
}

/** Without giving the loop a chance to turn. */
function setAll(state: LocalState): Promise<unknown> {
  return Promise.all(Array.from({ length: SETS }, (_, n) => state.setVariable('x', n + 1)));
}

function bookedOf({ stats }: WatcherInfo): number {
  const { updatesDelivered, updatesFiltered, updatesRateLimited, updatesMissed, buffered } = stats;
  return updatesDelivered + updatesFiltered + updatesRateLimited + updatesMissed + buffered;
}

describe('LocalState, while the loop is blocked', () => {
  test("'conflate' keeps the newest, and it says how many were missed", async () => {
    const state = await given();
    const calls: unknown[] = [];
    await state.watchVariables('x', (_, old, now, { missed, version }) => calls.push([old, now, missed, version]), {
      bufferLimit: 16,
    });
    await setAll(state);
    assert.deepEqual(calls, [[0, SETS, SETS - 1, SETS + 1]]);
    await state.close();
  });

  test("'drop-oldest' keeps the newest bufferLimit, and the first says how many were missed", async () => {
    const state = await given();
    const calls: unknown[] = [];
    await state.watchVariables('x', (_, old, now, { missed }) => calls.push([old, now, missed]), {
      bufferLimit: 3,
      overflow: 'drop-oldest',
    });
    await setAll(state);
    assert.deepEqual(calls, [
      [0, SETS - 2, SETS - 3],
      [SETS - 2, SETS - 1, 0],
      [SETS - 1, SETS, 0],
    ]);
    await state.close();
  });

  test("'error' fails the watch when its buffer is full", async () => {
    const state = await given();
    const failed = new Promise<Error>((resolve) => {
      void state.watchVariables('x', () => undefined, { bufferLimit: 3, overflow: 'error', onError: resolve });
    });
    await setAll(state);
    assert.ok((await within(5_000, failed)) instanceof BufferOverflowError);
    assert.deepEqual(await state.listWatchers(), []);
    await state.close();
  });

  for (const options of [
    { bufferLimit: 16 },
    { bufferLimit: 16, overflow: 'drop-oldest' },
    { bufferLimit: SETS },
    { bufferLimit: 16, filter: (_: unknown, now: unknown) => (now as number) % 2 === 0 },
    { bufferLimit: 16, overflow: 'drop-oldest', filter: { gt: 4_990 } },
    { bufferLimit: SETS, conflate: true },
    { bufferLimit: 16, debounceMs: 60_000 },
  ] as const) {
    test(`the books balance at any time: ${JSON.stringify(options)}`, async () => {
      const state = await given();
      await state.watchVariables('x', () => undefined, options);
      const sets = setAll(state);
      const [blocked] = await Promise.all([state.listWatchers(), sets]);
      assert.equal(bookedOf(blocked[0]!), SETS, 'while updates wait');
      const [delivered] = await state.listWatchers();
      assert.equal(bookedOf(delivered!), SETS, 'after they were delivered');
      await state.close();
    });
  }
});

test('an open LocalState without watches keeps no process alive, and one with a ttl neither', async () => {
  const index = new URL('../../src/main/index.js', import.meta.url).href;
  const program = `
    import { LocalState } from ${JSON.stringify(index)};
    const state = new LocalState();
    await state.registerVariable('x', 'integer', 1, { ttlMs: 3_600_000 });
    await state.watchVariables('x', () => undefined, { debounceMs: 3_600_000 });
    await state.setVariable('x', 2);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: 'inherit' });
  const [code] = await within(20_000, once(child, 'exit'), 'the end of the process');
  assert.equal(code, 0);
});
