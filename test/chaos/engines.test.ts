/** Short lives of fixed seeds over engines that outlive their servers, part of `npm test`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOW_TO_INSTALL_REDIS, hasRedis, skipWithoutRedis } from '../support/redis-server.js';
import { leads } from './lead-life.js';
import { planLife } from './programs/life-plan.js';

const LENGTH_MS = 1_000;

test('a server over sqlite that is killed goes on where it was: nobody notices (seed 6)', async () => {
  const { restarts } = await leads(planLife(6, 0, LENGTH_MS, 'restarts', { engine: 'sqlite', servers: 1 }));
  assert.ok(restarts.length > 0);
});

test('two servers over one Redis, each in trouble and Redis too: nobody misses anything (seed 67)', {
  skip: skipWithoutRedis(),
}, async () => {
  assert.ok(hasRedis(), HOW_TO_INSTALL_REDIS);
  const { faults, restarts } = await leads(planLife(67, 0, 1_500, 'fronts', { engine: 'redis', servers: 2 }));
  assert.ok(restarts.length > 0 && faults.some(({ kind }) => kind === 'kill-engine'));
});

test('two servers over a Redis that has no memory now and then: nobody misses anything (seed 17)', {
  skip: skipWithoutRedis(),
}, async () => {
  const { faults } = await leads(planLife(17, 0, LENGTH_MS, 'full', { engine: 'redis', servers: 2 }));
  assert.ok(faults.some(({ kind }) => kind === 'fill-engine'));
});

test('two servers over a Redis and its replica that change places: nobody misses anything (seed 30)', {
  skip: skipWithoutRedis(),
}, async () => {
  const { faults } = await leads(planLife(30, 0, LENGTH_MS, 'failovers', { engine: 'redis', servers: 2 }));
  assert.ok(faults.some(({ kind }) => kind === 'fail-over'));
});
