import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Engine, Follower } from '../../src/server/engine/engine.js';
import { MemoryEngine } from '../../src/server/engine/memory-engine.js';
import type { Session } from '../../src/server/session.js';
import { SessionStore } from '../../src/server/session-store.js';
import { WorkTurns } from '../../src/server/work-turns.js';
import type { BridgeError } from '../../src/shared/errors.js';
import type { OperationResult, Registration } from '../../src/shared/state/operation.js';
import { NO_SETTER } from '../../src/shared/state/operation.js';
import type { Deadline } from '../../src/shared/timer-wheel.js';
import { TimerWheel } from '../../src/shared/timer-wheel.js';
import { hostOf } from './engine/stub-journal.js';

function setup({
  maxSessions = 10,
  sessionTtlMs = 1_000,
  maxSessionBytes = 1e6,
  maxTotalBytes = 1e7,
  engine = new MemoryEngine() as Engine,
} = {}) {
  const wheel = new TimerWheel<Deadline>(1);
  const store = new SessionStore({
    engine,
    deadlines: wheel,
    maxSessions,
    maxVariablesPerSession: 2,
    maxAtomicVariables: 2,
    history: { maxAgeMs: 60_000, maxVersions: 100, maxSessionBytes: 1e9 },
    sessionTtlMs,
    newVariableId: () => 'var_1',
    maxSessionBytes,
    maxTotalBytes,
    maxSessionMetadataBytes: 1_000,
    turns: new WorkTurns({ nowMs: () => 0, later: setImmediate }),
    tell: () => undefined,
  });
  const opened = store.open(hostOf());
  const advance = (nowMs: number): void => wheel.advance(nowMs, (entry) => void entry.handleDeadline(nowMs));
  const initialise = (...[id, metadata, nowMs]: Parameters<SessionStore['initialise']>): Session =>
    store.initialise(id, metadata, nowMs) as Session;
  return { store, opened, advance, initialise };
}

/** As of servers that share their sessions: what it is told of their use, and what it says of it. */
function sharedEngine() {
  const touched: string[] = [];
  const idle = { answer: () => Number.POSITIVE_INFINITY };
  const engine: Engine = Object.assign(new MemoryEngine(), {
    isShared: true as false,
    touch: (...[ids]: Parameters<Engine['touch']>) => void touched.push(...ids),
    idleMs: async () => idle.answer(),
  });
  return { engine, touched, idle };
}

describe('a session', () => {
  test('is made once; who comes later joins it', () => {
    const { store, initialise } = setup();
    const made = initialise('s', { owner: 'me' }, 0);
    assert.equal(initialise('s', { owner: 'you' }, 1), made);
    assert.deepEqual(made.metadata, { owner: 'me' });
    assert.equal(store.size, 1);
    assert.equal(store.require('s', 2), made);
  });

  test('that nobody made is not found, by its name', () => {
    const { store } = setup();
    assert.throws(() => store.require('s', 0), { code: 'SESSION_NOT_FOUND', message: /^Session not found: s/ });
    assert.throws(() => store.require('', 0), { code: 'INVALID_ARGUMENT' });
    assert.equal(store.find('s'), undefined);
  });

  test('has an id by the rules of names', () => {
    const { store, initialise } = setup();
    for (const id of ['a\u0000b', '\n', 'x'.repeat(257)]) {
      assert.throws(() => initialise(id, {}, 0), { code: 'INVALID_NAME' }, JSON.stringify(id));
    }
    assert.throws(() => initialise('', {}, 0), { code: 'INVALID_ARGUMENT' });
    for (const id of ['__proto__', 'constructor', '*', 'ü', 'x'.repeat(256)]) initialise(id, {}, 0);
    assert.equal(store.size, 5);
  });

  test('above maxSessions is refused; one that exists is joined all the same', () => {
    const { initialise } = setup({ maxSessions: 1 });
    initialise('s', {}, 0);
    assert.throws(() => initialise('t', {}, 0), { code: 'QUOTA_EXCEEDED' });
    initialise('s', {}, 0);
  });
});

describe('a session that another server has made', () => {
  test('is followed by one, however many ask for it at once', async () => {
    const { engine } = sharedEngine();
    const kept = new MemoryEngine();
    await kept.open(hostOf());
    void kept.follow('s', { handleCommit: () => undefined, windows: () => [] }, { metadata: {}, createdAtMs: 0 });
    const followers: Follower[] = [];
    const follow: Engine['follow'] = async (id, follower) => {
      await new Promise(setImmediate);
      followers.push(follower);
      return kept.follow(id, follower);
    };
    const { store, opened } = setup({ engine: Object.assign(engine, { follow }) });
    await opened;
    const sought = [store.seek('s', 0), store.seek('s', 0)];
    const joined = store.initialise('s', {}, 0);
    await Promise.all([...sought, store.seek('s', 0)]);
    assert.deepEqual(followers, [await joined]);
    assert.equal(store.find('s'), await joined);
    assert.equal(store.seek('s', 0), undefined);
  });

  test('and ended while it was joined, is to be asked for again', async () => {
    const { engine } = sharedEngine();
    const { store, opened } = setup({ engine: Object.assign(engine, { follow: async () => undefined }) });
    await opened;
    await assert.rejects(async () => store.initialise('s', {}, 0), { code: 'UNAVAILABLE' });
    assert.equal(store.size, 0);
  });
});

