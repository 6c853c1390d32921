import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { LocalEngine, SqliteJournal, startBridgeServer } from '../../src/server/index.js';
import { run, runHere } from '../support/command-line.js';
import { EngineServer } from '../support/engine-server.js';
import { SeenUpdates, SOON } from '../support/seen-updates.js';
import { SmallDisk } from '../support/small-disk.js';

const root = mkdtempSync(join(tmpdir(), 'bridged-state-backup-'));
after(() => rmSync(root, { recursive: true, force: true }));

test('a backup of a running server becomes a folder whose watches are told resync', async (t) => {
  const folder = join(root, 'data');
  let server = await EngineServer.start(`sqlite:${folder}`);
  t.after(() => server.kill());
  const { port, adminPort, epoch } = server;
  const admin = `127.0.0.1:${adminPort}`;
  await using state = await BridgedState.open({ endpoint: `127.0.0.1:${port}`, workers: 0, ...SOON });
  await state.registerVariable('fan', 'float', 1);
  await state.setVariable('fan', 2);
  const seen = new SeenUpdates();
  const { onError, onState } = seen;
  await state.watchVariables('fan', seen.watcher, { onError, onState });
  const file = join(root, 'copy.sqlite');
  const made = await run(['backup', file, '--admin', admin]);
  assert.deepEqual([made.exitCode, JSON.parse(made.stdout)], [0, { event: 'backup', file, epoch }], made.stderr);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('backup')),
    [],
    'nothing of it stays behind',
  );
  await state.setVariable('fan', 3);
  await seen.when(5_000, () => seen.last?.newValue === 3, 'a set behind the backup');

  const metrics = await (await fetch(`http://${admin}/metrics`)).text();
  assert.match(metrics, /^bridged_state_engine_ready 1$/m);
  assert.match(metrics, /^bridged_state_engine_transactions_total [1-9]/m);
  assert.match(metrics, /^bridged_state_engine_commit_ms_p99 \d/m);
  for (const name of ['bridged_state_engine_commit_ms', 'bridged_state_engine_sync_ms']) {
    assert.match(metrics, new RegExp(`^# TYPE ${name} histogram$`, 'm'));
    const count = new RegExp(`^${name}_count ([1-9]\\d*)$`, 'm').exec(metrics)?.[1];
    assert.match(metrics, new RegExp(`^${name}_bucket{le="\\+Inf"} ${count}$`, 'm'));
    assert.match(metrics, new RegExp(`^${name}_bucket{le="10"} \\d+$`, 'm'));
    assert.match(metrics, new RegExp(`^${name}_sum \\d`, 'm'));
  }
  const top = await runHere(['top', '--admin', admin, '--seconds', '0.5', '--json']);
  assert.equal((JSON.parse(top.stdout.split('\n')[0]!) as { engineReady: boolean }).engineReady, true);

  const refused = await runHere(['restore', file, '--engine', `sqlite:${folder}`]);
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /holds a state already/);
  await server.kill();
  const other = join(root, 'restored');
  const restored = await run(['restore', file, '--engine', `sqlite:${other}`]);
  assert.deepEqual(
    JSON.parse(restored.stdout),
    { event: 'restored', folder: other, epoch, generation: 1 },
    restored.stderr,
  );
  server = await EngineServer.start(`sqlite:${other}`, port);
  assert.deepEqual([server.epoch, server.generation], [epoch, 1]);
  await seen.when(10_000, () => seen.last?.newValue === 2, 'the value of the backup');
  assert.equal(seen.last?.metadata.resync, true);
});

test('a server whose engine keeps nothing makes no backup, and one that is missing, or none, is said', async () => {
  await using server = await startBridgeServer({ port: 0, adminPort: 0 });
  const { exitCode, stderr } = await runHere([
    'backup',
    join(root, 'none'),
    '--admin',
    `127.0.0.1:${server.adminPort}`,
  ]);
  assert.equal(exitCode, 1);
  assert.match(stderr, /the memory engine keeps nothing that could be copied/);
  const nobody = await runHere(['backup', join(root, 'none'), '--admin', `127.0.0.1:${server.port}`]);
  assert.equal(nobody.exitCode, 1);
  const empty = join(root, 'empty.sqlite');
  const text = join(root, 'text.sqlite');
  writeFileSync(empty, '');
  writeFileSync(text, 'not a database at all '.repeat(100));
  for (const file of [empty, text]) {
    const folder = join(root, 'stays');
    const { exitCode, stderr } = await runHere(['restore', file, '--engine', `sqlite:${folder}`]);
    assert.equal(exitCode, 1, file);
    assert.match(stderr, /^bridged-state: \S+ cannot be restored \(it[^\n]*\): give a file that backup wrote\n$/);
    assert.deepEqual(readdirSync(folder), []);
    const onFile = await runHere(['restore', file, '--engine', `sqlite:${text}`]);
    assert.match(onFile.stderr, /text\.sqlite cannot be made: give a folder/);
  }
  const nothing = await runHere(['restore', join(root, 'none'), '--engine', `sqlite:${join(root, 'empty')}`]);
  assert.match(nothing.stderr, /cannot be restored/);
});

