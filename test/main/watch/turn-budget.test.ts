import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TurnBudget } from '../../../src/main/watch/turn-budget.js';

describe('the budget of a turn', () => {
  test('is used up by what calls took together, and by nothing between them', () => {
    let nowMs = 0;
    const budget = new TurnBudget(5, () => nowMs);
    budget.begin();
    nowMs += 3;
    assert.equal(budget.spend(), false);
    nowMs += 100;
    budget.begin();
    nowMs += 2;
    assert.equal(budget.spend(), true);
    assert.ok(budget.isUsedUp);
    budget.renew();
    assert.deepEqual([budget.isUsedUp, budget.isTouched], [false, false]);
  });

  test('that is off reads no clock and is never used up', () => {
    const budget = new TurnBudget(0, () => assert.fail('it read the clock'));
    budget.begin();
    assert.deepEqual([budget.spend(), budget.isUsedUp, budget.isOn], [false, false, false]);
  });
});
