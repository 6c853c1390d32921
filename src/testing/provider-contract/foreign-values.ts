/** What user code returns and throws may be of another realm, a polyfill, or hostile: it is told, once, and nothing stays unhandled. */
import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { WatcherError } from '../../shared/errors.js';
import type { WatchOptionsInput } from '../../shared/options.js';
import { turn, until, within } from '../within.js';
import type { Promised } from './contract-test.js';
import { infoOf, valuesOf } from './recording.js';

type AnyFunction = () => unknown;

const broken = (): never => {
  throw new Error('broken');
};

/** Promises, and what only looks like one; each fails with `broken`. */
const REJECTING: Readonly<Record<string, AnyFunction>> = {
  'a promise of another realm': runInNewContext('(async () => { throw new Error("broken") })') as AnyFunction,
  'a thenable that rejects twice and then throws': () =>
    thenable((_, reject) => {
      reject(new Error('broken'));
      reject(new Error('again'));
      broken();
    }),
  'a thenable that throws': () => thenable(broken),
  'a thenable that is async': () => thenable(async () => broken()),
  'a thenable of a rejecting promise': () => thenable((resolve) => resolve(Promise.reject(new Error('broken')))),
  'something whose then cannot be read': () => Object.defineProperty({}, 'then', { get: broken }),
};

const unreadable = Object.defineProperty(new Error(), 'message', { get: broken });

/** What no error class of this realm is. */
const THROWN: readonly unknown[] = [
  Symbol('thrown'),
  undefined,
  null,
  0,
  Object.create(null),
  unreadable,
  new Proxy({}, { get: broken, getPrototypeOf: broken }),
  runInNewContext('new Error("of another realm")'),
];

export function describeForeignValues(promise: Promised): void {
  for (const [what, reject] of Object.entries(REJECTING)) {
    promise(`a watcher that returns ${what} is told to onError once`, async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 0 });
      const errors: Error[] = [];
      const watch = await provider.watchVariables('x', reject, { onError: (error) => errors.push(error) });
      await provider.setVariable('x', 1);
      await until(() => errors.length > 0, 'the error');
      await turn();
      assert.equal(errors.length, 1);
      assert.ok(errors[0] instanceof WatcherError);
      assert.match(errors[0].message, /broken/);
      assert.equal((await infoOf(provider, watch)).stats.errors, 1);
      await watch.stop();
    });

    promise(`onState, onSynced and onError that return ${what} harm nobody`, async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 0 });
      const seen: unknown[] = [];
      const callback = reject as () => undefined;
      const options: WatchOptionsInput = { onError: callback, onState: callback, onSynced: callback };
      const watcher = (_: string, __: unknown, value: unknown) => {
        seen.push(value);
        return reject();
      };
      const watch = await provider.watchVariables('x', watcher, options);
      await within(watch.synced, 'synced');
      for (const value of [1, 2]) await provider.setVariable('x', value);
      await until(() => seen.length === 2, 'two calls');
      await watch.stop();
      await turn();
    });
  }

  promise('what onState and onSynced reject with is told to onError', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const messages: string[] = [];
    const reject = async () => broken();
    const watch = await provider.watchVariables('x', () => undefined, {
      onState: reject,
      onSynced: reject,
      onError: (error) => messages.push(error.message),
    });
    await until(() => messages.some((text) => /onSynced.*broken/.test(text)), 'of onSynced');
    await until(() => messages.some((text) => /onState.*broken/.test(text)), 'of onState');
    await watch.stop();
  });

  promise('whatever a watcher throws or rejects with is told in words', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const errors: Error[] = [];
    let calls = 0;
    const watch = await provider.watchVariables(
      'x',
      () => {
        calls += 1;
        const thrown = THROWN[Math.floor((calls - 1) / 2)];
        if (calls % 2 === 0) return Promise.reject(thrown);
        throw thrown;
      },
      { onError: (error) => errors.push(error) },
    );
    for (let value = 1; value <= 2 * THROWN.length; value += 1) await provider.setVariable('x', value);
    await until(() => errors.length === 2 * THROWN.length, 'an error of each');
    assert.equal(calls, 2 * THROWN.length);
    for (const error of errors) assert.ok(error instanceof WatcherError && error.message.length > 10);
    assert.equal(watch.state, 'live');
    await watch.stop();
  });

  promise(
    'a filter that returns promises lets everything through and is told once, its failures too',
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 0 });
      const filter = (async (_: unknown, value: unknown) => {
        if (value === 2) broken();
        return false;
      }) as unknown as () => boolean;
      const recording = await contract.record('x', { filter });
      for (const value of [1, 2, 3]) await provider.setVariable('x', value);
      assert.deepEqual(valuesOf(await recording.take(3)), [1, 2, 3]);
      await until(() => recording.errors.length === 2, 'both errors');
      const [first, second] = recording.errors as [Error, Error];
      assert.ok(first instanceof WatcherError && second instanceof WatcherError);
      assert.match(first.message, /promise/);
      assert.match(second.message, /broken/);
    },
  );

  promise(
    'a signal of another realm, or a polyfill of one, ends the watch and refuses one when it has aborted',
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 0 });
      const signal = new ForeignSignal();
      const recording = await contract.record('x', { signal });
      const owned = await contract.record('x', { owner: signal });
      signal.abort();
      await until(() => recording.watch.state === 'stopped' && owned.watch.state === 'stopped', 'the end of both');
      assert.equal(signal.listeners.size, 0);
      await assert.rejects(
        provider.watchVariables('x', () => undefined, { signal }),
        (error: Error & { code?: string }) => error.code === 'ABORTED' && error.cause === signal.reason,
      );
    },
  );
}

/** An AbortSignal that is no instance of this realm's class. */
class ForeignSignal {
  aborted = false;
  reason: unknown;
  readonly listeners = new Set<() => void>();

  addEventListener(_: string, listener: () => void): void {
    this.listeners.add(listener);
  }

  removeEventListener(_: string, listener: () => void): void {
    this.listeners.delete(listener);
  }

  abort(): void {
    this.aborted = true;
    this.reason = new Error('closing time');
    for (const listener of [...this.listeners]) listener();
  }
}

/** What has a `then` and is no promise. */
function thenable(settle: (resolve: (value: unknown) => void, reject: (cause: unknown) => void) => unknown): object {
  // biome-ignore lint/suspicious/noThenProperty: that is what it is for.
  return { then: settle };
}
