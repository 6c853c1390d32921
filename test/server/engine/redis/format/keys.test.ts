import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BUCKETS, bucketOf, bucketPrefix } from '../../../../../src/server/engine/redis/format/keys.js';

test('a session stays in its bucket: other servers look there', () => {
  assert.deepEqual(['default', 'house', '', 'é', 'session-1'].map(bucketOf), BUCKETS_THEN);
});

test('sessions are spread over all buckets', () => {
  const used = new Set(Array.from({ length: 5_000 }, (_, index) => bucketOf(`session-${index}`)));
  assert.equal(used.size, BUCKETS);
  fc.assert(fc.property(fc.string(), (id) => bucketOf(id) >= 0 && bucketOf(id) < BUCKETS));
});

test('all keys of a bucket have its hash tag', () => {
  assert.equal(bucketPrefix('house:', 17), 'house:bs:{b17}:');
});

/** Written down when the layout was made. */
const BUCKETS_THEN: readonly number[] = [46, 169, 197, 12, 239];
