import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeRecordOf, registrationRecordOf } from '../../../src/server/engine/records.js';
import { SampleTable } from '../sample-table.js';

test('a change as a record names its variable by id and holds no object of the process', () => {
  const sample = new SampleTable();
  const made = sample.register('fan', 1);
  const { variable } = made;
  const record = changeRecordOf(made);
  assert.deepEqual(structuredClone(record), record);
  assert.equal(record.registration?.name, 'fan');
  const set = changeRecordOf(sample.set(variable, 2));
  assert.deepEqual(
    [set.place, set.registration, set.version.value, set.reason],
    [variable.place, undefined, 2, undefined],
  );
  assert.equal(changeRecordOf(sample.delete(variable)).reason, 'deleted');
  assert.deepEqual(structuredClone(registrationRecordOf(variable)), registrationRecordOf(variable));
});
