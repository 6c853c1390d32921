import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Condition } from '../../../src/shared/delivery/condition.js';
import { meets } from '../../../src/shared/delivery/condition.js';
import type { Update } from '../../../src/shared/delivery/update.js';
import {
  BASELINE,
  DELETED_MASK,
  HAS_OLD,
  INITIAL,
  MORE,
  RESYNC,
  reasonOfFlags,
} from '../../../src/shared/delivery/update.js';
import type { BridgeError } from '../../../src/shared/errors.js';
import { ProtocolError, UnavailableError } from '../../../src/shared/errors.js';
import type { ResumePoint, SubscriptionOptions } from '../../../src/shared/port/commands.js';
import { DEFAULT_HISTORY_LIMITS } from '../../../src/shared/state/history.js';
import { NO_SETTER } from '../../../src/shared/state/operation.js';
import type { Change, Variable } from '../../../src/shared/state/variable.js';
import { VariableTable } from '../../../src/shared/state/variable-table.js';
import type { VariableValue } from '../../../src/shared/values/variable-type.js';
import { snakepit } from '../../../src/shared/wire/gen/bridge.js';
import {
  decodeUpdate,
  encodeChange,
  encodeMark,
  encodeMissedTail,
  encodeSnapshot,
  MORE_TAIL,
} from '../../../src/shared/wire/update-message.js';
import { ERA_SPAN } from '../../../src/shared/wire/wire-version.js';
import type { FeedSink, FeedStats } from '../../../src/workers/watch/watch-feed.js';
import { WatchFeed } from '../../../src/workers/watch/watch-feed.js';
import { countSteps } from '../../support/count-steps.js';

const OPTIONS: SubscriptionOptions = {
  includeInitial: false,
  condition: undefined,
  waitForMissing: false,
  atomic: false,
  bufferLimit: 1024,
  overflow: 'conflate',
  priority: 'normal',
  staleAfterMs: 0,
};

interface Delivery {
  readonly handle: number;
  readonly version: number;
  readonly value: VariableValue | undefined;
  /** As the watch sees it: said with the update, or the value that was delivered before. */
  readonly old: VariableValue | undefined;
  readonly missed: number;
  readonly filtered: number;
  readonly flags: number;
  readonly lineage: string;
  readonly receivedAt: number;
  readonly revision: number;
  readonly source: string;
}

/** What the dispatcher would make of what the feed tells. */
class Receiver implements FeedSink {
  readonly deliveries: Delivery[] = [];
  readonly states: string[] = [];
  readonly troubles: BridgeError[] = [];
  readonly lineages = new Map<number, string>();
  readonly #last = new Map<number, Delivery>();
  synced = 0;
  pulses: number[] = [];
  overflows = 0;
  nothingLeft = 0;
  hasRoom = true;

  deliver(update: Update): boolean {
    if (!this.hasRoom) return false;
    const { handle, version, value, receivedAt, revision, missed, filtered, flags, source } = update;
    if (update.lineage !== undefined) {
      this.lineages.set(handle, `${update.lineage.epoch} ${update.lineage.variableId}`);
    }
    const old = (flags & HAS_OLD) === 0 ? this.#last.get(handle)?.value : update.old;
    const lineage = this.lineages.get(handle) ?? '';
    const delivery = { handle, version, value, old, missed, filtered, flags, lineage, receivedAt, revision, source };
    this.#checkBooks(this.#last.get(handle), delivery);
    this.#last.set(handle, delivery);
    this.deliveries.push(delivery);
    return true;
  }

  #checkBooks(last: Delivery | undefined, next: Delivery): void {
    if (last === undefined || last.lineage !== next.lineage) return;
    assert.ok(next.version > last.version, `version ${next.version} came after ${last.version}`);
    assert.equal(next.version - last.version, 1 + next.missed + next.filtered, 'the books do not balance');
  }

  handleState({ state }: WatchFeed): void {
    this.states.push(state.name);
  }

  handleSynced(): void {
    this.synced += 1;
  }

  handlePulse(nowMs: number): void {
    this.pulses.push(nowMs);
  }

  handleTrouble(error: BridgeError): void {
    this.troubles.push(error);
  }

  handleOverflow(): void {
    this.overflows += 1;
  }

  handleNothingLeft(): void {
    this.nothingLeft += 1;
  }
}

/** A server's variables and the bytes that it would send. */
class Server {
  readonly epoch: string;
  readonly table: VariableTable;
  #ids = 0;

  constructor(epoch = 'e1', idPrefix = 'v') {
    this.epoch = epoch;
    this.table = new VariableTable({
      maxVariables: 10_000,
      history: DEFAULT_HISTORY_LIMITS,
      newId: () => {
        this.#ids += 1;
        return `${idPrefix}${this.#ids}`;
      },
    });
  }

  register(name: string, initial: number, version = 1): Change {
    return this.table.register({ name, type: 'float', initial, version }, 1_000);
  }

  set(name: string, value: number): Uint8Array {
    return this.encode(this.change(name, value));
  }

  change(name: string, value: number): Change {
    return this.table.set({ identifier: name, input: value }, { ...NO_SETTER, source: 'test' }, 2_000).change!;
  }

  delete(name: string, reason: 'deleted' | 'expired' | 'session-ended' = 'deleted'): Uint8Array {
    return this.encode(this.table.delete(name, reason, 3_000));
  }

  encode(change: Change): Uint8Array {
    return encodeChange(change, this.epoch, false);
  }

  initial(name: string): Uint8Array {
    return encodeSnapshot(this.table.require(name), 'initial_value', this.epoch);
  }

  /** For a watch that saw nothing of this life. */
  resync(name: string): Uint8Array {
    const variable = this.table.require(name);
    return encodeSnapshot(variable, 'resync', this.epoch, variable.current.version - 1);
  }

  /** As ours says it to who asked for the variable by its id. */
  askedById(name: string): Uint8Array {
    const { id } = this.table.require(name);
    const tail = Uint8Array.of(14 * 8 + 2, id.length, ...new TextEncoder().encode(id));
    return concat(this.initial(name), tail);
  }
}

