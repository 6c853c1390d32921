/** Versions from before a start, read while the engine serves already. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineHost } from '../../../src/server/engine/engine.js';
import { HistoryReader } from '../../../src/server/engine/history-reader.js';
import { JournalPast } from '../../../src/server/engine/journal-past.js';
import { LocalSession } from '../../../src/server/engine/local-session.js';
import type { ChangeRecord, CommitRecord, RegistrationRecord } from '../../../src/server/engine/records.js';
import { silentLogger } from '../../../src/shared/logger.js';
import type { VersionedValue } from '../../../src/shared/state/versioned-value.js';
import { hostOf, StubJournal } from './stub-journal.js';

const version = (number: number): VersionedValue => ({
  ...{ version: number, value: number, timestamp: 0, source: '', custom: {}, revision: number },
});
const registration = (place: number): RegistrationRecord => ({
  ...{
    id: `id of ${place}`,
    name: `${place}`,
    type: 'float',
    constraints: {},
    metadata: {},
    description: '',
    ttlMs: 0,
  },
  ...{ createdAt: 0, place, firstVersion: 1 },
});
const change = (place: number, number: number, more: Partial<ChangeRecord> = {}): ChangeRecord => ({
  ...{ place, type: 'float', version: version(number), registration: undefined, reason: undefined, ...more },
});
const commit = (changes: ChangeRecord[], session = 1): CommitRecord => ({
  ...{ sessionId: 's', session, begins: undefined, isEnd: false, before: 0, revision: 0, changes, window: undefined },
});

/** Gives one commit of its log at a time. */
class PastJournal extends StubJournal {
  readonly #log: readonly CommitRecord[];
  pieces = 0;
  failure: Error | undefined;

  constructor(log: readonly CommitRecord[]) {
    super();
    this.#log = log;
  }

  async loadBefore(place: number, handle: (commit: CommitRecord) => void): Promise<number | undefined> {
    this.pieces += 1;
    if (this.failure !== undefined) throw this.failure;
    const before = place - 1;
    if (before < 1) return undefined;
    handle(this.#log[before - 1]!);
    return before;
  }
}

/** A session with a variable of each place, at the versions that are given. */
function setup(variables: Record<number, number[]>, log: readonly CommitRecord[], more: Partial<EngineHost> = {}) {
  const host = hostOf(more);
  const session = new LocalSession('s', 1, {}, 0, host.table, true, 0);
  for (const [place, versions] of Object.entries(variables))
    session.table.restore(registration(Number(place)), versions.map(version), () => 0);
  const journal = new PastJournal(log);
  const read = () => {
    const { logger } = host;
    const reader = new HistoryReader(
      new JournalPast(journal, [session], log.length, { logger, atMs: () => 0 }),
      logger,
    );
    void reader.read(1);
    return reader;
  };
  const versionsOf = (place: number) =>
    session.table
      .at(place)!
      .history.last(1_000)
      .map((entry) => entry.version);
  return { session, journal, read, versionsOf };
}

test('versions are joined to those that are there, up to the first hole, and none is there twice', async () => {
  const log = [
    commit([change(1, 1, { registration: registration(1) }), change(2, 3)]),
    commit([change(1, 2), change(1, 3), change(2, 5)]),
    commit([change(1, 4), change(2, 6)]),
    commit([change(1, 5)]),
  ];
  const { read, versionsOf, session } = setup({ 1: [4, 5], 2: [6] }, log);
  const reader = read();
  assert.deepEqual(versionsOf(1), [4, 5]);
  await reader.whenRead();
  assert.equal(reader.whenRead(), undefined);
  assert.deepEqual(versionsOf(1), [1, 2, 3, 4, 5]);
  assert.deepEqual(versionsOf(2), [5, 6]);
  const bytes = session.table.historyBytes;
  await read().whenRead();
  assert.equal(session.table.historyBytes, bytes);
});

test('what is set, deleted and registered meanwhile stays as it is', async () => {
  const log = [
    commit([change(1, 1, { registration: registration(1) }), change(2, 1, { registration: registration(2) })]),
    commit([change(1, 2), change(2, 2)]),
  ];
  const { read, versionsOf, session } = setup({ 1: [2], 2: [2] }, log);
  const reader = read();
  const { table } = session;
  table.set({ identifier: '1', input: 9 }, { source: '', custom: {} }, 0);
  table.delete('2', 'deleted', 0);
  table.register({ name: '2', type: 'float', initial: 7 }, 0);
  await reader.whenRead();
  assert.deepEqual(versionsOf(1), [1, 2, 3]);
  assert.deepEqual(versionsOf(3), [1]);
  assert.equal(table.at(2), undefined);
});

test('the place of a variable that went brings its versions to no other', async () => {
  const log = [
    commit([change(1, 1, { registration: registration(1) })]),
    commit([change(1, 2)]),
    commit([change(1, 3, { reason: 'deleted' })]),
    commit([change(1, 3, { registration: { ...registration(1), firstVersion: 3 } })]),
    commit([change(2, 1)], 7),
  ];
  const { read, versionsOf } = setup({ 1: [3], 2: [2] }, log);
  await read().whenRead();
  assert.deepEqual([versionsOf(1), versionsOf(2)], [[3], [2]]);
});

test('what cannot be read ends it with a warning, and a close ends it without one', async () => {
  const warnings: unknown[] = [];
  const logger = { ...silentLogger, warn: (_: unknown, sentence?: string) => void warnings.push(sentence) };
  const log = [commit([change(1, 1)]), commit([change(1, 2)])];
  const failing = setup({ 1: [3] }, log, { logger });
  failing.journal.failure = new Error('no');
  await failing.read().whenRead();
  assert.deepEqual([failing.versionsOf(1), warnings.length], [[3], 1]);

  const closed = setup({ 1: [3] }, log, { logger });
  const reader = closed.read();
  await reader.close();
  assert.equal(reader.whenRead(), undefined);
  assert.deepEqual([closed.journal.pieces, warnings.length], [0, 1]);
});

test('variables that nobody has asked for are read before the past, and one that cannot be is said and left out', async () => {
  const errors: unknown[] = [];
  const logger = { ...silentLogger, error: (_: unknown, sentence?: string) => void errors.push(sentence) };
  const log = [commit([change(1, 1, { registration: registration(1) }), change(3, 1)])];
  const { read, session, versionsOf } = setup({}, log, { logger });
  for (const place of [1, 2, 3]) {
    const said = registration(place);
    const unpack = () => {
      if (place === 2) throw new Error('no');
      return { registration: said, versions: [version(2)] };
    };
    const { id, name } = said;
    session.table.restorePacked({ id, name, place, packedBytes: 100, add: () => true, read: unpack }, () => 0);
  }
  const guessed = session.table.heldBytes;
  assert.ok(guessed > 0);
  await read().whenRead();
  assert.deepEqual(errors, ['a variable could not be read']);
  assert.deepEqual(
    [versionsOf(1), versionsOf(3)],
    [
      [1, 2],
      [1, 2],
    ],
  );
  assert.throws(() => session.table.find('2'), /no/);
  for (const name of ['1', '3']) session.table.delete(name, 'deleted', 0);
  // What one that is packed takes is guessed.
  assert.equal(3 * session.table.heldBytes, guessed);
});
