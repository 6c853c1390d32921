/** A few short lives of fixed seeds, part of `npm test`. `npm run chaos` leads longer ones, of any seed. */
import { after, before, test } from 'node:test';
import { ServerHouse } from './faults/server-house.js';
import { leads } from './lead-life.js';
import { IN_MEMORY, planLife } from './programs/life-plan.js';
import type { ProgramName } from './programs/programs.js';
import { SERVER_OPTIONS } from './programs/world.js';

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
  'ends',
  'endings',
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
