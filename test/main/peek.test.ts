/** `peek` over a bridge: fresh although the main thread is busy, and never a value that is not known to be the present one. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BridgedState, Context, WorkerPool } from '../../src/main/index.js';
import { until, within } from '../support/deadline.js';
import { SOON } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { sharedPool } from '../support/shared-pool.js';
import { TcpProxy } from '../support/tcp-proxy.js';

let server: ServerProcess;
let endpoint: string;
let sessions = 0;

before(async () => {
  server = await ServerProcess.start();
  endpoint = `127.0.0.1:${server.port}`;
});

after(() => server.close());

function nextSession(): string {
  sessions += 1;
  return `peek-${sessions}`;
}

const nothing = (): void => undefined;

for (const transport of ['link', 'stream'] as const) {
  test(`a value that comes while the main thread is busy is peeked before any watcher is called, by ${transport}`, async () => {
    await using state = await BridgedState.open({ endpoint, pool: await sharedPool(1), transport });
    await state.registerVariable(`count-${transport}`, 'integer', 0);
    let told = 0;
    await state.watchVariables(`count-${transport}`, () => (told += 1));
    const writer = fork(fileURLToPath(import.meta.resolve('../support/writer-process.js')), [
      endpoint,
      `count-${transport}`,
    ]);
    try {
      await until(20_000, () => told > 10, 'the writer at work');
      const [toldBefore, before] = [told, state.peek(`count-${transport}`) as number];
      const seen = new Set<unknown>();
      const blockedUntil = performance.now() + 10_000;
      while (seen.size < 5 && performance.now() < blockedUntil) seen.add(state.peek(`count-${transport}`));
      assert.ok(seen.size >= 5, `only ${[...seen].join()} while this thread was busy`);
      assert.equal(told, toldBefore);
      const values = [...seen] as number[];
      assert.ok(
        values.every((value, place) => value >= (values[place - 1] ?? before)),
        values.join(),
      );
    } finally {
      const exit = once(writer, 'exit');
      writer.kill('SIGKILL');
      await within(10_000, exit, 'the end of the writer');
    }
  });
}

describe('over a bridge', () => {
  test('what is unchanged since is peeked again behind the death of its worker, and what a pattern had found', async () => {
    await using pool = await WorkerPool.open({ workers: 2 });
    await using state = await BridgedState.open({ endpoint, pool, sessionId: nextSession() });
    const names = Array.from({ length: 12 }, (_, n) => `v${n}`);
    for (const [n, name] of names.entries()) await state.registerVariable(name, 'integer', n);
    const watch = await state.watchVariables(names, nothing);
    const found = await state.watchVariables({ pattern: 'v1*' }, nothing);
    await within(10_000, Promise.all([watch.synced, found.synced]), 'both watches');
    await state.setVariable('v3', 33);
    await until(10_000, () => state.peek('v3') === 33, 'a change');
    const expected = names.map((_, n) => (n === 3 ? 33 : n));
    for (const worker of [0, 1]) await pool.restartWorker(worker);

    await until(20_000, () => names.every((name, n) => state.peek(name) === expected[n]), 'all values again');
    await watch.stop();
    assert.deepEqual(
      ['v1', 'v10', 'v11', 'v2'].map((name) => state.peek(name)),
      [1, 10, 11, undefined],
    );
  });

  for (const transport of ['link', 'stream'] as const)
    test(`while it is cut off nothing is peeked, and afterwards what is unchanged too, by ${transport}`, async () => {
      await using proxy = await TcpProxy.start(server.port);
      const sessionId = nextSession();
      await using writer = await BridgedState.open({ endpoint, workers: 0, sessionId });
      await using state = await BridgedState.open({
        endpoint: proxy.endpoint,
        sessionId,
        pool: await sharedPool(1),
        transport,
        ...SOON,
      });
      await writer.registerVariable('still', 'float', 1.5);
      await writer.registerVariable('moving', 'boolean', false);
      const watch = await state.watchVariables(['still', 'moving'], nothing);
      await within(10_000, watch.synced, 'the watch');
      assert.deepEqual([state.peek('still'), state.peek('moving')], [1.5, false]);

      proxy.cut();
      // One after the other: a worker may be between the two.
      const isBroken = (): boolean => state.peek('still') === undefined && state.peek('moving') === undefined;
      await until(10_000, isBroken, 'the break');
      await writer.setVariable('moving', true);
      proxy.mend();

      await until(20_000, () => state.peek('still') === 1.5 && state.peek('moving') === true, 'both values again');
    });

  test('a stale watch is not peeked, and one that is live again is', async () => {
    await using proxy = await TcpProxy.start(server.port);
    await using state = await BridgedState.open({
      endpoint: proxy.endpoint,
      sessionId: nextSession(),
      pool: await sharedPool(1),
      ...SOON,
    });
    await state.registerVariable('x', 'float', 1);
    const watch = await state.watchVariables('x', nothing, { staleAfterMs: 300 });
    await within(10_000, watch.synced, 'the watch');
    proxy.silence();
    await until(10_000, () => state.peek('x') === undefined, 'its silence');
    proxy.cut();
    proxy.mend();
    await until(20_000, () => state.peek('x') === 1, 'its return');
  });

  for (const workers of [0, 1, 2])
    test(`places that were given on show nothing of their last owners, with ${workers} workers`, async () => {
      await using state = await BridgedState.open({
        endpoint,
        pool: await sharedPool(workers),
        sessionId: nextSession(),
      });
      await state.registerVariable('number', 'float', 7);
      await state.registerVariable('text', 'string', 'x');
      for (let round = 0; round < 30; round += 1) {
        const first = await state.watchVariables('number', nothing);
        await within(10_000, first.synced, 'a watch');
        assert.equal(state.peek('number'), 7);
        void first.stop();
        assert.equal(state.peek('number'), undefined, 'at once');
        await first.stop();
        const second = await state.watchVariables('text', nothing);
        assert.deepEqual([state.peek('text'), state.peek('number')], [undefined, undefined]);
        await second.stop();
      }
    });

  test('each of thousands of watches, in several workers and more than one piece of memory, has its own value', async () => {
    await using state = await BridgedState.open({ endpoint, pool: await sharedPool(2), sessionId: nextSession() });
    const names = Array.from({ length: 3_000 }, (_, n) => `many-${n}`);
    assert.equal(state.peek('many-0'), undefined, 'the index is made by the first peek');
    for (let from = 0; from < names.length; from += 500)
      await Promise.all(
        names.slice(from, from + 500).map((name, n) => state.registerVariable(name, 'integer', from + n)),
      );
    const watches = await Promise.all(names.map((name) => state.watchVariables(name, nothing)));
    await within(20_000, Promise.all(watches.map((watch) => watch.synced)), 'all watches');
    assert.deepEqual(
      names.filter((name, n) => state.peek(name) !== n),
      [],
    );
    await Promise.all(watches.filter((_, n) => n % 2 === 0).map((watch) => watch.stop()));
    assert.deepEqual(
      names.filter((name, n) => state.peek(name) !== (n % 2 === 0 ? undefined : n)),
      [],
    );
  });

  test('states of one pool know only what they watch themselves', async () => {
    await using pool = await WorkerPool.open({ workers: 1 });
    await using first = await BridgedState.open({ endpoint, pool, sessionId: nextSession() });
    await using second = await BridgedState.open({ endpoint, pool, sessionId: nextSession() });
    await first.registerVariable('x', 'float', 1);
    await second.registerVariable('x', 'float', 2);
    const watch = await first.watchVariables('x', nothing);
    await within(10_000, watch.synced, 'the watch');
    assert.deepEqual([first.peek('x'), second.peek('x')], [1, undefined]);
  });

  test('several watches of one variable are one value until the last of them stops', async () => {
    await using state = await BridgedState.open({ endpoint, pool: await sharedPool(2), sessionId: nextSession() });
    await state.registerVariable('x', 'float', 1);
    const plain = await state.watchVariables('x', nothing);
    const atomic = await state.watchVariables('x', nothing, { atomic: true, filter: { gt: 100 } });
    await within(10_000, Promise.all([plain.synced, atomic.synced]), 'both');
    await state.setVariable('x', 2);
    await until(10_000, () => state.peek('x') === 2, 'the change');
    await plain.stop();
    assert.notEqual(state.peek('x'), undefined);
    await atomic.stop();
    assert.equal(state.peek('x'), undefined);
  });

  test('a context peeks its table, and behind its move what it watches, under the same identifiers', async () => {
    const sessionId = nextSession();
    await using context = new Context();
    const id = await context.registerVariable('a', 'float', 1);
    await context.registerVariable('b', 'boolean', true);
    await context.registerVariable('c', 'integer', 3);
    await context.watchVariables(id, nothing);
    await context.watchVariables('b', nothing);
    assert.deepEqual([context.peek('a'), context.peek(id), context.peek('c')], [1, 1, 3]);

    await context.ensureBridged({ endpoint, sessionId, workers: 1 });

    await until(10_000, () => context.peek(id) === 1 && context.peek('b') === true, 'the values on the bridge');
    await using other = await BridgedState.open({ endpoint, sessionId, workers: 0 });
    await other.setVariable('a', 2);
    await until(10_000, () => context.peek(id) === 2, 'a change of another client');
    assert.equal(context.peek('a'), 2);
    assert.equal(context.peek('c'), undefined, 'it is not watched');
  });
});
