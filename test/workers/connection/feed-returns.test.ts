import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnavailableError } from '../../../src/shared/errors.js';
import type { BridgeConfig } from '../../../src/shared/port/commands.js';
import type { Deadline } from '../../../src/shared/timer-wheel.js';
import { FeedReturns, type ReturningFeed } from '../../../src/workers/connection/feed-returns.js';

class Feed implements ReturningFeed {
  hasBeenLive = true;
  readonly states: string[] = [];
  handleOpening(): void {
    this.states.push('connecting');
  }
  handleWaiting({ name }: { readonly name: string }): void {
    this.states.push(name);
  }
}

const REFUSED = { error: new UnavailableError('not now'), liveForMs: 0 };

function returnsOf() {
  const scheduled = new Map<Deadline, number>();
  const opened: [Feed, number][] = [];
  const refused: Feed[] = [];
  const reconnect = {
    baseMs: 100,
    factor: 2,
    capMs: 5_000,
    jitter: 0,
    spreadMs: 40,
    resetAfterMs: 10_000,
    maxAttempts: 0,
  };
  const returns = new FeedReturns<Feed>({
    config: { reconnect, breaker: { failures: 2, openMs: 1_000 } } as BridgeConfig,
    deadlines: {
      schedule: (deadline, dueAtMs) => scheduled.set(deadline, dueAtMs),
      cancel: (deadline) => scheduled.delete(deadline),
    },
    random: { next: () => 0.5 },
    open: (feed, attempt) => opened.push([feed, attempt]),
    refuse: (feed) => refused.push(feed),
  });
  const fire = () => {
    for (const deadline of [...scheduled.keys()]) {
      scheduled.delete(deadline);
      void deadline.handleDeadline(0);
    }
  };
  return { returns, scheduled, opened, refused, fire };
}

test('a feed that was refused for now is opened again alone, later each time', () => {
  const { returns, scheduled, opened, fire } = returnsOf();
  const feed = new Feed();
  returns.retry(feed, REFUSED, 1_000);
  assert.deepEqual([feed.states, [...scheduled.values()]], [['backoff'], [1_020]]);
  fire();
  returns.retry(feed, REFUSED, 1_000);
  assert.deepEqual([...scheduled.values()], [1_100]);
  fire();
  assert.deepEqual(opened, [
    [feed, 1],
    [feed, 2],
  ]);
});

test('a feed that was never live is refused when it failed more often than the breaker allows, one that was live is not', () => {
  const { returns, refused, fire } = returnsOf();
  const [fresh, relied] = [new Feed(), new Feed()];
  fresh.hasBeenLive = false;
  for (let failures = 1; failures <= 3; failures += 1) {
    for (const feed of [fresh, relied]) returns.retry(feed, REFUSED, 0);
    fire();
  }
  assert.deepEqual(refused, [fresh]);
});

test('a feed that is forgotten returns neither alone nor with the others', () => {
  const { returns, scheduled } = returnsOf();
  const [alone, together] = [new Feed(), new Feed()];
  returns.retry(alone, REFUSED, 0);
  returns.wait(together);
  returns.forget(alone);
  returns.forget(together);
  assert.deepEqual([scheduled.size, returns.takeWaiting()], [0, []]);
});

test('those that wait for the connection are taken once', () => {
  const { returns } = returnsOf();
  const feed = new Feed();
  returns.wait(feed);
  returns.wait(feed);
  assert.deepEqual([...returns.waiting()], [feed]);
  assert.deepEqual([returns.takeWaiting(), returns.takeWaiting()], [[feed], []]);
});

test('after close nobody returns', () => {
  const { returns, scheduled } = returnsOf();
  returns.retry(new Feed(), REFUSED, 0);
  returns.wait(new Feed());
  returns.close();
  assert.deepEqual([scheduled.size, returns.takeWaiting()], [0, []]);
});