const HEARTBEAT = encodeMark('heartbeat', 0, 0, 'e1');
const SYNCED = encodeMark('synced', 0, 0, 'e1');
const GARBAGE = Uint8Array.of(0xff, 0xff, 0xff);
const LOST = new UnavailableError('the connection is gone');

function feedOf(
  identifiers: readonly string[],
  options: Partial<SubscriptionOptions> = {},
  resume?: readonly (ResumePoint | undefined)[],
): { feed: WatchFeed; receiver: Receiver } {
  const receiver = new Receiver();
  const handles = identifiers.map((_, place) => place);
  const feed = new WatchFeed(
    identifiers,
    handles,
    resume && { points: resume, epoch: '', wasSynced: true },
    { ...OPTIONS, ...options },
    receiver,
    0,
  );
  return { feed, receiver };
}

/** A live watch of `identifiers` that has been sent their initial values. */
function live(
  server: Server,
  identifiers: readonly string[],
  options: Partial<SubscriptionOptions> = {},
): { feed: WatchFeed; receiver: Receiver } {
  const watch = feedOf(identifiers, options);
  watch.feed.handleRegistered(server.epoch, 0);
  for (const variable of new Set(identifiers.map((identifier) => server.table.require(identifier)))) {
    const isById = identifiers.includes(variable.id);
    watch.feed.handleMessage(isById ? server.askedById(variable.name) : server.initial(variable.name), 0);
  }
  return watch;
}

function statsOf(feed: WatchFeed): FeedStats {
  const stats: FeedStats = {
    received: 0,
    filteredWaiting: 0,
    missedWaiting: 0,
    duplicates: 0,
    errors: 0,
    reconnects: 0,
  };
  feed.addStats(stats);
  return stats;
}

function breakStream(feed: WatchFeed): void {
  feed.handleWaiting({ name: 'backoff', cause: LOST });
}

function returnTo(feed: WatchFeed, server: Server): void {
  feed.handleOpening();
  feed.handleRegistered(server.epoch, 0);
}

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const brief = ({ version, value, old, missed, filtered, flags }: Delivery) => ({
  version,
  value,
  old,
  missed,
  filtered,
  flags: flags & ~HAS_OLD,
});

describe('initial values', () => {
  test('come as such when the watch asked for them, and changes follow', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan'], { includeInitial: true });

    feed.handleMessage(server.set('fan', 2), 5);

    assert.deepEqual(receiver.deliveries.map(brief), [
      { version: 1, value: 1, old: undefined, missed: 0, filtered: 0, flags: INITIAL },
      { version: 2, value: 2, old: 1, missed: 0, filtered: 0, flags: 0 },
    ]);
    assert.deepEqual([receiver.deliveries[1]?.source, receiver.deliveries[1]?.receivedAt], ['test', 5]);
  });

  test('are a baseline when the watch did not ask: only the next old value', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);

    feed.handleMessage(server.set('fan', 2), 0);

    assert.deepEqual(
      receiver.deliveries.map(({ flags }) => flags),
      [BASELINE, 0],
    );
    assert.equal(receiver.deliveries[1]?.old, 1);
    assert.equal(statsOf(feed).received, 1);
  });

  test('may come after a change that overtook them: then they are duplicates', () => {
    const server = new Server();
    server.register('fan', 1);
    const initial = server.initial('fan');
    const { feed, receiver } = feedOf(['fan'], { includeInitial: true });
    feed.handleRegistered('e1', 0);

    feed.handleMessage(server.set('fan', 2), 0);
    feed.handleMessage(initial, 0);

    assert.deepEqual(
      receiver.deliveries.map(({ version }) => version),
      [2],
    );
    assert.equal(statsOf(feed).duplicates, 1);
  });
});

describe('the first change of a variable that was waited for', () => {
  test('is delivered without an old value', () => {
    const server = new Server();
    const { feed, receiver } = feedOf(['fan'], { waitForMissing: true });
    feed.handleRegistered('e1', 0);

    feed.handleMessage(server.encode(server.register('fan', 1)), 0);

    assert.deepEqual(receiver.deliveries.map(brief), [
      { version: 1, value: 1, old: undefined, missed: 0, filtered: 0, flags: 0 },
    ]);
  });

  test('tells the versions that the server left out before it', () => {
    const server = new Server();
    const { feed, receiver } = feedOf(['fan'], { waitForMissing: true });
    feed.handleRegistered('e1', 0);
    server.register('fan', 1);
    server.change('fan', 2);

    feed.handleMessage(concat(server.set('fan', 3), encodeMissedTail(2)), 0);

    assert.deepEqual(receiver.deliveries.map(brief), [
      { version: 3, value: 3, old: undefined, missed: 2, filtered: 0, flags: 0 },
    ]);
  });

  test('tells them also when it is gone already', () => {
    const server = new Server();
    const { feed, receiver } = feedOf(['fan'], { waitForMissing: true });
    feed.handleRegistered('e1', 0);
    server.register('fan', 1);

    feed.handleMessage(concat(server.delete('fan'), encodeMissedTail(1)), 0);

    assert.equal(receiver.deliveries[0]?.missed, 1);
    assert.equal(reasonOfFlags(receiver.deliveries[0]?.flags ?? 0), 'deleted');
  });
});

