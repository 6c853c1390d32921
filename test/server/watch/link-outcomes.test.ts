import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CarrierBudget } from '../../../src/server/watch/carrier-budget.js';
import type { OutcomeLink } from '../../../src/server/watch/link-outcomes.js';
import { LinkOutcomes } from '../../../src/server/watch/link-outcomes.js';
import { InternalError } from '../../../src/shared/errors.js';
import { LinkWriter } from '../../../src/shared/wire/link-writer.js';

function setup() {
  const link: OutcomeLink = {
    writer: new LinkWriter(),
    handleRows: () => undefined,
    handleAwaitedRows: () => undefined,
    room: () => undefined,
    failureOf: (cause) => new InternalError('failed', { cause }),
    fail: (error) => assert.fail(String(error)),
  };
  const budget = new CarrierBudget(1_000);
  return { budget, outcomes: () => new LinkOutcomes(link, budget, () => 0) };
}

describe('what a link holds for its sets', () => {
  test('counts for its connection until it ends, also where sets are still made then', () => {
    const { budget, outcomes } = setup();
    const [one, other] = [outcomes(), outcomes()];
    one.holdNames(400);
    other.holdNames(600);
    assert.equal(budget.held, 1_000);
    assert.throws(() => other.holdNames(601), { code: 'QUOTA_EXCEEDED' });
    one.close();
    one.holdNames(500);
    assert.equal(budget.held, 601);
    other.close();
    assert.equal(budget.held, 0);
  });
});
