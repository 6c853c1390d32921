import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ERA_SPAN, eraOf, versionFromWire, wireEpoch, wireVersion } from '../../../src/shared/wire/wire-version.js';

const MAX_INT32 = 2 ** 31 - 1;

/** Any version, and often one near the edge of an era. */
const versions = fc.oneof(
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  fc.integer({ min: 1, max: 100 }),
  fc
    .tuple(fc.integer({ min: 1, max: 4_000_000 }), fc.integer({ min: -3, max: 3 }))
    .map(([era, off]) => era * ERA_SPAN + off),
);

test('every version is a positive 32-bit number on the wire, and below 2^31 - 1', () => {
  fc.assert(
    fc.property(versions, (version) => {
      const wire = wireVersion(version);
      assert.ok(Number.isInteger(wire) && wire >= 1 && wire < MAX_INT32);
    }),
  );
});

test('a version is its era and its number on the wire, and no two are the same', () => {
  fc.assert(
    fc.property(versions, (version) => {
      assert.equal(eraOf(version) * ERA_SPAN + wireVersion(version), version);
      assert.equal(versionFromWire(wireVersion(version), version), version);
    }),
  );
});

test('the next version is the next on the wire, or the first of the next era', () => {
  fc.assert(
    fc.property(versions, (version) => {
      fc.pre(version < Number.MAX_SAFE_INTEGER);
      const isLastOfEra = wireVersion(version) === ERA_SPAN;
      assert.equal(wireVersion(version + 1), isLastOfEra ? 1 : wireVersion(version) + 1);
      assert.equal(eraOf(version + 1), eraOf(version) + (isLastOfEra ? 1 : 0));
    }),
  );
});

test('the epoch is told with its era from the second era on', () => {
  assert.equal(wireEpoch('e1', 1), 'e1');
  assert.equal(wireEpoch('e1', ERA_SPAN), 'e1');
  assert.equal(wireEpoch('e1', ERA_SPAN + 1), 'e1.1');
  assert.equal(wireEpoch('e1', 2 * ERA_SPAN), 'e1.1');
  assert.equal(wireEpoch('e1', 2 * ERA_SPAN + 1), 'e1.2');
});

test('a version of the present era that a client says is found, and 0 stays what it means', () => {
  assert.equal(versionFromWire(3, 5), 3);
  assert.equal(versionFromWire(3, ERA_SPAN + 5), ERA_SPAN + 3);
  assert.equal(versionFromWire(0, ERA_SPAN + 5), 0);
  assert.equal(versionFromWire(-1, 5), -1);
});