describe('a value first seen after a break', () => {
  test('is a resync: the set that brought it may have been made after the watch was registered', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = feedOf(['fan']);
    feed.handleRegistered('e1', 0);
    breakStream(feed);
    server.change('fan', 2);

    returnTo(feed, server);
    feed.handleMessage(server.initial('fan'), 0);

    assert.deepEqual(receiver.deliveries.map(brief), [
      { version: 2, value: 2, old: undefined, missed: 0, filtered: 0, flags: RESYNC },
    ]);
  });

  test('of a variable that was not there when the watch was in step says how many versions it missed', () => {
    const server = new Server();
    const { feed, receiver } = feedOf(['fan'], { waitForMissing: true });
    feed.handleRegistered('e1', 0);
    feed.handleMessage(SYNCED, 0);
    breakStream(feed);
    server.register('fan', 1);
    server.change('fan', 2);

    returnTo(feed, server);
    feed.handleMessage(server.resync('fan'), 0);

    assert.deepEqual(receiver.deliveries.map(brief), [
      { version: 2, value: 2, old: undefined, missed: 1, filtered: 0, flags: RESYNC },
    ]);
  });

  test('is an initial value when the watch asked for those', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = feedOf(['fan'], { includeInitial: true });
    feed.handleRegistered('e1', 0);
    breakStream(feed);

    returnTo(feed, server);
    feed.handleMessage(server.initial('fan'), 0);

    assert.deepEqual(
      receiver.deliveries.map(({ flags }) => flags),
      [INITIAL],
    );
  });
});

describe('after a break', () => {
  test('the watch asks for what came after its last versions', () => {
    const server = new Server();
    server.register('fan', 1);
    server.register('lamp', 1);
    const { feed } = live(server, ['fan', 'lamp']);
    feed.handleMessage(server.set('fan', 2), 0);
    breakStream(feed);

    assert.deepEqual(feed.request('e1', false), {
      identifiers: ['fan', 'lamp'],
      patterns: [],
      resume: { v1: 2, v2: 1 },
      resumeEpoch: 'e1',
      waitForMissing: false,
      wantsMark: true,
      unseenAreInitial: false,
      keepsBatches: false,
    });
  });

  test('what is replayed and was seen is dropped, what was not is delivered in order', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);
    const changes = [2, 3, 4].map((value) => server.set('fan', value));
    feed.handleMessage(changes[0]!, 0);
    breakStream(feed);

    returnTo(feed, server);
    for (const change of changes) feed.handleMessage(change, 0);

    assert.deepEqual(
      receiver.deliveries.map(({ version, missed }) => [version, missed]),
      [
        [1, 0],
        [2, 0],
        [3, 0],
        [4, 0],
      ],
    );
    const { duplicates, reconnects, received } = statsOf(feed);
    assert.deepEqual({ duplicates, reconnects, received }, { duplicates: 1, reconnects: 1, received: 3 });
  });

  test('what cannot be replayed comes as one resync that says exactly how many were missed', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);
    breakStream(feed);
    for (const value of [2, 3, 4]) server.change('fan', value);

    returnTo(feed, server);
    feed.handleMessage(server.resync('fan'), 0);

    assert.deepEqual(receiver.deliveries.slice(1).map(brief), [
      { version: 4, value: 4, old: 1, missed: 2, filtered: 0, flags: RESYNC },
    ]);
  });

  test('an initial value of a server that cannot resume is a duplicate when nothing changed, and a resync when something did', () => {
    const server = new Server('');
    server.register('fan', 1);
    server.register('lamp', 1);
    const { feed, receiver } = live(server, ['fan', 'lamp'], { includeInitial: true });
    breakStream(feed);
    server.change('lamp', 2);
    server.change('lamp', 3);

    returnTo(feed, server);
    feed.handleMessage(server.initial('fan'), 0);
    feed.handleMessage(server.initial('lamp'), 0);

    assert.deepEqual(receiver.deliveries.slice(2).map(brief), [
      { version: 3, value: 3, old: 1, missed: 1, filtered: 0, flags: RESYNC },
    ]);
  });

  test('a server that lost its state is resumed by a resync, lower or higher, and asked to wait for what it has not yet', () => {
    for (const version of [1, 9]) {
      const server = new Server('e1');
      server.register('fan', 1, 4);
      const { feed, receiver } = live(server, ['fan']);
      breakStream(feed);
      const restarted = new Server('e2', 'w');
      restarted.register('fan', 7, version);

      assert.equal(feed.request('e2', false).waitForMissing, true);
      returnTo(feed, restarted);
      feed.handleMessage(restarted.resync('fan'), 0);
      feed.handleMessage(restarted.set('fan', 8), 0);

      assert.deepEqual(receiver.deliveries.slice(1).map(brief), [
        { version, value: 7, old: 1, missed: version - 1, filtered: 0, flags: RESYNC },
        { version: version + 1, value: 8, old: 7, missed: 0, filtered: 0, flags: 0 },
      ]);
      assert.equal(receiver.lineages.get(0), 'e2 w1');
    }
  });

  test('a change without epoch on the stream of a new epoch begins that epoch', () => {
    const server = new Server('e1');
    server.register('fan', 1, 4);
    const { feed, receiver } = live(server, ['fan']);
    breakStream(feed);
    const restarted = new Server('e2', 'w');
    returnTo(feed, restarted);

    feed.handleMessage(restarted.encode(restarted.register('fan', 7)), 0);

    assert.deepEqual(receiver.deliveries.slice(1).map(brief), [
      { version: 1, value: 7, old: 1, missed: 0, filtered: 0, flags: RESYNC },
    ]);
  });

  test('of versions of two epochs those of the server are resumed', () => {
    const { feed } = feedOf(['fan', 'lamp'], {}, [
      { version: 3, epoch: 'e1', variableId: 'v1', last: undefined },
      { version: 4, epoch: 'e2', variableId: 'v2', last: undefined },
    ]);
    assert.deepEqual(feed.request('e2', false).resume, { v2: 4 });
    assert.equal(feed.request('e2', false).resumeEpoch, 'e2');
  });

  test('a server without epochs is not asked to resume', () => {
    const server = new Server('');
    server.register('fan', 1);
    const { feed } = live(server, ['fan']);
    assert.equal(feed.request('', false).resume, undefined);
  });

  test('a NOT_FOUND of a watch that was live makes it wait for its variables', () => {
    const { feed } = feedOf(['fan']);
    assert.equal(feed.request('e1', false).waitForMissing, false);
    feed.waitForMissing();
    assert.equal(feed.request('e1', false).waitForMissing, true);
  });
});

