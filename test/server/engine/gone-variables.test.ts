import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GoneVariables } from '../../../src/server/engine/gone-variables.js';
import { SampleTable } from '../sample-table.js';

test('a deletion is found by id and by name, the first of a name since a revision', () => {
  const sample = new SampleTable();
  const gone = new GoneVariables();
  const first = sample.delete(sample.variable('fan'));
  const second = sample.delete(sample.variable('fan'));
  gone.remember(first);
  gone.remember(second);
  assert.equal(gone.find(first.variable.id), first);
  const { revision } = first.current;
  assert.deepEqual(
    [0, revision - 1, revision, second.current.revision].map((since) => gone.findByName('fan', since)),
    [first, first, second, undefined],
  );
  assert.deepEqual([...gone.all()], [first, second]);
  assert.ok(gone.bytes > 0);
  gone.clear();
  assert.deepEqual([gone.find(first.variable.id), gone.bytes], [undefined, 0]);
});

test('the oldest are forgotten above 1,024, and what is not known says so', () => {
  const sample = new SampleTable();
  const gone = new GoneVariables();
  const deleted = Array.from({ length: 1_025 }, (_, index) => sample.delete(sample.variable(`v${index}`)));
  for (const change of deleted) gone.remember(change);
  assert.equal(gone.find(deleted[0]!.variable.id), undefined);
  assert.deepEqual([gone.findByName('v0', 0), gone.findByName('v1', 0)], [undefined, deleted[1]]);
  assert.equal(gone.forgottenRevision, deleted[0]!.current.revision);
  gone.forgetTo(1);
  assert.equal(gone.forgottenRevision, deleted[0]!.current.revision);
  gone.forgetTo(1e6);
  assert.equal(gone.forgottenRevision, 1e6);
});

test('the end of a session is not remembered', () => {
  const sample = new SampleTable();
  const gone = new GoneVariables();
  gone.remember({ ...sample.delete(sample.variable('fan')), reason: 'session-ended' });
  assert.equal(gone.findByName('fan', 0), undefined);
});
