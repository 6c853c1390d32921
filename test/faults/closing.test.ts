/** Closing answers what was asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgedState, Context, WorkerPool } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { until, within } from '../support/deadline.js';
import { SOON } from '../support/seen-updates.js';
import { TcpProxy } from '../support/tcp-proxy.js';

test('sets that were made before close() get their answers, with a pool of its own, a shared one and none', async () => {
  await using server = await startBridgeServer({ port: 0 });
  const endpoint = `127.0.0.1:${server.port}`;
  await using pool = await WorkerPool.open({ workers: 1 });
  await using reader = await BridgedState.open({ endpoint, workers: 0 });
  await reader.registerVariable('a', 'integer', 0);
  let value = 0;
  for (const options of [{ workers: 1 }, { workers: 0 }, { pool }]) {
    const state = await BridgedState.open({ endpoint, ...options });
    const sets = Array.from({ length: 60 }, () => {
      value += 1;
      return state.setVariable('a', value);
    });
    const closed = state.close();
    const outcomes = await within(10_000, Promise.allSettled(sets), 'the answers');
    await within(10_000, closed, 'the end');
    assert.deepEqual(
      outcomes.filter(({ status }) => status === 'rejected'),
      [],
    );
    assert.equal(await reader.getVariable('a'), value);
    await assert.rejects(state.setVariable('a', 1), { code: 'CLOSED' });
  }
});

for (const transport of ['stream', 'link'] as const)
  test(`what is watched and given up in one go leaves nothing at the server, by ${transport}`, async () => {
    await using server = await startBridgeServer({ port: 0 });
    await using pool = await WorkerPool.open({ workers: 1 });
    const options = { endpoint: `127.0.0.1:${server.port}`, pool, transport };
    await using state = await BridgedState.open(options);
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names) await state.registerVariable(name, 'integer', 0);
    const kept = await state.watchVariables('a', () => undefined);
    for (let round = 0; round < 5; round += 1) {
      const adding = names.slice(1).map((name) => kept.add(name));
      const given = await state.watchVariables('a', () => undefined);
      const more = given.add('b').catch(() => undefined);
      await within(10_000, Promise.all([given.stop(), more, ...adding]), 'the end of a watch');
      await kept.remove(names.slice(1));
    }
    await until(10_000, () => server.metrics().observers === 1, 'one observer');

    const another = await BridgedState.open(options);
    const watch = await another.watchVariables('a', () => undefined);
    const adding = watch.add('b').catch(() => undefined);
    await within(10_000, Promise.all([another.close(), adding]), 'the end of a state');

    await until(10_000, () => server.metrics().streams === 1 && server.metrics().observers === 1, 'only what is kept');
    await kept.stop();
    await until(10_000, () => server.metrics().observers === 0, 'no observer');
  });

test('a state whose server is gone closes without waiting for calls that cannot be made', async () => {
  const server = await startBridgeServer({ port: 0 });
  const state = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 1 });
  await state.registerVariable('a', 'integer', 0);
  await server.close();
  const set = state.setVariable('a', 1).then(
    () => 'resolved',
    (error: { code: string }) => error.code,
  );
  await within(3_000, state.close(), 'the end');
  assert.match(await set, /^(CLOSED|UNAVAILABLE|UNKNOWN_OUTCOME)$/);
});

for (const kind of ['a state', 'a context'] as const)
  test(`a loop over ${kind} that is left while its server is away is over at once, whether or not it was ever registered`, async () => {
    await using server = await startBridgeServer({ port: 0 });
    await using proxy = await TcpProxy.start(server.port);
    const options = { endpoint: proxy.endpoint, workers: 0, ...SOON };
    await using context = new Context();
    await using state = kind === 'a state' ? await BridgedState.open(options) : await context.ensureBridged(options);
    const provider = kind === 'a state' ? state : context;
    await provider.registerVariable('a', 'integer', 0);
    const before = provider.watch('a', { includeInitial: true });
    await within(5_000, before.next(), 'the initial value');
    proxy.cut();
    for (const leave of ['return', 'dispose'] as const) {
      const changes = provider.watch('a');
      const next = changes.next();
      await new Promise((resolve) => setImmediate(resolve));
      const left = leave === 'return' ? changes.return?.() : changes[Symbol.asyncDispose]();
      await within(2_000, Promise.resolve(left), 'the end of the loop');
      assert.deepEqual(await next, { done: true, value: undefined });
    }
    await within(2_000, Promise.resolve(before.return?.()), 'the end of the loop that was registered');
    assert.deepEqual(await provider.listWatchers(), []);
    proxy.mend();
    await until(5_000, () => server.metrics().observers === 0, 'no observer');
  });
