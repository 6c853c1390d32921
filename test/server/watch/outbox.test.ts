import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { PublishedBatch, PublishedChange } from '../../../src/server/observer-manager.js';
import { CarrierBudget } from '../../../src/server/watch/carrier-budget.js';
import type { MessageSink } from '../../../src/server/watch/message-pace.js';
import { MessagePace } from '../../../src/server/watch/message-pace.js';
import type { Opening } from '../../../src/server/watch/opening.js';
import type { StreamCounters } from '../../../src/server/watch/outbox.js';
import { Outbox } from '../../../src/server/watch/outbox.js';
import { SentState } from '../../../src/server/watch/sent-state.js';
import { StreamEncoder } from '../../../src/server/watch/stream-encoder.js';
import type { Change, Variable } from '../../../src/shared/state/variable.js';
import { METHODS } from '../../../src/shared/wire/services.js';
import type { KeptOut, SentVariable, SharedChange, UpdateEncoder } from '../../../src/shared/wire/update-encoder.js';
import type { VariableUpdate } from '../plain-client.js';
import { long, newValue, oldValue } from '../plain-client.js';
import { SampleTable } from '../sample-table.js';

/** A stream that lets messages through when it is told to. */
class ManualSink implements MessageSink {
  readonly written: Uint8Array[] = [];
  outbox: Outbox | undefined;
  pace: MessagePace | undefined;
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
      this.pace?.handleWritten(nowMs);
      this.outbox?.handleRoom(nowMs);
    }
  }

  letAllThrough(nowMs = 0): void {
    while (this.underWay > 0) this.letThrough(1, nowMs);
  }

  updates(): VariableUpdate[] {
    return this.written.map((bytes) => METHODS.WatchVariables.decodeResponse(bytes));
  }
}

function setup({
  limit = 4,
  maxBytes = 1e6,
  slowStreamMs = 1_000,
  includesOldValues = true,
  keepsBatches = false,
  isOpen = true,
  history = {},
  budget = new CarrierBudget(1e9),
} = {}) {
  const sample = new SampleTable(history);
  const sink = new ManualSink();
  const counters: StreamCounters = { updatesSent: 0, updatesConflated: 0 };
  const encoder = new StreamEncoder('e1', { generation: 0 }, includesOldValues);
  const pace = new MessagePace(encoder, sink, budget, slowStreamMs);
  const outbox = new Outbox({ limit, maxBytes, keepsBatches, counters, budget }, encoder, pace);
  sink.outbox = outbox;
  sink.pace = pace;
  if (isOpen) outbox.open([], { revision: 0, timestamp: 0 }, false, 0);
  const watch = (variable: Variable): SentState => new SentState(variable, variable.current.version);
  const push = (state: SentState, change: Change, atMs = 0): PublishedChange => {
    const published = new PublishedChange(change, atMs);
    outbox.push(state, published);
    return published;
  };
  return { sample, sink, counters, outbox, pace, watch, push, budget };
}

/** Notes what a watch with a condition is told. */
class NotingEncoder implements UpdateEncoder {
  readonly rows: { version: number; missed: number; before: unknown }[] = [];

  change(sent: SentVariable, { change }: SharedChange, _: boolean, kept: KeptOut | undefined): void {
    sent.handle = 1;
    this.rows.push({ version: change.current.version, missed: kept!.missed, before: kept!.before?.value });
  }

  snapshot(): void {
    throw new Error('it was not away');
  }
  gone(): void {
    throw new Error('nothing went');
  }
  mark(): void {
    throw new Error('it wants none');
  }
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
    const { sample, sink, outbox, watch, push } = setup({ isOpen: false });
    const variables = Array.from({ length: 100 }, (_, index) => sample.register(`v${index}`, index).variable);
    const states = variables.map(watch);
    const opening: Opening[] = states.map((sent) => ({
      type: 'initial_value',
      sent,
      version: sent.version,
      revision: sent.variable.current.revision,
      missed: 0,
    }));
    outbox.open(opening, { revision: sample.table.revision, timestamp: 0 }, true, 0);
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
    const state = new SentState(variable, 1);
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
    const { sample, sink, pace, watch, push } = setup({ limit: 4, slowStreamMs: 1_000 });
    const fan = sample.variable('fan');
    const state = watch(fan);
    for (let value = 1; value <= 150; value += 1) push(state, sample.set(fan, value), 100);
    assert.equal(pace.isStuck(1_099), false);
    assert.equal(pace.isStuck(1_100), true);
    sink.letThrough(1, 1_050);
    assert.equal(pace.isStuck(1_100), false);
    assert.equal(pace.stuckAtMs, 2_050);
    sink.letAllThrough(2_000);
    assert.equal(pace.isStuck(1e9), false);
  });
});

