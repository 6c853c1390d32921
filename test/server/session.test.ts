import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Engine, Kept, Outcome } from '../../src/server/engine/engine.js';
import { MemoryEngine } from '../../src/server/engine/memory-engine.js';
import { Session } from '../../src/server/session.js';
import { LeftWindows } from '../../src/server/watch/left-windows.js';
import { WorkTurns } from '../../src/server/work-turns.js';
import type { Registration } from '../../src/shared/state/operation.js';
import { NO_SETTER } from '../../src/shared/state/operation.js';
import type { Change } from '../../src/shared/state/variable.js';
import type { Deadline } from '../../src/shared/timer-wheel.js';
import { TimerWheel } from '../../src/shared/timer-wheel.js';
import { hostOf } from './engine/stub-journal.js';

interface Told {
  readonly sessionId: string;
  readonly changes: readonly Change[];
}

function setup(engine: Engine = new MemoryEngine()) {
  const commits: Told[] = [];
  const wheel = new TimerWheel<Deadline>(1);
  const host = hostOf();
  void engine.open(host);
  const tell = (sessionId: string, changes: readonly Change[]) => void commits.push({ sessionId, changes });
  const options = {
    id: 's',
    engine,
    maxAtomicVariables: 3,
    leftWindows: new LeftWindows(),
    deadlines: wheel,
    newVariableId: host.table.newId,
    tell,
  };
  const session = now(Session.open(options, 0, { metadata: {}, createdAtMs: 0 }))!;
  const advance = (nowMs: number): void => wheel.advance(nowMs, (entry) => void entry.handleDeadline(nowMs));
  const register = (name: string, more: Partial<Registration> = {}, nowMs = 0) =>
    now(session.register({ name, type: 'float', initial: 0, ...more }, nowMs));
  const set = (name: string, input: number, nowMs = 0) => session.set({ identifier: name, input }, NO_SETTER, nowMs);
  const update = (values: Record<string, number>, isAtomic: boolean, nowMs: number) => {
    const accepted = Object.entries(values).map(([name, value]) =>
      session.acceptDecoded(name, session.require(name), value),
    );
    return now(session.commitSeveral(accepted, isAtomic, NO_SETTER, nowMs));
  };
  return { session, commits, wheel, advance, register, set, update };
}

const work = () => new WorkTurns({ nowMs: () => 0, later: setImmediate }).begin();

function now<T>(kept: Kept<T>): T {
  assert.ok(!(kept instanceof Promise), 'it is kept at once');
  return kept;
}

const reasons = (commits: readonly Told[]) => commits.flatMap(({ changes }) => changes.map(({ reason }) => reason));

/** Another server has ended the session, or some of it is lost, before the log told what was made. */
class LateEngine extends MemoryEngine {
  override commit(): Kept<Outcome> {
    return Promise.resolve({ revision: 1, results: [1] });
  }
}

describe('a registration', () => {
  test('that was made right before its session was ended is answered; one that may be lost is not', async () => {
    const { session } = setup(new LateEngine());
    const registering = () => Promise.resolve(session.register({ name: 'fan', type: 'float', initial: 3 }, 0));
    const { id, name, type, current } = await registering();
    assert.deepEqual([name, type, current.version, current.value], ['fan', 'float', 1, 3]);
    assert.notEqual(id, '');
    const lost = registering();
    session.abandon();
    await assert.rejects(lost, { code: 'UNKNOWN_OUTCOME' });
  });

  test('keeps the keys of its metadata, whatever they are called', () => {
    const { register } = setup();
    const metadata = { description: 'theirs', ttl_ms: '1', 'bridge.first_version': '7', source: 'python' };
    const variable = register('fan', { metadata, description: 'a fan', ttlMs: 5_000, version: 9, source: 'me' });
    assert.deepEqual(variable.metadata, metadata);
    const { description, ttlMs, firstVersion, current } = variable;
    assert.deepEqual([description, ttlMs, firstVersion, current.source], ['a fan', 5_000, 9, 'me']);
  });

  test('is refused when ttl or first version are none', () => {
    const { session, register } = setup();
    for (const wrong of [{ ttlMs: 0.5 }, { ttlMs: -1 }, { version: 0 }, { version: 2 ** 52 + 1 }]) {
      assert.throws(() => register('fan', wrong), { code: 'INVALID_ARGUMENT' }, JSON.stringify(wrong));
    }
    assert.equal(session.size, 0);
  });
});

