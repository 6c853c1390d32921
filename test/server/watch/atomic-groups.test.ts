/** A watch of atomic batches, from its registration to its bytes, whatever the stream takes and wherever it breaks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ObserverManager } from '../../../src/server/observer-manager.js';
import { CarrierBudget } from '../../../src/server/watch/carrier-budget.js';
import type { MessageSink } from '../../../src/server/watch/message-pace.js';
import { MessagePace } from '../../../src/server/watch/message-pace.js';
import { Outbox } from '../../../src/server/watch/outbox.js';
import { StreamEncoder } from '../../../src/server/watch/stream-encoder.js';
import { Watch } from '../../../src/server/watch/watch.js';
import { openingOf } from '../../../src/server/watch/watch-opening.js';
import type { WatchedSession } from '../../../src/server/watch/watch-registration.js';
import { registerWatch } from '../../../src/server/watch/watch-registration.js';
import { parseWatchRequest } from '../../../src/server/watch/watch-request.js';
import { WorkTurns } from '../../../src/server/work-turns.js';
import { silentLogger } from '../../../src/shared/logger.js';
import type { Change, Variable } from '../../../src/shared/state/variable.js';
import { METHODS } from '../../../src/shared/wire/services.js';
import type { VariableUpdate } from '../plain-client.js';
import { long } from '../plain-client.js';
import { SampleTable } from '../sample-table.js';

type Step =
  | { readonly type: 'batch'; readonly of: readonly number[] }
  | { readonly type: 'set'; readonly of: number }
  | { readonly type: 'through'; readonly count: number }
  | { readonly type: 'break'; readonly turns: boolean };

interface Limits {
  readonly limit: number;
  readonly maxBytes: number;
  readonly maxVersions: number;
  readonly maxSessionBytes: number;
  readonly unwatched: number;
  /** Under way too: with few, a group is given to the stream in pieces. */
  readonly connectionBytes: number;
}

const VARIABLES = 5;
const EPOCH = 'e1';

/** The session, and what it was after each revision. */
class Life {
  readonly sample: SampleTable;
  readonly manager = new ObserverManager(silentLogger);
  readonly variables: Variable[];
  readonly watched: Variable[];
  /** Versions of the watched, after each revision. */
  readonly cuts = new Set<string>();
  readonly session: WatchedSession;
  #value = 0;

  constructor({ maxVersions, maxSessionBytes, unwatched }: Limits) {
    this.sample = new SampleTable({ maxVersions, maxSessionBytes, maxAgeMs: 0 });
    this.variables = Array.from({ length: VARIABLES }, (_, place) => this.sample.variable(`v${place}`));
    this.watched = this.variables.slice(unwatched);
    const { table } = this.sample;
    this.session = {
      id: 's',
      revision: table.revision,
      find: (identifier) => table.find(identifier),
      findById: (id) => table.findById(id),
      findGone: () => undefined,
      findGoneByName: () => undefined,
      gone: () => [],
      sharedUpTo: () => Number.POSITIVE_INFINITY,
      remembersSince: () => true,
      after: (place) => table.after(place),
    };
    this.#note();
  }