describe('within one stream', () => {
  test('a gap is told exactly and is no resync', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);
    server.change('fan', 2);
    server.change('fan', 3);

    feed.handleMessage(server.set('fan', 4), 0);

    assert.deepEqual(receiver.deliveries.slice(1).map(brief), [
      { version: 4, value: 4, old: 1, missed: 2, filtered: 0, flags: 0 },
    ]);
  });

  test('an update that cannot be read is told, counted, and missed by the next one', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);
    server.change('fan', 2);

    feed.handleMessage(GARBAGE, 0);
    feed.handleMessage(server.set('fan', 3), 0);

    assert.ok(receiver.troubles[0] instanceof ProtocolError);
    assert.equal(statsOf(feed).errors, 1);
    assert.equal(receiver.deliveries.at(-1)?.missed, 1);
  });

  test('an update whose value is none of its type is told, and missed by the next one', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);
    const bad = snakepit.bridge.VariableUpdate.encode({
      variableId: 'v1',
      updateType: 'value_change',
      variable: { id: 'v1', name: 'fan', type: 'float', version: 2, value: { value: Buffer.from('"text"') } },
    }).finish();
    server.change('fan', 2);

    feed.handleMessage(bad, 0);
    feed.handleMessage(server.set('fan', 3), 0);

    assert.equal(receiver.troubles.length, 1);
    assert.deepEqual(
      receiver.deliveries.map(({ version, missed }) => [version, missed]),
      [
        [1, 0],
        [3, 1],
      ],
    );
  });

  test('an update type of a later contract is counted and delivers nothing', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);
    feed.handleMessage(snakepit.bridge.VariableUpdate.encode({ variableId: 'v1', updateType: 'moved' }).finish(), 0);
    assert.deepEqual([receiver.deliveries.length, receiver.troubles.length, statsOf(feed).errors], [1, 0, 1]);
  });

  test('an update of a variable that nobody asked for is delivered to nobody', () => {
    const server = new Server();
    server.register('fan', 1);
    server.register('lamp', 1);
    const { feed, receiver } = live(server, ['fan']);
    feed.handleMessage(server.set('lamp', 2), 0);
    assert.equal(receiver.deliveries.length, 1);
  });

  test('a heartbeat is a sign of life and no update', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);
    feed.handleMessage(HEARTBEAT, 77);
    assert.deepEqual(receiver.pulses, [77]);
    assert.equal(receiver.deliveries.length, 1);
  });

  test('a version beyond 32 bits begins an era of its own that changes after it belong to', () => {
    const server = new Server();
    server.register('fan', 1, ERA_SPAN);
    const { feed, receiver } = live(server, ['fan']);

    for (const value of [2, 3]) feed.handleMessage(server.set('fan', value), 0);

    assert.deepEqual(receiver.deliveries.slice(1).map(brief), [
      { version: 1, value: 2, old: 1, missed: 0, filtered: 0, flags: RESYNC },
      { version: 2, value: 3, old: 2, missed: 0, filtered: 0, flags: 0 },
    ]);
    assert.deepEqual(feed.request('e1', false), {
      identifiers: ['fan'],
      patterns: [],
      resume: { v1: 2 },
      resumeEpoch: 'e1.1',
      waitForMissing: false,
      wantsMark: true,
      unseenAreInitial: false,
      keepsBatches: false,
    });
  });

  test('a change that says no epoch belongs to the era that its variable has begun', () => {
    const server = new Server();
    server.register('fan', 1, ERA_SPAN + 1);
    const { feed, receiver } = live(server, ['fan']);
    const change = snakepit.bridge.VariableUpdate.decode(server.set('fan', 2));
    change.epoch = '';

    feed.handleMessage(snakepit.bridge.VariableUpdate.encode(change).finish(), 0);

    assert.deepEqual(receiver.deliveries.slice(1).map(brief), [
      { version: 2, value: 2, old: 1, missed: 0, filtered: 0, flags: 0 },
    ]);
  });

  test('a variable asked for by name and by id is delivered under both', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan', 'v1']);

    feed.handleMessage(server.set('fan', 2), 0);

    assert.deepEqual(
      receiver.deliveries.map(({ handle, version }) => [handle, version]),
      [
        [0, 1],
        [1, 1],
        [0, 2],
        [1, 2],
      ],
    );
  });

  test('a variable named as another one is by its id gets its own values only', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = feedOf(['fan', 'v1']);
    server.register('v1', 5);
    feed.handleRegistered('e1', 0);
    for (const bytes of [server.initial('fan'), server.initial('v1'), server.set('fan', 2)])
      feed.handleMessage(bytes, 0);
    assert.deepEqual(
      receiver.deliveries.map(({ handle, value }) => [handle, value]),
      [
        [0, 1],
        [1, 5],
        [0, 2],
      ],
    );
  });

  test('a variable that comes back under its name with another id is a resync of a new lineage', () => {
    const server = new Server();
    server.register('fan', 1, 5);
    const { feed, receiver } = live(server, ['fan']);
    breakStream(feed);
    server.delete('fan');
    server.register('fan', 9);
    server.change('fan', 10);

    returnTo(feed, server);
    feed.handleMessage(server.resync('fan'), 0);

    assert.deepEqual(receiver.deliveries.slice(1).map(brief), [
      { version: 2, value: 10, old: 1, missed: 1, filtered: 0, flags: RESYNC },
    ]);
    assert.equal(receiver.lineages.get(0), 'e1 v2');
  });

  test('an overflow is told once for each update that the ring refused', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);
    receiver.hasRoom = false;
    feed.handleMessage(server.set('fan', 2), 0);
    assert.equal(receiver.overflows, 1);
  });
});

