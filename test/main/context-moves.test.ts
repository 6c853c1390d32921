/** What a watch sees across the move of its context: everything, once, in one chain, until it is stopped. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { after, describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { VariableChange, WatchOptions } from '../../src/main/index.js';
import { BridgedState, Context, WorkerPool } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { turn, until, within } from '../../src/testing/within.js';
import { ChainChecker } from '../support/chain.js';

const server = await startBridgeServer({ port: 0 });
const pool = await WorkerPool.open({ workers: 1 });
after(async () => {
  await pool.close();
  await server.close();
});
const endpoint = `127.0.0.1:${server.port}`;
let sessions = 0;

/** A context with variables, and another client of the session that it moves to. */
async function moving(variables: readonly string[]) {
  sessions += 1;
  const options = { endpoint, sessionId: `move-${sessions}`, pool };
  const other = await BridgedState.open(options);
  const context = new Context();
  for (const name of variables) await context.registerVariable(name, 'integer', 0);
  return {
    context,
    other,
    move: () => within(context.ensureBridged(options), 'the move'),
    /** Resolves when the import has brought the variable: the watches are not there yet. */
    brought: async (name: string) => {
      const there = other.watch(name, { missing: 'wait' });
      await there.next();
      await there.return?.();
    },
    [Symbol.asyncDispose]: async () => {
      await context.close();
      await other.close();
    },
  };
}

const many = Array.from({ length: 60 }, (_, n) => `v${n}`);

function recorder() {
  const seen: [old: unknown, value: unknown, missed: number][] = [];
  const watcher = (_: string, old: unknown, value: unknown, { missed }: { missed: number }) => {
    seen.push([old, value, missed]);
  };
  return { seen, watcher };
}

