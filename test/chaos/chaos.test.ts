/** A few short lives of fixed seeds, part of `npm test`. `npm run chaos` leads longer ones, of any seed. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ServerLife } from './faults/server-life.js';
import { live } from './life.js';
import { planLife } from './programs/life-plan.js';
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

let server: ServerLife;

before(async () => {
  server = await ServerLife.start(SERVER_OPTIONS);
});

after(() => server.close());

for (const [life, program] of LIVES.entries()) {
  test(`a life of ${program} breaks no promise (seed ${SEED}, life ${life})`, async () => {
    const plan = planLife(SEED, life, LENGTH_MS, program);
    const { history, violations, phases } = await live(plan, server);
    const lines = [lifeLine(plan, history, violations, phases), ...violationLines(violations), howToReplay(plan, true)];
    assert.equal(violations.length, 0, lines.join('\n'));
    // It was a life at all.
    assert.ok(history.sets.some(({ version }) => version !== undefined) && history.quiet !== undefined);
    assert.ok(history.watches.some(({ entries }) => entries.some(({ kind }) => kind === 'call')));
  });
}
