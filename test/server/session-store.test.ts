import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MemoryEngine } from '../../src/server/engine/memory-engine.js';
import { SessionStore } from '../../src/server/session-store.js';
import type { Deadline } from '../../src/shared/timer-wheel.js';
import { TimerWheel } from '../../src/shared/timer-wheel.js';

function setup({ maxSessions = 10, sessionTtlMs = 1_000 } = {}) {
  const wheel = new TimerWheel<Deadline>(1);
  const store = new SessionStore({
    engine: new MemoryEngine(),
    deadlines: wheel,
    maxSessions,
    maxVariablesPerSession: 2,
    history: { maxAgeMs: 60_000, maxVersions: 100, maxSessionBytes: 1e9 },
    sessionTtlMs,
    newVariableId: () => 'var_1',
  });
  const advance = (nowMs: number): void => wheel.advance(nowMs, (entry) => void entry.handleDeadline(nowMs));
  return { store, advance };
}

describe('a session', () => {
  test('is made once; who comes later joins it', () => {
    const { store } = setup();
    const made = store.initialise('s', { owner: 'me' }, 0);
    assert.equal(store.initialise('s', { owner: 'you' }, 1), made);
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
    const { store } = setup();
    for (const id of ['a\u0000b', '\n', 'x'.repeat(257)]) {
      assert.throws(() => store.initialise(id, {}, 0), { code: 'INVALID_NAME' }, JSON.stringify(id));
    }
    assert.throws(() => store.initialise('', {}, 0), { code: 'INVALID_ARGUMENT' });
    for (const id of ['__proto__', 'constructor', '*', 'ü', 'x'.repeat(256)]) store.initialise(id, {}, 0);
    assert.equal(store.size, 5);
  });

  test('above maxSessions is refused; one that exists is joined all the same', () => {
    const { store } = setup({ maxSessions: 1 });
    store.initialise('s', {}, 0);
    assert.throws(() => store.initialise('t', {}, 0), { code: 'QUOTA_EXCEEDED' });
    store.initialise('s', {}, 0);
  });
});

describe('cleaning up', () => {
  test('ends a session and counts its variables', () => {
    const { store } = setup();
    const session = store.initialise('s', {}, 0);
    session.register({ name: 'fan', type: 'float', initial: 0, constraints: '', metadata: {} }, 0);
    assert.deepEqual(store.cleanup('s', false, 'me', 1), { isEnded: true, resources: 1 });
    assert.equal(store.size, 0);
    assert.throws(() => store.cleanup('s', false, 'me', 2), { code: 'SESSION_NOT_FOUND' });
  });

  test('without force leaves a session that another connection watches', () => {
    const { store } = setup();
    const session = store.initialise('s', {}, 0);
    session.addWatch('other');
    assert.equal(store.cleanup('s', false, 'me', 1).isEnded, false);
    assert.equal(store.size, 1);
    assert.equal(store.cleanup('s', true, 'me', 2).isEnded, true);
  });

  test('without force ends a session that only its own connection watches', () => {
    const { store } = setup();
    store.initialise('s', {}, 0).addWatch('me');
    assert.equal(store.cleanup('s', false, 'me', 1).isEnded, true);
  });
});

describe('a session that nobody uses', () => {
  test('ends sessionTtlMs after the last call', () => {
    const { store, advance } = setup({ sessionTtlMs: 1_000 });
    store.initialise('s', {}, 0);
    store.require('s', 600);
    advance(1_599);
    assert.equal(store.size, 1);
    advance(1_600);
    assert.equal(store.size, 0);
  });

  test('lives while it is watched, and sessionTtlMs longer', () => {
    const { store, advance } = setup({ sessionTtlMs: 1_000 });
    const session = store.initialise('s', {}, 0);
    session.addWatch('a');
    for (let nowMs = 1_000; nowMs <= 5_000; nowMs += 1_000) advance(nowMs);
    session.removeWatch('a', 5_500);
    advance(6_499);
    assert.equal(store.size, 1);
    advance(6_500);
    assert.equal(store.size, 0);
  });

  test('that was cleaned up and made anew has its own time', () => {
    const { store, advance } = setup({ sessionTtlMs: 1_000 });
    store.initialise('s', {}, 0);
    store.cleanup('s', true, 'me', 500);
    store.initialise('s', {}, 900);
    advance(1_000);
    assert.equal(store.size, 1);
    advance(1_900);
    assert.equal(store.size, 0);
  });

  test('never ends with sessionTtlMs 0', () => {
    const { store, advance } = setup({ sessionTtlMs: 0 });
    store.initialise('s', {}, 0);
    advance(1e9);
    assert.equal(store.size, 1);
  });
});
