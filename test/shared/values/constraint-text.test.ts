import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_CONSTRAINTS, parseConstraints } from '../../../src/shared/values/constraint.js';
import { constraintsToJson } from '../../../src/shared/values/constraint-text.js';

test('constraints come back from their JSON, digits and unknown keys included', () => {
  const constraints = parseConstraints('integer', '{"max":9007199254740993,"unit":"rpm"}', 'v');
  assert.equal(constraintsToJson(constraints), '{"max":9007199254740993,"unit":"rpm"}');
  assert.deepEqual(parseConstraints('integer', constraintsToJson(constraints), 'v'), constraints);
});

test('no constraints are an empty text', () => {
  assert.equal(constraintsToJson(NO_CONSTRAINTS), '');
});
