import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { endpointListText, isEndpoint, parseEndpointList } from '../../../src/shared/wire/endpoint-list.js';

/** The Python client reads them too. */
const vectors = JSON.parse(
  readFileSync(new URL('../../../../test/vectors/endpoints.json', import.meta.url), 'utf8'),
) as {
  readonly endpoints: readonly { readonly text: string; readonly isEndpoint: boolean }[];
  readonly lists: readonly { readonly text: string; readonly endpoints: readonly string[] }[];
};

test('an endpoint is a host and a port', () => {
  for (const one of vectors.endpoints) assert.equal(isEndpoint(one.text), one.isEndpoint, one.text);
});

test('a list is read as it was written, as far as it is one', () => {
  for (const { text, endpoints } of vectors.lists) assert.deepEqual(parseEndpointList(text), endpoints, text);
  const endpoints = Array.from({ length: 20 }, (_, place) => `10.0.0.${place}:50051`);
  assert.deepEqual(parseEndpointList(endpointListText(endpoints)), endpoints.slice(0, 16));
});
