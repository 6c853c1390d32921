import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ConnectionFacts } from '../../../src/workers/connection/liveness.js';
import { livenessOf, sweepMs } from '../../../src/workers/connection/liveness.js';

const LIMITS = { connectTimeoutMs: 5_000, silenceMs: 10_000, answerMs: 3_000 };
const READY: ConnectionFacts = { isReady: true, wantedSinceMs: 0, lastWordAtMs: 1_000, askedAtMs: 0, probedAtMs: 0 };
const at = (nowMs: number, facts: Partial<ConnectionFacts>) => livenessOf({ ...READY, ...facts }, nowMs, LIMITS);

describe('a connection that does not stand', () => {
  test('is given up when somebody has waited for it for connectTimeoutMs', () => {
    assert.equal(at(5_999, { isReady: false, wantedSinceMs: 1_000 }), 'fine');
    assert.equal(at(6_000, { isReady: false, wantedSinceMs: 1_000 }), 'dead');
  });

  test('is nobody’s trouble while nobody wants it', () => {
    assert.equal(at(1e9, { isReady: false }), 'fine');
  });
});

describe('a connection that stands', () => {
  test('is probed after silence, and given up when the probe is not answered in time', () => {
    assert.equal(at(10_999, {}), 'fine');
    assert.equal(at(11_000, {}), 'probe');
    assert.equal(at(13_999, { probedAtMs: 11_000 }), 'fine');
    assert.equal(at(14_000, { probedAtMs: 11_000 }), 'dead');
  });

  test('is doubted sooner when a call is not answered and nothing else is heard', () => {
    assert.equal(at(4_999, { askedAtMs: 2_000 }), 'fine');
    assert.equal(at(5_000, { askedAtMs: 2_000 }), 'probe');
    assert.equal(at(5_000, { askedAtMs: 2_000, lastWordAtMs: 4_000 }), 'fine');
  });
});

test('connections are looked at often enough for the shortest of their limits, and at most 20 times a second', () => {
  assert.equal(sweepMs(LIMITS), 750);
  assert.equal(sweepMs({ ...LIMITS, connectTimeoutMs: 10 }), 50);
  assert.equal(sweepMs({ connectTimeoutMs: 1e6, silenceMs: 1e6, answerMs: 1e6 }), 1_000);
});
