/** A worker that dies takes nothing with it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import { ChainChecker } from '../support/chain.js';
import { within } from '../support/deadline.js';
import { SeenUpdates, SOON } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';

let server: ServerProcess;

before(async () => {
  server = await ServerProcess.start();
});

after(() => server.close());

test('workers that die under a running writer leave no duplicate and no unmarked gap', async () => {
  const endpoint = `127.0.0.1:${server.port}`;
  await using writer = await BridgedState.open({ endpoint, workers: 0 });
  await using pool = await WorkerPool.open({ workers: 2 });
  await using state = await BridgedState.open({ endpoint, pool, verify: true });
  const names = Array.from({ length: 20 }, (_, number) => `crash-${number}`);
  for (const name of names) await writer.registerVariable(name, 'integer', 0);
  const chain = new ChainChecker(names, 1, 0);
  const errors: Error[] = [];
  for (const name of names) await state.watchVariables(name, chain.watcher, { onError: (error) => errors.push(error) });

  const rounds = 60;
  for (let round = 1; round <= rounds; round += 1) {
    await writer.updateVariables(Object.fromEntries(names.map((name) => [name, round])));
    if (round === 20) await pool.restartWorker(0);
    if (round === 40) await pool.restartWorker(1);
  }

  await within(
    20_000,
    chain.when(() => names.every((name) => chain.versionOf(name) === rounds + 1)),
    'the last version of each',
  );
  assert.deepEqual(chain.broken, []);
  assert.deepEqual(errors, []);
  assert.equal(chain.delivered + chain.missed, names.length * rounds);
  assert.equal((await state.listWatchers()).length, names.length);
});

test('variables removed while a fresh worker opens a watch again do not end it', async () => {
  await using proxy = await TcpProxy.start(server.port);
  await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
  await using pool = await WorkerPool.open({ workers: 2 });
  await using state = await BridgedState.open({ endpoint: proxy.endpoint, pool, verify: true, ...SOON });
  // Over both workers; one of them loses all it has.
  const names = Array.from({ length: 12 }, (_, number) => `reopened-${number}`);
  for (const name of names) await writer.registerVariable(name, 'integer', 0);
  const seen = new SeenUpdates();
  const { onError, onState } = seen;
  const watch = await state.watchVariables(names, seen.watcher, { onError, onState });

  proxy.cut();
  const lost = seen.when(10_000, () => seen.states.includes('connecting'), 'the word that a worker died');
  await Promise.all([pool.restartWorker(0), pool.restartWorker(1)]);
  await lost;
  // The list is answered by fresh workers: they have been asked to open by then.
  await within(20_000, state.listWatchers(), 'the answer of fresh workers');
  await within(10_000, watch.remove(names.slice(1)), 'the end of remove');
  proxy.mend();
  await writer.setVariable(names[0]!, 1);

  await seen.when(20_000, () => seen.last?.newValue === 1, 'the update of the variable that is left');
  assert.deepEqual(seen.errors, []);
  assert.ok(!seen.states.includes('failed'));
});

test('a watch that is opened when another hears that its worker died is told each change once', async () => {
  const endpoint = `127.0.0.1:${server.port}`;
  await using writer = await BridgedState.open({ endpoint, workers: 0 });
  await using pool = await WorkerPool.open({ workers: 1 });
  await using state = await BridgedState.open({ endpoint, pool, verify: true });
  await writer.registerVariable('lost-first', 'integer', 0);
  await writer.registerVariable('opened-then', 'integer', 0);
  const seen = new SeenUpdates();
  const { onError } = seen;
  let opened: Promise<unknown> | undefined;
  const onState = (name: string): void => {
    if (name === 'connecting') opened ??= state.watchVariables('opened-then', seen.watcher, { onError });
  };
  await state.watchVariables('lost-first', () => undefined, { onState });

  await pool.restartWorker(0);
  // Answered by a fresh worker.
  await within(20_000, state.listWatchers(), 'the answer of a fresh worker');
  await within(10_000, opened!, 'the watch that was opened meanwhile');
  for (const value of [1, 2, 3]) await writer.setVariable('opened-then', value);

  await seen.when(20_000, () => seen.last?.newValue === 3, 'the last change');
  assert.deepEqual(
    seen.all.map(({ newValue }) => newValue),
    [1, 2, 3],
  );
  assert.deepEqual(seen.errors, []);
});

test('what is registered while the worker of a watch that waits for it is gone is told from its first version on', async () => {
  await using proxy = await TcpProxy.start(server.port);
  await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
  await using pool = await WorkerPool.open({ workers: 1 });
  await using state = await BridgedState.open({ endpoint: proxy.endpoint, pool, verify: true, ...SOON });
  const seen = new SeenUpdates();
  const { onError, onState } = seen;
  const watch = await state.watchVariables('awaited', seen.watcher, { missing: 'wait', onError, onState });
  await within(10_000, watch.synced, 'the word that the watch is in step');

  proxy.cut();
  const lost = seen.when(10_000, () => seen.states.includes('connecting'), 'the word that a worker died');
  await pool.restartWorker(0);
  await lost;
  await writer.registerVariable('awaited', 'integer', 0);
  for (let value = 1; value <= 3; value += 1) await writer.setVariable('awaited', value);
  proxy.mend();

  await seen.when(20_000, () => seen.last?.newValue === 3, 'the last value');
  assert.deepEqual(seen.rows(), [
    [undefined, 0, 1, 0, false],
    [0, 1, 2, 0, false],
    [1, 2, 3, 0, false],
    [2, 3, 4, 0, false],
  ]);
  assert.deepEqual(seen.errors, []);
});

test('what was the oldest in a buffer that drops its oldest is known to a fresh worker, by both carriers, initial value or not', async () => {
  await using proxy = await TcpProxy.start(server.port);
  const sessionId = 'dropped-oldest';
  await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0, sessionId });
  // More than have room on their way to the main thread, and in the buffer.
  const credits = 64;
  await using pool = await WorkerPool.open({ workers: 1, credits });
  const open = { endpoint: proxy.endpoint, pool, sessionId, verify: true, ...SOON } as const;
  await using linked = await BridgedState.open({ ...open, transport: 'link' });
  await using streamed = await BridgedState.open({ ...open, transport: 'stream' });
  const names = Array.from({ length: 2 * credits }, (_, number) => `${number}`.padStart(3, '0'));
  await Promise.all(names.map((name) => writer.registerVariable(name, 'integer', 0)));
  await writer.updateVariables(Object.fromEntries(names.map((name) => [name, 1])));
  const watched = [];
  for (const state of [linked, streamed]) {
    for (const includeInitial of [false, true]) {
      const seen = new SeenUpdates();
      const { onError, onState } = seen;
      const options = { includeInitial, bufferLimit: 1, overflow: 'drop-oldest', onError, onState } as const;
      const watch = await state.watchVariables({ pattern: '*' }, seen.watcher, options);
      await within(10_000, watch.synced, 'the word that the watch is in step');
      assert.equal(seen.all.length, includeInitial ? names.length : 0);
      watched.push({ watch, seen, initial: seen.all.length });
    }
  }

  proxy.cut();
  const lost = watched.map(({ seen }) =>
    seen.when(10_000, () => seen.states.includes('connecting'), 'the word that a worker died'),
  );
  await pool.restartWorker(0);
  await Promise.all(lost);
  const [gone, ...changed] = names.filter((_, number) => number % 16 === 1) as [string, ...string[]];
  await writer.deleteVariable(gone);
  for (const name of changed) await writer.setVariable(name, 2);
  proxy.mend();

  for (const { watch, seen, initial } of watched) {
    await seen.when(20_000, () => seen.last?.identifier === changed.at(-1), 'the last that was set meanwhile');
    assert.deepEqual(seen.rows().slice(initial), [
      [1, undefined, 3, 0, false],
      ...changed.map(() => [1, 2, 3, 0, false]),
    ]);
    assert.deepEqual(
      [...watch.identifiers].sort(),
      names.filter((name) => name !== gone),
    );
    assert.deepEqual(seen.errors, []);
  }
});

for (const [what, credits, sessionId] of [
  ['what the main thread has no time for', undefined, 'no-time'],
  ['what waits in a worker for room at the main thread', 64, 'no-credit'],
] as const) {
  test(`${what} when a worker dies is told once, and does not count as new`, async () => {
    const endpoint = `127.0.0.1:${server.port}`;
    await using writer = await BridgedState.open({ endpoint, workers: 0, sessionId });
    await using pool = await WorkerPool.open({ workers: 1, ...(credits && { credits }) });
    await using state = await BridgedState.open({ endpoint, pool, sessionId, verify: true, maxMainMs: 1, ...SOON });
    const names = Array.from({ length: 256 }, (_, number) => `waits-${number}`);
    for (const name of names) await writer.registerVariable(name, 'integer', 0);
    await writer.updateVariables(Object.fromEntries(names.map((name) => [name, 1])));
    const seen = new SeenUpdates();
    const { onError, onState } = seen;
    const isLost = (): boolean => seen.states.includes('connecting');
    const watch = await state.watchVariables(
      { pattern: 'waits-*' },
      (...update) => {
        seen.watcher(...update);
        // One of them a turn, as long as the worker has not died.
        for (const until = performance.now() + 20; performance.now() < until && !isLost(); );
      },
      { includeInitial: true, onError, onState },
    );
    await seen.when(10_000, () => seen.all.length > 0, 'the first');

    await Promise.all([pool.restartWorker(0), seen.when(10_000, isLost, 'the word that the worker died')]);
    const toldBefore = seen.all.length;
    await within(10_000, watch.synced, 'the word that the watch is in step');
    await writer.updateVariables(Object.fromEntries(names.map((name) => [name, 2])));

    await seen.when(20_000, () => seen.all.length + seen.missed >= 2 * names.length, 'all of it');
    assert.ok(toldBefore < names.length);
    for (const name of names) {
      const told = seen.all.filter(({ identifier }) => identifier === name);
      assert.deepEqual(
        told.map(({ oldValue, newValue, metadata: { version, missed, initial } }) => [
          ...[oldValue, newValue, version, missed, initial],
        ]),
        [
          [undefined, 1, 2, 0, true],
          [1, 2, 3, 0, false],
        ],
      );
    }
    assert.equal(watch.identifiers.length, names.length);
    assert.deepEqual(seen.errors, []);
  });
}

test('what is asked for in the turn in which a worker dies is done by the next one', async () => {
  await using pool = await WorkerPool.open({ workers: 1 });
  await using state = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, pool, sessionId: 'that-turn' });
  await state.registerVariable('set', 'integer', 0);

  await pool.restartWorker(0);
  assert.equal(await within(10_000, state.setVariable('set', 1), 'the answer to a set'), 2);
  await pool.restartWorker(0);
  assert.equal(await within(10_000, state.getVariable('set'), 'the answer to a get'), 1);
  await pool.restartWorker(0);
  const watch = await within(
    10_000,
    state.watchVariables('set', () => undefined),
    'a watch',
  );
  assert.equal(watch.state, 'live');
});
