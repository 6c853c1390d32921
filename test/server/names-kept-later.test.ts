/** Calls of one connection about names, with an engine that keeps later: those of different names are kept together, those of one in their order. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { BridgeServer } from '../../src/server/index.js';
import { LocalEngine, SqliteJournal, startBridgeServer } from '../../src/server/index.js';
import { assertNamesInOrder, removed } from '../support/names-in-order.js';
import { PlainClient } from './plain-client.js';

/** On a slow disk. */
class SlowJournal extends SqliteJournal {
  override async append(...args: Parameters<SqliteJournal['append']>): Promise<void> {
    await pause(SLOW_MS);
    await super.append(...args);
  }
}

const SLOW_MS = 20;
const root = mkdtempSync(join(tmpdir(), 'bridged-state-names-'));
after(() => rmSync(root, { recursive: true, force: true }));

describe('names that are kept later', () => {
  let server: BridgeServer;
  let client: PlainClient;
  let folders = 0;
  beforeEach(async () => {
    folders += 1;
    const engine = new LocalEngine(new SlowJournal(join(root, String(folders))));
    server = await startBridgeServer({ port: 0, engine });
    client = new PlainClient(server.port);
    await client.initSession();
  });
  afterEach(async () => {
    client.close();
    await server.close();
  });

  test('are kept together where they are different, registrations and deletions', async () => {
    const names = Array.from({ length: 200 }, (_, place) => `v${place}`);
    const kept = () => server.metrics().engineTransactions;
    let before = kept();
    await Promise.all(names.map((name) => client.register(name, 0)));
    assert.ok(kept() - before < names.length / 4, `${kept() - before} transactions for ${names.length} registrations`);
    before = kept();
    assert.deepEqual(new Set(await Promise.all(names.map((name) => removed(client, name)))), new Set([true]));
    assert.ok(kept() - before < names.length / 4, `${kept() - before} transactions for ${names.length} deletions`);
  });

  test('are in the order of the calls where it is one, by its name and by what is made of it', async () => {
    await assertNamesInOrder(client);
    assert.equal(server.metrics().variables, 20);
  });
});
