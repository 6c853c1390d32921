/** A server over SQLite serves while it still reads the versions from before its start: what waits for them, and what does not. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { CommitRecord } from '../../../../src/server/engine/records.js';
import { LocalEngine, SqliteJournal, startBridgeServer } from '../../../../src/server/index.js';
import { until } from '../../../support/deadline.js';
import { newValue, oldValue, PlainClient } from '../../plain-client.js';

/** Reads nothing of the past until it is told to, and says what its snapshots cover. */
class HeldPast extends SqliteJournal {
  release!: () => void;
  appends = 0;
  coveredTo = 0;
  readonly #released = new Promise<void>((resolve) => {
    this.release = resolve;
  });

  override append(commits: readonly CommitRecord[]): Promise<void> {
    this.appends += 1;
    return super.append(commits);
  }

  override async cut(...args: Parameters<SqliteJournal['cut']>): Promise<void> {
    await super.cut(...args);
    [this.coveredTo] = args;
  }

  override async loadBefore(...args: Parameters<SqliteJournal['loadBefore']>): Promise<number | undefined> {
    await this.#released;
    return super.loadBefore(...args);
  }
}

const NEVER_MS = 1_000_000;
const VERSIONS = 40;

/** A server whose variable `fan` has 40 versions, of which its tables have the last 16: the others are only in the log that is not read yet. */
async function restarted(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'bridged-state-past-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const start = async (snapshotEveryMs: number) => {
    const journal = new HeldPast(folder);
    const server = await startBridgeServer({ port: 0, engine: new LocalEngine(journal, { snapshotEveryMs }) });
    return { journal, server, client: new PlainClient(server.port) };
  };
  const before = await start(20);
  await before.client.initSession();
  const id = await before.client.register('fan', 1);
  for (let value = 2; value <= VERSIONS; value += 1) await before.client.set('fan', value);
  before.journal.release();
  await until(10_000, () => before.journal.coveredTo === before.journal.appends, 'a snapshot of all');
  before.client.close();
  await before.server.close();
  const now = await start(NEVER_MS);
  t.after(async () => {
    now.journal.release();
    now.client.close();
    await now.server.close();
  });
  return { ...now, id };
}

const history = async (client: PlainClient, limit = 0): Promise<unknown[]> => {
  const { entries } = await client.call('GetVariableHistory', { sessionId: 's', variableIdentifier: 'fan', limit });
  return (entries ?? []).map(({ version }) => Number(version));
};
const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

test('a history waits for versions that are being read, and what is called behind it does not', async (t) => {
  const { journal, client } = await restarted(t);
  let isAnswered = false;
  const answer = history(client).finally(() => {
    isAnswered = true;
  });
  await client.set('fan', VERSIONS + 1);
  assert.equal(isAnswered, false);
  journal.release();
  assert.deepEqual(
    (await answer).sort((a, b) => Number(a) - Number(b)),
    upTo(VERSIONS + 1),
  );
});

test('a rollback waits where its version is being read, and a set that is called behind it is made behind it', async (t) => {
  const { journal, client } = await restarted(t);
  const rollback = (targetVersion: number) =>
    client.call('RollbackVariable', { sessionId: 's', variableIdentifier: 'fan', targetVersion });
  assert.equal(Number((await rollback(30)).variable?.version), VERSIONS + 1, 'of a version that is there');
  const late = rollback(3);
  const behind = client.set('fan', 77);
  journal.release();
  assert.equal(Number((await late).variable?.version), VERSIONS + 2);
  await behind;
  assert.deepEqual((await history(client, 1))[0], VERSIONS + 3);
  assert.equal((await rollback(99)).success, false);
});

test('a watch that comes back for more than there is yet gets each version once it is read, and what is set meanwhile', async (t) => {
  const { journal, server, client, id } = await restarted(t);
  const resume = (seen: number) =>
    client.watch({
      ...{ sessionId: 's', variableIdentifiers: ['fan'], resume: { [id]: seen }, resumeEpoch: server.epoch },
      ...{ includeInitialValues: true, options: { synced: '1' } },
    });
  const recent = resume(30);
  assert.equal(oldValue((await recent.take(11))[0]!), 30, 'what is there is told at once');
  const early = resume(5);
  // The last that it has, without the value before it.
  const edge = resume(VERSIONS - 16);
  await client.set('fan', VERSIONS + 1);
  journal.release();
  for (const [watch, seen] of [
    [early, 5],
    [edge, VERSIONS - 16],
  ] as const) {
    const updates = (await watch.take(VERSIONS + 2 - seen)).filter(({ updateType }) => updateType !== 'synced');
    assert.deepEqual(
      updates.map((update) => [update.updateType, Number(update.missed), oldValue(update), newValue(update)]),
      upTo(VERSIONS + 1)
        .slice(seen)
        .map((value) => ['value_change', 0, value - 1, value]),
    );
  }
  for (const watch of [recent, early, edge]) watch.call.cancel();
});