  set(places: readonly number[], isBatch: boolean): void {
    this.#value += 1;
    const of = [...new Set(places)].map((place) => this.variables[place]!);
    const changes: readonly Change[] = isBatch
      ? this.sample.setAll(of, this.#value)
      : of.map((variable) => this.sample.set(variable, this.#value));
    this.#note();
    this.manager.publishAll('s', changes, 0);
  }

  #note(): void {
    this.cuts.add(this.watched.map(({ current }) => current.version).join());
  }
}

/** Buffers groups, shows whole ones, and forgets at a break what is not whole. */
class Client {
  known = new Map<string, number>();
  readonly #life: Life;
  #group: VariableUpdate[] = [];
  isSynced = false;

  constructor(life: Life) {
    this.#life = life;
  }

  handle(bytes: Uint8Array): void {
    const update = METHODS.WatchVariables.decodeResponse(bytes);
    if (update.updateType === 'synced' || update.updateType === 'heartbeat') {
      assert.equal(this.#group.length, 0, 'no mark is inside a group');
      if (update.updateType === 'synced') this.isSynced = true;
      assert.equal(this.known.size, this.#life.watched.length, 'the mark comes behind all present values');
      return;
    }
    this.#group.push(update);
    if (update.more === true) return;
    for (const one of this.#group) {
      const id = one.variableId!;
      const version = one.variable!.version!;
      const last = this.known.get(id);
      if (last !== undefined) {
        assert.ok(version > last, 'versions rise');
        assert.equal(long(one.missed), version - last - 1, 'missed is exact');
      }
      this.known.set(id, version);
    }
    this.#group = [];
    const cut = this.#life.watched.map(({ id }) => this.known.get(id) ?? 'none').join();
    assert.ok(this.#life.cuts.has(cut), `${cut} is what the session was after one of its revisions`);
  }

  handleBreak(): void {
    this.#group = [];
    this.isSynced = false;
  }
}

/** One stream of the watch. */
class Stream implements MessageSink {
  readonly outbox: Outbox;
  readonly pace: MessagePace;
  readonly watch: Watch;
  readonly budget: CarrierBudget;
  readonly #client: Client;
  readonly #underWay: Uint8Array[] = [];
  #isBroken = false;

  constructor(life: Life, client: Client, { limit, maxBytes, connectionBytes }: Limits) {
    this.budget = new CarrierBudget(connectionBytes);
    this.#client = client;
    const encoder = new StreamEncoder(EPOCH, { generation: 0 }, false);
    this.pace = new MessagePace(encoder, this, this.budget, 1_000);
    const counters = { updatesSent: 0, updatesConflated: 0 };
    const scope = { limit, maxBytes, keepsBatches: true, counters, budget: this.budget };
    this.outbox = new Outbox(scope, encoder, this.pace);
    this.watch = new Watch(
      { observers: life.manager, sessionId: 's', budget: this.budget },
      {
        handleChange: (sent, published) => this.outbox.push(sent, published),
        handleNothingLeft: () => undefined,
        handleFailure: (error) => {
          throw error;
        },
      },
    );
  }

  async open(life: Life, request: ReturnType<typeof parseWatchRequest>, between: () => void): Promise<void> {
    const work = {
      spend: () => {
        between();
        return Promise.resolve();
      },
    };
    const gone = await registerWatch(this.watch, request, life.session, EPOCH, work);
    const { states } = this.watch.capture();
    const { revision } = life.sample.table;
    const opening = await openingOf(request, { states, gone, sharedUpTo: Number.POSITIVE_INFINITY, revision }, work);
    this.outbox.open(opening, { revision, timestamp: 0 }, true, 0);
  }

  write(bytes: Uint8Array): void {
    this.#underWay.push(bytes);
  }

  letThrough(count: number): void {
    for (let left = count; left > 0 && !this.#isBroken; left -= 1) {
      const bytes = this.#underWay.shift();
      if (bytes === undefined) return;
      this.#client.handle(bytes);
      this.pace.handleWritten(0);
      this.outbox.handleRoom(0);
    }
  }

  break(): void {
    this.#isBroken = true;
    this.watch.close(new WorkTurns({ nowMs: () => 0, later: () => undefined }));
    this.outbox.close();
    this.pace.close(0);
    assert.equal(this.budget.held, 0, 'all that was held is given back');
    assert.equal(this.budget.underWay, 0);
  }
}

const places = fc.integer({ min: 0, max: VARIABLES - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('batch' as const), of: fc.array(places, { minLength: 1 }) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('set' as const), of: places }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('through' as const), count: fc.integer({ min: 1, max: 40 }) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('break' as const), turns: fc.boolean() }) },
);
const limitsArbitrary: fc.Arbitrary<Limits> = fc.record({
  limit: fc.constantFrom(1, 3, 8, 1_000),
  maxBytes: fc.constantFrom(1_000, 5_000, 1e9),
  maxVersions: fc.constantFrom(16, 1_000),
  maxSessionBytes: fc.constantFrom(100, 1e9),
  unwatched: fc.integer({ min: 0, max: 2 }),
  connectionBytes: fc.constantFrom(1_000, 3_000, 1e9),
});

test('after every message that ends a group, a watch of atomic batches knows the session as it was after one revision', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 250 }), limitsArbitrary, async (steps, limits) => {
      const life = new Life(limits);
      const client = new Client(life);
      let stream: Stream | undefined;
      const open = async (takesTurns: boolean): Promise<void> => {
        stream?.break();
        client.handleBreak();
        const isFirst = client.known.size === 0;
        stream = new Stream(life, client, limits);
        const request = parseWatchRequest({
          sessionId: 's',
          variableIdentifiers: life.watched.map(({ name }) => name),
          includeInitialValues: true,
          options: { atomic: '1', synced: '1' },
          ...(isFirst ? {} : { resume: Object.fromEntries(client.known), resumeEpoch: EPOCH }),
        });
        let turns = 0;
        await stream.open(life, request, () => {
          turns += 1;
          if (takesTurns && turns % 2 === 0 && turns < 40) life.set([turns % VARIABLES, (turns * 3) % VARIABLES], true);
        });
      };
      await open(false);
      for (const one of steps) {
        if (one.type === 'batch') life.set(one.of, true);
        else if (one.type === 'set') life.set([one.of], false);
        else if (one.type === 'through') stream?.letThrough(one.count);
        else await open(one.turns);
      }
      stream?.letThrough(Number.POSITIVE_INFINITY);
      assert.equal(stream?.outbox.isWaiting, false);
      assert.equal(client.isSynced, true);
      assert.deepEqual(
        life.watched.map(({ id }) => client.known.get(id)),
        life.watched.map(({ current }) => current.version),
      );
      stream?.break();
      assert.equal(life.manager.size, 0);
    }),
    { numRuns: 300 },
  );
});
