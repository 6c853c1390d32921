import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { BridgedState, Context, type UpdateMetadata, Variables, type VariableValue } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { ClosedError, DeadlineExceededError, WatchNotFoundError } from '../../src/shared/errors.js';
import { until, within } from '../../src/testing/within.js';

const server = await startBridgeServer({ port: 0 });
after(() => server.close());
let sessions = 0;

describe('a context that moves', () => {
  test('takes values and versions along', async () => {
    await using context = await contextWithFan();
    await context.setVariable('fan', 2);

    const bridged = await moved(context);

    assert.ok(context.isBridged && bridged instanceof BridgedState);
    const { value, version } = await context.getVariableInfo('fan');
    assert.deepEqual([value, version], [2, 2]);
    assert.equal(await context.setVariable('fan', 3), 3);
  });

  test('moves once: whoever asks later gets the same state', async () => {
    await using context = await contextWithFan();
    const options = newOptions();

    const [first, second] = await within(
      Promise.all([context.ensureBridged(options), context.ensureBridged(options)]),
      'the move',
    );

    assert.equal(first, second);
    assert.equal(await context.ensureBridged(newOptions()), first);
  });

  test('takes a live watch along: its handle goes on, no value comes twice, old values chain', async () => {
    await using context = await contextWithFan();
    const { seen, watcher } = recorder();
    const watch = await context.watchVariables('fan', watcher, { includeInitial: true });
    await context.setVariable('fan', 2);

    const bridged = await moved(context);
    await bridged.setVariable('fan', 3);

    await until(() => seen.length >= 3, 'the change behind the move');
    assert.deepEqual(seen, [
      [undefined, 1, 1],
      [1, 2, 2],
      [2, 3, 3],
    ]);
    assert.equal(watch.state, 'live');

    await watch.stop();
    assert.deepEqual(await bridged.listWatchers(), []);
  });

  test('leaves behind a watch that was stopped', async () => {
    await using context = await contextWithFan();
    const watch = await context.watchVariables('fan', () => undefined);
    await watch.stop();

    const bridged = await moved(context);

    assert.deepEqual(await bridged.listWatchers(), []);
    await assert.rejects(context.unwatchVariables(watch), WatchNotFoundError);
  });

  test('gives no watch the ref of one that it took along', async () => {
    await using context = await contextWithFan();
    const first = await context.watchVariables('fan', () => undefined);
    const second = await context.watchVariables('fan', () => undefined);
    await first.stop();
    await moved(context);

    const third = await context.watchVariables('fan', () => undefined);
    assert.notEqual(third.ref, second.ref);

    await context.unwatchVariables(second.ref);
    assert.deepEqual([second.state, third.state], ['stopped', 'live']);
  });

  test('tells its watchers by the refs that their makers hold', async () => {
    await using context = await contextWithFan();
    const first = await context.watchVariables('fan', () => undefined);
    const second = await context.watchVariables('fan', () => undefined);
    await first.stop();

    await moved(context);

    assert.deepEqual(
      (await context.listWatchers()).map(({ ref }) => ref),
      [second.ref],
    );
  });

  test('takes along a set that was begun right before', async () => {
    await using context = await contextWithFan();
    const set = context.setVariable('fan', 2);

    await moved(context);

    assert.equal(await set, 2);
    assert.equal(await context.getVariable('fan'), 2);
  });

  test('makes calls wait that come meanwhile', async () => {
    await using context = await contextWithFan();
    const moving = context.ensureBridged(newOptions());
    const set = context.setVariable('fan', 2);

    const bridged = await within(moving, 'the move');

    assert.equal(await set, 2);
    assert.equal(await bridged.getVariable('fan'), 2);
  });
});

describe('a move that fails', () => {
  test('leaves the context local with its values and watches, and may be tried again', async () => {
    await using context = await contextWithFan();
    const { seen, watcher } = recorder();
    const watch = await context.watchVariables('fan', watcher);

    // A port that was free a moment ago.
    const gone = await startBridgeServer({ port: 0 });
    await gone.close();
    const options = { ...newOptions(), endpoint: `127.0.0.1:${gone.port}`, connectTimeoutMs: 200 };
    await assert.rejects(within(context.ensureBridged(options), 'the failure'));

    assert.equal(context.isBridged, false);
    await context.setVariable('fan', 2);
    await until(() => seen.length === 1, 'the change after the failure');
    assert.deepEqual([seen, watch.state], [[[1, 2, 2]], 'live']);

    await moved(context);
    assert.equal(await context.getVariable('fan'), 2);
  });
});

