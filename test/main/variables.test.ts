import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LocalState, Variables } from '../../src/main/index.js';
import { DeadlineExceededError, InvalidTypeError, VariablesNotFoundError } from '../../src/shared/errors.js';
import { turn, within } from '../../src/testing/within.js';

describe('variables', () => {
  test('define takes the variable that is there, with its value', async () => {
    await using state = new LocalState();
    const variables = new Variables(state);
    const first = await variables.define('fan', 'integer', 1);
    await variables.set(first, 7);

    const second = await variables.define('fan', 'integer', 1);

    assert.equal(await variables.get(second), 7);
  });

  test('define refuses a variable that is there with another type', async () => {
    await using state = new LocalState();
    const variables = new Variables(state);
    await variables.define('fan', 'integer', 1);

    await assert.rejects(variables.define('fan', 'string', 'on'), InvalidTypeError);
  });

  test('set tells the version, update those of all', async () => {
    const { variables, fan, lamp, state } = await house();
    await using _ = state;

    assert.equal(await variables.set(fan, 2), 2);
    const versions = await variables.update([
      [fan, 3],
      [lamp, true],
    ]);

    assert.deepEqual([...versions].sort(), [
      ['fan', 3],
      ['lamp', 2],
    ]);
    assert.deepEqual([await variables.get(fan), await variables.get(lamp)], [3, true]);
  });

  test('with batch: true watch and watchOne get arrays, of the type of the handle', async () => {
    const { variables, fan, lamp, state } = await house();
    await using _ = state;
    const of1: (number | bigint | undefined)[][] = [];
    const of2: string[][] = [];
    await variables.watchOne(fan, (changes) => of1.push(changes.map(({ newValue }) => newValue)), { batch: true });
    await variables.watch([fan, lamp], (changes) => of2.push(changes.map(({ identifier }) => identifier)), {
      batch: true,
    });

    await variables.update([
      [fan, 2],
      [lamp, true],
    ]);
    await turn();

    assert.deepEqual([of1, of2], [[[2]], [['fan', 'lamp']]]);
  });

  test('watchOne says the new value first, until it is unwatched', async () => {
    const { variables, fan, state } = await house();
    await using _ = state;
    const seen: unknown[][] = [];
    const watch = await variables.watchOne(fan, (newValue, oldValue, { version }) =>
      seen.push([newValue, oldValue, version]),
    );
    await variables.set(fan, 2);
    await turn();

    await variables.unwatch(watch);
    await variables.set(fan, 3);
    await turn();

    assert.deepEqual(seen, [[2, 1, 2]]);
  });

  test('combine calls with all values, first when each is known and then at each change', async () => {
    const { variables, fan, lamp, state } = await house();
    await using _ = state;
    const seen: unknown[] = [];
    const watch = await variables.combine([fan, lamp], ([speed, isOn]) => seen.push([speed, isOn]));
    await watch.synced;
    assert.deepEqual(seen, [[1, false]]);

    await variables.set(lamp, true);
    await variables.set(fan, 2);
    await turn();

    assert.deepEqual(seen, [
      [1, false],
      [1, true],
      [2, true],
    ]);
  });

  test('combine takes a variable in several places', async () => {
    const { variables, fan, lamp, state } = await house();
    await using _ = state;
    const seen: unknown[] = [];
    const watch = await variables.combine([fan, lamp, fan], (values) => seen.push(values));
    await watch.synced;
    await variables.set(fan, 2);
    await turn();
    assert.deepEqual(seen, [
      [1, false, 1],
      [2, false, 2],
    ]);
  });

  test('combine calls nobody while one of its variables is deleted', async () => {
    const { variables, fan, lamp, state } = await house();
    await using _ = state;
    const seen: unknown[] = [];
    const watch = await variables.combine([fan, lamp], (values) => seen.push(values));
    await watch.synced;

    await state.deleteVariable('lamp');
    await variables.set(fan, 2);
    await turn();

    assert.equal(seen.length, 1);
  });

  test('combine stops with its signal', async () => {
    const { variables, fan, lamp, state } = await house();
    await using _ = state;
    const abort = new AbortController();
    const watch = await variables.combine([fan, lamp], () => undefined, { signal: abort.signal });

    abort.abort();

    assert.equal(watch.state, 'stopped');
  });
});

describe('waitFor', () => {
  test('resolves with the present value when that fits', async () => {
    const { variables, fan, state } = await house();
    await using _ = state;

    assert.equal(
      await within(
        variables.waitFor(fan, (speed) => speed === 1),
        'the present value',
      ),
      1,
    );
  });

  test('resolves with the first value to come that fits, a condition as data too, and leaves no watch', async () => {
    const { variables, fan, state } = await house();
    await using _ = state;
    const byFunction = variables.waitFor(fan, (speed) => speed > 2);
    const byCondition = variables.waitFor(fan, { gt: 2 });

    for (const speed of [2, 3, 4]) await variables.set(fan, speed);

    assert.deepEqual(await within(Promise.all([byFunction, byCondition]), 'the speed'), [3, 3]);
    assert.deepEqual(await state.listWatchers(), []);
  });

  test('rejects after its timeout and leaves no watch', async () => {
    const { variables, fan, state } = await house();
    await using _ = state;

    await assert.rejects(
      within(
        variables.waitFor(fan, () => false, { timeoutMs: 5 }),
        'the timeout',
      ),
      DeadlineExceededError,
    );

    assert.deepEqual(await state.listWatchers(), []);
  });

  test("rejects with its signal's reason", async () => {
    const { variables, fan, state } = await house();
    await using _ = state;
    const abort = new AbortController();
    const waiting = variables.waitFor(fan, () => false, { signal: abort.signal });
    const reason = new Error('enough');
    await turn();

    abort.abort(reason);

    await assert.rejects(within(waiting, 'the abort'), (error) => error === reason);
  });

  test('rejects when the variable is deleted before it fits, or is not there', async () => {
    const { variables, fan, state } = await house();
    await using _ = state;
    const waiting = variables.waitFor(fan, () => false);
    await turn();
    await state.deleteVariable('fan');

    await assert.rejects(within(waiting, 'the deletion'), /deleted before it met/);
    await assert.rejects(
      within(
        variables.waitFor(fan, () => true),
        'the refusal',
      ),
      VariablesNotFoundError,
    );
  });
});

async function house() {
  const state = new LocalState();
  const variables = new Variables(state);
  const fan = await variables.define('fan', 'integer', 1);
  const lamp = await variables.define('lamp', 'boolean', false);
  return { state, variables, fan, lamp };
}

test('waitFor ends by a signal of another realm, with its reason', async () => {
  const state = new LocalState();
  await state.registerVariable('t', 'integer', 0);
  let abort: () => void = () => undefined;
  const signal = {
    aborted: false,
    reason: new Error('closing time'),
    addEventListener: (_: string, listener: () => void) => {
      abort = listener;
    },
    removeEventListener: () => undefined,
  };
  const waiting = new Variables(state).waitFor({ name: 't', type: 'integer' }, () => false, { signal });
  abort();
  await assert.rejects(waiting, /closing time/);
  await state.close();
});

test('waitFor refuses a condition that returns a promise: it would fit always', async () => {
  const state = new LocalState();
  await state.registerVariable('t', 'integer', 0);
  const condition = (async () => {
    throw new Error('unheard');
  }) as unknown as () => boolean;
  await assert.rejects(new Variables(state).waitFor({ name: 't', type: 'integer' }, condition), {
    code: 'INVALID_ARGUMENT',
  });
  await state.close();
});
