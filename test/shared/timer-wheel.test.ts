import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { WheelEntry } from '../../src/shared/timer-wheel.js';
import { TimerWheel } from '../../src/shared/timer-wheel.js';

interface Entry extends WheelEntry {
  readonly name: string;
}

const entryOf = (name: string): Entry => ({ name, dueAtMs: 0, wheelSlot: -1, wheelPlace: 0 });

const SLOT_MS = 10;
const SLOTS = 8;
const ROUND_MS = SLOT_MS * SLOTS;

function firedBy(wheel: TimerWheel<Entry>, nowMs: number): string[] {
  const fired: string[] = [];
  wheel.advance(nowMs, (entry) => fired.push(entry.name));
  return fired;
}

type Step =
  | { readonly kind: 'schedule'; readonly entry: number; readonly inMs: number }
  | { readonly kind: 'cancel'; readonly entry: number }
  | { readonly kind: 'pass'; readonly ms: number };

const ms = (most: number) => fc.oneof(fc.integer({ min: 0, max: most }), fc.double({ min: 0, max: most, noNaN: true }));
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('schedule' as const),
        entry: fc.nat(5),
        inMs: fc.oneof(ms(3 * ROUND_MS), fc.integer({ min: -ROUND_MS, max: SLOT_MS })),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), entry: fc.nat(5) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: ms(2 * ROUND_MS) }) },
  ),
  { maxLength: 60 },
);
/** The wheel counts from 0; a clock of ours is far from it. */
const starts = fc.constantFrom<number>(0, 12_345, 1_700_000_000_000.123);

