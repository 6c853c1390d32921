import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestBudget } from '../../src/server/request-budget.js';

test('a connection has its share, and all together have theirs', () => {
  const budget = new RequestBudget(100, 150);
  const [one, other] = [{}, {}];
  assert.equal(budget.add(one, 100), undefined);
  assert.equal(budget.add(one, 1), 'maxConnectionRequestBytes');
  budget.giveBack(one, 1);
  assert.equal(budget.add(other, 50), undefined);
  assert.equal(budget.add(other, 1), 'maxRequestBytes');
  budget.giveBack(other, 51);
  budget.giveBack(one, 100);
  assert.equal(budget.bytes, 0);
  assert.equal(budget.add(one, 100), undefined);
});
