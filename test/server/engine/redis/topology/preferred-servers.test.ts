import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BUCKETS } from '../../../../../src/server/engine/redis/format/keys.js';
import { preferredServers } from '../../../../../src/server/engine/redis/topology/preferred-servers.js';

const SERVERS = Array.from({ length: 5 }, (_, place) => `10.0.0.${place}:50051`);

describe('preferred servers', () => {
  test('are all of them, in an order that does not depend on how they are listed', () => {
    fc.assert(
      fc.property(fc.nat(BUCKETS - 1), fc.shuffledSubarray(SERVERS), (bucket, servers) => {
        const preferred = preferredServers(bucket, servers);
        assert.deepEqual([...preferred].sort(), [...servers].sort());
        assert.deepEqual(preferredServers(bucket, [...servers].reverse()), preferred);
      }),
    );
  });

  test('of a bucket stay when another server goes', () => {
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      const [gone, ...left] = preferredServers(bucket, SERVERS);
      assert.deepEqual(
        preferredServers(
          bucket,
          SERVERS.filter((server) => server !== gone),
        ),
        left,
      );
    }
  });

  test('are spread over the buckets', () => {
    const first = Array.from({ length: BUCKETS }, (_, bucket) => preferredServers(bucket, SERVERS)[0]);
    for (const server of SERVERS) {
      const share = first.filter((one) => one === server).length;
      assert.ok(share > BUCKETS / 20, `${server} is first of ${share}`);
    }
  });
});
