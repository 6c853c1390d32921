import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Session } from '../../../src/server/session.js';
import { CarrierBudget } from '../../../src/server/watch/carrier-budget.js';
import { LeftWindows } from '../../../src/server/watch/left-windows.js';
import type { OutcomeLink } from '../../../src/server/watch/link-outcomes.js';
import { LinkOutcomes } from '../../../src/server/watch/link-outcomes.js';
import { SetWindows } from '../../../src/server/watch/set-windows.js';
import { InternalError } from '../../../src/shared/errors.js';
import { TimerWheel } from '../../../src/shared/timer-wheel.js';
import { LinkWriter } from '../../../src/shared/wire/link-writer.js';

function setup() {
  const link: OutcomeLink = {
    writer: new LinkWriter(),
    handleRows: () => undefined,
    handleAwaitedRows: () => undefined,
    room: () => undefined,
    handleSessionMissed: () => undefined,
    failureOf: (cause) => new InternalError('failed', { cause }),
    fail: (error) => assert.fail(String(error)),
  };
  const budget = new CarrierBudget(1_000);
  return { budget, outcomes: () => new LinkOutcomes(link, budget, () => 0) };
}

describe('what a link holds for its sets', () => {
  test('is no window that nobody leaves, where it ends while it asks for one', async () => {
    const { outcomes } = setup();
    const setWindows = new SetWindows(new TimerWheel(10), new LeftWindows());
    let open!: () => void;
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    const session = { openWindow: () => opened, beginWindow: () => undefined, setWindows } as unknown as Session;
    const one = outcomes();
    const hello = { sessionId: 's', maxBytes: 0, linkId: new Uint8Array(16), setsAnswered: 0, setsDone: 0, epoch: '' };
    const taking = one.takeWindow(hello, session, () => true);
    one.close();
    open();
    await taking;
    assert.equal(setWindows.size, 0);
  });

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
