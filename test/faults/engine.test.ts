/** A server over SQLite that is killed in the middle of sets: nobody who watches notices, and nothing that was answered is lost. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { LocalEngine, SqliteJournal, startBridgeServer } from '../../src/server/index.js';
import { PlainClient } from '../server/plain-client.js';
import { until, within } from '../support/deadline.js';
import { EngineServer } from '../support/engine-server.js';
import { SeenUpdates, SOON } from '../support/seen-updates.js';
import { SmallDisk } from '../support/small-disk.js';

const root = mkdtempSync(join(tmpdir(), 'bridged-state-kill-'));
after(() => rmSync(root, { recursive: true, force: true }));

test('a set that was on its way when the server was killed is made by the next one, the first of its link too', async () => {
  const engine = `sqlite:${join(root, 'first')}`;
  let server = await EngineServer.start(engine);
  const { port } = server;
  const open = { endpoint: `127.0.0.1:${port}`, workers: 0, transport: 'link', ...SOON } as const;
  await using registrar = await BridgedState.open(open);
  await registrar.registerVariable('v', 'integer', 0);
  const states = [registrar, await BridgedState.open(open)];
  server.signal('SIGSTOP');
  const sets = states.flatMap((state, place) => [1, 2].map((value) => state.setVariable('v', 10 * place + value)));
  // Until they are written to the socket of a server that reads nothing.
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  await server.kill();
  server = await EngineServer.start(engine, port);
  const versions = await within(20_000, Promise.all(sets), 'what was on its way');
  assert.deepEqual(
    [...versions].sort((a, b) => a - b),
    [2, 3, 4, 5],
  );
  await states[1]!.close();
  await server.kill();
});

test('sets that are larger than what the next server takes are refused at once when it is there, and what can be split is made', async () => {
  const engine = join(root, 'smaller');
  const before = await EngineServer.start(`sqlite:${engine}`);
  const { port } = before;
  const limits = { callTimeoutMs: 60_000 };
  const open = { endpoint: `127.0.0.1:${port}`, workers: 0, transport: 'link', limits, ...SOON } as const;
  await using state = await BridgedState.open(open);
  const names = Array.from({ length: 100 }, (_, place) => `t${place}`);
  for (const name of [...names, 'large']) await state.registerVariable(name, 'string', '');
  await state.registerVariable('n', 'integer', 0);
  // Its link is known from then on.
  await state.setVariable('n', 1);
  const all = (text: string) => Object.fromEntries(names.map((name) => [name, text.padEnd(500)]));
  before.signal('SIGSTOP');
  const atomic = state.updateVariables(all('atomic'), { atomic: true });
  const large = state.setVariable('large', 'x'.repeat(40_000));
  const others = [state.updateVariables(all('apart')), state.setVariable('n', 2)];
  const outcomes = Promise.allSettled([atomic, large]);
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  await before.kill();
  await using _after = await startBridgeServer({
    port,
    engine: new LocalEngine(new SqliteJournal(engine)),
    maxMessageBytes: 16 * 1024,
  });

  for (const outcome of await within(20_000, outcomes, 'the refusals')) {
    assert.equal(outcome.status, 'rejected');
    assert.equal((outcome.reason as { code?: string }).code, 'MESSAGE_TOO_LARGE', String(outcome.reason));
  }
  const [versions] = await within(20_000, Promise.all(others), 'the sets that fit');
  assert.deepEqual(new Set((versions as Map<string, number>).values()), new Set([2]));
  assert.deepEqual([await state.getVariable('n'), await state.getVariable('large')], [2, '']);
  assert.equal(await state.setVariable('n', 3), 4);
});

test('killed five times under sets: same epoch, watches go on by replay, missed 0, every answered set is there', async () => {
  const VARIABLES = 200;
  const engine = `sqlite:${join(root, 'kills')}`;
  let server = await EngineServer.start(engine);
  const { port, epoch } = server;
  const endpoint = `127.0.0.1:${port}`;
  // Only there a set that a break leaves unanswered is made again.
  const writer = await BridgedState.open({ endpoint, workers: 0, transport: 'link', ...SOON });
  const watcher = await BridgedState.open({ endpoint, workers: 1, transport: 'link', verify: true, ...SOON });
  const names = Array.from({ length: VARIABLES }, (_, place) => `v${place}`);
  await Promise.all(names.map((name) => writer.registerVariable(name, 'integer', 0)));
  const seen = new SeenUpdates();
  const { onError, onState } = seen;
  await Promise.all(names.map((name) => watcher.watchVariables(name, seen.watcher, { onError, onState })));
  const answered = new Map<string, number>();
  let isSetting = true;
  let failed: unknown;
  const setting = (async () => {
    for (let value = 1; isSetting; value += 1) {
      const round = names.map((name) =>
        writer.setVariable(name, value).then(
          (version) => void answered.set(name, Math.max(version, answered.get(name) ?? 0)),
          (error: unknown) => {
            failed = error;
          },
        ),
      );
      await Promise.all(round);
    }
  })();
  for (let kill = 0; kill < 5; kill += 1) {
    const before = seen.all.length;
    await seen.when(20_000, () => seen.all.length > before + 1_000, 'updates before the kill');
    await server.kill();
    server = await EngineServer.start(engine, port);
    assert.equal(server.epoch, epoch);
    assert.equal(server.generation, 0);
  }
  const before = seen.all.length;
  await seen.when(20_000, () => seen.all.length > before + 1_000, 'updates behind the last kill');
  isSetting = false;
  await within(20_000, setting, 'the last answers');
  assert.equal(failed, undefined, 'sets are made exactly once: none is unknown');
  const last = new Map<string, number>();
  const isAll = (): boolean => {
    for (const { identifier, metadata } of seen.all) last.set(identifier, metadata.version);
    return names.every((name) => (last.get(name) ?? 0) >= answered.get(name)!);
  };
  await seen.when(20_000, isAll, 'everything that was answered');
  assert.equal(seen.missed, 0);
  assert.deepEqual(seen.all.filter(({ metadata }) => metadata.resync).length, 0, 'no resync');
  assert.deepEqual(seen.errors, []);
  // Each value once, and no version for nothing: no set was made twice.
  for (const name of names) {
    const versions = seen.all.filter(({ identifier }) => identifier === name).map(({ metadata }) => metadata.version);
    assert.deepEqual(
      versions,
      versions.map((_, index) => index + 2),
      name,
    );
    assert.equal(answered.get(name), versions.at(-1), name);
  }
  await watcher.close();
  await writer.close();
  await server.close();
});

test('what was deleted while a watch was away is told, over the server’s end too', async () => {
  const engine = `sqlite:${join(root, 'gone')}`;
  let server = await EngineServer.start(engine);
  const { port } = server;
  const endpoint = `127.0.0.1:${port}`;
  const writer = await BridgedState.open({ endpoint, workers: 0, ...SOON });
  await writer.registerVariable('fan', 'float', 1, { ttlMs: 60_000, description: 'a fan' });
  await writer.registerVariable('old', 'float', 1);
  const seen = new SeenUpdates();
  const watcher = await BridgedState.open({ endpoint, workers: 0, ...SOON });
  const { onError, onState } = seen;
  await watcher.watchVariables(['fan', 'old'], seen.watcher, { onError, onState });
  await writer.setVariable('fan', 2);
  await writer.deleteVariable('old');
  await seen.when(5_000, () => seen.all.length === 2, 'both');
  await server.close();
  server = await EngineServer.start(engine, port);
  assert.equal(await within(10_000, writer.setVariable('fan', 3), 'a set behind it'), 3);
  await seen.when(10_000, () => seen.last?.newValue === 3, 'the set behind it');
  assert.deepEqual(
    seen.rows().map(([, value, version, missed, resync]) => [value, version, missed, resync]),
    [
      [2, 2, 0, false],
      [undefined, 2, 0, false],
      [3, 3, 0, false],
    ],
  );
  const info = await writer.getVariableInfo('fan');
  assert.deepEqual([info.description, info.ttlMs], ['a fan', 60_000]);
  assert.deepEqual(
    (await writer.history('fan')).map(({ value }) => value),
    [1, 2, 3],
  );
  await watcher.close();
  await writer.close();
  await server.close();
});

test('a disk that is full refuses sets and nothing else, is started again while it is full, and goes on when it is freed', async (context) => {
  const disk = SmallDisk.mount(context);
  if (disk === undefined) return;
  let server: EngineServer | undefined;
  try {
    const engine = `sqlite:${disk.folder}/data`;
    server = await EngineServer.start(engine);
    const { port, epoch } = server;
    const state = await BridgedState.open({ endpoint: `127.0.0.1:${port}`, workers: 0, ...SOON });
    await state.registerVariable('text', 'string', '');
    await state.registerVariable('old', 'float', 1);
    const before = new PlainClient(port);
    await before.call('InitializeSession', { sessionId: 'other' });
    before.close();
    disk.fill();
    let answered = '';
    const set = async (): Promise<void> => {
      for (let value = 1; value <= 1_000; value += 1) {
        const text = `${value} ${'x'.repeat(60_000)}`;
        await state.setVariable('text', text);
        answered = text;
      }
    };
    await assert.rejects(set(), { code: 'STORAGE_FULL', message: /is full: nothing was done/ });
    assert.equal(await state.getVariable('text'), answered, 'what was refused cannot be read');
    await state.deleteVariable('old');
    await assert.rejects(state.registerVariable('new', 'float', 1), { code: 'STORAGE_FULL' });
    const batch = { text: `batch ${'x'.repeat(60_000)}` };
    await assert.rejects(state.updateVariables(batch), { code: 'STORAGE_FULL' });
    await server.kill();
    server = await EngineServer.start(engine, port);
    assert.equal(server.epoch, epoch);
    const isThere = await within(10_000, state.getVariable('text'), 'the value that was answered');
    assert.equal(isThere, answered);
    const readyz = (): Promise<Response> => fetch(`http://127.0.0.1:${server!.adminPort}/readyz`);
    const full = await readyz();
    assert.deepEqual([full.status, await full.text()], [503, 'engine full\n']);
    const other = new PlainClient(port);
    await other.call('CleanupSession', { sessionId: 'other', force: true });
    other.close();
    disk.free();
    const again = async (): Promise<void> => {
      for (;;) {
        const refused = await state.setVariable('text', 'again').then(
          () => '',
          ({ code }: { code: string }) => code,
        );
        if (refused === '') return;
        assert.equal(refused, 'STORAGE_FULL');
      }
    };
    await within(10_000, again(), 'room');
    assert.equal((await readyz()).status, 200);
    assert.equal(await state.getVariable('text'), 'again');
    await state.close();
  } finally {
    await server?.kill();
    disk.close();
  }
});

test('a disk that is full before there is any state: the start waits and says why, and goes on when it is freed', async (context) => {
  const disk = SmallDisk.mount(context);
  if (disk === undefined) return;
  try {
    disk.fill();
    const engine = new LocalEngine(new SqliteJournal(join(disk.folder, 'data')));
    const start = startBridgeServer({ port: 0, engine, waitForEngine: new AbortController().signal });
    await until(10_000, () => engine.health.state === 'full', 'a full disk');
    disk.free();
    const server = await within(10_000, start, 'the server');
    assert.equal(engine.health.state, 'ready');
    const state = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
    await state.registerVariable('text', 'string', '');
    await state.close();
    await server.close();
    disk.fill();
    const refused = startBridgeServer({
      port: 0,
      engine: new LocalEngine(new SqliteJournal(join(disk.folder, 'other'))),
    });
    await assert.rejects(within(10_000, refused, 'the refusal'), { code: 'STORAGE_FULL' });
  } finally {
    disk.close();
  }
});
