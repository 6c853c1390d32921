import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PublishedChange } from '../../../src/server/observer-manager.js';
import type { Opening, StreamCounters, StreamSink } from '../../../src/server/watch/outbox.js';
import { SentState, StreamOutbox } from '../../../src/server/watch/outbox.js';
import type { Change, Variable } from '../../../src/shared/state/variable.js';
import { METHODS } from '../../../src/shared/wire/services.js';
import { encodeMark } from '../../../src/shared/wire/update-message.js';
import type { VariableUpdate } from '../plain-client.js';
import { long, newValue, oldValue } from '../plain-client.js';
import { SampleTable } from '../sample-table.js';

/** A stream that lets messages through when it is told to. */
class ManualSink implements StreamSink {
  readonly written: Uint8Array[] = [];
  outbox: StreamOutbox | undefined;
  #through = 0;

  write(bytes: Uint8Array): void {
    this.written.push(bytes);
  }

  get underWay(): number {
    return this.written.length - this.#through;
  }

  letThrough(count: number, nowMs: number): void {
    for (let left = count; left > 0 && this.underWay > 0; left -= 1) {
      this.#through += 1;
      this.outbox?.handleWritten(nowMs);
    }
  }

  letAllThrough(nowMs = 0): void {
    while (this.underWay > 0) this.letThrough(1, nowMs);
  }

  updates(): VariableUpdate[] {
    return this.written.map((bytes) => METHODS.WatchVariables.decodeResponse(bytes));
  }
}

function setup({ limit = 4, slowStreamMs = 1_000, includesOldValues = true } = {}) {
  const sample = new SampleTable();
  const sink = new ManualSink();
  const counters: StreamCounters = { updatesSent: 0, updatesConflated: 0 };
  const outbox = new StreamOutbox({ epoch: 'e1', limit, slowStreamMs, includesOldValues }, sink, counters);
  sink.outbox = outbox;
  const watch = (variable: Variable): SentState => new SentState(variable, variable.current.version, variable.current);
  const push = (state: SentState, change: Change, atMs = 0): PublishedChange => {
    const published = new PublishedChange(change, atMs);
    outbox.push(state, published);
    return published;
  };
  return { sample, sink, counters, outbox, watch, push };
}

/** Messages that a stream is given before it has let one through. */
const UNDER_WAY = 64;

describe('a stream that takes its updates', () => {
  test('gets each at once, with the bytes that all streams share', () => {
    const { sample, sink, outbox, watch, push } = setup();
    const fan = sample.variable('fan');
    const published = push(watch(fan), sample.set(fan, 1));
    assert.equal(sink.written[0], published.bytesWithOldValue);
    assert.equal(published.bytes, undefined);
    assert.equal(outbox.isWaiting, false);
    const [update] = sink.updates();
    assert.deepEqual([newValue(update!), oldValue(update!), long(update!.missed)], [1, 0, 0]);
  });

  test('gets the variant without old value when it wants none', () => {
    const { sample, sink, watch, push } = setup({ includesOldValues: false });
    const fan = sample.variable('fan');
    const published = push(watch(fan), sample.set(fan, 1));
    assert.equal(sink.written[0], published.bytes);
    assert.equal(oldValue(sink.updates()[0]!), undefined);
  });

  test('gets no version twice', () => {
    const { sample, sink, watch, push } = setup();
    const fan = sample.variable('fan');
    const state = watch(fan);
    const change = sample.set(fan, 1);
    push(state, change);
    push(state, change);
    push(watch(fan), change);
    assert.equal(sink.written.length, 1);
  });
});

describe('what is sent at the beginning', () => {
  test('comes before the changes that were made since, each with the value it had then', () => {
    const { sample, sink, outbox, watch, push } = setup();
    const variables = Array.from({ length: 100 }, (_, index) => sample.register(`v${index}`, index).variable);
    const states = variables.map(watch);
    const opening: Opening[] = states.map((sent) => ({
      type: 'initial_value',
      sent,
      current: sent.variable.current,
      missed: 0,
    }));
    opening.push({ type: 'encoded', bytes: encodeMark('synced', 0, sample.table.revision, 'e1') });
    outbox.open(opening, 0);
    assert.equal(sink.written.length, UNDER_WAY, 'the stream is given no more than it takes');
    push(states[99]!, sample.set(variables[99]!, 1_000));
    push(states[0]!, sample.set(variables[0]!, 1_001));
    sink.letAllThrough();
    const updates = sink.updates();
    assert.deepEqual(
      updates.map(({ updateType }) => updateType),
      [...variables.map(() => 'initial_value'), 'synced', 'value_change', 'value_change'],
    );
    assert.deepEqual(
      updates.slice(0, 100).map(newValue),
      variables.map((_, index) => index),
    );
    assert.deepEqual([oldValue(updates[101]!), newValue(updates[101]!)], [99, 1_000]);
    assert.equal(outbox.isWaiting, false);
  });
});

