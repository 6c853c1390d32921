/** What a server over SQLite has after several starts, wherever its snapshots and its log were when it ended. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { BridgedState } from '../../../../src/main/index.js';
import type { BridgeServer } from '../../../../src/server/index.js';
import { LocalEngine, SqliteJournal, startBridgeServer } from '../../../../src/server/index.js';
import { until } from '../../../support/deadline.js';

const NEVER_MS = 1_000_000;

/** Starts over one folder; what is older than a snapshot is cut from the log at once. */
function startsOver(t: TestContext): (snapshotEveryMs: number) => Promise<BridgeServer> {
  const folder = mkdtempSync(join(tmpdir(), 'bridged-state-restarts-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return (snapshotEveryMs) =>
    startBridgeServer({
      port: 0,
      history: { maxAgeMs: 0 },
      engine: new LocalEngine(new SqliteJournal(folder), { snapshotEveryMs }),
    });
}

function openAt({ port }: BridgeServer): Promise<BridgedState> {
  return BridgedState.open({ endpoint: `127.0.0.1:${port}`, workers: 0 });
}

test('what only the log had is in the first snapshot of the next start', async (t) => {
  const start = startsOver(t);
  let server = await start(NEVER_MS);
  let state = await openAt(server);
  for (const name of ['kept', 'gone', 'set later']) await state.registerVariable(name, 'integer', 1);
  for (let value = 2; value < 30; value += 1) await state.setVariable('kept', value);
  await state.deleteVariable('gone');
  await state.close();
  await server.close();

  server = await start(20);
  state = await openAt(server);
  await state.setVariable('set later', 2);
  await until(10_000, () => server.metrics().engineJournalChanges <= 1, 'a log that is cut');
  await state.close();
  await server.close();

  server = await start(NEVER_MS);
  state = await openAt(server);
  assert.deepEqual([...(await state.getVariables(['kept', 'set later'])).values()], [29, 2]);
  assert.equal((await state.getVariableInfo('kept')).version, 29);
  assert.equal((await state.history('kept')).length, 16);
  await assert.rejects(state.getVariable('gone'), { code: 'VARIABLE_NOT_FOUND' });
  await state.close();
  await server.close();
});

test('a log that grew long is cut right after a start, and sooner while it grows, though no snapshot is due', async (t) => {
  const start = startsOver(t);
  let server = await start(NEVER_MS);
  let state = await openAt(server);
  const names = Array.from({ length: 50 }, (_, place) => `v${place}`);
  await Promise.all(names.map((name) => state.registerVariable(name, 'integer', 0)));
  const setAll = async (from: number, to: number): Promise<void> => {
    const rounds = Array.from({ length: to - from }, (_, round) =>
      Object.fromEntries(names.map((name) => [name, from + round])),
    );
    await Promise.all(rounds.map((values) => state.updateVariables(values)));
  };
  await setAll(1, 60);
  // The last append stays in the log.
  await state.setVariable('v0', 60);
  assert.ok(server.metrics().engineJournalChanges > 2_000);
  await state.close();
  await server.close();

  server = await start(NEVER_MS);
  await until(10_000, () => server.metrics().engineJournalChanges <= 1_000, 'a log that is cut');
  state = await openAt(server);
  await setAll(60, 270);
  await until(10_000, () => server.metrics().engineJournalChanges < 10_000, 'a log that is cut again');
  assert.ok(server.metrics().engineChanges > 10_000);
  await state.close();
  await server.close();
  server = await start(NEVER_MS);
  state = await openAt(server);
  const held = await state.getVariables(names);
  assert.ok(names.every((name) => held.get(name) === 269));
  await state.close();
  await server.close();
});

test('a variable that takes its place behind one that went is there after a server that was killed', async (t) => {
  const start = startsOver(t);
  let server = await start(20);
  let state = await openAt(server);
  for (const name of ['kept', 'gone']) await state.registerVariable(name, 'integer', 1);
  await state.deleteVariable('gone');
  await until(10_000, () => server.metrics().engineJournalChanges <= 1, 'a log that is cut');
  await state.close();
  await server.close();
  // Without a snapshot as with one.
  for (const name of ['next', 'last']) {
    server = await start(NEVER_MS);
    state = await openAt(server);
    await state.registerVariable(name, 'integer', 2);
    await state.close();
    await server.close();
  }
  server = await start(NEVER_MS);
  state = await openAt(server);
  assert.deepEqual([...(await state.getVariables(['kept', 'next', 'last'])).values()], [1, 2, 2]);
  await state.close();
  await server.close();
});
