import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CarrierBudget } from '../../../src/server/watch/carrier-budget.js';

describe('what is under way on a connection', () => {
  test('lets on who asked, longest waiting first, until it is full again', () => {
    const budget = new CarrierBudget(100);
    const told: string[] = [];
    const seeker = (name: string) => ({
      handleRoom(nowMs: number): void {
        told.push(`${name} at ${nowMs}`);
        budget.addUnderWay(60);
      },
    });
    const [a, b, c] = [seeker('a'), seeker('b'), seeker('c')];
    assert.equal(budget.hasRoom(a), true);
    budget.addUnderWay(150);
    for (const one of [a, b, c, a]) assert.equal(budget.hasRoom(one), false);
    budget.removeUnderWay(40, 1);
    assert.deepEqual(told, [], '110 are under way');
    budget.forget(a);
    budget.removeUnderWay(50, 2);
    assert.deepEqual(told, ['b at 2'], '60 and 60 are under way');
    budget.removeUnderWay(60, 3);
    assert.deepEqual(told, ['b at 2', 'c at 3']);
  });

  test('is told to nobody that had room', () => {
    const budget = new CarrierBudget(100);
    budget.hasRoom({ handleRoom: () => assert.fail('was told') });
    budget.addUnderWay(200);
    budget.removeUnderWay(200, 0);
    assert.equal(budget.underWay, 0);
  });
});

test('a connection is pressed above its bytes', () => {
  const budget = new CarrierBudget(100);
  budget.held = 100;
  assert.equal(budget.isPressed, false);
  budget.held = 101;
  assert.equal(budget.isPressed, true);
});
