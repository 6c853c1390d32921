/** Every connection, attempt and request has a deadline and a replacement, and every stream an owner. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import { until, within } from '../support/deadline.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { sharedPool } from '../support/shared-pool.js';
import { TcpProxy } from '../support/tcp-proxy.js';

let server: ServerProcess;
let endpoint: string;

before(async () => {
  server = await ServerProcess.start();
  endpoint = `127.0.0.1:${server.port}`;
});

after(() => server.close());

test('a connection for streams that a silent peer accepts is replaced, and its watch registered over the next', async () => {
  await using proxy = await TcpProxy.start(server.port);
  await using state = await BridgedState.open({
    endpoint: proxy.endpoint,
    sessionId: 'swallowed',
    pool: await sharedPool(1),
    // A link is opened with the state.
    transport: 'stream',
    limits: { connectTimeoutMs: 1_000 },
  });
  await state.registerVariable('a', 'integer', 0);
  proxy.swallow();
  const accepted = proxy.accepted;
  const opening = state.watchVariables('a', () => undefined);
  await until(5_000, () => proxy.accepted > accepted, 'a connection that is swallowed');
  proxy.mend();
  await within(10_000, opening, 'the registration');
  await within(
    5_000,
    state.watchVariables('a', () => undefined),
    'a second watch',
  );
});

test('connections that go silent are found and replaced: watches resume, and calls are answered again', async () => {
  await using proxy = await TcpProxy.start(server.port);
  await using state = await BridgedState.open({
    endpoint: proxy.endpoint,
    sessionId: 'silent',
    pool: await sharedPool(1),
    keepalive: { timeMs: 1_000, timeoutMs: 300 },
    limits: { callTimeoutMs: 2_000 },
  });
  await using writer = await BridgedState.open({ endpoint, sessionId: 'silent', workers: 0 });
  await state.registerVariable('a', 'integer', 0);
  const seen = new SeenUpdates();
  await state.watchVariables('a', seen.watcher, { onState: seen.onState });
  proxy.silence();
  await writer.setVariable('a', 1);
  await seen.when(10_000, () => seen.last?.newValue === 1, 'the change over a new connection');
  assert.equal(await within(5_000, state.getVariable('a'), 'an answer'), 1);
});

test('an idle connection without a watch that goes silent is found before anybody needs it', async () => {
  await using proxy = await TcpProxy.start(server.port);
  await using state = await BridgedState.open({
    endpoint: proxy.endpoint,
    sessionId: 'idle',
    pool: await sharedPool(1),
    keepalive: { timeMs: 1_000, timeoutMs: 300 },
  });
  await state.registerVariable('a', 'integer', 3);
  const accepted = proxy.accepted;
  proxy.silence();
  await until(10_000, () => proxy.accepted > accepted, 'a new connection');
  assert.equal(await within(1_000, state.getVariable('a'), 'an answer at once'), 3);
});

test('a worker that dies while it starts is made again, and its watches go on', async () => {
  await using pool = await WorkerPool.open({ workers: 1 });
  await using state = await BridgedState.open({ endpoint, sessionId: 'starting', pool });
  await state.registerVariable('a', 'integer', 0);
  const seen = new SeenUpdates();
  await state.watchVariables('a', seen.watcher, { onState: seen.onState });
  await pool.restartWorker(0);
  // The next one is made, and does not run yet.
  await pool.restartWorker(0).catch(() => undefined);
  await pool.restartWorker(0).catch(() => undefined);
  await seen.when(20_000, () => seen.states.at(-1) === 'live' && seen.states.includes('connecting'), 'its return');
  await within(10_000, state.setVariable('a', 1), 'a set');
  await seen.when(5_000, () => seen.last?.newValue === 1, 'its change');
});

test('a watch that is stopped while it opens and its worker dies leaves no stream behind', async () => {
  await using pool = await WorkerPool.open({ workers: 1 });
  await using state = await BridgedState.open({ endpoint, sessionId: 'orphan', pool });
  const names = Array.from({ length: 50 }, (_, number) => `v${number}`);
  await Promise.all(names.map((name) => state.registerVariable(name, 'integer', 0)));
  const before = (await server.report()).metrics.streams;
  const ends = names.map((name) => {
    const end = new AbortController();
    const opening = state.watchVariables(name, () => undefined, { signal: end.signal }).catch(() => undefined);
    return { end, opening };
  });
  await Promise.race(ends.map(({ opening }) => opening));
  const death = pool.restartWorker(0);
  for (const { end } of ends) end.abort();
  await death;
  await within(10_000, Promise.all(ends.map(({ opening }) => opening)), 'the outcome of each watch');
  // The next worker has taken over when it answers.
  await within(10_000, state.getVariable('v0'), 'an answer');
  let streams = Number.NaN;
  const deadlineMs = performance.now() + 10_000;
  while (streams !== before && performance.now() < deadlineMs) streams = (await server.report()).metrics.streams;
  assert.equal(streams, before);
  assert.deepEqual(await state.listWatchers(), []);
});

test('a server that goes silent is left for the other endpoint without another word to it', async (t) => {
  const other = await ServerProcess.start();
  t.after(() => other.close());
  await using proxy = await TcpProxy.start(server.port);
  await using state = await BridgedState.open({
    endpoints: [proxy.endpoint, `127.0.0.1:${other.port}`],
    sessionId: 'left',
    pool: await sharedPool(1),
    keepalive: { timeMs: 1_000, timeoutMs: 300 },
    // Longer than this test waits: whoever asks the silent one first does not come back in time.
    limits: { connectTimeoutMs: 60_000 },
  });
  await using writer = await BridgedState.open({
    endpoint: `127.0.0.1:${other.port}`,
    sessionId: 'left',
    workers: 0,
  });
  for (const one of [state, writer]) await one.registerVariable('a', 'integer', 0);
  const seen = new SeenUpdates();
  await state.watchVariables('a', seen.watcher, { onState: seen.onState });
  proxy.silence();
  proxy.swallow();
  await seen.when(10_000, () => seen.last?.metadata.resync === true, 'the watch at the other server');
  await writer.setVariable('a', 7);
  await seen.when(5_000, () => seen.last?.newValue === 7, 'a change at the other server');
});

test('by link, what is told of one variable says of the watch of another that its server lives', async () => {
  await using state = await BridgedState.open({
    ...{ endpoint, sessionId: 'heard', pool: await sharedPool(1), transport: 'link' },
  });
  await state.registerVariable('quiet', 'integer', 0);
  await state.registerVariable('busy', 'integer', 0);
  const quiet = await state.watchVariables('quiet', () => undefined);
  const seen = new SeenUpdates();
  await state.watchVariables('busy', seen.watcher);
  await until(5_000, () => quiet.freshnessMs > 400, 'a silence');
  await state.setVariable('busy', 1);
  await seen.when(5_000, () => seen.last?.newValue === 1, 'the change');
  await until(5_000, () => quiet.freshnessMs < 300, 'the word on its link');
});

test('clients whose server was away return with two connections each: none is made that the next attempt gives up', async () => {
  const CLIENTS = 10;
  await using proxy = await TcpProxy.start(server.port);
  const open = () => BridgedState.open({ endpoint: proxy.endpoint, sessionId: 'away', workers: 0, transport: 'link' });
  const clients = await Promise.all(Array.from({ length: CLIENTS }, open));
  try {
    await clients[0]!.registerVariable('a', 'integer', 0);
    const states = clients.map(() => '');
    const onStateOf = (client: number) => (name: string) => (states[client] = name);
    await Promise.all(
      clients.map((state, client) => state.watchVariables('a', () => undefined, { onState: onStateOf(client) })),
    );
    const areAll = (name: string) => states.every((one) => one === name);
    proxy.cut();
    const before = proxy.accepted;
    await until(10_000, () => areAll('backoff') && proxy.accepted - before > 6 * CLIENTS, 'attempts that fail');
    proxy.mend();
    const mended = proxy.accepted;
    await until(20_000, () => areAll('live'), 'all of them');
    // Some that failed are looking for the reason, by a connection of its own, at just that moment.
    const each = (proxy.accepted - mended) / CLIENTS;
    assert.ok(each >= 2 && each <= 2.4, `${each} connections each`);
  } finally {
    await Promise.all(clients.map((state) => state.close()));
  }
});