describe('a timer wheel', () => {
  test('fires each deadline once, never early and at most one slot late, whatever is scheduled, moved and cancelled', () => {
    fc.assert(
      fc.property(starts, steps, (startMs, given) => {
        const wheel = new TimerWheel<Entry>(SLOT_MS, SLOTS);
        const entries = Array.from({ length: 6 }, (_, place) => entryOf(`${place}`));
        /** The model: when each is due, and from when on it can be late. */
        const waiting = new Map<Entry, { dueAtMs: number; lateFromMs: number }>();
        let nowMs = startMs;
        firedBy(wheel, nowMs);
        let advancedAtMs = nowMs;
        for (const step of given) {
          switch (step.kind) {
            case 'schedule': {
              const entry = entries[step.entry]!;
              const dueAtMs = nowMs + step.inMs;
              wheel.schedule(entry, dueAtMs);
              waiting.set(entry, { dueAtMs, lateFromMs: Math.max(dueAtMs, advancedAtMs) + SLOT_MS });
              break;
            }
            case 'cancel':
              wheel.cancel(entries[step.entry]!);
              waiting.delete(entries[step.entry]!);
              break;
            case 'pass':
              nowMs += step.ms;
              advancedAtMs = nowMs;
              wheel.advance(nowMs, (entry) => {
                const model = waiting.get(entry);
                assert.ok(model !== undefined, 'it was cancelled, or has fired already');
                assert.ok(nowMs >= model.dueAtMs, `${model.dueAtMs - nowMs} ms early`);
                waiting.delete(entry);
              });
              for (const { lateFromMs } of waiting.values()) {
                assert.ok(nowMs < lateFromMs, `${nowMs - lateFromMs + SLOT_MS} ms late`);
              }
              break;
            default:
              step satisfies never;
          }
          assert.equal(wheel.size, waiting.size);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('woken when it says, meets each deadline at most one slot late, also when its owner was busy for long', () => {
    const busy = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, ms(2 * ROUND_MS));
    fc.assert(
      fc.property(
        starts,
        fc.array(fc.record({ atMs: ms(6 * ROUND_MS), inMs: fc.integer({ min: -ROUND_MS, max: 2 * ROUND_MS }), busy }), {
          minLength: 1,
          maxLength: 12,
        }),
        (startMs, given) => {
          const wheel = new TimerWheel<Entry>(SLOT_MS, SLOTS);
          const lateFrom = new Map<Entry, number>();
          let nowMs = startMs;
          const runUntil = (untilMs: number): void => {
            for (let wakeAtMs = wheel.wakeAt(nowMs); wakeAtMs !== undefined; wakeAtMs = wheel.wakeAt(nowMs)) {
              if (Math.max(wakeAtMs, nowMs) > untilMs) break;
              nowMs = Math.max(wakeAtMs, nowMs);
              wheel.advance(nowMs, (entry) => {
                assert.ok(nowMs <= lateFrom.get(entry)!, `${nowMs - lateFrom.get(entry)! + SLOT_MS} ms late`);
                lateFrom.delete(entry);
              });
            }
            nowMs = Math.max(nowMs, untilMs);
          };
          for (const { atMs, inMs, busy: busyMs } of [...given].sort((a, b) => a.atMs - b.atMs)) {
            runUntil(startMs + atMs);
            const entry = entryOf('one');
            wheel.schedule(entry, nowMs + inMs);
            nowMs += busyMs;
            // Who keeps the thread busy cannot be served meanwhile.
            for (const [other, ms] of lateFrom) lateFrom.set(other, Math.max(ms, nowMs + SLOT_MS));
            lateFrom.set(entry, Math.max(entry.dueAtMs, nowMs) + SLOT_MS);
          }
          runUntil(nowMs + 10 * ROUND_MS);
          assert.equal(lateFrom.size, 0);
          assert.equal(wheel.wakeAt(nowMs), undefined);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('wakes at once for a deadline that passed while it was idle', () => {
    const wheel = new TimerWheel<Entry>(SLOT_MS, SLOTS);
    firedBy(wheel, 1_000);
    wheel.schedule(entryOf('late'), 1_020);
    assert.ok(wheel.wakeAt(1_045)! <= 1_045);
    assert.deepEqual(firedBy(wheel, 1_045), ['late']);
  });

  test('does not fire one that an earlier call of the same turn has cancelled or moved', () => {
    const wheel = new TimerWheel<Entry>(SLOT_MS, SLOTS);
    const [first, cancelled, moved] = [entryOf('first'), entryOf('cancelled'), entryOf('moved')];
    for (const entry of [first, cancelled, moved]) wheel.schedule(entry, 15);

    const fired: string[] = [];
    wheel.advance(25, (entry) => {
      fired.push(entry.name);
      wheel.cancel(cancelled);
      wheel.schedule(moved, 200);
    });

    assert.deepEqual(fired, ['first']);
    assert.deepEqual(firedBy(wheel, 210), ['moved']);
  });

  test('fires one that a call schedules for now in a later turn, not in the same one', () => {
    const wheel = new TimerWheel<Entry>(SLOT_MS, SLOTS);
    const entry = entryOf('again');
    wheel.schedule(entry, 10);
    let calls = 0;
    const again = (due: Entry) => {
      calls += 1;
      wheel.schedule(due, 10);
    };
    wheel.advance(30, again);
    assert.equal(calls, 1);
    wheel.advance(40, again);
    assert.equal(calls, 2);
  });

  test('keeps a deadline of a later round while its slot comes by', () => {
    const wheel = new TimerWheel<Entry>(SLOT_MS, SLOTS);
    wheel.schedule(entryOf('far'), 3 * ROUND_MS + 5);
    for (let nowMs = 0; nowMs <= 3 * ROUND_MS; nowMs += SLOT_MS) assert.deepEqual(firedBy(wheel, nowMs), []);
    assert.deepEqual(firedBy(wheel, 3 * ROUND_MS + 10), ['far']);
  });

  test('cancelling twice, or what was never scheduled, changes nothing', () => {
    const wheel = new TimerWheel<Entry>(SLOT_MS, SLOTS);
    const entry = entryOf('one');
    wheel.cancel(entry);
    wheel.schedule(entry, 10);
    wheel.cancel(entry);
    wheel.cancel(entry);
    assert.deepEqual([wheel.size, wheel.wakeAt(0), firedBy(wheel, 100)], [0, undefined, []]);
  });
});
