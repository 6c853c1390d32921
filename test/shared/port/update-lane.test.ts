import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Lineage } from '../../../src/shared/delivery/update.js';
import { HAS_OLD, UpdateRecord } from '../../../src/shared/delivery/update.js';
import { InternalError } from '../../../src/shared/errors.js';
import type { Reply, TurnMessage } from '../../../src/shared/port/replies.js';
import type { LaneSink } from '../../../src/shared/port/update-lane.js';
import { LaneReader, LaneWriter, makeLane } from '../../../src/shared/port/update-lane.js';
import type { Metadata } from '../../../src/shared/values/metadata.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';
import type { VariableValue } from '../../../src/shared/values/variable-type.js';
import { anyValue } from '../../support/any-value.js';

interface Row {
  readonly kind: 'update';
  readonly numbers: readonly number[];
  readonly value: VariableValue | undefined;
  readonly source: string;
  readonly custom: Metadata;
  readonly old: VariableValue | undefined;
  readonly lineage: Lineage | undefined;
}

type Said = Row | Reply;

const count = fc.oneof(fc.nat(9), fc.maxSafeNat());
const time = fc.double({ noNaN: true });
const row: fc.Arbitrary<Row> = fc
  .record({
    numbers: fc.tuple(fc.nat(), count, time, time, count, count, count, fc.nat(127)),
    value: fc.option(anyValue, { nil: undefined }),
    source: fc.constantFrom('', 'typescript', 'python'),
    custom: fc.oneof(
      fc.constant(EMPTY_METADATA),
      fc.dictionary(fc.constantFrom('a', '__proto__'), fc.string(), { noNullPrototype: true }),
    ),
    old: fc.option(anyValue, { nil: undefined }),
    lineage: fc.option(fc.record({ epoch: fc.string(), variableId: fc.string() }, { noNullPrototype: true }), {
      nil: undefined,
    }),
  })
  .map((fields) => ({ kind: 'update', ...fields, old: (fields.numbers[7] & HAS_OLD) === 0 ? undefined : fields.old }));
/** Needs no message. */
const plainRow = fc.tuple(row, fc.double()).map(([{ numbers }, value]): Row => {
  const flags = numbers[7]! & ~HAS_OLD;
  const ofFew = { source: '', custom: EMPTY_METADATA, old: undefined, lineage: undefined };
  return { kind: 'update', numbers: [...numbers.slice(0, 7), flags], value, ...ofFew };
});
const reply: fc.Arbitrary<Reply> = fc.nat().map((id) => ({ kind: 'answer', id, result: id }));

/** Two threads and the port between them, one step at a time. What a port does to values is done by structuredClone. */
class Threads {
  readonly said: Said[] = [];
  readonly heard: Said[] = [];
  readonly #writer: LaneWriter;
  readonly #reader: LaneReader;
  readonly #port: (TurnMessage | null)[] = [];
  readonly #sink: LaneSink;
  #replies: Reply[] = [];
  #appended: Row[] = [];
  #isFlushing = false;
  isPolled = false;
  /** What the writer's thread does each time that the reader looks into the port in the middle of a drain. */
  meanwhile: () => void = () => undefined;

  constructor(credits: number) {
    const memory = makeLane(credits);
    this.#writer = new LaneWriter(memory);
    this.#reader = new LaneReader(memory);
    this.#sink = {
      handleReply: (said) => this.heard.push(said),
      handleUpdate: ({ handle, version, timestamp, receivedAt, revision, missed, filtered, flags, ...rest }) => {
        const numbers = [handle, version, timestamp, receivedAt, revision, missed, filtered, flags];
        const { value, source, custom, old, lineage } = rest;
        this.heard.push({ kind: 'update', numbers, value, source, custom, old, lineage });
      },
    };
  }

  get writer(): LaneWriter {
    return this.#writer;
  }

  append(update: Row): void {
    const { numbers, value, source, custom, old, lineage } = update;
    const [handle, version, timestamp, receivedAt, revision, missed, filtered, flags] = numbers as number[];
    const said = { handle, version, timestamp, receivedAt, revision, missed, filtered, flags };
    this.#writer.append(Object.assign(new UpdateRecord(), said, { value, source, custom, old, lineage }));
    this.#appended.push(update);
  }

  /** As a port writer does it in a long turn. */
  publishEarly(): void {
    this.#writer.publishEarly();
    if (this.#writer.unpublished === 0) this.said.push(...this.#appended.splice(0));
  }

  reply(said: Reply): void {
    this.#replies.push(said);
  }

  /** What a port writer does at the end of a turn; `between` is what the other thread does meanwhile. */
  flush(between: () => void): void {
    this.#isFlushing = true;
    const needsMessage = this.#writer.hasParcels || this.#replies.length > 0;
    this.said.push(...this.#appended, ...this.#replies);
    if (needsMessage) {
      this.#post(this.#writer.takeMessage(this.#replies), between);
      this.#replies = [];
    }
    this.#appended = [];
    const isNews = this.#writer.publish();
    between();
    if (isNews && !needsMessage && this.#writer.wakes()) this.#post(null, between);
    this.#isFlushing = false;
  }

  /** The reader's thread wakes up by a message, if there is one. */
  receive(): void {
    const message = this.#port.shift();
    if (message === undefined) return;
    this.#reader.handleMessage(message);
    this.drain();
  }

  drain(): void {
    let times = 0;
    this.#reader.drain(this.#sink, () => {
      times += 1;
      // A writer does one thing at a time, and the reader is the faster one.
      if (!this.#isFlushing && times <= 3) this.meanwhile();
      return this.#port.shift();
    });
    this.#reader.release();
  }

  poll(isPolled: boolean): void {
    this.isPolled = isPolled;
    this.#reader.isPolled = isPolled;
    if (this.#reader.hasNews) this.drain();
  }

  #post(message: TurnMessage | null, between: () => void): void {
    this.#port.push(structuredClone(message));
    between();
    this.#writer.handlePosted();
    between();
  }
}

type Step =
  | { readonly said: Row | Reply }
  | { readonly does: 'flush' | 'publish' | 'receive' | 'drain' | 'poll' | 'sleep' };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: plainRow.map((said): Step => ({ said })) },
  { weight: 2, arbitrary: row.map((said): Step => ({ said })) },
  { weight: 1, arbitrary: reply.map((said): Step => ({ said })) },
  {
    weight: 5,
    arbitrary: fc.constantFrom<Step>(
      { does: 'flush' },
      { does: 'publish' },
      { does: 'receive' },
      { does: 'drain' },
      { does: 'poll' },
      { does: 'sleep' },
    ),
  },
);

