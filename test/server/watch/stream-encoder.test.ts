import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PublishedChange } from '../../../src/server/observer-manager.js';
import { SentState } from '../../../src/server/watch/sent-state.js';
import { StreamEncoder } from '../../../src/server/watch/stream-encoder.js';
import { METHODS } from '../../../src/shared/wire/services.js';
import { ERA_SPAN } from '../../../src/shared/wire/wire-version.js';
import type { VariableUpdate } from '../plain-client.js';
import { long, newValue, oldValue } from '../plain-client.js';
import { SampleTable } from '../sample-table.js';

function taken(encoder: StreamEncoder): VariableUpdate {
  const bytes = encoder.take();
  assert.ok(bytes !== undefined);
  assert.equal(encoder.take(), undefined, 'it is taken once');
  return METHODS.WatchVariables.decodeResponse(bytes);
}

describe('a change', () => {
  test('is the same bytes for all that know the version before, and is not for one that does not', () => {
    const sample = new SampleTable();
    const fan = sample.variable('fan');
    sample.set(fan, 1);
    const published = new PublishedChange(sample.set(fan, 2), 0);
    const [first, second] = [
      new StreamEncoder('e1', { generation: 0 }, true),
      new StreamEncoder('e1', { generation: 0 }, true),
    ];
    first.change(new SentState(fan, 2), published, false);
    second.change(new SentState(fan, 2), published, false);
    assert.equal(first.take(), second.take());
    first.change(new SentState(fan, 1), published, false);
    const own = taken(first);
    assert.deepEqual([oldValue(own), newValue(own), long(own.missed), own.more], [0, 2, 1, false]);
  });

  test('has no old value where nobody holds it any more', () => {
    const sample = new SampleTable({ maxAgeMs: 0 });
    const fan = sample.variable('fan');
    for (let value = 1; value <= 40; value += 1) sample.set(fan, value);
    const published = new PublishedChange(sample.set(fan, 41), 0);
    const encoder = new StreamEncoder('e1', { generation: 0 }, true);
    encoder.change(new SentState(fan, 1), published, true);
    const update = taken(encoder);
    assert.deepEqual([oldValue(update), long(update.missed), update.more], [undefined, 40, true]);
  });

  test('that skips the end of an era begins the next one though nobody holds the value before it', () => {
    const sample = new SampleTable({ maxAgeMs: 0 });
    const registration = { name: 'fan', type: 'float', initial: 0, version: ERA_SPAN - 1 };
    const { variable: fan } = sample.table.register(registration, 0);
    for (let value = 1; value <= 40; value += 1) sample.set(fan, value);
    const encoder = new StreamEncoder('e1', { generation: 0 }, true);
    encoder.change(new SentState(fan, ERA_SPAN - 1), new PublishedChange(sample.set(fan, 41), 0), false);
    assert.equal(taken(encoder).updateType, 'resync');
  });

  test('names what the request calls it, beside `more`', () => {
    const sample = new SampleTable();
    const fan = sample.variable('fan');
    const encoder = new StreamEncoder('e1', { generation: 0 }, false);
    encoder.change(new SentState(fan, 1, ['fan', fan.id]), new PublishedChange(sample.set(fan, 1), 0), true);
    const { identifiers, more } = taken(encoder);
    assert.deepEqual([identifiers, more], [['fan', fan.id], true]);
  });
});

test('what is gone is said with its last value where that is remembered, and by its id alone where not', () => {
  const sample = new SampleTable();
  const fan = sample.variable('fan');
  const change = sample.delete(fan);
  const encoder = new StreamEncoder('e1', { generation: 0 }, true);
  encoder.gone(
    { id: fan.id, change, identifiers: undefined },
    { missed: 4, before: undefined },
    { revision: 9, timestamp: 5 },
    true,
  );
  const known = taken(encoder);
  assert.deepEqual([known.updateType, known.variable?.name, known.more], ['deleted', 'fan', true]);
  assert.equal(long(known.missed), 4);
  encoder.gone(
    { id: 'x', change: undefined, identifiers: ['x'] },
    { missed: 0, before: undefined },
    { revision: 9, timestamp: 5 },
    false,
  );
  const forgotten = taken(encoder);
  assert.deepEqual([forgotten.updateType, forgotten.variableId, long(forgotten.revision)], ['deleted', 'x', 9]);
  assert.deepEqual(forgotten.identifiers, ['x']);
});

test('a mark has the moment that it is given', () => {
  const encoder = new StreamEncoder('e1', { generation: 0 }, true);
  encoder.mark('synced', { revision: 7, timestamp: 1_000 });
  const mark = taken(encoder);
  assert.deepEqual([mark.updateType, long(mark.revision), mark.epoch], ['synced', 7, 'e1']);
});
