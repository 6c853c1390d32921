import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { BridgeConfig } from '../../../src/shared/port/commands.js';
import { ReconnectUnit } from '../../../src/workers/connection/reconnect-unit.js';

const RECONNECT: BridgeConfig['reconnect'] = {
  baseMs: 100,
  factor: 2,
  capMs: 5_000,
  jitter: 0,
  spreadMs: 40,
  resetAfterMs: 10_000,
  maxAttempts: 0,
};
const BREAKER: BridgeConfig['breaker'] = { failures: 5, openMs: 4_000 };
const half = { next: () => 0.5 };

function unitOf(reconnect: Partial<BridgeConfig['reconnect']> = {}, breaker = BREAKER): ReconnectUnit {
  return new ReconnectUnit({ reconnect: { ...RECONNECT, ...reconnect }, breaker } as BridgeConfig);
}

/** Connected at 0, and lost at `nowMs`. */
function lostAt(nowMs: number, unit = unitOf()): ReconnectUnit {
  unit.handleConnected(0);
  unit.handleStreamLost(nowMs, half);
  return unit;
}

function fail(unit: ReconnectUnit, nowMs: number): number {
  unit.handleAttempt();
  return unit.handleAttemptFailed(nowMs, half);
}

describe('a reconnect unit', () => {
  test('begins with an attempt', () => {
    assert.deepEqual(unitOf().state, { name: 'attempting' });
    assert.equal(unitOf().failures, 0);
  });

  test('tries a lost connection again within the spread', () => {
    const unit = unitOf();
    unit.handleConnected(0);
    assert.equal(unit.handleStreamLost(1_000, half), 1_020);
    assert.deepEqual(unit.state, { name: 'waiting', attemptAtMs: 1_020, isCircuitOpen: false });
  });

  test('spreads the return from a server that drains as that says, once', () => {
    const unit = unitOf();
    unit.handleConnected(0);
    unit.handleDraining(800);
    assert.equal(unit.handleStreamLost(1_000, half), 1_400);
    assert.equal(fail(unit, 1_400), 1_500, 'then by its backoff');
    unit.handleConnected(2_000);
    unit.handleDraining(10);
    assert.equal(unit.handleStreamLost(20_000, half), 20_020, 'not below what is configured');
  });

  test('lets all streams of a connection wait for the same attempt', () => {
    const unit = lostAt(1_000);
    assert.equal(unit.handleStreamLost(1_010, half), 1_020);
    assert.equal(unit.failures, 1);
    unit.handleAttempt();
    assert.equal(unit.handleStreamLost(1_030, half), 1_030);
    assert.deepEqual(unit.state, { name: 'attempting' });
  });

  test('waits longer after each attempt that failed', () => {
    const unit = lostAt(1_000);
    const delays = [2_000, 3_000, 4_000].map((nowMs) => fail(unit, nowMs) - nowMs);
    assert.deepEqual(delays, [100, 200, 400]);
  });

  test('waits for another endpoint that is left no longer than the spread, open circuit or not', () => {
    const unit = lostAt(1_000);
    for (let attempt = 0; attempt < BREAKER.failures; attempt += 1) fail(unit, 2_000);
    unit.handleAttempt();
    assert.equal(unit.handleAttemptFailed(9_000, half, true), 9_020);
    assert.deepEqual(unit.state, { name: 'waiting', attemptAtMs: 9_020, isCircuitOpen: false });
    unit.handleConnected(9_100);
    assert.equal(unit.handleStreamLost(9_200, half, true), 9_220);
    unit.handleConnected(9_300);
    assert.ok(unit.handleStreamLost(9_400, half) > 9_500, 'a round that is over waits by the backoff');
  });

  test('goes on waiting longer when the connection did not last, and begins anew when it did', () => {
    const flapping = lostAt(1_000);
    flapping.handleConnected(2_000);
    assert.equal(flapping.handleStreamLost(11_999, half) - 11_999, 100);

    const lasting = lostAt(1_000);
    lasting.handleConnected(2_000);
    assert.equal(lasting.handleStreamLost(12_000, half) - 12_000, 20);
    assert.equal(lasting.failures, 1);
  });

  test('opens the circuit after so many failed attempts in a row, and then probes within a quarter below openMs', () => {
    const unit = lostAt(0, unitOf({}, { failures: 2, openMs: 4_000 }));
    fail(unit, 1_000);
    assert.equal(unit.state.name === 'waiting' && unit.state.isCircuitOpen, false);

    assert.equal(fail(unit, 2_000), 2_000 + 3_500);

    assert.deepEqual(unit.state, { name: 'waiting', attemptAtMs: 5_500, isCircuitOpen: true });
    assert.equal(fail(unit, 6_000), 6_000 + 3_500);
  });

  test('closes the circuit when a probe connects', () => {
    const unit = lostAt(0, unitOf({}, { failures: 1, openMs: 4_000 }));
    fail(unit, 1_000);
    unit.handleAttempt();
    unit.handleConnected(5_000);

    unit.handleStreamLost(6_000, half);

    assert.equal(unit.state.name === 'waiting' && unit.state.isCircuitOpen, false);
  });

  test('does not count a lost stream as a failed attempt: connections that break never open the circuit', () => {
    const unit = unitOf({}, { failures: 1, openMs: 4_000 });
    for (let nowMs = 0; nowMs < 10_000; nowMs += 1_000) {
      unit.handleConnected(nowMs);
      unit.handleStreamLost(nowMs + 1, half);
      assert.equal(unit.state.name === 'waiting' && unit.state.isCircuitOpen, false);
      unit.handleAttempt();
    }
  });

  test('is exhausted after so many failures, the lost connection among them, and never when it may try for ever', () => {
    const unit = lostAt(0, unitOf({ maxAttempts: 3 }));
    const forever = lostAt(0);
    assert.equal(unit.isExhausted, false);
    fail(unit, 1_000);
    assert.equal(unit.isExhausted, false);
    fail(unit, 2_000);
    assert.equal(unit.isExhausted, true);
    for (let attempt = 0; attempt < 1_000; attempt += 1) fail(forever, attempt);
    assert.equal(forever.isExhausted, false);
  });

  test('never waits longer than the cap or openMs, nor tries in the past, whatever happens', () => {
    const event = fc.tuple(
      fc.constantFrom('lost', 'failed', 'connected'),
      fc.nat(20_000),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const unit = unitOf({ jitter: 1 });
        let nowMs = 0;
        for (const [what, passesMs, number] of events) {
          nowMs += passesMs;
          const random = { next: () => number };
          if (what === 'lost') {
            unit.handleStreamLost(nowMs, random);
          } else {
            // The shell attempts when it is due.
            if (unit.state.name === 'waiting') nowMs = Math.max(nowMs, unit.state.attemptAtMs);
            unit.handleAttempt();
            if (what === 'failed') unit.handleAttemptFailed(nowMs, random);
            else unit.handleConnected(nowMs);
          }
          const { state } = unit;
          if (state.name !== 'waiting' || what === 'lost') continue;
          const longestMs = state.isCircuitOpen ? BREAKER.openMs : RECONNECT.capMs;
          assert.ok(state.attemptAtMs >= nowMs && state.attemptAtMs <= nowMs + longestMs);
        }
      }),
    );
  });
});