describe('an update lane', () => {
  test('brings everything once, whole and in order, however the two threads interleave', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.infiniteStream(fc.nat(5)), (steps, chances) => {
        const threads = new Threads(64);
        // Now and then the reader's thread runs between two instructions of the writer's.
        const between = () => {
          const chance = chances.next().value;
          if (chance === 0) threads.receive();
          if (chance === 1 && threads.isPolled) threads.drain();
        };
        threads.meanwhile = () => {
          if (chances.next().value > 2 || !threads.writer.hasRoom(1)) return;
          threads.append(numbered(0));
          threads.flush(() => undefined);
        };
        for (const one of steps) {
          if ('does' in one) {
            if (one.does === 'flush') threads.flush(between);
            else if (one.does === 'publish') threads.publishEarly();
            else if (one.does === 'receive') threads.receive();
            else if (one.does === 'drain') threads.drain();
            else threads.poll(one.does === 'poll');
          } else if (one.said.kind !== 'update') threads.reply(one.said);
          else if (threads.writer.hasRoom(1)) threads.append(one.said);
        }
        threads.flush(between);
        // From here only what wakes the reader: messages, or its own poll.
        if (threads.isPolled) threads.drain();
        for (let messages = 0; messages < steps.length + 2; messages += 1) threads.receive();
        assert.deepEqual(threads.heard, threads.said);
      }),
      { numRuns: 2_000 },
    );
  });

  test('has room for its credits, and for no more until the reader has released some', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.array(fc.nat(50), { maxLength: 20 }), (credits, bursts) => {
        const threads = new Threads(credits);
        const { writer } = threads;
        for (const burst of bursts) {
          let taken = 0;
          for (; taken < burst && writer.hasRoom(1); taken += 1) threads.append(numbered(taken));
          assert.equal(taken, Math.min(burst, credits));
          assert.equal(writer.hasRoom(credits), taken === 0);
          if (taken === credits) assert.throws(() => threads.append(numbered(0)), InternalError);
          threads.flush(() => undefined);
          threads.drain();
          assert.ok(writer.hasRoom(credits));
        }
        assert.deepEqual(threads.heard, threads.said);
      }),
    );
  });

  test('tells a reader that releases room whether the writer had asked for it, once', () => {
    const memory = makeLane(4);
    const writer = new LaneWriter(memory);
    const reader = new LaneReader(memory);
    assert.equal(reader.release(), false);
    writer.askForRoom();
    assert.equal(reader.release(), true);
    assert.equal(reader.release(), false);
  });

  test('has its reader woken once, until it has looked, and not while it polls', () => {
    const threads = new Threads(8);
    const { writer } = threads;
    assert.equal(writer.publish(), false);
    threads.append(numbered(1));
    assert.equal(writer.publish(), true);
    assert.equal(writer.wakes(), true);
    threads.append(numbered(2));
    assert.equal(writer.publish(), true);
    assert.equal(writer.wakes(), false);
    threads.drain();
    threads.append(numbered(3));
    assert.equal(writer.publish(), true);
    assert.equal(writer.wakes(), true);
    threads.poll(true);
    threads.append(numbered(4));
    assert.equal(writer.publish(), true);
    assert.equal(writer.wakes(), false);
  });
});

function numbered(version: number): Row {
  const numbers = [0, version, 0, 0, 0, 0, 0, 0];
  return {
    kind: 'update',
    numbers,
    value: version,
    source: '',
    custom: EMPTY_METADATA,
    old: undefined,
    lineage: undefined,
  };
}