describe('a context', () => {
  test('that is closed while it moves has made what was called before', async () => {
    const context = await contextWithFan();
    const options = newOptions();
    const moving = context.ensureBridged(options);
    const calls = [
      context.registerVariable('lamp', 'integer', 1),
      context.setVariable('fan', 2),
      context.updateVariables({ fan: 3, lamp: 2 }, { atomic: true }),
      context.getVariable('fan'),
    ];

    const closing = context.close();

    const outcomes = await within(Promise.allSettled([moving, ...calls]), 'the answers');
    assert.deepEqual(
      outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason)] : [])),
      [],
    );
    await within(closing, 'the end');
    await using other = await BridgedState.open(options);
    assert.deepEqual([await other.getVariable('fan'), await other.getVariable('lamp')], [3, 2]);
  });

  test('that is closed neither moves nor answers', async () => {
    const context = await contextWithFan();

    await context.close();

    await assert.rejects(context.ensureBridged(newOptions()), ClosedError);
    await assert.rejects(context.getVariable('fan'), ClosedError);
  });

  test('ends a wait for a value at its timeout', async () => {
    await using context = await contextWithFan();
    const variables = new Variables(context);
    const fan = { name: 'fan', type: 'integer' } as const;

    const waiting = variables.waitFor(fan, () => false, { timeoutMs: 5 });

    await assert.rejects(within(waiting, 'the timeout', 200), DeadlineExceededError);
  });
});

describe('a watch of a context is over, before and behind a move,', () => {
  for (const moves of [false, true]) {
    const when = moves ? 'behind' : 'before';

    test(`${when}: by its signal, which ends a loop too`, async () => {
      await using context = await contextWithFan();
      const abort = new AbortController();
      const states: string[] = [];
      const { signal } = abort;
      const watch = await context.watchVariables('fan', () => undefined, {
        signal,
        onState: (state) => states.push(state),
      });
      const loop = context.watch('fan', { signal });
      const next = loop.next();
      if (moves) await moved(context);
      assert.deepEqual(states, ['live'], 'a move is no end');

      abort.abort();

      assert.deepEqual(await within(next, 'the end of the loop'), { done: true, value: undefined });
      await until(async () => (await context.listWatchers()).length === 0, 'the end of the watch');
      assert.deepEqual([watch.state, states], ['stopped', ['live', 'stopped']]);
    });

    test(`${when}: by the deletion of its variable, which ends a loop behind the last change`, async () => {
      await using context = await contextWithFan();
      const loop = context.watch('fan');
      const first = loop.next();
      if (moves) await moved(context);

      await context.deleteVariable('fan');

      const { value } = await within(first, 'the deletion');
      assert.equal(value?.metadata.deleted, 'deleted');
      assert.equal((await within(loop.next(), 'the end of the loop')).done, true);
      assert.deepEqual(await context.listWatchers(), []);
    });

    test(`${when}: by the end of the context, which ends a loop`, async () => {
      const context = await contextWithFan();
      const next = context.watch('fan').next();
      if (moves) await moved(context);

      await context.close();

      assert.equal((await within(next, 'the end of the loop')).done, true);
    });
  }

  test('also when it was stopped while the context moved', async () => {
    await using context = await contextWithFan();
    const watch = await context.watchVariables('fan', () => undefined);

    const moving = context.ensureBridged(newOptions());
    const stopping = new Promise<void>((resolve) => setImmediate(() => resolve(watch.stop())));
    const bridged = await within(moving, 'the move');
    await stopping;

    assert.equal(watch.state, 'stopped');
    assert.deepEqual(await bridged.listWatchers(), []);
  });

  test('and one that was given another variable meanwhile has it behind the move', async () => {
    await using context = await contextWithFan();
    await context.registerVariable('lamp', 'integer', 1);
    const { seen, watcher } = recorder();
    const watch = await context.watchVariables('fan', watcher);

    const moving = context.ensureBridged(newOptions());
    const adding = new Promise<void>((resolve) => setImmediate(() => resolve(watch.add('lamp'))));
    const bridged = await within(moving, 'the move');
    await adding;
    await bridged.setVariable('lamp', 2);

    await until(() => seen.length === 1, 'the change of what was added');
    assert.deepEqual([...watch.identifiers].sort(), ['fan', 'lamp']);
  });
});

type Seen = [oldValue: VariableValue | undefined, newValue: VariableValue | undefined, version: number];

function recorder() {
  const seen: Seen[] = [];
  const watcher = (
    _: string,
    oldValue: VariableValue | undefined,
    newValue: VariableValue | undefined,
    { version }: UpdateMetadata,
  ) => seen.push([oldValue, newValue, version]);
  return { seen, watcher };
}

async function contextWithFan(): Promise<Context> {
  const context = new Context();
  await context.registerVariable('fan', 'integer', 1);
  return context;
}

function moved(context: Context): Promise<BridgedState> {
  return within(context.ensureBridged(newOptions()), 'the move');
}

function newOptions() {
  sessions += 1;
  return { endpoint: `127.0.0.1:${server.port}`, sessionId: `context-${sessions}`, workers: 0 };
}