test('a folder of a server that was killed takes a backup only without its log, and one of a restore that was killed at once', async (t) => {
  const folder = join(root, 'killed');
  const server = await EngineServer.start(`sqlite:${folder}`);
  t.after(() => server.kill());
  const state = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0, ...SOON });
  await state.registerVariable('fan', 'float', 1);
  const file = join(root, 'before.sqlite');
  assert.equal((await runHere(['backup', file, '--admin', `127.0.0.1:${server.adminPort}`])).exitCode, 0);
  for (let n = 2; n <= 50; n += 1) await state.setVariable('fan', n);
  await server.kill();
  await state.close();
  const restore = () => runHere(['restore', file, '--engine', `sqlite:${folder}`]);
  // What a restore leaves that is killed when the copy is there and its log is not in it.
  const restored = join(root, 'half');
  cpSync(folder, join(restored, 'coming'), { recursive: true });

  renameSync(join(folder, 'state.sqlite'), join(folder, 'old'));
  const refused = await restore();
  assert.match(refused.stderr, /holds a state already: .* move state\.sqlite-wal away first/);
  assert.equal(refused.exitCode, 1);
  rmSync(join(folder, 'state.sqlite-wal'));
  for (const made of [await restore(), await runHere(['restore', file, '--engine', `sqlite:${restored}`])])
    assert.equal(made.exitCode, 0, made.stderr);
  for (const there of [folder, restored]) {
    await using again = await startBridgeServer({ port: 0, engine: new LocalEngine(new SqliteJournal(there)) });
    await using reader = await BridgedState.open({ endpoint: `127.0.0.1:${again.port}`, workers: 0 });
    assert.deepEqual([again.generation, await reader.getVariable('fan')], [1, 1], there);
  }
});

test('a backup for which there is no room leaves nothing, and no set is refused for it', async (t) => {
  const disk = SmallDisk.mount(t);
  if (disk === undefined) return;
  t.after(() => disk.close());
  const folder = join(disk.folder, 'data');
  // Of a server that was killed while it made one: the next start removes it.
  mkdirSync(folder);
  writeFileSync(join(folder, 'backup-one.sqlite.unfinished'), 'half');
  const server = await EngineServer.start(`sqlite:${folder}`);
  t.after(() => server.kill());
  const admin = `127.0.0.1:${server.adminPort}`;
  assert.deepEqual(readdirSync(folder).sort(), ['reserve', 'state.sqlite', 'state.sqlite-wal']);
  await using state = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0, ...SOON });
  for (const name of ['a', 'b']) await state.registerVariable(name, 'string', name.repeat(1_000_000));
  await state.registerVariable('fan', 'float', 1);

  disk.fill(512 * 1024);
  const response = await fetch(`http://${admin}/backup`, { method: 'POST' });
  assert.equal(response.status, 507);
  assert.match(await response.text(), /a copy of \S+ cannot be made .*full.*: nothing was done; free some/);
  assert.equal(await state.setVariable('fan', 2), 2);
  assert.equal((await fetch(`http://${admin}/readyz`)).status, 200);
  assert.deepEqual(readdirSync(folder).sort(), ['reserve', 'state.sqlite', 'state.sqlite-wal']);

  disk.free();
  const file = join(root, 'large.sqlite');
  assert.equal((await runHere(['backup', file, '--admin', admin])).exitCode, 0);
  disk.fill(512 * 1024);
  const target = join(disk.folder, 'restored');
  const restored = await runHere(['restore', file, '--engine', `sqlite:${target}`]);
  assert.match(restored.stderr, /restored has no room for \S+: nothing was done/);
  assert.deepEqual(readdirSync(target), []);
});
