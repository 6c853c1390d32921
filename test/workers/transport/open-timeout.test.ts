import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTimeoutMs } from '../../../src/workers/transport/open-timeout.js';

const config = { limits: { openTimeoutMs: 1_000 } } as never;

test('a watch that was live is given twice the time after each failure, 16 times at most', () => {
  const times = [0, 1, 2, 3, 4, 5].map((attempt) => openTimeoutMs(config, { hasBeenLive: true }, attempt));
  assert.deepEqual(times, [1_000, 2_000, 4_000, 8_000, 16_000, 16_000]);
  assert.equal(openTimeoutMs(config, { hasBeenLive: false }, 3), 1_000);
});