describe('what is committed', () => {
  test('is each change once, with its session; an equal value is none', () => {
    const { commits, register, set } = setup();
    register('fan');
    set('fan', 1);
    set('fan', 1);
    assert.deepEqual(
      commits.map(({ sessionId, changes }) => [sessionId, changes.map(({ current }) => current.version)]),
      [
        ['s', [1]],
        ['s', [2]],
      ],
    );
  });

  test('of an atomic batch is one commit under one revision', () => {
    const { commits, register, update } = setup();
    register('a');
    register('b');
    update({ a: 1, b: 2 }, true, 0);
    assert.deepEqual(
      commits.at(-1)?.changes.map(({ current }) => current.revision),
      [3, 3],
    );
  });

  test('at the end of a session is the deletion of every variable, also of those that are called like an id', async () => {
    const { session, commits, register } = setup();
    register('a');
    register('var_1');
    now(session.beginEnd(5));
    assert.equal(await session.finishEnd(5, work()), 2);
    assert.deepEqual(reasons(commits).slice(2), ['session-ended', 'session-ended']);
    assert.equal(session.size, 0);
  });
});

describe('a variable with a ttl', () => {
  test('expires that long after its last set, an equal one too', () => {
    const { session, commits, register, set, advance } = setup();
    register('fan', { ttlMs: 100 }, 0);
    set('fan', 1, 50);
    advance(149);
    assert.equal(session.size, 1);
    set('fan', 1, 149);
    advance(248);
    assert.equal(session.size, 1);
    advance(249);
    assert.equal(session.size, 0);
    assert.equal(commits.at(-1)?.changes[0]?.reason, 'expired');
  });

  test('is renewed by a batch and by a rollback', () => {
    const { session, register, set, update, advance } = setup();
    register('fan', { ttlMs: 100 }, 0);
    set('fan', 1, 90);
    update({ fan: 2 }, false, 150);
    advance(240);
    now(session.rollback('fan', 1, NO_SETTER, 240));
    advance(339);
    assert.equal(session.size, 1);
    advance(340);
    assert.equal(session.size, 0);
  });

  test('that was deleted leaves nothing that could expire another of its name', () => {
    const { session, register, wheel, advance } = setup();
    register('fan', { ttlMs: 100 }, 0);
    now(session.delete('fan', 'deleted', 10));
    assert.equal(wheel.size, 0);
    register('fan', {}, 20);
    advance(1_000);
    assert.equal(session.size, 1);
  });

  test('that is called like the id of another expires itself', () => {
    const { session, register, advance } = setup();
    register('first');
    register('var_1', { ttlMs: 100 }, 0);
    advance(100);
    assert.equal(session.find('first')?.name, 'first');
    assert.equal(session.size, 1);
  });
});

describe('variables that are gone', () => {
  test('are remembered by id with their reason', () => {
    const { session, register } = setup();
    const { id } = register('fan');
    now(session.delete('fan', 'deleted', 10));
    assert.equal(session.findGone(id)?.reason, 'deleted');
    assert.equal(session.findGoneByName('fan', 0)?.variable.id, id);
    assert.ok(session.remembersSince(0));
    assert.ok(!session.remembersSince(session.revision + 1));
    assert.equal(session.toldRevision, session.revision);
    assert.equal(session.findGone('var_99'), undefined);
  });

  test('are forgotten, the oldest first, above 1,024', () => {
    const { session, register } = setup();
    const ids = Array.from({ length: 1_025 }, (_, index) => register(`v${index}`).id);
    for (let index = 0; index < ids.length; index += 1) now(session.delete(`v${index}`, 'deleted', 10));
    assert.equal(session.findGone(ids[0]!), undefined);
    assert.equal(session.findGoneByName('v0', 0), undefined);
    assert.equal(session.findGone(ids[1]!)?.variable.name, 'v1');
    assert.deepEqual([session.remembersSince(1_025), session.remembersSince(1_026)], [false, true]);
  });

  test('are forgotten when their values are more than 1 MB', () => {
    const { session } = setup();
    const ids = Array.from({ length: 4 }, (_, index) => {
      const initial = 'x'.repeat(200_000);
      return now(session.register({ name: `v${index}`, type: 'string', initial, constraints: '', metadata: {} }, 0)).id;
    });
    for (let index = 0; index < ids.length; index += 1) now(session.delete(`v${index}`, 'deleted', 10));
    assert.equal(session.findGone(ids[0]!), undefined);
    assert.notEqual(session.findGone(ids[3]!), undefined);
  });
});

test('a session is watched by others when another connection has a stream', () => {
  const { session } = setup();
  assert.equal(session.isWatched, false);
  session.addWatch('a');
  session.addWatch('a');
  assert.equal(session.isWatchedByOthers('a'), false);
  assert.equal(session.isWatchedByOthers('b'), true);
  session.addWatch('b');
  assert.equal(session.isWatchedByOthers('a'), true);
  session.removeWatch('b', 5);
  session.removeWatch('a', 6);
  assert.equal(session.isWatched, true);
  session.removeWatch('a', 7);
  assert.equal(session.isWatched, false);
  assert.equal(session.usedAtMs, 7);
});
