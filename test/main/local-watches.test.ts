/** Watches of a LocalState where starting, overflowing, removing and going meet. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LocalState } from '../../src/main/index.js';
import { turn, until, within } from '../../src/testing/within.js';

const names = (count: number, prefix = 'v'): string[] => Array.from({ length: count }, (_, n) => `${prefix}${n}`);

async function stateOf(variables: readonly string[]): Promise<LocalState> {
  const state = new LocalState();
  for (const name of variables) await state.registerVariable(name, 'integer', 0);
  return state;
}

describe('more variables than the buffer holds', () => {
  for (const includeInitial of [false, true]) {
    for (const overflow of ['error', 'drop-oldest', 'conflate'] as const) {
      test(`a watch with '${overflow}' begins ${includeInitial ? 'with every initial value' : 'and hears of each'}`, async () => {
        await using state = await stateOf(names(10));
        const seen: unknown[] = [];
        const errors: Error[] = [];
        const watch = await state.watchVariables(names(10), (name, old, value) => seen.push([name, old, value]), {
          bufferLimit: 2,
          overflow,
          includeInitial,
          verify: true,
          onError: (error) => errors.push(error),
        });
        await within(watch.synced, 'synced');
        if (includeInitial)
          assert.deepEqual(
            seen.splice(0),
            names(10).map((name) => [name, undefined, 0]),
          );
        for (const name of names(10)) {
          await state.setVariable(name, 1);
          await turn();
        }
        assert.deepEqual(
          seen,
          names(10).map((name) => [name, 0, 1]),
        );
        assert.deepEqual(errors, []);
        assert.equal((await state.listWatchers())[0]?.stats.buffered, 0);
      });
    }
  }

  test("a loop with 'error' gets what its buffer held and then the overflow, and no watch is left", async () => {
    await using state = await stateOf(names(10));
    const changes = state.watch(names(10), { bufferLimit: 2, overflow: 'error', includeInitial: true });
    await turn();
    // What it begins with takes no room there; of what changes it holds two.
    for (const name of names(10)) {
      await state.setVariable(name, 1);
      await turn();
    }
    const seen: unknown[] = [];
    const loop = async () => {
      for await (const { identifier } of changes) seen.push(identifier);
    };
    await assert.rejects(within(loop(), 'the end of the loop'), { code: 'BUFFER_OVERFLOW' });
    assert.deepEqual(seen, [...names(10), 'v0', 'v1']);
    assert.deepEqual(await state.listWatchers(), []);
  });

  test('initial values come in the order in which they were set', async () => {
    await using state = await stateOf(names(3));
    await state.setVariable('v0', 1);
    const revisions: number[] = [];
    const watch = await state.watchVariables(names(3), (_, __, ___, metadata) => revisions.push(metadata.revision), {
      includeInitial: true,
    });
    await watch.synced;
    assert.deepEqual(revisions, [2, 3, 4]);
  });
});

test("with 'error' a watch that falls behind is told what waited, then fails, and nothing of it within the set", async () => {
  await using state = await stateOf(['x']);
  const told: unknown[] = [];
  let isInside = false;
  const watch = await state.watchVariables('x', (_, __, value) => told.push(isInside ? 'inside' : value), {
    bufferLimit: 2,
    overflow: 'error',
    onError: (error) => told.push(isInside ? 'inside' : (error as Error & { code: string }).code),
    onState: (name) => told.push(isInside ? 'inside' : name),
  });
  told.length = 0;
  isInside = true;
  const sets = [1, 2, 3, 4].map((value) => state.setVariable('x', value));
  isInside = false;
  await Promise.all(sets);
  await until(() => watch.state === 'failed', 'the failure');
  assert.deepEqual(told, [1, 2, 'BUFFER_OVERFLOW', 'failed']);
  assert.deepEqual(await state.listWatchers(), []);
  await assert.rejects(watch.synced, { code: 'BUFFER_OVERFLOW' });
});

describe('an identity is that of the variable, not of its name', () => {
  test('what waits for a stopped watch, or a removed variable, is told to no other', async () => {
    await using state = await stateOf(['a', 'b']);
    const wrong: unknown[] = [];
    const first = await state.watchVariables(['a', 'b'], () => undefined);
    void state.setVariable('a', 1);
    void first.stop();
    const second = await state.watchVariables('b', (...call) => wrong.push(call));
    void state.setVariable('a', 2);
    await second.add('a');
    void state.setVariable('a', 3);
    await second.remove('a');
    await second.add('a');
    await turn();
    assert.deepEqual(wrong, []);
    await state.setVariable('a', 4);
    await turn();
    assert.deepEqual(
      wrong.map((call) => (call as unknown[]).slice(0, 3)),
      [['a', 3, 4]],
    );
  });

  test('a variable that comes back under its name is not taken for the one that was watched', async () => {
    await using state = await stateOf(['a', 'b']);
    const seen: unknown[] = [];
    const old = await state.watchVariables(['a', 'b'], (name, _, value) => seen.push(['old', name, value]));
    await state.deleteVariable('a');
    await state.registerVariable('a', 'integer', 7);
    const fresh = await state.watchVariables('a', (name, _, value) => seen.push(['fresh', name, value]));
    await old.remove('a');
    await old.stop();
    await state.setVariable('a', 8);
    await turn();
    assert.deepEqual(seen, [
      ['old', 'a', undefined],
      ['fresh', 'a', 8],
    ]);
    await fresh.stop();
  });

  test('a variable that is named like the id of another is its own', async () => {
    await using state = new LocalState();
    const id = await state.registerVariable('a', 'integer', 0);
    const seen: unknown[] = [];
    const watch = await state.watchVariables(id, (name, _, value) => seen.push([name, value]));
    await state.registerVariable(id, 'integer', 100);
    await state.setVariable('a', 1);
    await state.setVariable(id, 101);
    await turn();
    assert.deepEqual(seen, [[id, 1]]);
    await watch.stop();
    await state.setVariable('a', 2);
    await turn();
    assert.equal(seen.length, 1);
  });
});

describe('a set', () => {
  for (const [how, options] of [
    ['plain', {}],
    ['debounced', { debounceMs: 60_000 }],
    ['throttled', { throttleMs: 60_000 }],
    ['conflated', { conflate: true }],
  ] as const) {
    test(`looks at no collection of all that its watch has, ${how}`, async () => {
      const count = 500;
      await using state = await stateOf(names(count));
      await state.watchVariables(names(count), () => undefined, options);
      await state.updateVariables(Object.fromEntries(names(count).map((name) => [name, 1])));
      await turn();
      const looks = await countIterations(count / 2, async () => {
        for (let value = 2; value <= 20; value += 1) {
          await state.setVariable('v0', value);
          await turn();
        }
      });
      assert.equal(looks, 0);
    });
  }

  test('of many variables looks at each a few times, whatever holds their calls back', async () => {
    const count = 500;
    await using state = await stateOf(names(count));
    for (const options of [{ debounceMs: 60_000 }, { conflate: true }, { debounceMs: 60_000, maxWaitMs: 90_000 }]) {
      await state.watchVariables(names(count), () => undefined, options);
    }
    const looks = await countIterations(count / 2, async () => {
      for (let value = 1; value <= 5; value += 1) {
        await state.updateVariables(Object.fromEntries(names(count).map((name) => [name, value])));
        await turn();
      }
    });
    // The batch itself, and each watch's turn.
    assert.ok(looks <= 5 * 10, `${looks} times over a collection of ${count}`);
  });
});

/** How often maps and sets of that size or more are gone through. */
async function countIterations(size: number, run: () => Promise<void>): Promise<number> {
  let iterations = 0;
  const undo: (() => void)[] = [];
  for (const prototype of [Map.prototype, Set.prototype]) {
    for (const name of ['values', 'keys', 'entries', 'forEach', Symbol.iterator] as const) {
      const original = Object.getOwnPropertyDescriptor(prototype, name)!;
      Object.defineProperty(prototype, name, {
        ...original,
        value(this: { size: number }, ...args: unknown[]) {
          if (this.size >= size) iterations += 1;
          return (original.value as (...args: unknown[]) => unknown).apply(this, args);
        },
      });
      undo.push(() => Object.defineProperty(prototype, name, original));
    }
  }
  try {
    await run();
  } finally {
    for (const one of undo) one();
  }
  return iterations;
}
