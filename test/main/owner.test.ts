import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { LocalState } from '../../src/main/index.js';
import { followOwner } from '../../src/main/watch/owner.js';
import { AbortedError } from '../../src/shared/errors.js';
import { until, within } from '../../src/testing/within.js';

describe('what follows an owner', () => {
  test('is told once when a signal aborts', () => {
    const abort = new AbortController();
    let ends = 0;
    followOwner(abort.signal, () => {
      ends += 1;
    });

    abort.abort();
    abort.signal.dispatchEvent(new Event('abort'));

    assert.equal(ends, 1);
  });

  test('shares one listener with all others, taken off with the last of them', () => {
    const owner = new PassThrough();
    const before = owner.listenerCount('close');
    const undo = Array.from({ length: 100 }, () => followOwner(owner, () => undefined));
    assert.equal(owner.listenerCount('close'), before + 1);

    for (const one of undo.slice(1)) one();
    assert.equal(owner.listenerCount('close'), before + 1);

    undo[0]?.();
    assert.equal(owner.listenerCount('close'), before);
  });

  test('is not told when it no longer follows, and the others are', () => {
    const abort = new AbortController();
    const told: string[] = [];
    const undo = followOwner(abort.signal, () => told.push('first'));
    followOwner(abort.signal, () => told.push('second'));
    undo();
    undo();

    abort.abort();

    assert.deepEqual(told, ['second']);
  });

  test('can follow an owner again that nothing followed in between', () => {
    const abort = new AbortController();
    const told: string[] = [];
    followOwner(abort.signal, () => told.push('first'))();
    followOwner(abort.signal, () => told.push('second'));

    abort.abort();

    assert.deepEqual(told, ['second']);
  });

  test('is refused when the owner is over: a signal with its reason, a stream that is destroyed', () => {
    const reason = new Error('shut down');
    const refused = (owner: object) => {
      try {
        followOwner(owner, () => undefined);
      } catch (error) {
        return error as Error;
      }
      return undefined;
    };
    const bySignal = refused(AbortSignal.abort(reason));
    assert.ok(bySignal instanceof AbortedError);
    assert.equal(bySignal.cause, reason);
    assert.ok(refused(new PassThrough().destroy()) instanceof AbortedError);
  });
});

describe('a watch', () => {
  test('ends when the worker that owns it exits, and one that has exited owns none', async () => {
    await using state = await stateWithFan();
    const worker = new Worker('setInterval(() => {}, 1_000)', { eval: true });
    await within(once(worker, 'online'), 'the worker');
    const watch = await state.watchVariables('fan', () => undefined, { owner: worker });

    await worker.terminate();

    await within(
      until(() => watch.state === 'stopped', 'the end of the watch'),
      'the end of the watch',
    );
    assert.deepEqual(await state.listWatchers(), []);
    await assert.rejects(async () => state.watchVariables('fan', () => undefined, { owner: worker }), AbortedError);
  });

  test('with an owner and a signal ends with the first of them and leaves no listener', async () => {
    await using state = await stateWithFan();
    const abort = new AbortController();
    const owner = new PassThrough();
    const before = owner.listenerCount('end');
    const watch = await state.watchVariables('fan', () => undefined, { owner, signal: abort.signal });

    abort.abort();

    assert.equal(watch.state, 'stopped');
    assert.equal(owner.listenerCount('end'), before);
  });

  test('ends when the object that owns it is collected', async () => {
    await using state = await stateWithFan();
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const watch = await watchOfSomebody(state);
    assert.equal(watch.state, 'live');

    await until(() => {
      gc();
      return watch.state === 'stopped';
    }, 'the collection of the owner');

    assert.deepEqual(await state.listWatchers(), []);
  });
});

async function stateWithFan(): Promise<LocalState> {
  const state = new LocalState();
  await state.registerVariable('fan', 'integer', 1);
  return state;
}

/** In a function of its own: no frame that lives on holds the owner. */
function watchOfSomebody(state: LocalState) {
  return state.watchVariables('fan', () => undefined, { owner: {} });
}
