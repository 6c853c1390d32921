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

test('servers that are said come next, in their order, and those that were given stay', () => {
  const rotation = new EndpointRotation(['a:1', 'b:2']);
  rotation.advance();
  rotation.handleServers(['c:3', 'b:2', 'd:4']);
  const tried: string[] = [];
  for (let attempt = 0; attempt < 5; attempt += 1) {
    tried.push(rotation.current);
    rotation.advance();
  }
  assert.deepEqual(tried, ['b:2', 'c:3', 'd:4', 'a:1', 'b:2']);
  rotation.handleServers(['e:5']);
  assert.equal(rotation.size, 4, 'what was said before is forgotten');
  rotation.handleServers([]);
  assert.equal(rotation.size, 4);
});
