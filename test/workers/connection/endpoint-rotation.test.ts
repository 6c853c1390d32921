import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EndpointRotation } from '../../../src/workers/connection/endpoint-rotation.js';

test('endpoints are tried in turn, beginning with the first, and round again', () => {
  const rotation = new EndpointRotation(['a:1', 'b:2', 'c:3']);
  const tried: string[] = [];
  for (let attempt = 0; attempt < 5; attempt += 1) {
    tried.push(rotation.current);
    rotation.advance();
  }
  assert.deepEqual(tried, ['a:1', 'b:2', 'c:3', 'a:1', 'b:2']);
  assert.equal(rotation.size, 3);
});

test('the only endpoint is tried again', () => {
  const rotation = new EndpointRotation(['a:1']);
  rotation.advance();
  assert.equal(rotation.current, 'a:1');
});
