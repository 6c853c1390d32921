/** AbortSignals: one may end any number of watches, and costs one listener. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import type { Watch } from '../../main/state-provider.js';
import { AbortedError } from '../../shared/errors.js';
import { turn, until } from '../within.js';
import type { ContractTest, Promised } from './contract-test.js';
import type { Recording } from './recording.js';

export function describeSignals(promise: Promised): void {
  promise('an aborted signal ends the watch', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const end = new AbortController();
    const recording = await contract.record('x', { signal: end.signal });
    const witness = await contract.record('x');
    end.abort();
    assert.equal(recording.watch.state, 'stopped');
    await provider.setVariable('x', 1);
    await witness.next();
    assert.equal(recording.calls.length, 0);
    await until(async () => (await provider.listWatchers()).length === 1, 'only the witness is left');
    assert.deepEqual(getEventListeners(end.signal, 'abort'), []);
  });

  promise('a signal that is aborted already refuses the watch, with its reason as cause', async (contract) => {
    await contract.floats({ x: 0 });
    const reason = new Error('closing time');
    const signal = AbortSignal.abort(reason);
    const error = await contract.refuses(
      () => contract.provider.watchVariables('x', () => undefined, { signal }),
      AbortedError,
    );
    assert.equal(error.code, 'ABORTED');
    assert.equal(error.cause, reason);
    assert.deepEqual(await contract.provider.listWatchers(), []);
  });

  promise(
    'a signal that aborts while the watch is being registered leaves none behind, and is the reason',
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 0 });
      const end = new AbortController();
      const watching = provider.watchVariables('x', () => assert.fail('no call after the abort'), {
        signal: end.signal,
      });
      const reason = new Error('closing time');
      end.abort(reason);
      // Registered before the abort or refused by it: either is right, and it is over.
      const outcome = await watching.catch((error: unknown) => error);
      if (outcome instanceof AbortedError) assert.equal(outcome.cause, reason);
      else assert.equal((outcome as Watch).state, 'stopped');
      await until(async () => (await provider.listWatchers()).length === 0, 'no watch is left');
      await provider.setVariable('x', 1);
      await turn();
    },
  );

  promise('a stopped watch takes its listener from the signal', async (contract) => {
    await contract.floats({ x: 0 });
    const { signal } = new AbortController();
    const one = await contract.record('x', { signal });
    const other = await contract.record('x', { signal });
    await one.watch.stop();
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    await other.watch.stop();
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  promise('one signal ends thousands of watches with one listener and without a warning', async (contract) => {
    const { provider } = contract;
    // Over streams a watch is an HTTP/2 stream: fewer make the same point.
    const count = { local: 10_000, link: 2_000, stream: 500 }[provider.capabilities.transport];
    await contract.floats({ x: 0 });
    const end = new AbortController();
    const warnings: Error[] = [];
    const warn = (warning: Error) => warnings.push(warning);
    process.on('warning', warn);
    try {
      const watches: Watch[] = [];
      while (watches.length < count) {
        const some = Array.from({ length: 100 }, () =>
          provider.watchVariables('x', () => undefined, { signal: end.signal }),
        );
        watches.push(...(await Promise.all(some)));
      }
      assert.equal(getEventListeners(end.signal, 'abort').length, 1);
      assert.equal((await provider.listWatchers()).length, count);
      end.abort();
      assert.ok(watches.every((watch) => watch.state === 'stopped'));
      await until(async () => (await provider.listWatchers()).length === 0, 'every watch is over');
      assert.equal(getEventListeners(end.signal, 'abort').length, 0);
      await turn();
      assert.deepEqual(
        warnings.map(({ message }) => message),
        [],
      );
    } finally {
      process.off('warning', warn);
    }
  });

  promise('a refused watch leaves no listener on its signal', async (contract) => {
    await contract.floats({ x: 0 });
    const { signal } = new AbortController();
    await assert.rejects(contract.provider.watchVariables('nobody', () => undefined, { signal }));
    assert.deepEqual(getEventListeners(signal, 'abort'), []);
    const over = { on: () => undefined, off: () => undefined, threadId: -1 };
    await contract.refuses(
      () => contract.provider.watchVariables('x', () => undefined, { signal, owner: over }),
      AbortedError,
    );
    assert.deepEqual(getEventListeners(signal, 'abort'), []);
  });

  promise('AbortSignal.any and AbortSignal.timeout are signals', async (contract) => {
    await contract.floats({ x: 0 });
    const end = new AbortController();
    const any = await contract.record('x', { signal: AbortSignal.any([end.signal, new AbortController().signal]) });
    const timeout = await recordUntil(contract, 50);
    end.abort();
    assert.equal(any.watch.state, 'stopped');
    await until(() => timeout.watch.state === 'stopped', 'the timeout ends the watch');
  });
}

/** A watch that ends by itself so long after its signal was made; later where it is not registered in that time. */
async function recordUntil(contract: ContractTest, ms: number): Promise<Recording> {
  try {
    return await contract.record('x', { signal: AbortSignal.timeout(ms) });
  } catch (error) {
    if (!(error instanceof AbortedError) || ms > 1_000) throw error;
    return recordUntil(contract, 4 * ms);
  }
}
