import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VariableExpiries } from '../../src/server/variable-expiries.js';
import { UnavailableError } from '../../src/shared/errors.js';
import { DEFAULT_HISTORY_LIMITS } from '../../src/shared/state/history.js';
import { VariableTable } from '../../src/shared/state/variable-table.js';
import type { Deadline } from '../../src/shared/timer-wheel.js';
import { TimerWheel } from '../../src/shared/timer-wheel.js';

function setup() {
  const wheel = new TimerWheel<Deadline>(1);
  const table = new VariableTable({ maxVariables: 10, history: DEFAULT_HISTORY_LIMITS, newId: () => `v${table.size}` });
  const expired: string[] = [];
  const given: { failure: Error | undefined } = { failure: undefined };
  const expiries = new VariableExpiries(wheel, {
    delete: async (name, reason, nowMs) => {
      if (given.failure !== undefined) throw given.failure;
      expired.push(`${name} ${reason} at ${nowMs}`);
    },
  });
  const add = (name: string, ttlMs: number, nowMs = 0) => {
    const { variable } = table.register({ name, type: 'float', initial: 0, ttlMs }, nowMs);
    expiries.add(variable, nowMs);
    return variable;
  };
  const advance = async (nowMs: number): Promise<void> => {
    const handled: (void | Promise<void>)[] = [];
    wheel.advance(nowMs, (entry) => void handled.push(entry.handleDeadline(nowMs)));
    await Promise.all(handled);
  };
  return { wheel, expiries, expired, given, add, advance };
}

describe('variable expiries', () => {
  test('one that is set again expires so long after that', async () => {
    const { expiries, expired, add, advance } = setup();
    const fan = add('fan', 100);
    expiries.renew(fan, 50);
    await advance(149);
    assert.deepEqual(expired, []);
    await advance(150);
    assert.deepEqual(expired, ['fan expired at 150']);
  });

  test('one without a time to live costs nothing', () => {
    const { wheel, expiries, add } = setup();
    expiries.renew(add('fan', 0), 5);
    assert.deepEqual([expiries.size, wheel.size], [0, 0]);
  });

  test('one that cannot be kept is tried again, unless it has gone in another way', async () => {
    const { wheel, expired, given, add, advance } = setup();
    add('fan', 100);
    const lamp = add('lamp', 100);
    given.failure = new UnavailableError('away');
    await advance(100);
    assert.equal(wheel.size, 2);
    given.failure = undefined;
    await advance(1_099);
    assert.deepEqual(expired, []);
    lamp.isGone = true;
    given.failure = new UnavailableError('away');
    await advance(1_100);
    assert.equal(wheel.size, 1);
  });

  test('a mistake of ours is not tried again', async () => {
    const { wheel, given, add, advance } = setup();
    add('fan', 100);
    given.failure = new TypeError('ours');
    await assert.rejects(advance(100), TypeError);
    assert.equal(wheel.size, 0);
  });

  test('what is forgotten or closed leaves nothing behind', async () => {
    const { wheel, expiries, expired, add, advance } = setup();
    const fan = add('fan', 100);
    add('lamp', 100);
    expiries.forget(fan);
    assert.deepEqual([expiries.size, wheel.size], [1, 1]);
    expiries.close();
    assert.deepEqual([expiries.size, wheel.size], [0, 0]);
    await advance(1_000);
    assert.deepEqual(expired, []);
  });
});
