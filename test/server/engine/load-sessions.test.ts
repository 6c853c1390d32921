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
import type { VersionedValue } from '../../../src/shared/state/versioned-value.js';
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

async function load(kept: readonly Loaded[], lastNumber = 0) {
  const sessions = new Map<string, LocalSession>();
  const journal = {
    load: async (handle: (one: Loaded) => void) => {
      for (const one of kept) handle(one);
      return { place: kept.filter(({ kind }) => kind === 'commit').length, lastNumber };
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

  test('has of the log what its snapshot does not have, and no version twice', async () => {
    const variable = { session: 1, registration: registration('a'), versions: [5, 6].map((number) => version(number)) };
    const loaded = await load([
      session(),
      { kind: 'variable', variable },
      ...[4, 5, 6, 7, 8].map((number, index) => commit(index + 1, [change('a', number)])),
    ]);
    assert.deepEqual(versionsOf(loaded, 'a'), [5, 6, 7, 8]);
  });

  test('of which a snapshot was being written is as the whole log says: names, order and what went', async () => {
    const named = (id: string, name: string): RegistrationRecord => ({ ...registration(id), name });
    const registers = (id: string, revision: number, name: string): ChangeRecord =>
      change(id, 1, { version: version(1, revision), registration: named(id, name) });
    const goes = (id: string, revision: number): ChangeRecord =>
      change(id, 2, { version: version(2, revision), reason: 'deleted' });
    const log = [
      registers('a', 1, 'fan'),
      goes('a', 2),
      registers('b', 3, 'pump'),
      registers('c', 4, 'fan'),
      change('b', 2, { version: version(2, 5) }),
      registers('d', 6, 'door'),
      goes('d', 7),
    ].map((one, index) => commit(index + 1, [one]));
    const row = (id: string, name: string, revision: number): Loaded => ({
      kind: 'variable',
      variable: { session: 1, registration: named(id, name), versions: [version(1, revision)] },
    });
    const gone = (id: string, name: string, revision: number): Loaded => ({
      ...{
        kind: 'gone',
        gone: { session: 1, registration: named(id, name), reason: 'deleted', version: version(2, revision) },
      },
    });
    const packed = (one: Loaded): Loaded => {
      if (one.kind !== 'variable') return one;
      const { session: number, registration: said, versions } = one.variable;
      const { id, name, place } = said;
      const later: VersionedValue[] = [];
      // One that takes a version, and one that has to be read before it does.
      const add = (newer: VersionedValue) => name !== 'fan' && later.push(newer) > 0;
      const read = () => ({ registration: said, versions: [...versions, ...later.filter((one) => one.version > 1)] });
      return { kind: 'packed', session: number, variable: { id, name, place, packedBytes: 50, add, read } };
    };
    // What portions of it may have been written: a variable that went may be there, or be gone already.
    const portions = [
      [],
      [row('a', 'fan', 1)],
      [row('a', 'fan', 1), row('c', 'fan', 4)],
      [gone('a', 'fan', 2), row('c', 'fan', 4), row('d', 'door', 6)],
      [row('b', 'pump', 3), gone('d', 'door', 7)],
      [row('c', 'fan', 4)],
    ];
    for (const rows of [...portions, ...portions.map((portion) => portion.map(packed))]) {
      const { table, sessions } = await load([session(), ...rows, ...log]);
      const order = [];
      for (let next = table!.after(0); next !== undefined; next = table!.after(next.place)) order.push(next.id);
      assert.deepEqual(order, ['b', 'c']);
      assert.deepEqual([table!.find('fan')?.id, table!.find('pump')?.current.version], ['c', 2]);
      assert.deepEqual([table!.size, table!.revision, table!.decidedRevision], [2, 7, 7]);
      assert.deepEqual(
        [...sessions.get('s1')!.gone.all()].map(({ variable, current }) => [variable.id, current.revision]),
        [
          ['a', 2],
          ['d', 7],
        ],
      );
      const { heldBytes } = (await load([session(), ...log])).table!;
      assert.equal(table!.heldBytes, heldBytes);
    }
  });

  test('gives no place again that a remembered variable had', async () => {
    const gone = { session: 1, registration: registration('b'), reason: 'deleted', version: version(4) } as const;
    const { table } = await load([session(), { kind: 'gone', gone }]);
    const variable = table!.register({ name: 'next', type: 'float', initial: 0 }, 0).variable;
    assert.equal(variable.place, placeOf('b') + 1);
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
    assert.equal((await load([session(2)], 7)).lastNumber, 7);
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
