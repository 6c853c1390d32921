import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { run, runHere } from '../support/command-line.js';
import { EngineServer } from '../support/engine-server.js';
import { SeenUpdates, SOON } from '../support/seen-updates.js';

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
  const top = await run(['top', '--admin', admin, '--seconds', '0.5', '--json']);
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