test('a heartbeat goes out only when nothing else is on its way', () => {
  const { sample, sink, outbox, pace, watch, push } = setup();
  const fan = sample.variable('fan');
  push(watch(fan), sample.set(fan, 1));
  outbox.pushHeartbeat(5, { revision: 7, timestamp: 5 });
  assert.equal(sink.written.length, 1);
  sink.letAllThrough();
  outbox.pushHeartbeat(6, { revision: 7, timestamp: 6 });
  assert.equal(sink.updates()[1]?.updateType, 'heartbeat');
  assert.equal(pace.lastWriteAtMs, 6);
});

test('a closed outbox takes and gives nothing', () => {
  const { sample, sink, outbox, pace, watch, push } = setup();
  const fan = sample.variable('fan');
  const state = watch(fan);
  for (let value = 1; value <= 150; value += 1) push(state, sample.set(fan, value));
  outbox.close();
  pace.close(0);
  push(state, sample.set(fan, 99));
  outbox.pushHeartbeat(0, { revision: 0, timestamp: 0 });
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

describe('an opening that waited until the history let go of its values', () => {
  function slowOpening(type: 'initial_value' | 'resync', missed: number) {
    const all = setup({ isOpen: false, limit: 1_000, history: { maxAgeMs: 0 } });
    const { sample, outbox, watch, push, sink } = all;
    const states = Array.from({ length: UNDER_WAY + 2 }, (_, index) => watch(sample.variable(`v${index}`)));
    const opening = states.map((sent): Opening => {
      return { type, sent, version: 1, revision: sent.variable.current.revision, missed };
    });
    outbox.open(opening, { revision: sample.table.revision, timestamp: 0 }, true, 0);
    const last = states.at(-1)!;
    const sets = (count: number) => {
      for (let value = 1; value <= count; value += 1) push(last, sample.set(last.variable, value));
    };
    return { ...all, last, sets, tail: (count: number) => sink.updates().slice(-count) };
  }

  test('tells the newer value as the initial one, and marks synced behind it', () => {
    const { sink, sets, tail } = slowOpening('initial_value', 0);
    sets(40);
    sink.letAllThrough();
    const updates = sink.updates();
    assert.equal(updates.length, UNDER_WAY + 1 + 40 + 1);
    assert.deepEqual(
      updates.slice(UNDER_WAY, UNDER_WAY + 5).map((update) => [update.updateType, update.variable?.version]),
      [
        ['initial_value', 1],
        ['initial_value', 2],
        ['synced', undefined],
        ['value_change', 3],
        ['value_change', 4],
      ],
    );
    assert.equal(newValue(tail(1)[0]!), 40);
  });

  test('tells the newer value as a resync, with all that was missed', () => {
    const { sink, sets } = slowOpening('resync', 7);
    sets(40);
    sink.letAllThrough();
    const told = sink.updates().slice(UNDER_WAY + 1, UNDER_WAY + 3);
    assert.deepEqual(
      told.map((update) => [update.updateType, update.variable?.version, long(update.missed)]),
      [
        ['resync', 2, 8],
        ['synced', undefined, 0],
      ],
    );
  });

  test('tells the deletion alone, and marks synced behind it', () => {
    const { sample, sink, last, push, tail } = slowOpening('initial_value', 0);
    push(last, sample.delete(last.variable));
    sink.letAllThrough();
    assert.deepEqual(
      tail(2).map(({ updateType }) => updateType),
      ['deleted', 'synced'],
    );
  });
});

describe('what a slow watch holds', () => {
  test('is its bytes of changes at most, then the newest of each variable', () => {
    const budget = new CarrierBudget(1e9);
    const { sample, watch, push, counters } = setup({ limit: 1_000, maxBytes: 100_000, budget });
    const fan = watch(sample.variable('fan'));
    for (let value = 1; value <= UNDER_WAY; value += 1) push(fan, sample.set(fan.variable, value));
    const { variable } = sample.table.register({ name: 'text', type: 'string', initial: '' }, 0);
    const state = watch(variable);
    for (let index = 0; index < 100; index += 1) {
      const input = `${'x'.repeat(20_000)}${index}`;
      const { change } = sample.table.set({ identifier: 'text', input }, { source: '', custom: {} }, 0);
      push(state, change!);
      assert.ok(budget.held <= 100_000, `${budget.held} bytes`);
    }
    assert.ok(counters.updatesConflated >= 97);
  });

  test('is the newest of each variable when its connection holds too much', () => {
    const budget = new CarrierBudget(1_000);
    const { sample, watch, push, counters } = setup({ limit: 1_000, budget });
    budget.held = 1_001;
    const fan = watch(sample.variable('fan'));
    for (let value = 1; value <= UNDER_WAY + 100; value += 1) push(fan, sample.set(fan.variable, value));
    assert.ok(counters.updatesConflated >= 99);
  });

  test('of atomic batches is overfull when what it has begun to tell is outdated and large', () => {
    const budget = new CarrierBudget(1e9);
    const { sample, watch, outbox, pace, sink } = setup({ keepsBatches: true, maxBytes: 100_000, limit: 10, budget });
    const table = sample.table;
    const texts = Array.from({ length: UNDER_WAY + 20 }, (_, index) => {
      return table.register({ name: `t${index}`, type: 'string', initial: '' }, 0).variable;
    });
    const states = texts.map(watch);
    const setAll = (round: number) => {
      const assignments = texts.map(({ name }) => ({ identifier: name, input: `${round}${'x'.repeat(10_000)}` }));
      const { changes } = table.update(assignments, true, { source: '', custom: {} }, 0);
      const batch = new PublishedBatch();
      for (const [place, change] of changes.entries()) {
        outbox.push(states[place]!, new PublishedChange(change, 0, place < changes.length - 1 ? batch : undefined));
      }
      batch.end(0);
    };
    setAll(1);
    assert.equal(outbox.isOverfull, false);
    setAll(2);
    assert.equal(outbox.isOverfull, true);
    outbox.close();
    pace.close(0);
    assert.deepEqual([budget.held, budget.underWay], [0, 0]);
    assert.ok(sink.written.length < UNDER_WAY);
  });
});

test('streams of one connection wait for each other when what is under way is full, and go on as it is taken', () => {
  const budget = new CarrierBudget(500);
  const streams = Array.from({ length: 10 }, () => setup({ budget }));
  for (const { sample, watch, push } of streams) {
    const fan = watch(sample.variable('fan'));
    push(fan, sample.set(fan.variable, 1));
  }
  const written = () => streams.reduce((sum, { sink }) => sum + sink.written.length, 0);
  assert.ok(written() < 10, `${written()} of 10 are under way`);
  assert.ok(budget.underWay < 700);
  for (let round = 0; round < 10; round += 1) for (const { sink } of streams) sink.letThrough(1, 0);
  assert.equal(written(), 10);
  assert.equal(budget.underWay, 0);
});

describe('a watch with a condition', () => {
  test('is told what was left out as missed and what was kept out by the value before, however slow it is', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.boolean().map((passes) => ({ passes })) },
      fc.nat(3).map((room) => ({ room })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 4 }), (steps, limit) => {
        const sample = new SampleTable();
        const encoder = new NotingEncoder();
        let room = 0;
        const spend = (): void => {
          room -= 1;
        };
        const pace = { takesWrites: () => room > 0, send: spend, isUnderWay: false };
        const counters = { updatesSent: 0, updatesConflated: 0 };
        const budget = new CarrierBudget(1e9);
        const outbox = new Outbox({ limit, maxBytes: 1e6, keepsBatches: false, counters, budget }, encoder, pace);
        outbox.open([], { revision: 0, timestamp: 0 }, false, 0);
        const fan = sample.variable('fan');
        const sent = new SentState(fan, 1, undefined, false, true);
        const passed = new Set<number>();
        for (const one of steps) {
          if ('room' in one) {
            room += one.room;
            outbox.handleRoom(0);
            continue;
          }
          const change = sample.set(fan, fan.current.version + 1);
          if (!one.passes) continue;
          passed.add(change.current.version);
          outbox.push(sent, new PublishedChange(change, 0));
        }
        room = 1_000;
        outbox.handleRoom(0);
        let last = 1;
        for (const [place, { version, missed, before }] of encoder.rows.entries()) {
          const between = Array.from({ length: version - last - 1 }, (_, index) => last + 1 + index);
          assert.equal(missed, between.filter((one) => passed.has(one)).length);
          // Values are versions. A watch that was told nothing yet may not know the value that it was at.
          const keptOut = between.findLast((one) => !passed.has(one));
          if (keptOut !== undefined || place > 0) assert.equal(before, keptOut);
          last = version;
        }
        assert.deepEqual([last], [[...passed].at(-1) ?? 1], 'the newest is told');
      }),
    );
  });
});
