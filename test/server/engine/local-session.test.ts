import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Commit } from '../../../src/server/engine/engine.js';
import { LocalSession } from '../../../src/server/engine/local-session.js';
import type { PlacedOutcome } from '../../../src/server/engine/records.js';
import { VersionConflictError } from '../../../src/shared/errors.js';
import type { TableOperation } from '../../../src/shared/state/operation.js';
import { acceptRegistration, NO_SETTER } from '../../../src/shared/state/operation.js';
import { hostOf } from './stub-journal.js';

function setup(isKept = true) {
  const told: Commit[] = [];
  const session = new LocalSession('s', 1, {}, 0, hostOf().table, isKept, 0);
  session.follower = { handleCommit: (commit) => void told.push(commit), windows: () => [] };
  const decide = (operation: TableOperation) =>
    session.table.decide({ operations: [operation], isAtomic: false, setter: NO_SETTER, nowMs: 0 }).changes;
  return {
    session,
    told,
    decide,
    registration: (name: string) => acceptRegistration({ name, type: 'float', initial: 0 }),
  };
}

test('what is applied is in the table when it is told, and waits for a snapshot', () => {
  const { session, told, decide, registration } = setup();
  const changes = decide(registration('fan'));
  assert.equal(session.table.find('fan'), undefined, 'decided is not kept');
  session.apply(changes, 7);
  const { variable } = changes[0]!;
  assert.deepEqual(told, [{ sessionId: 's', nowMs: 7, before: 0, revision: 1, changes }]);
  assert.deepEqual([...session.takeDirty().values()], [variable]);
  assert.equal(session.isDirty, false);
  session.putBack(new Map([[variable.place, variable]]));
  assert.equal(session.isDirty, true);
});

test('what was taken back and was kept after all is told as any other', () => {
  const { session, told, decide, registration } = setup();
  const changes = decide(registration('fan'));
  session.table.undo(changes);
  session.replay(changes, 0);
  assert.equal(session.table.require('fan'), changes[0]!.variable);
  assert.equal(told.length, 1);
  const { variable } = changes[0]!;
  const gone = decide({ kind: 'delete', identifier: 'fan', variable, reason: 'deleted' });
  session.apply(gone, 0);
  assert.equal(session.gone.findByName('fan', 0), gone[0]);
});

test('outcomes of sets that change nothing are kept beside the next that does', () => {
  const { session } = setup();
  const place = (sequence: number, before: PlacedOutcome[] = []) => ({ link: 'l', sequence, answered: 1, before });
  assert.equal(session.windowOf(undefined, [1], true), undefined);
  assert.equal(session.windowOf(place(1), [5], false), undefined);
  assert.equal(session.windowOf(place(2), [new VersionConflictError('no')], false), undefined);
  const unasked = { sequence: 3, version: 0, code: 'INVALID_VALUE', message: 'bad' };
  const window = session.windowOf(place(4, [unasked]), [6], true);
  assert.deepEqual(window, {
    link: 'l',
    from: 1,
    outcomes: [
      { sequence: 2, version: 0, code: 'VERSION_CONFLICT', message: 'no' },
      unasked,
      { sequence: 4, version: 6, code: '', message: '' },
    ],
  });
  assert.deepEqual(session.windowOf(place(5), [7], true)?.outcomes.length, 1, 'each once');
});

test('without a journal nothing is noted for snapshots', () => {
  const { session, decide, registration } = setup(false);
  session.apply(decide(registration('fan')), 0);
  assert.equal(session.isDirty, false);
  session.release();
  session.apply(decide(registration('other')), 0);
});