describe('a deleted variable', () => {
  for (const reason of ['deleted', 'expired', 'session-ended'] as const) {
    test(`is told with its reason ${reason}, and its watch has nothing left when it was the last`, () => {
      const server = new Server();
      server.register('fan', 1);
      server.register('lamp', 1);
      const { feed, receiver } = live(server, ['fan', 'lamp']);

      feed.handleMessage(server.delete('fan', reason), 0);
      assert.equal(receiver.nothingLeft, 0);
      assert.deepEqual(feed.identifiers, ['lamp']);
      feed.handleMessage(server.delete('lamp', reason), 0);

      assert.equal(receiver.nothingLeft, 1);
      const told = receiver.deliveries.slice(2);
      assert.deepEqual(
        told.map(({ handle, version, missed, flags }) => [handle, version, missed, reasonOfFlags(flags)]),
        [
          [0, 2, 0, reason],
          [1, 2, 0, reason],
        ],
      );
    });
  }

  test('tells what was missed before it, and is told once', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);
    server.change('fan', 2);
    const deletion = server.delete('fan');

    feed.handleMessage(deletion, 0);
    feed.handleMessage(deletion, 0);

    assert.deepEqual(
      receiver.deliveries.slice(1).map(({ version, missed }) => [version, missed]),
      [[3, 1]],
    );
    assert.equal(receiver.nothingLeft, 1);
  });

  test('is gone although the server sends no value of it', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);

    feed.handleMessage(
      snakepit.bridge.VariableUpdate.encode({
        variableId: 'v1',
        updateType: 'deleted',
        variable: { id: 'v1', name: 'fan', type: 'float', version: 2 },
      }).finish(),
      0,
    );

    assert.deepEqual([receiver.troubles.length, receiver.nothingLeft], [0, 1]);
    assert.equal(reasonOfFlags(receiver.deliveries.at(-1)?.flags ?? 0), 'deleted');
  });

  test('is gone for a reason that this version does not know: it counts as deleted', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);

    feed.handleMessage(
      snakepit.bridge.VariableUpdate.encode({ variableId: 'v1', updateType: 'deleted', reason: 'archived' }).finish(),
      0,
    );

    assert.equal(reasonOfFlags(receiver.deliveries.at(-1)?.flags ?? 0), 'deleted');
  });

  test('known by its id alone is found in a watch by name that another worker has begun', () => {
    const point: ResumePoint = { version: 3, epoch: 'e1', variableId: 'v1', last: undefined };
    const { feed, receiver } = feedOf(['fan'], {}, [point]);
    feed.handleRegistered('e1', 0);

    feed.handleMessage(
      snakepit.bridge.VariableUpdate.encode({ variableId: 'v1', updateType: 'deleted', epoch: 'e1' }).finish(),
      0,
    );

    assert.equal(receiver.nothingLeft, 1);
    assert.deepEqual(
      receiver.deliveries.map(({ version, missed }) => [version, missed]),
      [[4, 0]],
    );
  });

  test('that has come back under its name is not deleted by the late word of its earlier life', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);
    breakStream(feed);
    server.delete('fan');
    server.register('fan', 9);
    returnTo(feed, server);
    feed.handleMessage(server.resync('fan'), 0);

    feed.handleMessage(
      snakepit.bridge.VariableUpdate.encode({ variableId: 'v1', updateType: 'deleted', epoch: 'e1' }).finish(),
      0,
    );
    feed.handleMessage(server.set('fan', 10), 0);

    assert.equal(receiver.nothingLeft, 0);
    assert.deepEqual(
      receiver.deliveries.map(({ value }) => value),
      [1, 9, 10],
    );
  });
});

describe('a condition', () => {
  const changedBy2: Condition = { changedBy: 2 };

  test('filters silently and counts; the next delivery tells how many and says the old value', () => {
    const server = new Server();
    server.register('fan', 0);
    const { feed, receiver } = live(server, ['fan'], { condition: changedBy2 });

    for (const value of [1, 2]) feed.handleMessage(server.set('fan', value), 0);
    assert.equal(statsOf(feed).filteredWaiting, 2);
    feed.handleMessage(server.set('fan', 5), 0);

    assert.deepEqual(receiver.deliveries.slice(1).map(brief), [
      { version: 4, value: 5, old: 2, missed: 0, filtered: 2, flags: 0 },
    ]);
    assert.equal(statsOf(feed).filteredWaiting, 0);
  });

  test('that the server asks: what is not told was kept out, but for what it says was missed', () => {
    const server = new Server();
    server.register('fan', 0);
    const { feed, receiver } = feedOf(['fan'], { condition: changedBy2 });
    assert.equal(feed.request('e1', false).condition, '{"changedBy":2}');
    feed.handleRegistered('e1', 0, true);
    feed.handleMessage(server.initial('fan'), 0);
    for (const value of [1, 2, 9, 3]) server.change('fan', value);
    const update = decodeUpdate(server.set('fan', 30));
    update.missed = 1;
    update.before = decodeUpdate(server.encode(server.change('fan', 3.5)));
    feed.handleUpdate(update, 0);
    assert.deepEqual(receiver.deliveries.slice(1).map(brief), [
      { version: 6, value: 30, old: 3.5, missed: 1, filtered: 3, flags: 0 },
    ]);
    assert.equal(statsOf(feed).received, 4);
  });

  test('that the server asks: what it says it kept out is in the books, and the watch resumes behind it', () => {
    const server = new Server();
    server.register('fan', 0);
    const { feed, receiver } = feedOf(['fan', 'fan 2'], { condition: changedBy2 });
    server.register('fan 2', 0);
    const { id } = server.table.require('fan');
    feed.handleRegistered('e1', 0, true);
    feed.handleMessage(server.initial('fan'), 0);
    feed.handleKept(id, 9);
    assert.equal(statsOf(feed).filteredWaiting, 0, 'it is not in step: changes may be on their way');
    feed.handleMessage(server.initial('fan 2'), 0);
    feed.handleKept(id, 9);
    feed.handleKept(id, 5);
    feed.handleKept('nobody', 50);
    assert.deepEqual([statsOf(feed).filteredWaiting, statsOf(feed).received], [8, 8]);
    assert.equal(feed.request('e1', false).resume?.[id], 9);
    for (let value = 1; value < 9; value += 1) server.change('fan', value);
    feed.handleMessage(server.set('fan', 100), 0);
    assert.deepEqual(receiver.deliveries.slice(2).map(brief), [
      { version: 10, value: 100, old: 0, missed: 0, filtered: 8, flags: 0 },
    ]);
  });

  test('that the server does not ask is asked here, and what is skipped was missed', () => {
    const server = new Server();
    server.register('fan', 0);
    const { feed, receiver } = live(server, ['fan'], { condition: changedBy2 });
    feed.handleKept(server.table.require('fan').id, 5);
    server.change('fan', 1);
    feed.handleMessage(server.set('fan', 9), 0);
    assert.deepEqual(receiver.deliveries.slice(1).map(brief), [
      { version: 3, value: 9, old: 0, missed: 1, filtered: 0, flags: 0 },
    ]);
  });

  test('keeps what was missed before filtered ones for the next delivery', () => {
    const server = new Server();
    server.register('fan', 0);
    const { feed, receiver } = live(server, ['fan'], { condition: changedBy2 });
    server.change('fan', 7);
    feed.handleMessage(server.set('fan', 1), 0);

    feed.handleMessage(server.set('fan', 5), 0);

    assert.deepEqual(receiver.deliveries.slice(1).map(brief), [
      { version: 4, value: 5, old: 1, missed: 1, filtered: 1, flags: 0 },
    ]);
  });

  test('lets a resync and a deletion through, with what was filtered before them', () => {
    const server = new Server();
    server.register('fan', 0);
    const { feed, receiver } = live(server, ['fan'], { condition: { gt: 100 } });
    feed.handleMessage(server.set('fan', 1), 0);
    breakStream(feed);
    server.change('fan', 2);
    server.change('fan', 3);
    returnTo(feed, server);
    feed.handleMessage(server.resync('fan'), 0);
    feed.handleMessage(server.set('fan', 4), 0);
    feed.handleMessage(server.delete('fan'), 0);

    assert.deepEqual(
      receiver.deliveries.map(({ flags, missed, filtered, old }) => [
        flags & ~HAS_OLD & ~DELETED_MASK,
        missed,
        filtered,
        old,
      ]),
      [
        [BASELINE, 0, 0, undefined],
        [RESYNC, 1, 1, 1],
        [0, 0, 1, 4],
      ],
    );
  });

  test('goes on from the last value that an earlier worker saw', () => {
    const server = new Server();
    server.register('fan', 10, 3);
    const point: ResumePoint = { version: 3, epoch: 'e1', variableId: 'v1', last: { value: 10, isOpaque: false } };
    const { feed, receiver } = feedOf(['fan'], { condition: changedBy2 }, [point]);
    feed.handleRegistered('e1', 0);

    for (const value of [11, 14]) feed.handleMessage(server.set('fan', value), 0);

    assert.deepEqual(receiver.deliveries.map(brief), [
      { version: 5, value: 14, old: 11, missed: 0, filtered: 1, flags: 0 },
    ]);
  });
});

