/** How long a rate limit holds what it holds, and what the dispatcher does around it. */
import assert from 'node:assert/strict';
import { AsyncResource } from 'node:async_hooks';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { DispatchedCall, DispatchedWatch, WatchedVariable } from '../../../src/main/watch/dispatched-watch.js';
import { deliver, releaseDue, watchedVariable } from '../../../src/main/watch/dispatcher.js';
import type { HeldCall } from '../../../src/main/watch/rate-limit.js';
import { GO, RateLimit } from '../../../src/main/watch/rate-limit.js';
import { WatchStats } from '../../../src/main/watch/watch-stats.js';
import { BASELINE, flagsOfReason, RESYNC, UpdateRecord } from '../../../src/shared/delivery/update.js';

interface Call extends HeldCall<string> {
  readonly atMs: number;
}

describe('a held call', () => {
  const limits = fc.record({
    debounceMs: fc.integer({ min: 0, max: 50 }),
    maxWaitMs: fc.integer({ min: 0, max: 120 }),
    throttleMs: fc.integer({ min: 0, max: 50 }),
    conflate: fc.boolean(),
  });
  const arrivals = fc.array(
    fc.record({ gapMs: fc.integer({ min: 0, max: 60 }), variable: fc.constantFrom('fan', 'lamp') }),
    { maxLength: 60 },
  );

  test('is never held longer than its limits allow, nor called sooner after another than throttleMs', () => {
    fc.assert(
      fc.property(limits, arrivals, (given, offers) => {
        const limit = new RateLimit<string, Call>(given);
        const firstAtMs = new Map<string, number>();
        const newestAtMs = new Map<string, number>();
        const calledAtMs = new Map<string, number>();
        const { debounceMs, maxWaitMs, throttleMs } = given;
        const handleCall = ({ variable, atMs }: Call, nowMs: number) => {
          const called = calledAtMs.get(variable);
          const mayGoAtMs = called === undefined ? 0 : called + throttleMs;
          assert.ok(called === undefined || nowMs >= mayGoAtMs, `throttled until ${mayGoAtMs}, called at ${nowMs}`);
          assert.equal(atMs, newestAtMs.get(variable), 'the newest speaks for all');
          const quietAtMs = atMs + debounceMs;
          const latestMs =
            debounceMs > 0 && maxWaitMs > 0 ? Math.min(quietAtMs, firstAtMs.get(variable)! + maxWaitMs) : quietAtMs;
          assert.ok(nowMs <= Math.max(latestMs, mayGoAtMs), `due at ${latestMs}, called at ${nowMs}`);
          calledAtMs.set(variable, nowMs);
          firstAtMs.delete(variable);
        };
        const wakeUntil = (nowMs: number) => {
          for (let wakeAtMs = limit.wakeAtMs(); wakeAtMs !== undefined && wakeAtMs <= nowMs; ) {
            for (const call of limit.takeDue(wakeAtMs)) handleCall(call, wakeAtMs);
            wakeAtMs = limit.wakeAtMs();
          }
        };

        let nowMs = 1_000;
        for (const { gapMs, variable } of offers) {
          nowMs += gapMs;
          wakeUntil(nowMs);
          if (!firstAtMs.has(variable)) firstAtMs.set(variable, nowMs);
          newestAtMs.set(variable, nowMs);
          const call: Call = { variable, atMs: nowMs, missed: 0, flags: 0, oldValue: undefined };
          if (limit.offer(call, nowMs) === GO) handleCall(call, nowMs);
        }
        wakeUntil(Number.MAX_SAFE_INTEGER);

        assert.equal(limit.size, 0);
        assert.equal(firstAtMs.size, 0);
      }),
    );
  });
});

describe('a dispatcher that debounces', () => {
  test('calls with the newest value, the old one of the first held, and all that was missed', () => {
    const { seen, send, release, stats } = debounced();
    send(2, 21);
    send(5, 24, { missed: 2 });
    release(150);
    assert.deepEqual(seen, []);

    release(200);

    assert.deepEqual(seen, [[20, 24, 2]]);
    assert.deepEqual([stats.delivered, stats.rateLimited], [1, 1]);
  });

  test('tells a deletion at once, for what it held too', () => {
    const { seen, send, release } = debounced();
    send(4, 23, { missed: 2 });

    send(5, 23, { flags: flagsOfReason('deleted') });
    release(1_000);

    assert.deepEqual(seen, [[20, undefined, 2]]);
  });

  test('says resync of what a newer update replaced', () => {
    const { resyncs, send, release } = debounced();
    send(9, 30, { flags: RESYNC });
    send(10, 31);

    release(1_000);

    assert.deepEqual(resyncs, [true]);
  });

  test('calls nobody when the watch was stopped while it held', () => {
    const { seen, send, release, watch } = debounced();
    send(2, 21);
    watch.isStopped = true;

    release(1_000);

    assert.deepEqual(seen, []);
  });
});

/** A watch of one variable at version 1 = 20, debounced by 100 ms; all updates come at 100 ms. */
function debounced() {
  const seen: unknown[][] = [];
  const resyncs: boolean[] = [];
  const stats = new WatchStats();
  const watch: DispatchedWatch & { isStopped: boolean } = {
    ref: 'watch-1',
    sessionId: 'session',
    watcher: (_, oldValue, newValue, { missed, resync }) => {
      seen.push([oldValue, newValue, missed]);
      resyncs.push(resync);
    },
    filter: undefined,
    condition: undefined,
    hasCondition: false,
    limit: new RateLimit<WatchedVariable, DispatchedCall>({
      debounceMs: 100,
      maxWaitMs: 0,
      throttleMs: 0,
      conflate: false,
    }),
    stats,
    verifies: true,
    isStopped: false,
    filterPromises: false,
    gate: undefined,
    batch: undefined,
    turns: undefined,
    handleIdentified: () => undefined,
    handleBatchBegun: () => undefined,
    handleGateFull: () => undefined,
    context: new AsyncResource('test'),
    clock: { wallAtMs: (nowMs) => nowMs },
    handleError: (error) => {
      throw error;
    },
    handleGone: () => undefined,
    handleHeld: () => undefined,
  };
  const fan = watchedVariable(watch, 'fan');
  const send = (version: number, value: number, { flags = 0, missed = 0 } = {}) =>
    deliver(fan, Object.assign(new UpdateRecord(), { version, value, revision: version, missed, flags }), 100);
  send(1, 20, { flags: BASELINE });
  return { seen, resyncs, stats, watch, send, release: (nowMs: number) => releaseDue(watch, nowMs) };
}