describe('a stream that is slow', () => {
  test('gets what waited in order once it takes it', () => {
    const { sample, sink, outbox, watch, push } = setup({ limit: 100 });
    const fan = sample.variable('fan');
    const state = watch(fan);
    for (let value = 1; value <= 150; value += 1) push(state, sample.set(fan, value));
    assert.equal(sink.written.length, UNDER_WAY);
    assert.equal(outbox.isWaiting, true);
    sink.letAllThrough();
    assert.deepEqual(
      sink.updates().map(newValue),
      Array.from({ length: 150 }, (_, index) => index + 1),
    );
  });

  test('that is full gets the newest, told how many were left out, with the old value that it knows', () => {
    const { sample, sink, counters, watch, push } = setup({ limit: 4 });
    const fan = sample.variable('fan');
    const state = watch(fan);
    for (let value = 1; value <= 150; value += 1) push(state, sample.set(fan, value));
    sink.letAllThrough();
    const updates = sink.updates();
    assert.equal(updates.length, UNDER_WAY + 1);
    const last = updates.at(-1)!;
    assert.deepEqual([oldValue(last), newValue(last)], [UNDER_WAY, 150]);
    assert.equal(long(last.missed), 150 - UNDER_WAY - 1);
    assert.equal(counters.updatesConflated, 150 - UNDER_WAY - 1);
    assert.equal(counters.updatesSent, UNDER_WAY + 1);
  });

  test('is never left without the deletion', () => {
    const { sample, sink, watch, push } = setup({ limit: 1 });
    const fan = sample.variable('fan');
    const state = watch(fan);
    for (let value = 1; value <= 130; value += 1) push(state, sample.set(fan, value));
    push(state, sample.delete(fan));
    sink.letAllThrough();
    const last = sink.updates().at(-1)!;
    assert.equal(last.updateType, 'deleted');
    assert.equal(last.reason, 'deleted');
    assert.equal(long(last.missed), 130 - UNDER_WAY);
  });

  test('holds no more than its limit, or one update a variable', () => {
    const { sample, sink, outbox, watch, push } = setup({ limit: 4 });
    const states = Array.from({ length: 10 }, (_, index) => watch(sample.variable(`v${index}`)));
    for (let round = 1; round <= 200; round += 1) {
      for (const state of states) push(state, sample.set(state.variable, round));
    }
    sink.letThrough(UNDER_WAY, 0);
    sink.letAllThrough();
    assert.equal(sink.written.length, UNDER_WAY + 10);
    assert.equal(outbox.isWaiting, false);
  });

  test('with large values is given one more than its bytes allow, then waits', () => {
    const { sample, sink, outbox } = setup();
    const text = 'x'.repeat(100_000);
    const { variable } = sample.table.register({ name: 'text', type: 'string', initial: '' }, 0);
    const state = new SentState(variable, 1, variable.current);
    for (let index = 0; index < 5; index += 1) {
      const { change } = sample.table.set(
        { identifier: 'text', input: `${text}${index}` },
        { source: '', custom: {} },
        0,
      );
      outbox.push(state, new PublishedChange(change!, 0));
    }
    assert.equal(sink.written.length, 2);
  });

  test('is stuck when nothing went through for slowStreamMs, not when anything did', () => {
    const { sample, sink, outbox, watch, push } = setup({ limit: 4, slowStreamMs: 1_000 });
    const fan = sample.variable('fan');
    const state = watch(fan);
    for (let value = 1; value <= 150; value += 1) push(state, sample.set(fan, value), 100);
    assert.equal(outbox.isStuck(1_099), false);
    assert.equal(outbox.isStuck(1_100), true);
    sink.letThrough(1, 1_050);
    assert.equal(outbox.isStuck(1_100), false);
    assert.equal(outbox.stuckAtMs, 2_050);
    sink.letAllThrough(2_000);
    assert.equal(outbox.isStuck(1e9), false);
  });
});

test('a heartbeat goes out only when nothing else is on its way', () => {
  const { sample, sink, outbox, watch, push } = setup();
  const fan = sample.variable('fan');
  push(watch(fan), sample.set(fan, 1));
  outbox.pushHeartbeat(5, 7, 5);
  assert.equal(sink.written.length, 1);
  sink.letAllThrough();
  outbox.pushHeartbeat(6, 7, 6);
  assert.equal(sink.updates()[1]?.updateType, 'heartbeat');
  assert.equal(outbox.lastWriteAtMs, 6);
});

test('a closed outbox takes and gives nothing', () => {
  const { sample, sink, outbox, watch, push } = setup();
  const fan = sample.variable('fan');
  const state = watch(fan);
  for (let value = 1; value <= 150; value += 1) push(state, sample.set(fan, value));
  outbox.close();
  push(state, sample.set(fan, 99));
  outbox.pushHeartbeat(0, 0, 0);
  sink.letAllThrough();
  assert.equal(sink.written.length, UNDER_WAY);
  assert.equal(outbox.isWaiting, false);
});

test('whatever the stream takes when: versions rise, revisions rise, the books balance, old and new chain', () => {
  type Step = { readonly set: number; readonly through: number };
  const steps = fc.array(fc.record({ set: fc.nat(3), through: fc.nat(20) }), { maxLength: 400 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 8 }), (taken: Step[], limit) => {
      const { sample, sink, counters, watch, push } = setup({ limit });
      const states = Array.from({ length: 4 }, (_, index) => watch(sample.variable(`v${index}`)));
      let value = 0;
      for (const { set, through } of taken) {
        value += 1;
        push(states[set]!, sample.set(states[set]!.variable, value));
        if (through < 5) sink.letThrough(through, 0);
      }
      sink.letAllThrough();
      let revision = 0;
      let missedTotal = 0;
      const known = new Map<string, { version: number; value: unknown }>();
      for (const update of sink.updates()) {
        const last = known.get(update.variableId!) ?? { version: 1, value: 0 };
        const version = update.variable!.version!;
        assert.equal(version, last.version + 1 + long(update.missed));
        assert.deepEqual(oldValue(update), last.value);
        assert.ok(long(update.revision) > revision);
        revision = long(update.revision);
        missedTotal += long(update.missed);
        known.set(update.variableId!, { version, value: newValue(update) });
      }
      for (const { variable } of states) {
        const last = known.get(variable.id) ?? { version: 1, value: 0 };
        assert.equal(last.version, variable.current.version);
      }
      assert.equal(missedTotal, counters.updatesConflated);
      assert.equal(sink.written.length + missedTotal, taken.length);
    }),
  );
});
