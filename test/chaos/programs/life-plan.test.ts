import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planLife } from './life-plan.js';
import { FAULTS, PROGRAM_NAMES, PROGRAMS } from './programs.js';

test('the same seed and life plan the same steps', () => {
  for (const name of PROGRAM_NAMES) {
    assert.deepEqual(planLife(7, 3, 4_000, name), planLife(7, 3, 4_000, name));
  }
});

test('another seed, and another life of a seed, plan other steps', () => {
  const plan = planLife(7, 3, 4_000, 'calm');
  assert.notDeepEqual(planLife(8, 3, 4_000, 'calm').steps, plan.steps);
  assert.notDeepEqual(planLife(7, 4, 4_000, 'calm').steps, plan.steps);
});

test('a program asked for by name is the one that its life would have drawn', () => {
  const drawn = planLife(11, 0, 2_000);
  assert.deepEqual(planLife(11, 0, 2_000, drawn.program), drawn);
});

test('each step names places that its house has', () => {
  for (const name of PROGRAM_NAMES) {
    for (let life = 0; life < 20; life += 1) {
      const plan = planLife(1, life, 3_000, name);
      for (const step of plan.steps) {
        if ('state' in step) assert.ok(step.state < plan.states.length, name);
        if ('session' in step) assert.ok(step.session < plan.sessions, name);
        if ('pool' in step) assert.ok(step.pool < plan.pools.length, name);
        if ('variables' in step) assert.ok(step.variables.every((variable) => variable < plan.variables.length));
      }
      assert.ok(plan.states.every(({ session }) => session < plan.sessions));
    }
  }
});

test('a life does all that its program names, in the course of its seeds', () => {
  for (const name of PROGRAM_NAMES) {
    const kinds = new Set(
      Array.from({ length: 40 }, (_, life) => planLife(2, life, 5_000, name).steps.map(({ does }) => does)).flat(),
    );
    assert.deepEqual([...kinds].sort(), [...new Set(['watch', ...Object.keys(PROGRAMS[name].weights)])].sort(), name);
  }
});

test('a life is said to have faults when a step injects one', () => {
  for (let life = 0; life < 20; life += 1) {
    const plan = planLife(3, life, 3_000);
    assert.equal(
      plan.hasFaults,
      plan.steps.some(({ does }) => FAULTS.has(does)),
    );
  }
});