describe('work', () => {
  test('an initial value, a change and a deletion are steps of their own, however many variables the watch has', async () => {
    const stepsOf = async (variables: number): Promise<Record<string, number>> => {
      const server = new Server();
      const names = Array.from({ length: variables }, (_, place) => `v${place}`);
      for (const name of names) server.register(name, 1);
      const { feed, receiver } = feedOf(names);
      feed.handleRegistered('e1', 0);
      const handle = (messages: readonly Uint8Array[]): Promise<number> =>
        countSteps(() => {
          for (const message of messages) feed.handleMessage(message, 0);
        });
      const steps = {
        initial: await handle(names.map((name) => server.initial(name))),
        changes: await handle(names.map((name) => server.set(name, 2))),
        deletions: await handle(names.map((name) => server.delete(name))),
      };
      assert.equal(receiver.deliveries.length, 3 * variables);
      return steps;
    };
    const few = await stepsOf(500);
    const many = await stepsOf(2000);
    for (const [of, steps] of Object.entries(many)) {
      assert.ok(steps <= 5 * few[of]!, `${of}: 500 take ${few[of]} steps, 2,000 take ${steps}`);
    }
  });
});

describe('dropped handles', () => {
  test('get nothing more, and the others go on', () => {
    const server = new Server();
    server.register('fan', 1);
    server.register('lamp', 1);
    const { feed, receiver } = live(server, ['fan', 'lamp', 'v1']);

    assert.equal(feed.handleDropped(new Set([0])), true);
    for (const name of ['fan', 'lamp']) feed.handleMessage(server.set(name, 2), 0);

    assert.deepEqual(
      receiver.deliveries.slice(3).map(({ handle }) => handle),
      [2, 1],
    );
    assert.deepEqual(feed.identifiers, ['lamp', 'v1']);
    assert.deepEqual(Object.keys(feed.request('e1', false).resume ?? {}).sort(), ['v1', 'v2']);
  });

  test('of the last variables leave nothing', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);
    assert.equal(feed.handleDropped(new Set([0])), false);
    feed.handleMessage(server.set('fan', 2), 0);
    assert.equal(receiver.deliveries.length, 1);
  });

  test('that never saw a value are not found by a late one', () => {
    const server = new Server();
    server.register('fan', 1);
    server.register('lamp', 1);
    const { feed, receiver } = feedOf(['fan', 'lamp']);
    feed.handleRegistered('e1', 0);
    feed.handleDropped(new Set([0]));
    feed.handleMessage(server.initial('fan'), 0);
    assert.equal(receiver.deliveries.length, 0);
  });
});

