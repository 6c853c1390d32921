import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SlotMap, slotOf } from '../../../../../src/server/engine/redis/topology/slot-map.js';

describe('the slots of a cluster', () => {
  // As `CLUSTER KEYSLOT` of Redis 7.0 says.
  const slots: readonly (readonly [key: string, slot: number])[] = [
    ['a', 15_495],
    ['123456789', 12_739],
    ['house:bs:{b17}:log', 1_307],
    ['{b17}', 1_307],
  ];
  for (const [key, slot] of slots) test(`${key} is in ${slot}`, () => assert.equal(slotOf(key), slot));

  test('braces with nothing in them, or behind such, do not count', () => {
    assert.notEqual(slotOf('{}{a}'), slotOf('a'));
    assert.equal(slotOf('{ä}x'), slotOf('ä'));
    assert.equal(slotOf('{{a}'), slotOf('{a'));
  });

  test('have primaries and replicas, as a node says that does not know its own name', () => {
    const said = [
      [0, 8_000, ['', 7001, 'id'], ['::1', 7002, 'id']],
      [8_001, 16_383, ['b', 7003, 'id', ['hostname', 'b']]],
    ];
    const map = new SlotMap(said, { host: 'a', port: 7001 });
    assert.deepEqual([map.ownerOf(0), map.ownerOf(8_000), map.ownerOf(8_001)], ['a:7001', 'a:7001', 'b:7003']);
    assert.deepEqual([...map.replicas], [['[::1]:7002', { host: '::1', port: 7002 }]]);
    assert.equal(map.isWhole, true);
    const some = new SlotMap(said.slice(0, 1), { host: 'a', port: 7001 });
    assert.deepEqual([some.isWhole, some.ownerOf(9_000)], [false, undefined]);
  });
});
