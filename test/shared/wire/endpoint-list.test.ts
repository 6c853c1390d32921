import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointListText, isEndpoint, parseEndpointList } from '../../../src/shared/wire/endpoint-list.js';

test('an endpoint is a host and a port', () => {
  for (const one of ['localhost:1', '10.0.0.1:50051', 'a-b.example:65535', '[::1]:80']) assert.ok(isEndpoint(one), one);
  for (const one of ['', 'host', 'host:0', 'host:65536', ':1', 'a b:1', 'dns:///x:1', 'unix:/x', '::1:80']) {
    assert.ok(!isEndpoint(one), one);
  }
});

test('a list is read as it was written, as far as it is one', () => {
  const endpoints = Array.from({ length: 20 }, (_, place) => `10.0.0.${place}:50051`);
  assert.deepEqual(parseEndpointList(endpointListText(endpoints)), endpoints.slice(0, 16));
  assert.deepEqual(parseEndpointList('a:1,,nonsense, b:2,c:3'), ['a:1', 'c:3']);
  assert.deepEqual(parseEndpointList(''), []);
});
