/** A folder of SQLite: who has it, what is in it, what a full disk and a newer version do. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { LocalEngine } from '../../../../src/server/engine/local-engine.js';
import type { LoadedRow } from '../../../../src/server/engine/sqlite/packed-rows.js';
import { unpackRows } from '../../../../src/server/engine/sqlite/packed-rows.js';
import { restoreSqlite } from '../../../../src/server/engine/sqlite/restore-sqlite.js';
import { openSqlite } from '../../../../src/server/engine/sqlite/sqlite-driver.js';
import { FILE_NAME, SqliteFile } from '../../../../src/server/engine/sqlite/sqlite-file.js';
import { SqliteJournal } from '../../../../src/server/engine/sqlite/sqlite-journal.js';
import { SqliteThread } from '../../../../src/server/engine/sqlite/sqlite-thread.js';
import { startBridgeServer } from '../../../../src/server/index.js';
import type { TableOperation } from '../../../../src/shared/state/operation.js';
import { acceptDecoded, acceptRegistration, NO_SETTER } from '../../../../src/shared/state/operation.js';
import { until } from '../../../support/deadline.js';
import { hostOf } from '../stub-journal.js';

const root = mkdtempSync(join(tmpdir(), 'bridged-state-sqlite-'));
after(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => {
  folders += 1;
  return join(root, `${folders}`);
};

async function opened(path: string) {
  const journal = new SqliteJournal(path);
  const engine = new LocalEngine(journal);
  const life = await engine.open(hostOf());
  return { journal, engine, life };
}

describe('a folder', () => {
  test('is made, holds one database and its reserve, and is free again when it is closed', async () => {
    const path = join(folder(), 'deep');
    const { engine, life } = await opened(path);
    assert.deepEqual(life, { epoch: 'epoch_1', generation: 0 });
    assert.ok(statSync(join(path, 'reserve')).size >= 4 * 1024 * 1024);
    await engine.close();
    assert.deepEqual(readdirSync(path).sort(), ['reserve', FILE_NAME]);
    const again = await opened(path);
    assert.deepEqual(again.life, life);
    await again.engine.close();
  });

  test('is of one server at a time', async () => {
    const path = folder();
    const { engine } = await opened(path);
    const refusal = { code: 'ENGINE_IN_USE', message: /is in use by another server: stop it, or give/ };
    await assert.rejects(opened(path), refusal);
    const second = startBridgeServer({ port: 0, engine: new LocalEngine(new SqliteJournal(path)) });
    await assert.rejects(second, refusal);
    await engine.close();
    await (await opened(path)).engine.close();
  });

  test('of a newer format, of something else, or that is none, is refused with its remedy', async () => {
    const newer = folder();
    await (await opened(newer)).engine.close();
    const database = openSqlite(join(newer, FILE_NAME));
    database.exec('PRAGMA user_version = 99');
    database.close();
    await assert.rejects(opened(newer), {
      code: 'ENGINE_FORMAT',
      message: /has format 99, and this version knows 1: start it/,
    });

    const foreign = folder();
    await (await opened(foreign)).engine.close();
    rmSync(join(foreign, FILE_NAME));
    const other = openSqlite(join(foreign, FILE_NAME));
    other.exec('CREATE TABLE theirs (a)');
    other.close();
    await assert.rejects(opened(foreign), { code: 'ENGINE_FORMAT', message: /is a database of something else/ });

    const text = folder();
    await (await opened(text)).engine.close();
    writeFileSync(join(text, FILE_NAME), 'this is no database, and longer than a header would be. '.repeat(100));
    await assert.rejects(opened(text), { code: 'ENGINE_FORMAT' });

    const file = folder();
    writeFileSync(file, '');
    await assert.rejects(opened(join(file, 'below')), { code: 'ENGINE_UNAVAILABLE' });
  });

  test('that has a row which cannot be read is refused with its remedy, and let go of', async () => {
    const path = folder();
    await (await opened(path)).engine.close();
    const edit = (statement: string): void => {
      const database = openSqlite(join(path, FILE_NAME));
      database.exec(statement);
      database.close();
    };
    edit("INSERT INTO session VALUES (1, 0, 0, x'0aff')");
    await assert.rejects(opened(path), { code: 'ENGINE_FORMAT', message: /cannot read .*: upgrade it, or restore/ });
    edit('DELETE FROM session');
    await (await opened(path)).engine.close();
  });

  test('a copy of it is whole, also while it is written', async () => {
    const path = folder();
    const { engine, journal } = await opened(path);
    const follower = { handleCommit: () => undefined, windows: () => [] };
    await engine.follow('s', follower, { metadata: { a: 'b' }, createdAtMs: 0 });
    const file = await journal.backup();
    await engine.follow('later', follower, { metadata: {}, createdAtMs: 0 });
    await engine.close();
    const copy = folder();
    assert.deepEqual(await restoreSqlite(file, copy), { epoch: 'epoch_1', generation: 1 });
    await assert.rejects(restoreSqlite(file, copy), { code: 'ENGINE_IN_USE', message: /holds a state already/ });
    const restored = await opened(copy);
    assert.deepEqual([[...restored.engine.sessionIds], restored.life.generation], [['s'], 1]);
    await restored.engine.close();
    const text = join(root, 'text');
    writeFileSync(text, 'no database, and long enough to be looked at. '.repeat(200));
    const other = folder();
    await assert.rejects(restoreSqlite(text, other), { code: 'ENGINE_FORMAT' });
    assert.deepEqual(readdirSync(other), [], 'nothing of it is left');
  });
});

describe('a folder that is read before it is opened', () => {
  const begun = (path: string) => {
    const journal = new SqliteJournal(path);
    const thread = new SqliteThread(path);
    thread.begin('fsync');
    journal.adopt(thread);
    return { journal, engine: new LocalEngine(journal) };
  };

  test('has what it has, also for a second time after a failure', async () => {
    const path = folder();
    const { engine } = await opened(path);
    const follower = { handleCommit: () => undefined, windows: () => [] };
    await engine.follow('s', follower, { metadata: {}, createdAtMs: 0 });
    const refused = begun(path);
    await assert.rejects(refused.engine.open(hostOf()), { code: 'ENGINE_IN_USE' });
    await engine.close();
    for (let start = 0; start < 2; start += 1) {
      const { engine: read } = begun(path);
      assert.deepEqual(await read.open(hostOf()), { epoch: 'epoch_1', generation: 0 });
      assert.deepEqual([...read.sessionIds], ['s']);
      await read.close();
    }
  });

  test('and then is not, is let go of as it was found: a machine that went down may have lost something', async () => {
    const path = folder();
    await (await opened(path)).engine.close();
    const database = openSqlite(join(path, FILE_NAME));
    for (const [key, value] of Object.entries({ state: 'open', durability: 'os', boot: 'another' }))
      database.exec(`UPDATE meta SET value = '${value}' WHERE key = '${key}'`);
    database.close();
    await begun(path).engine.close();
    await begun(path).journal.close();
    const { engine, life } = await opened(path);
    assert.equal(life.generation, 1);
    await engine.close();
  });
});

test('what a snapshot has need not be in the log: versions, deletions, outcomes and revisions are there without it', async () => {
  const path = folder();
  const journal = new SqliteJournal(path);
  const engine = new LocalEngine(journal, { snapshotEveryMs: 5 });
  const table = { ...hostOf().table, history: { maxAgeMs: 0, maxVersions: 100, maxSessionBytes: 1e9 } };
  await engine.open(hostOf({ table }));
  const outcomes = [{ sequence: 4, version: 9, code: '', message: '' }];
  const follower = { handleCommit: () => undefined, windows: () => [{ link: 'l', from: 3, outcomes }] };
  const following = (await engine.follow('s', follower, { metadata: {}, createdAtMs: 0 }))!;
  const ask = async (operation: TableOperation) => {
    const [result] = (
      await engine.commit({ sessionId: 's', operations: [operation], isAtomic: false, setter: NO_SETTER, nowMs: 0 })
    ).results;
    assert.equal(typeof result, 'number');
  };
  for (const name of ['a', 'b', 'c'])
    await ask(acceptRegistration({ name, type: 'float', initial: 0 }, `id of ${name}`));
  for (let value = 1; value <= 100; value += 1) await ask(acceptDecoded('a', following.table.require('a'), value));
  await ask({ kind: 'delete', identifier: 'b', variable: following.table.require('b'), reason: 'deleted' });
  const { revision } = following.table;
  await until(5_000, () => engine.stats.journalChanges <= 1, 'a log that is cut');
  await engine.close();
  const again = await opened(path);
  const { table: read, gone, windows } = (await again.engine.follow('s', follower))!;
  assert.deepEqual(
    read
      .require('a')
      .history.last(99)
      .map(({ version }) => version),
    Array.from({ length: 16 }, (_, index) => 86 + index),
  );
  assert.deepEqual([read.revision, read.size, gone.find('id of b')?.reason], [revision, 2, 'deleted']);
  assert.deepEqual(windows, [{ link: 'l', from: 3, outcomes }]);
  await again.engine.close();
});

test('rows are read as they were written, whatever bytes they have and however many', () => {
  const file = new SqliteFile(folder(), 'os');
  file.begin();
  file.open('epoch_1');
  file.append({
    kind: 'append',
    bytes: Uint8Array.of(9),
    changes: 0,
    begun: [{ session: 1, revision: 0, bytes: Uint8Array.of(1) }],
    ended: [],
  });
  const sizeOf = (place: number): number =>
    place % 1_000 === 7 ? 3_000_000 : place === 2_500 ? 5_000_000 : place % 200;
  const bytesAt = (place: number): Uint8Array => new Uint8Array(sizeOf(place)).fill(place * 37);
  const places = Array.from({ length: 5_000 }, (_, index) => index + 1);
  const variables = places.map((place) => ({ session: 1, place, bytes: bytesAt(place) }));
  file.snapshot({ variables, removed: [], gone: [], sessions: [] });
  const rows: Pick<LoadedRow, 'kind' | 'bytes'>[] = [];
  for (const piece of file.load())
    unpackRows(piece, ({ kind, from, to }) => rows.push({ kind, bytes: piece.bytes.subarray(from, to) }));
  file.close();
  assert.deepEqual(
    rows.map(({ kind }) => kind),
    ['session', ...places.map(() => 'variable'), 'commits'],
  );
  for (const place of places) assert.ok(Buffer.from(bytesAt(place)).equals(rows[place]!.bytes), `row ${place}`);
});

test('one that is killed says nothing more, and leaves nothing that waits for ever', async () => {
  const { engine, journal } = await opened(folder());
  const follower = { handleCommit: () => undefined, windows: () => [] };
  await journal.kill();
  const refusal = { code: 'ENGINE_UNAVAILABLE' };
  await assert.rejects(async () => engine.follow('t', follower, { metadata: {}, createdAtMs: 0 }), refusal);
  await engine.close();
});
