/** A watcher may call everything from inside a call; nothing recurses, and what it caused comes in a later turn. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Watch } from '../../src/main/index.js';
import { BridgedState } from '../../src/main/index.js';
import { within } from '../support/deadline.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';

let server: ServerProcess;

before(async () => {
  server = await ServerProcess.start();
});

after(() => server.close());

for (const workers of [0, 1]) {
  const open = (sessionId: string) =>
    BridgedState.open({
      endpoint: `127.0.0.1:${server.port}`,
      workers,
      sessionId: `${sessionId}-${workers}`,
      verify: true,
    });

  test(`with ${workers} workers, a watcher that sets its own variable is never called inside its call`, async () => {
    await using state = await open('own');
    await state.registerVariable('fan', 'integer', 0);
    const seen = new SeenUpdates();
    let depth = 0;
    let deepest = 0;
    const sets: Promise<number>[] = [];
    await state.watchVariables(
      'fan',
      (...call) => {
        depth += 1;
        deepest = Math.max(deepest, depth);
        const value = Number(call[2]);
        if (value < 100) sets.push(state.setVariable('fan', value + 1));
        seen.watcher(...call);
        depth -= 1;
      },
      { onError: seen.onError },
    );

    await state.setVariable('fan', 1);

    await seen.when(10_000, () => seen.last?.newValue === 100, 'the last of 100 sets');
    assert.equal(deepest, 1);
    assert.deepEqual(
      seen.rows(),
      Array.from({ length: 100 }, (_, index) => [index, index + 1, index + 2, 0, false]),
    );
    assert.deepEqual(
      await Promise.all(sets),
      Array.from({ length: 99 }, (_, index) => index + 3),
    );
    assert.deepEqual(seen.errors, []);
  });

  test(`with ${workers} workers, a watcher may add, remove, watch and stop, and each takes effect`, async () => {
    await using state = await open('all');
    for (const name of ['a', 'b', 'c']) await state.registerVariable(name, 'integer', 0);
    const outer = new SeenUpdates();
    const inner = new SeenUpdates();
    const caused: Promise<unknown>[] = [];
    let innerWatch: Watch | undefined;
    const watch = await state.watchVariables(
      'a',
      (...call) => {
        const [name, , value] = call;
        if (name === 'a' && value === 1) {
          caused.push(watch.add('b'));
          caused.push(
            state.watchVariables('c', inner.watcher).then((made) => {
              innerWatch = made;
            }),
          );
        } else if (name === 'b' && value === 1) caused.push(watch.remove('a'));
        else if (name === 'b' && value === 2) caused.push(watch.stop());
        outer.watcher(...call);
      },
      { onError: outer.onError },
    );

    await state.setVariable('a', 1);
    await outer.when(5_000, () => caused.length === 2, 'the first call');
    await within(5_000, Promise.all(caused), 'what the first call caused');
    await state.setVariable('b', 1);
    await state.setVariable('c', 1);
    await outer.when(5_000, () => caused.length === 3, 'the call of the added variable');
    await within(5_000, Promise.all(caused), 'the removal');
    await state.setVariable('a', 2);
    await state.setVariable('b', 2);
    await outer.when(5_000, () => caused.length === 4, 'the last call');
    await within(5_000, Promise.all(caused), 'the stop');
    await state.setVariable('b', 3);
    await state.setVariable('c', 2);

    await inner.when(5_000, () => inner.last?.newValue === 2, 'the last set of the inner watch');
    assert.deepEqual(
      outer.all.map(({ identifier, oldValue, newValue }) => [identifier, oldValue, newValue]),
      [
        ['a', 0, 1],
        ['b', 0, 1],
        ['b', 1, 2],
      ],
    );
    assert.deepEqual(
      inner.all.map(({ oldValue, newValue }) => [oldValue, newValue]),
      [
        [0, 1],
        [1, 2],
      ],
    );
    assert.equal(watch.state, 'stopped');
    assert.deepEqual(
      (await state.listWatchers()).map(({ ref }) => ref),
      [innerWatch?.ref],
    );
    assert.deepEqual(outer.errors, []);
  });

  test(`with ${workers} workers, a watcher that throws is told to onError, and neither it nor another misses a call`, async () => {
    await using state = await open('throws');
    await state.registerVariable('fan', 'integer', 0);
    const bad = new SeenUpdates();
    const good = new SeenUpdates();
    await state.watchVariables(
      'fan',
      (...call) => {
        bad.watcher(...call);
        throw new Error(`at ${call[2]}`);
      },
      { onError: bad.onError },
    );
    await state.watchVariables('fan', good.watcher, { onError: good.onError });

    for (let value = 1; value <= 20; value += 1) await state.setVariable('fan', value);

    const rows = Array.from({ length: 20 }, (_, index) => [index, index + 1, index + 2, 0, false]);
    for (const seen of [bad, good]) {
      await seen.when(5_000, () => seen.last?.newValue === 20, 'the last value');
      assert.deepEqual(seen.rows(), rows);
    }
    assert.equal(bad.errors.length, 20);
    assert.deepEqual(good.errors, []);
  });

  test(`with ${workers} workers, a watcher may close the state: no call comes after`, async () => {
    const state = await open('close');
    await using other = await open('close');
    await state.registerVariable('fan', 'integer', 0);
    const seen = new SeenUpdates();
    let closed: Promise<void> | undefined;
    await state.watchVariables('fan', (...call) => {
      closed = state.close();
      seen.watcher(...call);
    });

    for (let value = 1; value <= 10; value += 1) await other.setVariable('fan', value);

    await seen.when(5_000, () => closed !== undefined, 'the call');
    await within(10_000, closed!, 'the end of the state');
    assert.equal(seen.all.length, 1);
  });
}