describe('a watch of a context that moves', () => {
  test('hears of what another client sets between the import of its variable and its registration', async () => {
    await using scene = await moving(many);
    const { context, other } = scene;
    const { seen, watcher } = recorder();
    const chain = new ChainChecker(['v0'], 1, 0);
    await context.watchVariables('v0', watcher, { verify: true });
    await context.watchVariables('v0', chain.watcher);
    await context.setVariable('v0', 1);
    const sets = scene.brought('v0').then(async () => {
      for (let value = 100; value < 120; value += 1) await other.setVariable('v0', value);
    });

    await scene.move();
    await sets;
    await other.setVariable('v0', 200);

    await until(() => seen.at(-1)?.[1] === 200, 'the last change');
    assert.deepEqual(
      seen,
      [1, ...Array.from({ length: 20 }, (_, n) => 100 + n), 200].map((value, place, all) => [
        place === 0 ? 0 : all[place - 1],
        value,
        0,
      ]),
    );
    assert.deepEqual(chain.broken, []);
  });

  for (const [how, options] of [
    ['debounced', { debounceMs: 60_000 }],
    ['throttled', { throttleMs: 60_000 }],
  ] as const) {
    test(`is told at the move what was ${how}, once, and chains on`, async () => {
      await using scene = await moving(['x']);
      const { seen, watcher } = recorder();
      await scene.context.watchVariables('x', watcher, options);
      for (const value of [1, 2, 3]) await scene.context.setVariable('x', value);
      const before = how === 'throttled' ? [[0, 1, 0]] : [];

      await scene.move();

      const last = how === 'throttled' ? 1 : 0;
      assert.deepEqual(seen, [...before, [last, 3, 0]]);
      await scene.other.setVariable('x', 4);
      await scene.context.close();
      assert.equal(seen.filter(([, value]) => value === 3).length, 1);
    });
  }

  for (const overflow of ['drop-oldest', 'conflate'] as const) {
    test(`chains to what its full buffer told last, and counts what that left out, with '${overflow}'`, async () => {
      await using scene = await moving(['a', 'b']);
      const { context } = scene;
      const chain = new ChainChecker(['a', 'b'], 1, 0);
      await context.watchVariables(['a', 'b'], chain.watcher, { overflow, bufferLimit: 2 });
      void context.setVariable('a', 1);
      for (let value = 1; value <= 5; value += 1) void context.setVariable('b', value);
      await turn();

      await scene.move();
      for (const name of ['a', 'b']) await scene.other.setVariable(name, 10);

      await within(
        chain.when(() => chain.versionOf('a') === 3 && chain.versionOf('b') === 7),
        'the changes behind the move',
      );
      assert.deepEqual(chain.broken, []);
      assert.equal(chain.delivered + chain.missed, 8);
    });
  }

  test('is silent after stop(), although another client goes on setting', async () => {
    await using scene = await moving(many);
    const { seen, watcher } = recorder();
    const watch = await scene.context.watchVariables('v0', watcher, { debounceMs: 1 });
    await scene.context.setVariable('v0', 1);
    const move = scene.move();
    await scene.brought('v0');
    await watch.stop();
    const told = seen.length;
    for (let value = 100; value < 110; value += 1) await scene.other.setVariable('v0', value);
    const bridged = await move;
    await scene.other.setVariable('v0', 200);
    const witness = bridged.watch('v0', { includeInitial: true });
    await witness.next();
    await witness.return?.();
    assert.equal(seen.length, told);
    assert.equal(watch.state, 'stopped');
    await until(async () => (await bridged.listWatchers()).length === 0, 'no watch is left');
  });

  test('that its watcher stops at the move is not called once more', async () => {
    await using scene = await moving(many);
    const calls: unknown[] = [];
    const watch = await scene.context.watchVariables(
      'v0',
      (_, __, value) => {
        calls.push(value);
        if (value === 100) void watch.stop();
      },
      {},
    );
    const sets = scene.brought('v0').then(async () => {
      for (let value = 100; value < 110; value += 1) await scene.other.setVariable('v0', value);
    });
    const bridged = await scene.move();
    await sets;
    await until(() => watch.state === 'stopped', 'its end');
    await until(async () => (await bridged.listWatchers()).length === 0, 'no watch is left');
    assert.deepEqual(calls, [100]);
  });

  test('ends with its signal, at both ends, while it moves', async () => {
    await using scene = await moving(many);
    const end = new AbortController();
    const states: string[] = [];
    const watch = await scene.context.watchVariables('v0', () => assert.fail('no call after the abort'), {
      signal: end.signal,
      onState: (state) => states.push(state),
    });
    const move = scene.move();
    await scene.brought('v0');
    end.abort();
    await scene.other.setVariable('v0', 1);
    const bridged = await move;
    assert.equal(watch.state, 'stopped');
    assert.deepEqual(states, ['live', 'stopped']);
    await until(async () => (await bridged.listWatchers()).length === 0, 'no watch is left');
  });

  test('ends by a deletion of another client while it moves, which it is told', async () => {
    await using scene = await moving(many);
    const { seen, watcher } = recorder();
    const states: string[] = [];
    const watch = await scene.context.watchVariables('v0', watcher, { onState: (state) => states.push(state) });
    const changes = scene.context.watch('v0');
    const loop = (async () => {
      const values: unknown[] = [];
      for await (const { newValue } of changes) values.push(newValue);
      return values;
    })();
    const deletion = scene.brought('v0').then(async () => {
      await scene.other.setVariable('v0', 5);
      await scene.other.deleteVariable('v0');
    });
    await scene.move();
    await deletion;
    assert.equal((await within(loop, 'the end of the loop')).at(-1), undefined);
    await until(() => watch.state === 'stopped', 'its end');
    // The value before it may have been deleted before the watch was there: then it is counted.
    assert.equal(seen.at(-1)?.[1], undefined);
    assert.equal(
      seen.reduce((sum, [, , missed]) => sum + 1 + missed, 0),
      2,
    );
    assert.deepEqual(states, ['live', 'stopped']);
  });

  test('ends when its owner is collected, before and behind the move', async () => {
    await using scene = await moving(['x']);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const watchOwned = async () => scene.context.watchVariables('x', () => undefined, { owner: {} });
    await watchOwned();
    await scene.move();
    await watchOwned();
    await until(async () => {
      collect();
      return (await scene.context.listWatchers()).length === 0;
    }, 'both are over');
  });

  test('by the id of a variable goes on under the identifier of its caller', async () => {
    await using scene = await moving(['x']);
    const id = (await scene.context.getVariableInfo('x')).id;
    const seen: unknown[] = [];
    const watch = await scene.context.watchVariables([id, 'x'], (identifier, old, value) =>
      seen.push([identifier, old, value]),
    );
    await scene.move();
    assert.deepEqual(new Set(watch.identifiers), new Set([id, 'x']));
    await scene.other.setVariable('x', 1);
    await until(() => seen.length === 2, 'both calls');
    assert.deepEqual(
      new Set(seen),
      new Set([
        [id, 0, 1],
        ['x', 0, 1],
      ]),
    );
    await watch.remove(id);
    assert.deepEqual(watch.identifiers, ['x']);
    await scene.other.setVariable('x', 2);
    await until(() => seen.length === 3, 'the call of the other');
  });

  test('that gets arrays goes on with arrays, under the identifiers of its caller, and one chain', async () => {
    await using scene = await moving(['v0', 'v1']);
    const { context, other } = scene;
    const { id } = await context.getVariableInfo('v1');
    const arrays: (readonly VariableChange[])[] = [];
    await context.watchVariables(['v0', id], (changes) => arrays.push(changes), { batch: true, verify: true });
    await context.updateVariables({ v0: 1, v1: 1 });
    await context.setVariable('v1', 2);

    await scene.move();
    await other.updateVariables({ v0: 3, v1: 4 });

    await until(() => arrays.flat().length === 5, 'five changes');
    assert.ok(arrays.every((changes) => changes.length > 0));
    const chains = (name: string) =>
      arrays
        .flat()
        .flatMap(({ identifier, oldValue, newValue }) => (identifier === name ? [[oldValue, newValue]] : []));
    assert.deepEqual(
      [chains('v0'), chains(id)],
      [
        [
          [0, 1],
          [1, 3],
        ],
        [
          [0, 1],
          [1, 2],
          [2, 4],
        ],
      ],
    );
  });

  test('of which a variable was deleted, and one is not there yet, moves with the rest', async () => {
    await using scene = await moving(['x', 'y']);
    const seen: unknown[] = [];
    const watch = await scene.context.watchVariables(
      ['x', 'y', 'z'],
      (name, old, value) => seen.push([name, old, value]),
      {
        missing: 'wait',
      },
    );
    await scene.context.deleteVariable('y');
    await scene.move();
    await scene.other.setVariable('x', 1);
    await scene.other.registerVariable('z', 'integer', 7);
    await scene.other.setVariable('z', 8);
    await until(() => seen.length === 4, 'all calls');
    assert.deepEqual(seen, [
      ['y', 0, undefined],
      ['x', 0, 1],
      ['z', undefined, 7],
      ['z', 7, 8],
    ]);
    await watch.stop();
  });

  test('keeps the async context of its maker, and gives an added variable its initial value', async () => {
    await using scene = await moving(['x', 'y']);
    const caller = new AsyncLocalStorage<string>();
    const stores = new Set<unknown>();
    const seen: unknown[] = [];
    const watch = await caller.run('maker', () =>
      scene.context.watchVariables(
        'x',
        (name, _, value) => {
          stores.add(caller.getStore());
          seen.push([name, value]);
        },
        { includeInitial: true },
      ),
    );
    await caller.run('mover', () => scene.move());
    await watch.add('y');
    await caller.run('setter', () => scene.other.setVariable('x', 1));
    await until(() => seen.length === 3, 'three calls');
    assert.deepEqual(seen.slice(0, 2), [
      ['x', 0],
      ['y', 0],
    ]);
    assert.deepEqual([...stores], ['maker']);
  });

  test('that changes what it watches meanwhile is right behind the move', async () => {
    await using scene = await moving(many);
    const seen: unknown[] = [];
    const watch = await scene.context.watchVariables(['v0', 'v1'], (name, old, value) => seen.push([name, old, value]));
    const move = scene.move();
    await scene.brought('v0');
    const changed = Promise.all([watch.add('v2'), watch.remove('v1')]);
    await move;
    await within(changed, 'the changes');
    assert.deepEqual(new Set(watch.identifiers), new Set(['v0', 'v2']));
    for (const name of ['v1', 'v2', 'v0']) await scene.other.setVariable(name, 1);
    await until(() => seen.length === 2, 'both calls');
    assert.deepEqual(
      new Set(seen),
      new Set([
        ['v0', 0, 1],
        ['v2', 0, 1],
      ]),
    );
  });

  test('is told nothing of a time to live that ends here while its variable lives on there', async () => {
    await using scene = await moving(many);
    const seen: unknown[] = [];
    await scene.context.registerVariable('brief', 'integer', 0, { ttlMs: 400 });
    const watch = await scene.context.watchVariables('brief', (_, __, value) => seen.push(value));
    await scene.move();
    assert.equal(watch.state, 'live');
    await scene.other.setVariable('brief', 1);
    await until(() => seen.length === 2, 'its value, and its end there');
    assert.deepEqual(seen, [1, undefined]);
  });

  test('with a filter, a condition or conflation loses nothing and chains', async () => {
    for (const options of [
      { filter: () => true },
      { filter: { changedBy: 0 } },
      { conflate: true },
    ] satisfies WatchOptions[]) {
      await using scene = await moving(many);
      const chain = new ChainChecker(['v0'], 1, 0);
      const { seen, watcher } = recorder();
      await scene.context.watchVariables('v0', watcher, options);
      if (!('conflate' in options)) await scene.context.watchVariables('v0', chain.watcher, options);
      await scene.context.setVariable('v0', 1);
      const sets = scene.brought('v0').then(async () => {
        for (let value = 100; value < 110; value += 1) await scene.other.setVariable('v0', value);
      });
      await scene.move();
      await sets;
      await until(() => seen.at(-1)?.[1] === 109, 'the last change');
      for (const [place, [old]] of seen.entries()) assert.equal(old, place === 0 ? 0 : seen[place - 1]![1]);
      assert.deepEqual(chain.broken, []);
    }
  });
});

