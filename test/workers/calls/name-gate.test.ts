import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CallOrder, type QueuedCall } from '../../../src/workers/calls/call-order.js';
import { NameGate } from '../../../src/workers/calls/name-gate.js';

class Names {
  readonly known = new Map<string, string>();
  readonly asked: string[][] = [];
  readonly #meanings: Record<string, string>;
  #answer: (isAnswered: boolean) => void = () => undefined;

  constructor(meanings: Record<string, string>) {
    this.#meanings = meanings;
  }

  nameOf(identifier: string): string | undefined {
    return this.known.get(identifier);
  }

  learnNames(identifiers: readonly string[]): Promise<boolean> {
    this.asked.push([...identifiers]);
    return new Promise((resolve) => {
      this.#answer = (isAnswered) => {
        for (const identifier of isAnswered ? identifiers : []) {
          const name = this.#meanings[identifier];
          if (name !== undefined) this.known.set(identifier, name);
        }
        resolve(isAnswered);
      };
    });
  }

  async answer(isAnswered = true): Promise<void> {
    this.#answer(isAnswered);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function gateOf(meanings: Record<string, string>, limit = 10) {
  const names = new Names(meanings);
  const order = new CallOrder<QueuedCall>(limit);
  const gate = new NameGate<QueuedCall>(order, names, limit);
  const started: number[] = [];
  const push = (number: number, ...identifiers: string[]) => {
    const call: QueuedCall = { identifiers, start: () => started.push(number) };
    return { call, isTaken: gate.push(call) };
  };
  return { names, order, gate, started, push };
}

test('a set by id waits for an earlier one by name of the same variable, and one of another variable does not', async () => {
  const { names, order, started, push } = gateOf({ fan: 'fan', v1: 'fan', lamp: 'lamp' });
  const first = push(1, 'fan');
  push(2, 'v1');
  push(3, 'lamp');
  assert.deepEqual(started, []);
  await names.answer();
  assert.deepEqual(names.asked[0], ['fan']);
  await names.answer();
  assert.deepEqual(names.asked[1], ['v1', 'lamp']);
  assert.deepEqual(started, [1, 3]);
  order.handleEnd(first.call);
  assert.deepEqual(started, [1, 3, 2]);
});

test('what is known goes at once, and so does what names nothing', async () => {
  const { names, started, push } = gateOf({ fan: 'fan' });
  push(1, 'fan');
  await names.answer();
  push(2);
  const second = push(3, 'fan');
  assert.ok(second.isTaken);
  assert.deepEqual([started, names.asked.length], [[1, 2], 1]);
});

test('where nobody could be asked, a call keeps its order with all that name a variable', async () => {
  const { names, order, started, push } = gateOf({ fan: 'fan', v1: 'fan', lamp: 'lamp' });
  const fan = push(1, 'fan');
  await names.answer();
  const unknown = push(2, 'v1');
  push(3, 'fan');
  push(4, 'lamp');
  await names.answer(false);
  await names.answer();
  push(5);
  assert.deepEqual(started, [1, 5]);
  order.handleEnd(fan.call);
  assert.deepEqual(started, [1, 5, 2]);
  order.handleEnd(unknown.call);
  assert.deepEqual(started, [1, 5, 2, 3, 4]);
});

test('an identifier that is not there means itself', async () => {
  const { names, started, push } = gateOf({});
  push(1, 'nobody');
  await names.answer();
  assert.deepEqual(started, [1]);
});

test('above its limit a call is refused, and it is idle when the last one has ended', async () => {
  const { names, order, gate, push } = gateOf({ fan: 'fan' }, 2);
  const calls = [push(1, 'fan'), push(2, 'fan'), push(3, 'fan')];
  assert.deepEqual(
    calls.map(({ isTaken }) => isTaken),
    [true, true, false],
  );
  let isIdle = false;
  void gate.whenIdle().then(() => {
    isIdle = true;
  });
  await names.answer();
  await names.answer();
  assert.equal(isIdle, false);
  for (const { call } of calls) order.handleEnd(call);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isIdle, true);
});
