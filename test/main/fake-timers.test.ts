/** A test suite of somebody else puts fake timers in place of the platform's while states are open. */
import assert from 'node:assert/strict';
import { after, describe, mock, test } from 'node:test';
import { BridgedState, LocalState, Variables } from '../../src/main/index.js';
import { turn, until, within } from '../../src/testing/within.js';
import { ServerProcess } from '../support/server-process.js';

type FakedApi = 'setTimeout' | 'setInterval' | 'setImmediate' | 'Date';

const FAKED: readonly FakedApi[] = ['setTimeout', 'setInterval', 'setImmediate', 'Date'];

async function underFakeTimers(run: () => Promise<void>): Promise<void> {
  mock.timers.enable({ apis: [...FAKED] as never });
  try {
    await run();
  } finally {
    mock.timers.reset();
  }
}

describe('under fake timers', () => {
  const started = ServerProcess.start();
  after(async () => (await started).close());

  test('a state opened meanwhile hears what another client sets, time after time', async () => {
    const endpoint = `127.0.0.1:${(await started).port}`;
    const writer = await BridgedState.open({ endpoint, sessionId: 'a', workers: 1 });
    await writer.registerVariable('t', 'integer', 0);
    await underFakeTimers(async () => {
      const state = await within(BridgedState.open({ endpoint, sessionId: 'a', workers: 1 }), 'a state');
      const heard: unknown[] = [];
      const watch = await within(
        state.watchVariables('t', (_, __, value) => heard.push(value)),
        'its watch',
      );
      for (let value = 1; value <= 5; value += 1) {
        await within(writer.setVariable('t', value), 'a set');
        await until(() => heard.length === value, `update ${value}`);
      }
      await within(watch.stop(), 'the end of the watch');
      await within(state.close(), 'its close');
    });
    await writer.close();
  });

  test('one that was open before goes on, with its debounced calls too', async () => {
    const endpoint = `127.0.0.1:${(await started).port}`;
    const state = await BridgedState.open({ endpoint, sessionId: 'b', workers: 1 });
    await state.registerVariable('t', 'integer', 0);
    const heard: unknown[] = [];
    await state.watchVariables('t', (_, __, value) => heard.push(value), { debounceMs: 20 });
    await underFakeTimers(async () => {
      await within(state.setVariable('t', 1), 'a set');
      await until(() => heard.length === 1, 'the debounced call');
      await within(state.close(), 'its close');
    });
  });

  test('a local state syncs, debounces, expires and waits', async () => {
    await underFakeTimers(async () => {
      const state = new LocalState();
      await state.registerVariable('t', 'integer', 0, { ttlMs: 100 });
      const heard: unknown[] = [];
      const watch = await state.watchVariables('t', (_, __, value) => heard.push(value), { debounceMs: 10 });
      await within(watch.synced, 'synced');
      await state.setVariable('t', 1);
      await until(() => heard.length === 1, 'the debounced call');
      await until(() => heard.length === 2, 'the expiry');
      assert.deepEqual(heard, [1, undefined]);
      await state.registerVariable('u', 'integer', 0);
      const late = new Variables(state).waitFor({ name: 'u', type: 'integer' }, () => false, { timeoutMs: 10 });
      await assert.rejects(within(late, 'its timeout'), { code: 'DEADLINE_EXCEEDED' });
      await state.close();
      await turn();
    });
  });
});
