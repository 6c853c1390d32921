/** A few short lives of fixed seeds, part of `npm test`. `npm run chaos` leads longer ones, of any seed. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { HOW_TO_INSTALL_REDIS, hasRedis, skipWithoutRedis } from '../support/redis-server.js';
import { ServerHouse } from './faults/server-house.js';
import type { History } from './history/history.js';
import { live } from './life.js';
import type { LifePlan } from './programs/life-plan.js';
import { IN_MEMORY, planLife } from './programs/life-plan.js';
import type { ProgramName } from './programs/programs.js';
import { SERVER_OPTIONS } from './programs/world.js';
import { howToReplay, lifeLine, violationLines } from './report/life-report.js';

const SEED = 9;
const LENGTH_MS = 1_000;
const LIVES: readonly ProgramName[] = [
  'local',
  'shared',
  'overflow',
  'breaks',
  'workers',
  'kills',
  'atomic',
  'closing',
];

let house: ServerHouse;

before(async () => {
  house = await ServerHouse.start(IN_MEMORY, SERVER_OPTIONS);
});

after(() => house.close());

for (const [life, program] of LIVES.entries()) {
  test(`a life of ${program} breaks no promise (seed ${SEED}, life ${life})`, async () => {
    await leads(planLife(SEED, life, LENGTH_MS, program), house);
  });
}

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

async function leads(plan: LifePlan, steady?: ServerHouse): Promise<History> {
  const { history, violations, phases } = await live(plan, steady);
  const lines = [lifeLine(plan, history, violations, phases), ...violationLines(violations), howToReplay(plan, true)];
  assert.equal(violations.length, 0, lines.join('\n'));
  // It was a life at all.
  assert.ok(history.sets.some(({ version }) => version !== undefined) && history.quiet !== undefined);
  assert.ok(history.watches.some(({ entries }) => entries.some(({ kind }) => kind === 'call')));
  return history;
}
