/** An engine whose journal keeps later, or does not: what was decided upon what is not kept, and what anybody sees of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EngineHealth } from '../../../src/server/engine/engine.js';
import { LocalEngine } from '../../../src/server/engine/local-engine.js';
import { Session } from '../../../src/server/session.js';
import { LeftWindows } from '../../../src/server/watch/left-windows.js';
import { Deadlines } from '../../../src/shared/deadlines.js';
import { type BridgeError, EngineUnavailableError, StorageFullError } from '../../../src/shared/errors.js';
import { NO_SETTER } from '../../../src/shared/state/operation.js';
import type { Change } from '../../../src/shared/state/variable.js';
import type { VariableValue } from '../../../src/shared/values/variable-type.js';
import { within } from '../../support/deadline.js';
import { hostOf, StubJournal } from './stub-journal.js';

async function setup(journal = new StubJournal(undefined, { holds: true })) {
  const engine = new LocalEngine(journal);
  const health: EngineHealth['state'][] = [];
  const host = hostOf({ handleHealth: ({ state }) => void health.push(state) });
  await engine.open(host);
  const told: Change[] = [];
  const deadlines = new Deadlines({ keepsProcessAlive: false });
  const tell = (_: string, changes: readonly Change[]) => void told.push(...changes);
  const options = {
    id: 's',
    engine,
    maxAtomicVariables: 100,
    leftWindows: new LeftWindows(),
    deadlines,
    newVariableId: host.table.newId,
    tell,
  };
  const opening = Session.open(options, 0, { metadata: {}, createdAtMs: 0 });
  await journal.keep();
  const session = (await opening)!;
  const register = async (name: string) => {
    const registering = session.register({ name, type: 'float', initial: 0 }, 0);
    await journal.keep();
    return registering;
  };
  const set = (name: string, value: VariableValue) =>
    Promise.resolve(session.commit(session.acceptDecoded(name, session.require(name), value), NO_SETTER, 0));
  return { journal, engine, session, told, register, set, health };
}

/** Its result, or the code of its refusal: awaited from the start, so that none is missed. */
function heard(ask: () => unknown): Promise<unknown> {
  return Promise.resolve()
    .then(ask)
    .catch(({ code }: BridgeError) => code);
}

/** Whether it has an answer, one turn later. */
async function isAnswered(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const note = (): void => {
    isSettled = true;
  };
  promise.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return isSettled;
}

describe('what is not kept yet', () => {
  test('an equal value is answered when the version that it equals is kept', async () => {
    const { journal, register, set } = await setup();
    await register('fan');
    const first = set('fan', 1);
    const equal = set('fan', 1);
    await journal.asked();
    assert.deepEqual([await isAnswered(first), await isAnswered(equal)], [false, false]);
    await journal.keep();
    assert.deepEqual(await Promise.all([first, equal]), [2, 2]);
    assert.ok(await isAnswered(set('fan', 1)), 'equal to what is kept: at once');
  });

  test('is equal to a value that is kept: answered at once, whatever is on its way for others', async () => {
    const { journal, register, set } = await setup();
    await register('fan');
    await register('other');
    const other = set('other', 1);
    await journal.asked();
    assert.ok(await isAnswered(set('fan', 0)));
    await journal.keep();
    await other;
  });

  test('cannot be read, in no way, until it is kept; then it is told, and answered', async () => {
    const { journal, session, told, register, set } = await setup();
    const fan = await register('fan');
    const before = [session.revision, told.length, fan.history.length];
    const setting = set('fan', 1);
    await journal.asked();
    const registering = Promise.resolve(session.register({ name: 'new', type: 'float', initial: 5 }, 0));
    assert.deepEqual([session.revision, told.length, fan.history.length], before);
    assert.deepEqual([session.toldRevision, fan.current.version, session.find('new')], [1, 1, undefined]);
    assert.deepEqual([...session.variables()].length, 1);
    await journal.keep();
    await setting;
    await journal.keep();
    await registering;
    assert.deepEqual([fan.current.version, session.toldRevision, told.length], [2, 3, 3]);
  });

  test('a refusal by it waits for it, and is none when that was not kept', async () => {
    const { journal, session, register, set } = await setup();
    const fan = await register('fan');
    const first = heard(() => set('fan', 1));
    const conflict = heard(() => session.commit(session.acceptDecoded('fan', fan, 9, 1), NO_SETTER, 0));
    await journal.asked();
    assert.equal(await isAnswered(conflict), false);
    journal.refuse(new StorageFullError('full'));
    await journal.keep();
    assert.deepEqual(await Promise.all([first, conflict]), ['STORAGE_FULL', 'STORAGE_FULL']);
  });
});

