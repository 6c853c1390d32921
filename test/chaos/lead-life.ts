/** One life, as a test: it breaks no promise, and it was a life at all. */
import assert from 'node:assert/strict';
import type { ServerHouse } from './faults/server-house.js';
import type { History } from './history/history.js';
import { live } from './life.js';
import type { LifePlan } from './programs/life-plan.js';
import { howToReplay, lifeLine, violationLines } from './report/life-report.js';

export async function leads(plan: LifePlan, steady?: ServerHouse): Promise<History> {
  const { history, violations, phases } = await live(plan, steady);
  const lines = [lifeLine(plan, history, violations, phases), ...violationLines(violations), howToReplay(plan, true)];
  assert.equal(violations.length, 0, lines.join('\n'));
  assert.ok(history.sets.some(({ version }) => version !== undefined) && history.quiet !== undefined);
  assert.ok(history.watches.some(({ entries }) => entries.some(({ kind }) => kind === 'call')));
  return history;
}
