import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SentState } from '../../../src/server/watch/sent-state.js';
import { SampleTable } from '../sample-table.js';

test('a variable is known by name, is owed nothing and waits for nothing until somebody says otherwise', () => {
  const fan = new SampleTable().variable('fan');
  const { variable, version, unsaidIdentifiers, isNewcomer, owed, waiting } = new SentState(fan, 1);
  assert.deepEqual([variable, version], [fan, 1]);
  assert.deepEqual([unsaidIdentifiers, isNewcomer, owed, waiting], [undefined, false, undefined, undefined]);
});
