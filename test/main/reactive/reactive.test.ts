/** The reactive helpers over every kind of provider: in process, over links, over streams, and without workers. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { getEventListeners } from 'node:events';
import { describe, test } from 'node:test';
import type { StateProvider } from '../../../src/main/index.js';
import {
  AbortedError,
  BridgedState,
  BridgeError,
  ClosedError,
  Context,
  combine,
  DeadlineExceededError,
  derive,
  group,
  InternalError,
  InvalidArgumentError,
  LocalState,
  reactive,
  VariablesNotFoundError,
  waitFor,
} from '../../../src/main/index.js';
import { startBridgeServer } from '../../../src/server/index.js';
import { turn, until, within } from '../../../src/testing/within.js';
import { BridgedProviders } from '../../support/bridged-providers.js';

const two = new BridgedProviders(2);
const none = new BridgedProviders(0);

const providers: Readonly<Record<string, () => Promise<StateProvider>>> = {
  LocalState: async () => new LocalState(),
  'a Context that has moved': async () => {
    const context = new Context();
    const endpoint = `127.0.0.1:${(await two.server()).port}`;
    await context.ensureBridged({ endpoint, sessionId: two.newSession(), workers: 1 });
    return context;
  },
  'BridgedState over links': () => two.open({ transport: 'link' }),
  'BridgedState over streams': () => two.open({ transport: 'stream' }),
  'BridgedState without workers': () => none.open(),
};

for (const [kind, open] of Object.entries(providers)) {
  describe(`reactive over ${kind}`, () => {
    test('a variable knows its value and version, can be assigned, and tells its changes and its end', async () => {
      await using state = await open();
      await state.registerVariable('fan', 'integer', 1);
      const errors: Error[] = [];
      const fan = await reactive(state, 'fan', { onError: (error) => errors.push(error) });
      assert.deepEqual([fan.value, fan.version, fan.isDeleted], [1, 1, false]);
      const seen: unknown[] = [];
      const stop = fan.onChange((oldValue, newValue, { version }) => seen.push([oldValue, newValue, version]));
      fan.value = 2;
      assert.equal(fan.value, 1, 'the present value is what came back');
      await until(() => seen.length === 1, 'the change');
      assert.equal(await fan.set(3), 3);
      await until(() => fan.value === 3, 'the second change');
      fan.value = 'no number';
      await until(() => errors.length === 1, 'what was refused');
      assert.equal((errors[0] as BridgeError).code, 'INVALID_VALUE');
      assert.deepEqual(seen, [
        [1, 2, 2],
        [2, 3, 3],
      ]);
      const ends: unknown[] = [];
      fan.onChange((oldValue, newValue, { deleted }) => ends.push([oldValue, newValue, deleted]));
      stop();
      stop();
      await state.deleteVariable('fan');
      await until(() => ends.length === 1, 'the deletion');
      assert.deepEqual(ends, [[3, undefined, 'deleted']]);
      assert.deepEqual([fan.value, fan.isDeleted], [undefined, true]);
      await until(() => fan.isClosed, 'its end, as the variable has ended');
      assert.equal(seen.length, 2);
      assert.throws(() => {
        fan.value = 4;
      }, ClosedError);
      assert.throws(() => fan.onChange(() => undefined), ClosedError);
      await nothingIsLeft(state);
    });

    test('a map and a combined value follow, and an atomic batch is one change', async () => {
      await using state = await open();
      await state.registerVariable('a', 'integer', 1);
      await state.registerVariable('b', 'integer', 2);
      const a = await reactive(state, 'a');
      const doubled = await a.map((value) => Number(value) * 2);
      const both = await combine(state, ['a', 'b'], (one: number, other: number) => one + other);
      assert.deepEqual([doubled.value, both.value], [2, 3]);
      const seen: unknown[] = [];
      both.onChange((oldValue, newValue) => seen.push([oldValue, newValue]));
      await state.updateVariables({ a: 10, b: 20 }, { atomic: true });
      await until(() => both.value === 30 && doubled.value === 20, 'the sum and the double');
      // The same sum of other parts is no change.
      await state.updateVariables({ a: 20, b: 10 }, { atomic: true });
      await until(() => doubled.value === 40, 'the double');
      await state.deleteVariable('b');
      await until(() => both.value === undefined, 'nothing to add');
      assert.deepEqual(seen, [
        [3, 30],
        [30, undefined],
      ]);
      for (const one of [a, doubled, both]) await one.close();
      await nothingIsLeft(state);
    });

    test('a group sees what changed together as one', async () => {
      await using state = await open();
      for (const name of ['x', 'y', 'z']) await state.registerVariable(name, 'integer', 0);
      const three = await group(state, ['x', 'y', 'z']);
      assert.deepEqual(three.values, { x: 0, y: 0, z: 0 });
      const seen: { changed: string[]; x: unknown; y: unknown }[] = [];
      three.onChange((changed, { x, y }) => seen.push({ changed: [...changed].sort(), x, y }));
      for (let number = 1; number < 20; number += 1) await three.set({ x: number, y: -number });
      await until(() => three.get('x') === 19, 'the last batch');
      for (const { changed, x, y } of seen) assert.deepEqual([changed, Number(x) + Number(y)], [['x', 'y'], 0]);
      await assert.rejects(three.set({ w: 1 } as never), InvalidArgumentError);
      await state.deleteVariable('z');
      await until(() => !('z' in three.values), 'the end of one');
      await three.close();
      await nothingIsLeft(state);
    });

    test('waits until a condition of several is met', async () => {
      await using state = await open();
      await state.registerVariable('t', 'float', 20);
      await state.registerVariable('u', 'float', 20);
      const waiting = waitFor(state, ['t', 'u'], (t: number, u: number) => t > u + 5);
      await state.setVariable('t', 26);
      assert.deepEqual(await within(waiting, 'the condition'), { t: 26, u: 20 });
      assert.deepEqual(await waitFor(state, 't', { gt: 25 }), { t: 26 });
      await assert.rejects(waitFor(state, 't', { gt: 99 }, { timeoutMs: 20 }), DeadlineExceededError);
      await assert.rejects(waitFor(state, ['t', 'nobody'], { gt: 99 }), (error: VariablesNotFoundError) => {
        assert.deepEqual(error.identifiers, ['nobody']);
        return true;
      });
      await assert.rejects(
        waitFor(state, 't', () => {
          throw new TypeError('of the user');
        }),
        /of the user/,
      );
      await nothingIsLeft(state);
    });

    test('what is waited for never sees half of an atomic batch, and sees each single set', async () => {
      await using state = await open();
      for (const name of ['one', 'other']) await state.registerVariable(name, 'integer', 0);
      let looks = 0;
      const look = (isMet: boolean) => {
        looks += 1;
        return isMet;
      };
      const torn = waitFor(state, ['one', 'other'], (one: number, other: number) => look(one + other !== 0));
      const passing = waitFor(state, 'one', (one: number) => look(one === 7));
      torn.catch(() => undefined);
      await until(() => looks === 2, 'the present values');
      const sets = [];
      for (let n = 1; n < 40; n += 1) sets.push(state.updateVariables({ one: n, other: -n }, { atomic: true }));
      await Promise.all(sets);
      assert.deepEqual(await within(passing, 'a value that passed by'), { one: 7 });
      await state.deleteVariable('one');
      await assert.rejects(within(torn, 'the end'), VariablesNotFoundError);
    });

    test('a derived variable writes back, in chains, and a circle is named', async () => {
      await using state = await open();
      for (const name of ['a', 'b', 'c']) await state.registerVariable(name, 'integer', 0);
      const errors: Error[] = [];
      const options = { onError: (error: Error) => errors.push(error) };
      const first = await derive(state, 'b', 'a', (a: number) => a + 1, options);
      const second = await derive(state, 'c', ['b'], (b: number) => b * 10, options);
      await state.setVariable('a', 4);
      await within(waitFor(state, 'c', { eq: 50 }), 'what is derived of the derived');
      const [last] = await state.history('c', { limit: 1 });
      assert.deepEqual([last!.source, last!.custom['derived-depth']], ['derived', '2']);
      await assert.rejects(
        derive(state, 'a', ['c'], (c: number) => c),
        /a -> b -> c -> a/,
      );
      await assert.rejects(
        derive(state, 'c', ['a'], (a: number) => a),
        /derived already/,
      );
      await first.close();
      await second.close();
      assert.deepEqual(errors, []);
      const again = await derive(state, 'a', ['c'], (c: number) => c);
      await again.close();
      await nothingIsLeft(state);
    });

    test('what callbacks and functions throw is told, and stops nobody', async () => {
      await using state = await open();
      await state.registerVariable('v', 'integer', 0);
      const errors: Error[] = [];
      const options = { onError: (error: Error) => errors.push(error) };
      const v = await reactive(state, 'v', options);
      const seen: unknown[] = [];
      v.onChange(() => {
        throw new TypeError('at once');
      });
      v.onChange(async () => {
        throw new TypeError('later');
      });
      v.onChange((_, value) => seen.push(value));
      const root = await v.map((value) => {
        if (Number(value) < 0) throw new RangeError('no root');
        return Math.sqrt(Number(value));
      });
      const promised = await v.map(async (value) => value);
      assert.equal(promised.value, undefined);
      assert.ok(errors[0] instanceof InvalidArgumentError, 'a promise is no value');
      errors.length = 0;
      await promised.close();
      await v.set(4);
      await until(() => root.value === 2, 'the root');
      await v.set(-1);
      await until(() => root.value === undefined && seen.length === 2, 'the lack of a root');
      await until(() => errors.length === 5, 'what was thrown');
      const causes = errors.map(({ cause }) => (cause as Error).message);
      assert.deepEqual(causes.sort(), ['at once', 'at once', 'later', 'later', 'no root']);
    });

    test('callbacks may close, unsubscribe and subscribe; a closed one is silent', async () => {
      await using state = await open();
      await state.registerVariable('v', 'integer', 0);
      const v = await reactive(state, 'v');
      const seen: string[] = [];
      v.onChange(() => {
        seen.push('first');
        stop();
        v.onChange(() => seen.push('late'));
      });
      const stop = v.onChange(() => seen.push('unsubscribed'));
      await v.set(1);
      await until(() => seen.length > 0, 'the first');
      assert.deepEqual(seen, ['first']);
      let closing: Promise<void> | undefined;
      v.onChange(() => {
        closing = v.close();
      });
      await v.set(2);
      await until(() => closing !== undefined, 'its close');
      await within(closing!, 'its end');
      const count = seen.length;
      await v.close();
      await state.setVariable('v', 3);
      await state.getVariable('v');
      assert.equal(seen.length, count);
      await nothingIsLeft(state);
    });

    test('callbacks run in the async context of whoever registered them', async () => {
      await using state = await open();
      await state.registerVariable('v', 'integer', 0);
      const storage = new AsyncLocalStorage<string>();
      await using v = await storage.run('opener', () => reactive(state, 'v'));
      const seen: unknown[] = [];
      storage.run('subscriber', () => v.onChange(() => seen.push(storage.getStore())));
      await storage.run('setter', () => v.set(1));
      await until(() => seen.length === 1, 'the change');
      assert.deepEqual(seen, ['subscriber']);
    });

    test('they end by their signal and with the state, and say of what is not there that it is not', async () => {
      const state = await open();
      await state.registerVariable('v', 'integer', 0);
      for (const refused of [
        () => reactive(state, 'w'),
        () => group(state, ['v', 'w']),
        () => combine(state, ['v', 'w'], () => 0),
        () => derive(state, 'v', 'w', () => 0),
      ]) {
        await assert.rejects(refused(), VariablesNotFoundError);
      }
      await nothingIsLeft(state);
      const end = new AbortController();
      const v = await reactive(state, 'v', { signal: end.signal });
      end.abort();
      await until(() => v.isClosed, 'its end');
      const derived = await derive(state, 'v', ['v'], () => 0).catch((error: Error) => error);
      assert.match((derived as Error).message, /v -> v/);
      const other = await group(state, 'v');
      const waiting = waitFor(state, 'v', () => false);
      waiting.catch(() => undefined);
      await until(async () => (await state.listWatchers()).length === 2, 'the watch of waitFor');
      await state.close();
      assert.ok(other.isClosed);
      await assert.rejects(within(waiting, 'the end of waitFor'), ClosedError);
      await assert.rejects(reactive(state, 'v'), ClosedError);
    });
  });
}

test('however many have one signal, it has one listener of theirs, until the last of them is over', async () => {
  await using state = new LocalState();
  await state.registerVariable('v', 'integer', 0);
  const end = new AbortController();
  const { signal } = end;
  const listeners = () => getEventListeners(signal, 'abort').length;
  const variable = await reactive(state, 'v', { signal });
  const waits = Array.from({ length: 20 }, () => waitFor(state, 'v', { eq: 1 }, { signal }));
  const aborted = waitFor(state, 'v', { eq: 2 }, { signal });
  assert.equal(listeners(), 1);

  await state.setVariable('v', 1);
  await within(Promise.all(waits), 'the end of those that are met');
  assert.equal(listeners(), 1);
  end.abort(new RangeError('enough'));
  await assert.rejects(within(aborted, 'the end of the other'), RangeError);
  assert.ok(variable.isClosed);
  assert.equal(listeners(), 0);
});

test('a circle through another process is stopped and told', async () => {
  const sessionId = two.newSession();
  await using one = await two.open({ sessionId });
  await using other = await two.open({ sessionId });
  for (const name of ['a', 'b']) await one.registerVariable(name, 'integer', 0);
  const errors: Error[] = [];
  const options = { onError: (error: Error) => errors.push(error) };
  await using _forth = await derive(one, 'b', 'a', (a: number) => a + 1, options);
  await using _back = await derive(other, 'a', 'b', (b: number) => b + 1, options);
  await until(() => errors.length > 0, 'the end of the circle');
  assert.ok(errors[0] instanceof InternalError);
  assert.match(errors[0].message, /circle/);
  const before = await one.getVariable('a');
  await one.setVariable('a', Number(before) + 1_000);
  await until(() => errors.length > 1, 'the end of the next circle');
});

test('a derived variable whose set is refused says so and goes on', async () => {
  await using state = await two.open();
  await state.registerVariable('raw', 'float', 1);
  await state.registerVariable('bounded', 'float', 1, { constraints: { max: 10 } });
  const errors: Error[] = [];
  await using _ = await derive(state, 'bounded', 'raw', (raw: number) => raw * 2, {
    onError: (error) => errors.push(error),
  });
  await state.setVariable('raw', 30);
  await until(() => errors.length === 1, 'the refusal');
  assert.equal((errors[0] as BridgeError).code, 'CONSTRAINT_VIOLATION');
  await state.setVariable('raw', 4);
  await within(waitFor(state, 'bounded', { eq: 8 }), 'the next');
});

test('what is derived is written once its variable is there, what keeps it from that is told once, and its end waits for nothing', async () => {
  await using state = await two.open();
  await state.registerVariable('source', 'integer', 4);
  const errors: Error[] = [];
  const options = { onError: (error: Error) => errors.push(error) };
  const late = await derive(state, 'late', 'source', (source: number) => source + 1, options);
  const never = await derive(state, 'never', 'source', (source: number) => source - 1, options);
  const codes = () => errors.map((error) => (error as BridgeError).code);
  await until(() => errors.length === 2, 'that neither is there');
  await state.registerVariable('late', 'integer', 0);
  await within(waitFor(state, 'late', { eq: 5 }), 'the value that waited');
  assert.deepEqual(codes(), ['VARIABLE_NOT_FOUND', 'VARIABLE_NOT_FOUND']);
  // Another value goes at once, and instead of the one that waits.
  await state.setVariable('source', 6);
  await until(() => errors.length === 3, 'that it is still not there');
  await within(Promise.all([late.close(), never.close()]), 'the end');
  await state.registerVariable('never', 'integer', 0);
  await within(waitFor(state, 'late', { eq: 7 }), 'the next value');
  assert.equal(await state.getVariable('never'), 0);
});

test('a derived variable is written again by a server that has lost its state', async () => {
  const lost = await startBridgeServer({ port: 0 });
  await using state = await BridgedState.open({ endpoint: `127.0.0.1:${lost.port}`, workers: 1 });
  const register = async () => {
    await state.registerVariable('target', 'integer', 0);
    await state.registerVariable('source', 'integer', 4);
  };
  await register();
  await using _ = await derive(state, 'target', 'source', (source: number) => source + 1);
  await within(waitFor(state, 'target', { eq: 5 }), 'the first set');
  await lost.close();
  await using _server = await startBridgeServer({ port: lost.port });
  await register();
  await within(waitFor(state, 'target', { eq: 5 }), 'the set in the new life');
});

test('bad arguments are named at the call', async () => {
  await using state = new LocalState();
  await state.registerVariable('v', 'integer', 0);
  const wrong: readonly [() => Promise<unknown>, RegExp][] = [
    [() => reactive(state, ''), /identifiers are names or ids/],
    [() => reactive(state, 'v', { onerror: () => undefined } as never), /onerror/],
    [() => reactive(state, 'v', { onError: 'log' } as never), /onError/],
    [() => group(state, []), /at least one/],
    [() => combine(state, ['v'], undefined as never), /combine: give a function/],
    [() => derive(state, '', ['v'], () => 1), /identifier/],
    [() => waitFor(state, 'v', 'soon' as never), /waitFor/],
    [() => waitFor(state, 'v', { gt: 1 }, { timeoutMs: -1 }), /timeoutMs/],
  ];
  for (const [call, words] of wrong) {
    await assert.rejects(call(), (error) => {
      assert.ok(error instanceof BridgeError, String(error));
      assert.match(error.message, words);
      return true;
    });
  }
  assert.deepEqual(await state.listWatchers(), []);
});

test('without onError a refused assignment is a process warning', async () => {
  await using state = new LocalState();
  await state.registerVariable('v', 'integer', 0);
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
  await using v = await reactive(state, 'v');
  v.value = 'no number';
  assert.match((await within(warned, 'the warning')).message, /"v"/);
});

test('what is waited for or closed while the server is away ends in time', async () => {
  const server = await startBridgeServer({ port: 0 });
  await using state = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 1 });
  await state.registerVariable('v', 'integer', 0);
  await server.close();
  const waiting = waitFor(state, 'v', { gt: 1 }, { timeoutMs: 20 });
  await assert.rejects(within(waiting, 'the deadline'), DeadlineExceededError);
  const end = new AbortController();
  const opening = reactive(state, 'v', { signal: end.signal });
  opening.catch(() => undefined);
  await turn();
  end.abort(new Error('closing time'));
  await assert.rejects(within(opening, 'the abort'), AbortedError);
  await nothingIsLeft(state);
});

async function nothingIsLeft(state: StateProvider): Promise<void> {
  await until(async () => (await state.listWatchers()).length === 0, 'the end of all watches');
}
