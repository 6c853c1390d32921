import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidArgumentError } from '../../../src/shared/errors.js';
import { columnOf } from '../../../src/shared/wire/columns.js';

test('a column is read once, over all parts of its message, and says when it has too little', () => {
  const column = columnOf([{ a: [1, 2] }, {}, { a: [3] }] as { a?: number[] }[], ({ a }) => a);
  assert.deepEqual([column.take(), column.next(), column.take()], [1, 2, 3]);
  assert.equal(column.next(), undefined);
  assert.throws(() => column.take(), InvalidArgumentError);
});
