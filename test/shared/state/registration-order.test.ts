import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RegistrationOrder } from '../../../src/shared/state/registration-order.js';
import type { Variable } from '../../../src/shared/state/variable.js';

function registered(order: RegistrationOrder): Variable {
  const variable = { place: order.nextPlace() } as Variable;
  order.add(variable);
  return variable;
}

test('a reading in pieces tells what was there all the time once, in order, whatever comes and goes between', () => {
  const step = fc.oneof(fc.constant('register'), fc.constant('read'), fc.nat(300));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), fc.array(step, { maxLength: 300 }), (count, steps) => {
      const order = new RegistrationOrder();
      const all = Array.from({ length: count }, () => registered(order));
      const removed = new Set<Variable>();
      const told: Variable[] = [];
      const read = (): boolean => {
        const next = order.after(told.at(-1)?.place ?? 0);
        if (next === undefined) return false;
        assert.equal(removed.has(next), false);
        told.push(next);
        return true;
      };
      for (const next of steps) {
        if (next === 'register') all.push(registered(order));
        else if (next === 'read') read();
        else if (next < all.length) {
          removed.add(all[next]!);
          order.remove(all[next]!);
        }
      }
      while (read());
      assert.equal(new Set(told).size, told.length);
      assert.ok(told.every((variable, index) => index === 0 || variable.place > told[index - 1]!.place));
      const left = all.filter((variable) => !removed.has(variable));
      assert.deepEqual(
        told.filter((variable) => !removed.has(variable)),
        left,
      );
    }),
  );
});

test('removing twice, or one of another order, removes nothing else', () => {
  const order = new RegistrationOrder();
  const first = registered(order);
  const second = registered(order);
  order.remove(first);
  order.remove(first);
  order.remove(registered(new RegistrationOrder()));
  assert.equal(order.after(0), second);
  assert.equal(order.after(second.place), undefined);
});

test('one of an earlier life takes its place among others, and is found by it', () => {
  const order = new RegistrationOrder();
  const of = (place: number) => ({ place }) as Variable;
  const [second, fourth, sixth] = [of(2), of(4), of(6)];
  for (const variable of [fourth, sixth, second]) order.add(variable);
  assert.deepEqual([order.after(0), order.after(2), order.after(4)], [second, fourth, sixth]);
  assert.deepEqual([order.at(1), order.at(2), order.at(4), order.at(7)], [undefined, second, fourth, undefined]);
  order.remove(second);
  assert.deepEqual([order.at(2), order.after(0)], [undefined, fourth]);
  assert.throws(() => order.add(of(4)), /a place is of one variable/);
  order.skipTo(9);
  order.skipTo(3);
  assert.equal(order.nextPlace(), 10);
});
