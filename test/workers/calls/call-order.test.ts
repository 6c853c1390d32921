import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { QueuedCall } from '../../../src/workers/calls/call-order.js';
import { CallOrder } from '../../../src/workers/calls/call-order.js';

class Call implements QueuedCall {
  readonly identifiers: readonly string[];
  readonly #onStart: (call: Call) => void;
  isStarted = false;

  constructor(identifiers: readonly string[], onStart: (call: Call) => void = () => undefined) {
    this.identifiers = identifiers;
    this.#onStart = onStart;
  }

  start(): void {
    assert.equal(this.isStarted, false, 'a call starts once');
    this.isStarted = true;
    this.#onStart(this);
  }
}

function queueOf(...named: readonly (readonly string[])[]): { queue: CallOrder<Call>; calls: Call[] } {
  const queue = new CallOrder<Call>(100);
  const calls = named.map((identifiers) => new Call(identifiers));
  for (const call of calls) queue.push(call);
  return { queue, calls };
}

const started = (calls: readonly Call[]): boolean[] => calls.map(({ isStarted }) => isStarted);

/** A call of these identifiers, or the end of the running call at this place. */
type Step = readonly string[] | number;
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 3 }), fc.nat(5)),
  { maxLength: 60 },
);

describe('a call order', () => {
  test('starts the calls of a variable in order and never two at once, and each as soon as nothing before it is left', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 8 }), (given, limit) => {
        const queue = new CallOrder<Call>(limit);
        /** Taken in and not ended, in the order of their pushes. */
        const open: Call[] = [];
        const startsNow = (call: Call): boolean =>
          open
            .slice(0, open.indexOf(call))
            .every((earlier) => !earlier.identifiers.some((name) => call.identifiers.includes(name)));
        const check = (call: Call): void => assert.ok(startsNow(call), 'it overtook an earlier call of its variable');
        for (const step of given) {
          if (typeof step === 'number') {
            const running = open.filter(({ isStarted }) => isStarted);
            const ended = running[step % running.length];
            if (ended === undefined) continue;
            open.splice(open.indexOf(ended), 1);
            queue.handleEnd(ended);
          } else {
            const waiting = open.filter(({ isStarted }) => !isStarted).length;
            const call = new Call(step, check);
            open.push(call);
            const isRefused = !startsNow(call) && waiting >= limit;
            assert.equal(queue.push(call), !isRefused);
            if (isRefused) open.pop();
          }
          for (const call of open) assert.equal(call.isStarted, startsNow(call));
          assert.equal(queue.waiting, open.filter(({ isStarted }) => !isStarted).length);
        }
        while (open.length > 0) {
          const ended = open.shift()!;
          assert.ok(ended.isStarted, 'a call was forgotten');
          queue.handleEnd(ended);
        }
        assert.equal(queue.waiting, 0);
      }),
      { numRuns: 1_000 },
    );
  });

  test('starts calls of different variables, and calls that name none, at once', () => {
    const { calls } = queueOf(['a'], ['b'], [], []);
    assert.deepEqual(started(calls), [true, true, true, true]);
  });

  test('starts a call of two variables when the last call of either has ended', () => {
    const { queue, calls } = queueOf(['a'], ['b'], ['a', 'b'], ['b']);
    queue.handleEnd(calls[0]!);
    assert.deepEqual(started(calls), [true, true, false, false]);
    queue.handleEnd(calls[1]!);
    assert.deepEqual(started(calls), [true, true, true, false]);
    queue.handleEnd(calls[2]!);
    assert.deepEqual(started(calls), [true, true, true, true]);
  });

  test('does not wait for itself when it names a variable twice', () => {
    const { queue, calls } = queueOf(['a', 'a'], ['a']);
    assert.deepEqual(started(calls), [true, false]);
    queue.handleEnd(calls[0]!);
    assert.deepEqual(started(calls), [true, true]);
  });

  test('refuses a call that would wait when as many wait as may, and takes one that need not wait', () => {
    const queue = new CallOrder<Call>(1);
    for (const call of [new Call(['a']), new Call(['a'])]) assert.equal(queue.push(call), true);
    const refused = new Call(['a', 'b']);

    assert.equal(queue.push(refused), false);

    assert.equal(queue.waiting, 1);
    const other = new Call(['b']);
    assert.equal(queue.push(other), true);
    assert.equal(other.isStarted, true);
  });

  test('takes the next call from inside a call that starts', () => {
    const queue = new CallOrder<Call>(10);
    const next = new Call(['a']);
    const first = new Call(['a'], () => queue.push(next));
    queue.push(first);
    assert.equal(next.isStarted, false);
    queue.handleEnd(first);
    assert.equal(next.isStarted, true);
  });

  test('goes on when a call ends while it starts', () => {
    const queue = new CallOrder<Call>(10);
    const first = new Call(['a']);
    const second = new Call(['a'], (call) => queue.handleEnd(call));
    const third = new Call(['a']);
    for (const call of [first, second, third]) queue.push(call);
    queue.handleEnd(first);
    assert.deepEqual(started([second, third]), [true, true]);
    assert.equal(queue.waiting, 0);
  });

  test('an end that is told twice starts nothing early', () => {
    const { queue, calls } = queueOf(['a'], ['a'], ['a']);
    queue.handleEnd(calls[0]!);
    queue.handleEnd(calls[0]!);
    assert.deepEqual(started(calls), [true, true, false]);
  });
});