describe('an atomic batch', () => {
  const watched = () => {
    const server = new Server();
    server.register('fan', 1);
    server.register('lamp', 1);
    const watch = live(server, ['fan', 'lamp'], { atomic: true });
    watch.receiver.deliveries.length = 0;
    return { server, ...watch };
  };
  const told = ({ deliveries }: Receiver) =>
    deliveries.map(({ handle, version, flags }) => [handle, version, (flags & MORE) !== 0]);

  test('is delivered when the last of it is there, and each but the last says that more follows', () => {
    const { server, feed, receiver } = watched();
    feed.handleMessage(concat(server.set('fan', 2), MORE_TAIL), 0);
    feed.handleMessage(HEARTBEAT, 0);
    assert.deepEqual(told(receiver), []);
    feed.handleMessage(server.set('lamp', 2), 0);
    assert.deepEqual(told(receiver), [
      [0, 2, true],
      [1, 2, false],
    ]);
  });

  test('that a break cut is forgotten, and asked for again as a whole', () => {
    const { server, feed, receiver } = watched();
    const [fan, lamp] = [server.set('fan', 2), server.set('lamp', 2)];
    feed.handleMessage(concat(fan, MORE_TAIL), 0);
    breakStream(feed);
    assert.deepEqual(told(receiver), []);
    assert.deepEqual(feed.request(server.epoch, false).resume, { v1: 1, v2: 1 });
    returnTo(feed, server);
    feed.handleMessage(concat(fan, MORE_TAIL), 0);
    feed.handleMessage(lamp, 0);
    assert.deepEqual(told(receiver), [
      [0, 2, true],
      [1, 2, false],
    ]);
  });

  test('whose last update is filtered, seen already or unreadable is whole without it', () => {
    const { server, feed, receiver } = watched();
    feed.handleMessage(concat(server.set('fan', 2), MORE_TAIL), 0);
    feed.handleMessage(server.initial('fan'), 0);
    assert.deepEqual(told(receiver), [[0, 2, false]]);
    feed.handleMessage(concat(server.set('fan', 3), MORE_TAIL), 0);
    feed.handleMessage(GARBAGE, 0);
    assert.deepEqual(told(receiver).at(-1), [0, 3, false]);
  });
});

describe('being in step', () => {
  test('of a first stream is told when each present value has come, of a resumed one by the mark', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan']);
    assert.equal(receiver.synced, 1);

    breakStream(feed);
    assert.equal(feed.request(server.epoch, false).wantsMark, true);
    returnTo(feed, server);
    assert.equal(receiver.synced, 1);
    feed.handleMessage(SYNCED, 0);
    feed.handleMessage(SYNCED, 0);

    assert.equal(receiver.synced, 2);
  });

  test('of a server that sends no mark is told when each present value has come', () => {
    const server = new Server('');
    server.register('fan', 1);
    server.register('lamp', 1);
    const { feed, receiver } = feedOf(['fan', 'lamp']);
    feed.handleRegistered('', 0);
    feed.handleMessage(server.initial('fan'), 0);
    assert.equal(receiver.synced, 0);
    feed.handleMessage(server.initial('lamp'), 0);
    assert.equal(receiver.synced, 1);

    breakStream(feed);
    returnTo(feed, server);
    feed.handleMessage(server.initial('lamp'), 0);
    assert.equal(receiver.synced, 1);
    feed.handleMessage(server.initial('fan'), 0);

    assert.equal(receiver.synced, 2);
  });

  test('of a server that sends no mark does not wait for what is gone', () => {
    const server = new Server('');
    server.register('fan', 1);
    server.register('lamp', 1);
    const { feed, receiver } = feedOf(['fan', 'lamp']);
    feed.handleRegistered('', 0);
    feed.handleMessage(server.initial('fan'), 0);
    feed.handleMessage(server.delete('lamp'), 0);
    assert.equal(receiver.synced, 1);
  });
});

describe('silence', () => {
  test('longer than the watch allows makes it stale, and the next word live again', () => {
    const server = new Server();
    server.register('fan', 1);
    const { feed, receiver } = live(server, ['fan'], { staleAfterMs: 1_000 });

    assert.equal(feed.handleStaleCheck(999, 0), 1_000);
    assert.equal(feed.state.name, 'live');
    assert.equal(feed.handleStaleCheck(1_000, 0), 2_000);
    assert.equal(feed.state.name, 'stale');
    feed.handleMessage(HEARTBEAT, 1_500);

    assert.deepEqual(receiver.states, ['live', 'stale', 'live']);
    assert.equal(feed.handleStaleCheck(2_000, 0), 2_500);
    assert.equal(feed.handleStaleCheck(2_500, 1_700), 2_700, 'what was heard on its link counts');
  });

  test('is not minded by a watch that does not care, nor by one that is over', () => {
    const server = new Server();
    server.register('fan', 1);
    const careless = live(server, ['fan']).feed;
    assert.equal(careless.handleStaleCheck(1e9, 0), undefined);
    const stopped = live(server, ['fan'], { staleAfterMs: 1_000 }).feed;
    stopped.handleStop();
    assert.equal(stopped.handleStaleCheck(1e9, 0), undefined);
  });

  test('of a stream that is being reopened does not make it stale', () => {
    const { feed, receiver } = feedOf(['fan'], { staleAfterMs: 1_000 });
    assert.equal(feed.handleStaleCheck(5_000, 0), 6_000);
    assert.deepEqual(receiver.states, []);
  });
});

describe('a watch that is over', () => {
  test('delivers nothing more', () => {
    for (const end of [(feed: WatchFeed) => feed.handleStop(), (feed: WatchFeed) => feed.handleFailure(LOST)]) {
      const server = new Server();
      server.register('fan', 1);
      const { feed, receiver } = live(server, ['fan']);
      end(feed);
      feed.handleMessage(server.set('fan', 2), 0);
      breakStream(feed);
      assert.equal(receiver.deliveries.length, 1);
      assert.equal(receiver.states.length, 2);
    }
  });

  test('stays what it became', () => {
    const { feed, receiver } = feedOf(['fan']);
    feed.handleFailure(LOST);
    feed.handleStop();
    assert.deepEqual(receiver.states, ['failed']);
  });
});

// --- whatever the network and the server do

type Act =
  | { readonly kind: 'set'; readonly name: string; readonly value: number; readonly arrives: boolean }
  | { readonly kind: 'repeat'; readonly back: number }
  | {
      readonly kind: 'break';
      readonly sets: readonly (readonly [name: string, value: number])[];
      readonly replays: boolean;
    }
  | { readonly kind: 'restart'; readonly version: number };

