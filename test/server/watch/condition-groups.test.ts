import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AskingGroup } from '../../../src/server/watch/condition-groups.js';
import { ConditionGroups } from '../../../src/server/watch/condition-groups.js';
import type { Condition } from '../../../src/shared/delivery/condition.js';
import { conditionText, parseCondition } from '../../../src/shared/delivery/condition-text.js';

const group = (condition: Condition): AskingGroup => ({
  asked: parseCondition(conditionText(condition)!),
  isTold: false,
});

test('of 10,000 values, limits and conjunctions those that are not met cost nothing', () => {
  const kinds: readonly (readonly [string, (place: number) => Condition, number])[] = [
    ['eq', (place) => ({ eq: place }), 1],
    ['eq of texts', (place) => ({ eq: `t${place}` }), 0],
    ['in', (place) => ({ in: [place, -place - 1] }), 1],
    ['gt', (place) => ({ gt: place + 4_998 }), 2],
    ['lte', (place) => ({ lte: 5_001 - place }), 2],
    ['changedBy', (place) => ({ changedBy: place + 1 }), 1],
    ['and', (place) => ({ and: [{ gte: 0 }, { crosses: place }] }), 1],
  ];
  for (const [name, make, concerned] of kinds) {
    const count = { steps: 0 };
    const groups = new ConditionGroups<AskingGroup>(count);
    for (let place = 0; place < 10_000; place += 1) groups.add(group(make(place)));
    const before = count.steps;
    const found: AskingGroup[] = [];
    groups.find(4_999, 5_000, found);
    assert.equal(found.length, concerned, name);
    assert.ok(count.steps - before <= 60, `${name}: ${count.steps - before} steps`);
  }
});

test('conditions that are asked one by one cost a bounded number of steps, and those beyond are told of everything', () => {
  const count = { steps: 0 };
  const groups = new ConditionGroups<AskingGroup>(count);
  const parts = Array.from({ length: 400 }, (_, part) => part);
  const large = (place: number): Condition => ({ or: parts.map((part) => ({ gt: 1e6 + place + part })) });
  const all = Array.from({ length: 200 }, (_, place) => group(large(place)));
  for (const one of all) groups.add(one);
  const before = count.steps;
  const found: AskingGroup[] = [];
  groups.find(1, 2, found);
  assert.ok(count.steps - before < 25_000, `${count.steps - before} steps`);
  assert.ok(found.length > 150 && found.length < 200, `${found.length} are told`);
  for (const one of all) groups.remove(one);
  groups.add(group({ not: { gt: 5 } }));
  const left: AskingGroup[] = [];
  groups.find(1, 9, left);
  assert.equal(left.length, 0, 'what was removed takes no steps, and is told nothing');
});
