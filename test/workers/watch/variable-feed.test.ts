import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BASELINE, HAS_OLD, RESYNC, UpdateRecord } from '../../../src/shared/delivery/update.js';
import { VariableFeed } from '../../../src/workers/watch/variable-feed.js';

const record = (missed = 0, flags = 0) => Object.assign(new UpdateRecord(), { missed, flags });
const changedBy2 = { changedBy: 2 };

describe('a variable with a condition', () => {
  test('filters silently, and the next delivery says how many, what was missed before them, and the old value', () => {
    const fan = new VariableFeed('fan', 5, undefined);
    assert.equal(fan.offer(record(0, RESYNC), 10, changedBy2), true);
    assert.equal(fan.offer(record(3), 11, changedBy2), false);
    assert.equal(fan.missedWaiting, 3);
    const told = record(1);
    assert.equal(fan.offer(told, 14, changedBy2), true);
    assert.deepEqual([told.handle, told.value, told.old, told.filtered, told.missed], [5, 14, 11, 1, 4]);
    assert.equal(told.flags, HAS_OLD);
    assert.equal(fan.missedWaiting, 0);
  });

  test('that is asked at the server counts what was kept out there, and chains to the value before', () => {
    const fan = new VariableFeed('fan', 5, undefined);
    fan.offer(record(0, RESYNC), 10, changedBy2);
    fan.keepOut(3);
    fan.handleBefore(11);
    const told = record(1);
    assert.equal(fan.offer(told, 20, changedBy2), true);
    assert.deepEqual([told.old, told.filtered, told.missed, told.flags], [11, 3, 1, HAS_OLD]);
    // What the server let through against a value that was left out there.
    assert.equal(fan.offer(record(1), 20.5, changedBy2), false);
    assert.deepEqual([fan.filteredWaiting, fan.missedWaiting], [1, 1]);
  });

  test('whose first version is kept out says where it is, and tells nobody', () => {
    const fan = new VariableFeed('fan', 5, undefined);
    const lineage = { epoch: 'e', variableId: 'v', name: '', newcomer: undefined };
    fan.handleLineage('e', 'v', 'fan');
    const first = record(2);
    assert.equal(fan.offer(first, 10, changedBy2), true);
    assert.deepEqual([first.flags, first.value, first.lineage], [BASELINE, 10, lineage]);
    assert.deepEqual([first.filtered, first.missed, fan.filteredWaiting, fan.missedWaiting], [1, 2, 0, 0]);
    const told = record();
    assert.deepEqual([fan.offer(record(), 11, changedBy2), fan.offer(told, 14, changedBy2)], [false, true]);
    assert.deepEqual([told.old, told.filtered, told.missed, told.flags], [11, 1, 0, HAS_OLD]);
  });

  test('that goes tells what was filtered before', () => {
    const fan = new VariableFeed('fan', 5, {
      version: 1,
      epoch: 'e',
      variableId: 'v',
      last: { value: 10, isOpaque: false },
    });
    fan.offer(record(2), 11, changedBy2);
    const last = record();
    fan.end(last);
    assert.deepEqual([fan.isGone, last.missed, last.filtered, last.old], [true, 2, 1, 11]);
  });
});

test('a lineage is said once, with the first update that is delivered after it began', () => {
  const fan = new VariableFeed('fan', 5, undefined);
  fan.offer(record(0, RESYNC), 10, changedBy2);
  const lineage = { epoch: 'e', variableId: 'v', name: '', newcomer: undefined };
  fan.handleLineage('e', 'v', 'fan');
  fan.offer(record(), 10, changedBy2);
  const [first, second] = [record(), record()];
  fan.offer(first, 20, changedBy2);
  fan.offer(second, 30, changedBy2);
  assert.deepEqual([first.lineage, second.lineage], [lineage, undefined]);
  fan.handleLineage('e', 'w', 'the-fan');
  const third = record();
  fan.offer(third, 40, changedBy2);
  assert.equal(third.lineage?.name, 'the-fan', 'another name than its identifier is said');
});
