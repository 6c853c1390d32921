import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { DUPLICATE, VersionTracker } from '../../../src/shared/delivery/version-tracker.js';

interface Delivery {
  readonly version: number;
  readonly epoch: string;
  readonly variableId: string;
  readonly isSnapshot: boolean;
}

const delivery = (version: number, more: Partial<Delivery> = {}): Delivery => ({
  version,
  epoch: 'e1',
  variableId: 'v1',
  isSnapshot: false,
  ...more,
});

function accept(tracker: VersionTracker, { version, epoch, variableId, isSnapshot }: Delivery): number {
  return tracker.accept(version, epoch, variableId, isSnapshot);
}

function at(version: number, epoch = 'e1', variableId = 'v1'): VersionTracker {
  const tracker = new VersionTracker();
  tracker.resume(version, epoch, variableId);
  return tracker;
}

const anyDelivery: fc.Arbitrary<Delivery> = fc.record({
  version: fc.integer({ min: 1, max: 12 }),
  epoch: fc.constantFrom('', 'e1', 'e1', 'e1', 'e2'),
  variableId: fc.constantFrom('', 'v1', 'v1', 'v1', 'v2'),
  isSnapshot: fc.boolean(),
});

describe('a version tracker', () => {
  test('whatever comes, versions of a lineage strictly rise and each says exactly how many are missing', () => {
    fc.assert(
      fc.property(fc.array(anyDelivery, { maxLength: 40 }), (deliveries) => {
        const tracker = new VersionTracker();
        for (const next of deliveries) {
          const before = { version: tracker.version, epoch: tracker.epoch, variableId: tracker.variableId };

          const missed = accept(tracker, next);

          const begins =
            before.version !== 0 &&
            ((next.epoch !== '' && before.epoch !== '' && next.epoch !== before.epoch) ||
              (next.variableId !== '' && before.variableId !== '' && next.variableId !== before.variableId) ||
              (next.isSnapshot && next.version < before.version && (next.epoch === '' || before.epoch === '')));
          if (missed === DUPLICATE) {
            assert.ok(!begins && next.version <= before.version);
            assert.deepEqual(
              { version: tracker.version, epoch: tracker.epoch, variableId: tracker.variableId },
              before,
            );
            continue;
          }
          assert.equal(tracker.version, next.version);
          if (next.epoch !== '') assert.equal(tracker.epoch, next.epoch);
          if (next.variableId !== '') assert.equal(tracker.variableId, next.variableId);
          if (before.version === 0) {
            assert.equal(missed, 0);
            assert.equal(tracker.isResync, false);
          } else if (begins) {
            assert.equal(missed, next.version - 1);
            assert.equal(tracker.isResync, true);
          } else {
            assert.ok(next.version > before.version);
            assert.equal(next.version - before.version, 1 + missed);
            assert.equal(tracker.isResync, next.isSnapshot && missed > 0);
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('of any sequence with repetitions and gaps in one lineage each version is accepted once, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 60 }), (versions) => {
        const tracker = new VersionTracker();
        const accepted: number[] = [];
        let missedTotal = 0;
        for (const version of versions) {
          const missed = accept(tracker, delivery(version));
          if (missed === DUPLICATE) continue;
          accepted.push(version);
          missedTotal += missed;
        }
        assert.deepEqual(
          accepted,
          [...new Set(accepted)].sort((a, b) => a - b),
        );
        // Each version from the first to the last was either accepted or said to be missed.
        assert.equal(accepted.length + missedTotal, accepted.at(-1)! - accepted[0]! + 1);
      }),
    );
  });

  test('the first version is accepted whatever it is, with nothing missed before it', () => {
    const tracker = new VersionTracker();
    assert.equal(accept(tracker, delivery(7)), 0);
    assert.deepEqual([tracker.version, tracker.epoch, tracker.variableId, tracker.isResync], [7, 'e1', 'v1', false]);
  });

  test('a change after a gap tells it and is no resync', () => {
    const tracker = at(3);
    assert.equal(accept(tracker, delivery(7)), 3);
    assert.equal(tracker.isResync, false);
  });

  test('a present value after a gap is a resync, and the change after it is not', () => {
    const tracker = at(3);
    assert.equal(accept(tracker, delivery(7, { isSnapshot: true })), 3);
    assert.equal(tracker.isResync, true);
    assert.equal(accept(tracker, delivery(8)), 0);
    assert.equal(tracker.isResync, false);
  });

  test('a present value without a gap is no resync', () => {
    const tracker = at(3);
    assert.equal(accept(tracker, delivery(4, { isSnapshot: true })), 0);
    assert.equal(tracker.isResync, false);
  });

  test('the version of a new epoch begins anew, lower or higher, with every version before it missed', () => {
    for (const version of [1, 3, 9]) {
      const tracker = at(5);
      assert.equal(accept(tracker, delivery(version, { epoch: 'e2' })), version - 1);
      assert.deepEqual([tracker.version, tracker.epoch, tracker.isResync], [version, 'e2', true]);
    }
  });

  test('a variable that came back under another id begins anew', () => {
    const tracker = at(5);
    assert.equal(accept(tracker, delivery(2, { variableId: 'v2' })), 1);
    assert.deepEqual([tracker.version, tracker.variableId, tracker.isResync], [2, 'v2', true]);
  });

  test('a change without epoch and id belongs to the lineage that is there', () => {
    const tracker = at(5);
    assert.equal(accept(tracker, delivery(6, { epoch: '', variableId: '' })), 0);
    assert.deepEqual([tracker.epoch, tracker.variableId], ['e1', 'v1']);
  });

  test('of a server without epochs a present value that is behind begins anew, and a change that is behind is a duplicate', () => {
    const tracker = at(5, '');
    assert.equal(accept(tracker, delivery(2, { epoch: '' })), DUPLICATE);
    assert.equal(accept(tracker, delivery(2, { epoch: '', isSnapshot: true })), 1);
    assert.equal(tracker.isResync, true);
  });

  test('of a server with epochs a present value that is behind is a duplicate: an old one may come late', () => {
    assert.equal(accept(at(5), delivery(2, { isSnapshot: true })), DUPLICATE);
  });

  test('a tracker that resumes goes on where the earlier one was', () => {
    const tracker = at(5);
    assert.equal(accept(tracker, delivery(5)), DUPLICATE);
    assert.equal(accept(tracker, delivery(6)), 0);
  });
});