describe('cleaning up', () => {
  test('ends a session and counts its variables', async () => {
    const { store, initialise } = setup();
    const session = initialise('s', {}, 0);
    session.register({ name: 'fan', type: 'float', initial: 0, constraints: '', metadata: {} }, 0);
    const { isEnded, resources } = store.cleanup('s', false, 'me', 1);
    assert.deepEqual([isEnded, await resources], [true, 1]);
    assert.equal(store.size, 0);
    assert.throws(() => store.cleanup('s', false, 'me', 2), { code: 'SESSION_NOT_FOUND' });
  });

  test('without force leaves a session that another connection watches', () => {
    const { store, initialise } = setup();
    const session = initialise('s', {}, 0);
    session.addWatch('other');
    assert.equal(store.cleanup('s', false, 'me', 1).isEnded, false);
    assert.equal(store.size, 1);
    assert.equal(store.cleanup('s', true, 'me', 2).isEnded, true);
  });

  test('without force ends a session that only its own connection watches', () => {
    const { store, initialise } = setup();
    initialise('s', {}, 0).addWatch('me');
    assert.equal(store.cleanup('s', false, 'me', 1).isEnded, true);
  });
});

describe('a session that nobody uses', () => {
  test('ends sessionTtlMs after the last call', () => {
    const { store, advance, initialise } = setup({ sessionTtlMs: 1_000 });
    initialise('s', {}, 0);
    store.require('s', 600);
    advance(1_599);
    assert.equal(store.size, 1);
    advance(1_600);
    assert.equal(store.size, 0);
  });

  test('lives while it is watched, and sessionTtlMs longer', () => {
    const { store, advance, initialise } = setup({ sessionTtlMs: 1_000 });
    const session = initialise('s', {}, 0);
    session.addWatch('a');
    for (let nowMs = 1_000; nowMs <= 5_000; nowMs += 1_000) advance(nowMs);
    session.removeWatch('a', 5_500);
    advance(6_499);
    assert.equal(store.size, 1);
    advance(6_500);
    assert.equal(store.size, 0);
  });

  test('that was cleaned up and made anew has its own time', () => {
    const { store, advance, initialise } = setup({ sessionTtlMs: 1_000 });
    initialise('s', {}, 0);
    store.cleanup('s', true, 'me', 500);
    initialise('s', {}, 900);
    advance(1_000);
    assert.equal(store.size, 1);
    advance(1_900);
    assert.equal(store.size, 0);
  });

  test('at one server is said to be used when somebody comes back to it, before another ends it', () => {
    const { engine, touched } = sharedEngine();
    const { store, advance, initialise } = setup({ engine, sessionTtlMs: 1_000 });
    const session = initialise('s', {}, 0);
    for (const nowMs of [100, 700, 800, 1_000]) store.use(session, nowMs);
    assert.deepEqual(touched, ['s', 's', 's']);
    session.addWatch('a');
    for (let nowMs = 1_100; nowMs <= 2_000; nowMs += 50) advance(nowMs);
    assert.ok(touched.length >= 6, `${touched.length} times`);
  });

  test('is not ended when it is used while the other servers are asked', async () => {
    const { engine, idle } = sharedEngine();
    const { store, opened, advance, initialise } = setup({ engine, sessionTtlMs: 1_000 });
    await opened;
    const session = initialise('s', {}, 0);
    const runTo = async (from: number, to: number): Promise<void> => {
      for (let nowMs = from; nowMs <= to; nowMs += 50) {
        advance(nowMs);
        await new Promise(setImmediate);
      }
    };
    idle.answer = () => {
      store.use(session, 1_000);
      return 1_000;
    };
    await runTo(50, 1_900);
    assert.equal(store.find('s'), session);
    idle.answer = () => 1_000;
    await runTo(1_950, 3_500);
    assert.equal(store.size, 0);
  });

  test('never ends with sessionTtlMs 0', () => {
    const { store, advance, initialise } = setup({ sessionTtlMs: 0 });
    initialise('s', {}, 0);
    advance(1e9);
    assert.equal(store.size, 1);
  });
});