const NAMES = ['a', 'b'];
const value = fc.integer({ min: 0, max: 8 });
const acts: fc.Arbitrary<Act[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('set' as const),
        name: fc.constantFrom(...NAMES),
        value,
        arrives: fc.nat(5).map((n) => n > 0),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('repeat' as const), back: fc.nat(5) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('break' as const),
        sets: fc.array(fc.tuple(fc.constantFrom(...NAMES), value), { maxLength: 4 }),
        replays: fc.boolean(),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('restart' as const), version: fc.integer({ min: 1, max: 9 }) }),
    },
  ),
  { maxLength: 40 },
);

/** One watch of `a` and `b`, its server, and a network that loses, repeats and breaks. The receiver checks the books at each delivery. */
class Storm {
  server = new Server('epoch1', 'v1-');
  readonly feed: WatchFeed;
  readonly receiver: Receiver;
  readonly #condition: Condition | undefined;
  /** What the watch has seen last, filtered ones too. */
  readonly #seen = new Map<number, VariableValue | undefined>();
  #sentOnThisStream: Uint8Array[] = [];
  #lives = 1;

  constructor(condition: Condition | undefined, includeInitial: boolean) {
    this.#condition = condition;
    for (const name of NAMES) this.server.register(name, 0);
    ({ feed: this.feed, receiver: this.receiver } = live(this.server, NAMES, { condition, includeInitial }));
    this.receiver.deliveries.forEach(({ handle, value }) => {
      this.#seen.set(handle, value);
    });
  }

  act(act: Act): void {
    switch (act.kind) {
      case 'set': {
        const { change } = this.server.table.set({ identifier: act.name, input: act.value }, NO_SETTER, 0);
        if (change === undefined) return;
        const bytes = this.server.encode(change);
        if (act.arrives) this.#send(bytes);
        else this.feed.handleMessage(GARBAGE, 0);
        return;
      }
      case 'repeat': {
        const bytes = this.#sentOnThisStream.at(-1 - act.back);
        if (bytes !== undefined) this.#send(bytes);
        return;
      }
      case 'break':
        breakStream(this.feed);
        for (const [name, value] of act.sets) this.server.table.set({ identifier: name, input: value }, NO_SETTER, 0);
        this.#resume(act.replays);
        return;
      case 'restart':
        breakStream(this.feed);
        this.#lives += 1;
        this.server = new Server(`epoch${this.#lives}`, `v${this.#lives}-`);
        for (const name of NAMES) this.server.register(name, 0, act.version);
        this.#resume(true);
        return;
      default:
        act satisfies never;
    }
  }

  /** A break at which everything is set right, so that nothing is outstanding. */
  settle(): void {
    this.act({ kind: 'break', sets: [], replays: false });
    for (const name of NAMES) {
      this.act({ kind: 'set', name, value: 1_000, arrives: true });
      this.act({ kind: 'set', name, value: 2_000, arrives: true });
    }
  }

  #send(bytes: Uint8Array): void {
    this.#sentOnThisStream.push(bytes);
    const filteredBefore = statsOf(this.feed).filteredWaiting;
    const deliveredBefore = this.receiver.deliveries.length;

    this.feed.handleMessage(bytes, 0);

    const update = snakepit.bridge.VariableUpdate.decode(bytes);
    const handle = NAMES.indexOf(update.variable.name);
    const now = JSON.parse(Buffer.from(update.variable.value.value).toString()) as number;
    const seen = this.#seen.get(handle);
    const delivered = this.receiver.deliveries.slice(deliveredBefore);
    const isFiltered = statsOf(this.feed).filteredWaiting > filteredBefore;
    assert.ok(delivered.length + (isFiltered ? 1 : 0) <= 1);
    if (isFiltered) assert.equal(meets(this.#condition!, seen, now), false);
    for (const delivery of delivered) {
      assert.equal(delivery.value, now);
      assert.equal(delivery.old, seen, 'the old value is not the one seen last');
      if (delivery.flags === 0 && this.#condition !== undefined) assert.equal(meets(this.#condition, seen, now), true);
    }
    if (isFiltered || delivered.length > 0) this.#seen.set(handle, now);
  }

  #resume(replays: boolean): void {
    const { resume, resumeEpoch } = this.feed.request(this.server.epoch, false);
    this.#sentOnThisStream = [];
    returnTo(this.feed, this.server);
    for (const variable of this.server.table.variables()) {
      const seen = resumeEpoch === this.server.epoch ? resume?.[variable.id] : undefined;
      for (const bytes of this.#answer(variable, seen, replays)) this.#send(bytes);
    }
  }

  #answer(variable: Variable, seen: number | undefined, replays: boolean): Uint8Array[] {
    const { current, history } = variable;
    if (seen === undefined) return [encodeSnapshot(variable, 'resync', this.server.epoch, current.version - 1)];
    if (!replays)
      return [encodeSnapshot(variable, 'resync', this.server.epoch, Math.max(0, current.version - seen - 1))];
    // One version too many: a replay that overlaps.
    return history
      .last(current.version - seen + 1)
      .map((entry) => this.server.encode({ variable, previous: undefined, current: entry, reason: undefined }));
  }
}

for (const [name, condition] of [
  ['without a condition', undefined],
  ['with changedBy', { changedBy: 3 }],
  ['with a condition on the value', { gt: 4 }],
] as const) {
  test(`${name}: whatever is lost, repeated, broken or restarted, versions rise, the books balance and old values chain`, () => {
    fc.assert(
      fc.property(acts, fc.boolean(), (given, includeInitial) => {
        const storm = new Storm(condition, includeInitial);
        for (const act of given) storm.act(act);
        storm.settle();
        for (const handle of NAMES.keys()) {
          const last = storm.receiver.deliveries.filter((delivery) => delivery.handle === handle).at(-1);
          const variable = storm.server.table.require(NAMES[handle]!);
          assert.deepEqual([last?.version, last?.value], [variable.current.version, 2_000]);
          assert.equal(last?.lineage, `${storm.server.epoch} ${variable.id}`);
        }
      }),
      { numRuns: 300 },
    );
  });
}