test('a move that fails leaves each watch as it was, and the next one takes it along', async () => {
  await using scene = await moving(['x']);
  const { seen, watcher } = recorder();
  await scene.context.watchVariables('x', watcher);
  await assert.rejects(scene.context.ensureBridged({ endpoint: '127.0.0.1:1', workers: 0 }), { code: 'UNAVAILABLE' });
  await scene.context.setVariable('x', 1);
  await scene.move();
  await scene.other.setVariable('x', 2);
  await until(() => seen.length === 2, 'both changes');
  assert.deepEqual(seen, [
    [0, 1, 0],
    [1, 2, 0],
  ]);
});

describe('a move that fails when it has brought something', () => {
  test('takes back what it registered, and leaves what others have set and what was there before', async () => {
    const LIMIT = 2_000;
    await using small = await startBridgeServer({ port: 0, maxVariablesPerSession: LIMIT });
    const options = { endpoint: `127.0.0.1:${small.port}`, sessionId: 's', pool };
    await using other = await BridgedState.open(options);
    await other.registerVariable('there', 'integer', 5);
    await using context = new Context();
    const seen: unknown[] = [];
    await context.registerVariable('there', 'integer', 7);
    for (let n = 0; n < LIMIT; n += 1) await context.registerVariable(`v${n}`, 'integer', n);
    await context.watchVariables('v0', (_, old, value) => seen.push([old, value]));
    const touched = other.watch('v0', { missing: 'wait' });
    // Brought with the first, and set long before the last is refused.
    const set = touched.next().then(() => other.setVariable('v0', 100));

    await assert.rejects(within(context.ensureBridged(options), 'the failure', 20_000), { code: 'QUOTA_EXCEEDED' });

    await within(set, 'the set of another client');
    const left = (await other.listVariables()).map(({ name, value }) => [name, value]);
    assert.deepEqual(
      new Map(left as [string, unknown][]),
      new Map([
        ['there', 7],
        ['v0', 100],
      ]),
    );
    await touched.return?.();
    await context.deleteVariable('v1');
    await context.setVariable('v0', 1);
    assert.ok(!context.isBridged);
    await within(context.ensureBridged(options), 'the move', 20_000);
    await context.setVariable('v0', 2);
    await until(() => seen.length === 2, 'both changes');
    assert.deepEqual(seen, [
      [0, 1],
      [1, 2],
    ]);
  });

  test('takes it back too where a watch cannot be had there', async () => {
    await using scene = await moving(many);
    const { context, other } = scene;
    const watch = await context.watchVariables(many, () => undefined, { atomic: true });
    const options = { endpoint, sessionId: other.sessionId, pool, limits: { maxMessageBytes: 1_024 } };

    await assert.rejects(within(context.ensureBridged(options), 'the failure'), { code: 'MESSAGE_TOO_LARGE' });

    assert.deepEqual(await other.listVariables(), []);
    assert.equal(watch.state, 'live');
    await scene.move();
    assert.equal((await other.listVariables()).length, many.length);
  });
});