describe('what is refused by the journal', () => {
  test('leaves nothing: versions, names, histories and bytes are as they were, and it goes on', async () => {
    const { journal, session, told, register, set } = await setup();
    const fan = await register('fan');
    const going = await register('going');
    const before = [session.revision, session.heldBytes, told.length, fan.history.length, session.size];
    journal.refuse(new StorageFullError('full'));
    const asked = [
      () => set('fan', 1),
      () => set('fan', 2),
      () => session.register({ name: 'new', type: 'float', initial: 5 }, 0),
      () => session.delete('going', 'deleted', 0),
      () => set('fan', 3),
    ].map(heard);
    await journal.keep();
    assert.deepEqual(new Set(await Promise.all(asked)), new Set(['STORAGE_FULL']));
    assert.deepEqual([session.revision, session.heldBytes, told.length, fan.history.length, session.size], before);
    assert.equal(session.require('going'), going);
    const again = [set('fan', 1), set('fan', 2), Promise.resolve(session.delete('going', 'deleted', 0))];
    await journal.keep();
    assert.deepEqual(await Promise.all(again), [2, 3, undefined]);
    assert.deepEqual([fan.current.version, session.size, session.revision], [3, 1, 5]);
  });

  test('what was decided behind it is refused too, as not done', async () => {
    const { journal, register, set } = await setup();
    await register('fan');
    const first = heard(() => set('fan', 1));
    await journal.asked();
    const behind = heard(() => set('fan', 2));
    await isAnswered(behind);
    journal.refuse(new EngineUnavailableError('away'));
    await journal.keep();
    assert.deepEqual(await Promise.all([first, behind]), ['ENGINE_UNAVAILABLE', 'ENGINE_UNAVAILABLE']);
    const next = set('fan', 5);
    await journal.keep();
    assert.equal(await next, 2);
  });

  test('a session whose end was not kept lives on', async () => {
    const { journal, session, register, set } = await setup();
    await register('fan');
    const ending = heard(() => session.beginEnd(0));
    await journal.asked();
    assert.throws(() => void session.register({ name: 'x', type: 'float', initial: 0 }, 0), {
      code: 'SESSION_NOT_FOUND',
    });
    journal.refuse(new StorageFullError('full'));
    await journal.keep();
    assert.equal(await ending, 'STORAGE_FULL');
    const setting = set('fan', 1);
    await journal.keep();
    assert.equal(await setting, 2);
  });
});

describe('what nobody knows', () => {
  for (const isKept of [true, false]) {
    test(`is said to be unknown, and ${isKept ? 'told when it turns out to be kept' : 'nothing when it was not kept'}`, async () => {
      const { journal, session, told, register, set, health } = await setup();
      const fan = await register('fan');
      let find: () => void = () => undefined;
      const found = new Promise<void>((resolve) => {
        find = resolve;
      });
      journal.refuse(new Error('the disk said nothing'), { isKept, found });
      const setting = heard(() => set('fan', 1));
      const registering = heard(() => session.register({ name: 'new', type: 'float', initial: 0 }, 0));
      await journal.asked();
      const behind = heard(() => set('fan', 2));
      await isAnswered(behind);
      await journal.keep();
      const answers = await Promise.all([setting, registering, behind]);
      assert.deepEqual(answers, ['UNKNOWN_OUTCOME', 'UNKNOWN_OUTCOME', 'ENGINE_UNAVAILABLE']);
      assert.deepEqual([fan.current.version, told.length, health], [1, 1, ['lost']]);
      assert.throws(() => void session.delete('fan', 'deleted', 0), { code: 'ENGINE_UNAVAILABLE' });
      find();
      await within(1_000, new Promise((resolve) => setImmediate(resolve)), 'a turn');
      assert.deepEqual(health, ['lost', 'ready']);
      assert.deepEqual([fan.current.version, told.length], isKept ? [2, 3] : [1, 1]);
      assert.equal(session.find('new') === undefined, !isKept);
      const next = set('fan', 7);
      await journal.keep();
      assert.equal(await next, isKept ? 3 : 2);
    });
  }
});

test('sets of one turn are kept together', async () => {
  const { journal, engine, register, set } = await setup();
  await register('fan');
  const before = engine.stats.transactions;
  const asked = Array.from({ length: 100 }, (_, value) => set('fan', value + 1));
  await journal.keep();
  assert.equal((await Promise.all(asked)).at(-1), 101);
  assert.equal(engine.stats.transactions, before + 1);
});

test('an engine is opened once', async () => {
  const { engine } = await setup();
  await assert.rejects(engine.open(hostOf()), { code: 'ENGINE_UNAVAILABLE', message: /an engine of its own/ });
});
