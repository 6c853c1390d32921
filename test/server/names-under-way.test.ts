import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NamesUnderWay } from '../../src/server/names-under-way.js';

function asked(): { readonly outcome: Promise<void>; settle(): void; fail(): void } {
  let settle = (): void => undefined;
  let fail = (): void => undefined;
  const outcome = new Promise<void>((resolve, reject) => {
    settle = resolve;
    fail = () => reject(new Error('refused'));
  });
  return { outcome, settle, fail };
}

test('a name and its id are waited for until what was asked last of them is over, kept or refused', async () => {
  const names = new NamesUnderWay();
  const [deletion, registration] = [asked(), asked()];
  names.add({ name: 'x', id: 'var_1' }, deletion.outcome);
  names.add({ name: 'x', id: 'var_2' }, registration.outcome);
  assert.equal(names.whenKept('y'), undefined);
  const kept = names.whenKept('x');
  deletion.settle();
  await names.whenKept('var_1');
  assert.equal(names.whenKept('var_1'), undefined);
  assert.equal(names.whenKept('x'), kept, 'the name is another variable’s by now');
  registration.fail();
  await kept;
  await names.whenKept('var_2');
  assert.deepEqual([names.whenKept('x'), names.whenKept('var_2')], [undefined, undefined]);
});