describe('the bytes of sessions', () => {
  const text = (characters: number): string => 'x'.repeat(characters);
  const register = (session: Session, name: string, more: Partial<Registration> = {}): void => {
    void session.register({ name, type: 'string', initial: '', ...more }, 0);
  };
  const full = { code: 'QUOTA_EXCEEDED' };

  test('are refused above maxSessionBytes, wherever they are, and nothing has changed', () => {
    const { initialise } = setup({ maxSessionBytes: 100_000 });
    const session = initialise('s', {}, 0);
    register(session, 'fan');
    const before = session.heldBytes;
    const ways: Partial<Registration>[] = [
      { initial: text(60_000) },
      { metadata: { key: text(60_000) } },
      { description: text(60_000) },
      { constraints: { enum: ['', text(60_000)] } },
      { constraints: JSON.stringify({ unknown: text(60_000) }) },
    ];
    for (const more of ways) assert.throws(() => register(session, 'large', more), full, Object.keys(more)[0]);
    assert.throws(() => session.set({ identifier: 'fan', input: text(60_000) }, NO_SETTER, 0), full);
    const custom = { key: text(60_000) };
    assert.throws(() => session.set({ identifier: 'fan', input: 'x' }, { source: '', custom }, 0), full);
    assert.throws(() => session.set({ identifier: 'fan', input: 'x' }, { source: text(60_000), custom: {} }, 0), full);
    assert.deepEqual([session.heldBytes, session.size, session.find('fan')?.current.version], [before, 1, 1]);
    void session.set({ identifier: 'fan', input: text(40_000) }, NO_SETTER, 0);
    void session.set({ identifier: 'fan', input: text(41_000) }, NO_SETTER, 0);
    assert.throws(() => register(session, 'second', { initial: text(20_000) }), full);
    void session.delete('fan', 'deleted', 0);
    register(session, 'second', { initial: text(20_000) });
  });

  test('an atomic batch that has no room is refused as a whole', () => {
    const { initialise } = setup({ maxSessionBytes: 100_000 });
    const session = initialise('s', {}, 0);
    register(session, 'a');
    register(session, 'b');
    const batch = ['a', 'b'].map((name) => session.acceptDecoded(name, session.require(name), text(30_000)));
    assert.throws(() => session.commitSeveral(batch, true, NO_SETTER, 0), full);
    assert.equal(session.find('a')?.current.version, 1);
    const [first, second] = session.commitSeveral(batch, false, NO_SETTER, 0) as readonly OperationResult[];
    assert.deepEqual([first, (second as BridgeError).code], [2, 'QUOTA_EXCEEDED']);
  });

  test('metadata of a session above its limit is refused', () => {
    const { store, initialise } = setup();
    assert.throws(() => initialise('s', { key: text(600) }, 0), { code: 'INVALID_ARGUMENT' });
    assert.equal(store.size, 0);
    initialise('s', { key: text(100) }, 0);
  });

  test('of all sessions together are refused above maxTotalBytes; histories go first, also those of others', () => {
    const { store, initialise } = setup({ maxTotalBytes: 200_000, maxSessionBytes: 150_000 });
    const [one, other] = ['one', 'other'].map((id) => initialise(id, {}, 0)) as [Session, Session];
    register(one, 'a');
    for (let set = 0; set < 10; set += 1) void one.set({ identifier: 'a', input: text(5_000 + set) }, NO_SETTER, 0);
    register(other, 'b', { initial: text(60_000) });
    assert.equal(one.find('a')?.history.length, 1);
    assert.throws(() => register(other, 'c', { initial: text(60_000) }), full);
    assert.ok(store.heldBytes <= 200_000);
  });

  test('are given back when the session ends', async () => {
    const { store, initialise } = setup();
    const session = initialise('s', { key: text(100) }, 0);
    for (const name of ['a', 'b']) register(session, name, { metadata: { key: text(100) } });
    void session.set({ identifier: 'a', input: text(1_000) }, NO_SETTER, 0);
    void session.delete('a', 'deleted', 0);
    assert.ok(store.heldBytes > 1_000);
    assert.equal(await store.end(session, 0), 1);
    assert.equal(store.heldBytes, 0);
  });

  test('what is remembered of deleted variables counts with all that they were registered with', () => {
    const { initialise } = setup({ maxSessionBytes: 1e9, maxTotalBytes: 1e9 });
    const session = initialise('s', {}, 0);
    for (let index = 0; index < 100; index += 1) {
      register(session, 'x', { metadata: { key: text(100_000) } });
      void session.delete('x', 'deleted', 0);
    }
    assert.ok(session.heldBytes < 1_100_000, `${session.heldBytes}`);
  });
});

test('a session of the id of one that is ending begins when that has let go of its variables', async () => {
  const { store, initialise } = setup();
  const session = initialise('s', {}, 0);
  void session.register({ name: 'a', type: 'float', initial: 0 }, 0);
  const ended = store.end(session, 0);
  assert.equal(store.find('s'), undefined);
  assert.equal(store.isEnding('s'), true);
  await store.whenEnded('s');
  assert.equal(store.isEnding('s'), false);
  assert.equal(await ended, 1);
});
