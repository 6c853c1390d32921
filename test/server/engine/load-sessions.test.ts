import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Loaded } from '../../../src/server/engine/journal.js';
import { loadSessions } from '../../../src/server/engine/load-sessions.js';
import type { LocalSession } from '../../../src/server/engine/local-session.js';
import type {
  ChangeRecord,
  CommitRecord,
  RegistrationRecord,
  WindowRecord,
} from '../../../src/server/engine/records.js';
import type { VersionedValue } from '../../../src/shared/state/variable.js';
import { hostOf } from './stub-journal.js';

const placeOf = (id: string): number => id.charCodeAt(0);
const version = (number: number, revision = number): VersionedValue => ({
  ...{ version: number, value: number, timestamp: 0, source: '', custom: {}, revision },
});
const registration = (id: string): RegistrationRecord => ({
  ...{ id, name: `name of ${id}`, type: 'float', constraints: {}, metadata: {}, description: '', ttlMs: 0 },
  ...{ createdAt: 3, place: placeOf(id), firstVersion: 1 },
});
const session = (number = 1): Loaded => ({
  kind: 'session',
  session: { sessionId: `s${number}`, session: number, metadata: {}, createdAt: 0 },
  ...{ revision: 0, forgottenRevision: 0 },
});
const change = (id: string, number: number, more: Partial<ChangeRecord> = {}): ChangeRecord => ({
  ...{ place: placeOf(id), type: 'float', version: version(number), registration: undefined, reason: undefined },
  ...more,
});
const commit = (place: number, changes: ChangeRecord[], window?: WindowRecord): Loaded => {
  const revision = changes.at(-1)?.version.revision ?? 0;
  const record: CommitRecord = {
    ...{ sessionId: 's1', session: 1, begins: undefined, isEnd: false, before: 0, revision, changes, window },
  };
  return { kind: 'commit', place, commit: record };
};

async function load(kept: readonly Loaded[]) {
  const sessions = new Map<string, LocalSession>();
  const journal = {
    load: async (handle: (one: Loaded) => void) => {
      for (const one of kept) handle(one);
    },
  };
  const found = await loadSessions(journal, hostOf(), 0, sessions);
  return { ...found, sessions, table: sessions.get('s1')?.table };
}

const versionsOf = (loaded: Awaited<ReturnType<typeof load>>, id: string): number[] | undefined =>
  loaded.table
    ?.findById(id)
    ?.history.last(1_000)
    .map((entry) => entry.version);

describe('a session that is read again', () => {
  test('has what the log says, from the registration on', async () => {
    const loaded = await load([
      session(),
      commit(1, [change('a', 1, { registration: registration('a') })]),
      commit(2, [change('a', 2), change('a', 3)]),
    ]);
    assert.deepEqual(versionsOf(loaded, 'a'), [1, 2, 3]);
    assert.deepEqual([loaded.place, loaded.lastNumber, loaded.table?.revision], [2, 1, 3]);
    assert.equal(loaded.table?.findById('a')?.createdAt, 3);
  });

  test('joins a snapshot with the log before it and behind it, without a hole', async () => {
    const variable = { session: 1, registration: registration('a'), versions: [5, 6].map((number) => version(number)) };
    const loaded = await load([
      session(),
      { kind: 'variable', variable },
      commit(1, [change('a', 1)]),
      // What a log that was cut has lost.
      ...[3, 4, 5, 6, 7, 8].map((number, index) => commit(index + 2, [change('a', number)])),
    ]);
    assert.deepEqual(versionsOf(loaded, 'a'), [3, 4, 5, 6, 7, 8]);
  });

  test('has no variable that went, and remembers how', async () => {
    const gone = { session: 1, registration: registration('b'), reason: 'expired', version: version(4) } as const;
    const loaded = await load([
      session(),
      { kind: 'gone', gone },
      commit(1, [change('a', 1, { registration: registration('a') })]),
      // Registered before the snapshot had it as gone.
      commit(2, [change('b', 1, { registration: registration('b') })]),
      commit(3, [change('b', 3)]),
      commit(4, [change('a', 5, { reason: 'deleted' })]),
    ]);
    assert.equal(loaded.table?.size, 0);
    const remembered = [...loaded.sessions.get('s1')!.gone.all()].map(({ variable, reason }) => [variable.id, reason]);
    assert.deepEqual(remembered, [
      ['b', 'expired'],
      ['a', 'deleted'],
    ]);
  });

  test('of another life has nothing of this one', async () => {
    const other = commit(1, [change('a', 1, { registration: registration('a') })]);
    const loaded = await load([session(2), other]);
    assert.deepEqual([[...loaded.sessions.keys()], loaded.sessions.get('s2')?.table.size], [['s2'], 0]);
    assert.equal(loaded.lastNumber, 2);
  });

  test('has outcomes of sets once, in order', async () => {
    const outcome = (sequence: number) => ({ sequence, version: sequence, code: '', message: '' });
    const loaded = await load([
      session(),
      { kind: 'window', session: 1, window: { link: 'l', from: 2, outcomes: [outcome(3)] } },
      commit(1, [], { link: 'l', from: 1, outcomes: [outcome(2), outcome(3)] }),
      commit(2, [], { link: 'l', from: 2, outcomes: [outcome(4)] }),
    ]);
    assert.deepEqual(loaded.sessions.get('s1')?.windows, [{ link: 'l', from: 2, outcomes: [outcome(3), outcome(4)] }]);
  });
});
