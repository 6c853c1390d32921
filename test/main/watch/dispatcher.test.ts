import assert from 'node:assert/strict';
import { AsyncResource } from 'node:async_hooks';
import { describe, test } from 'node:test';
import type {
  ChangeBatch,
  DispatchedCall,
  DispatchedWatch,
  WatchedVariable,
} from '../../../src/main/watch/dispatched-watch.js';
import { deliver, deliverInGroup, releaseDue, watchedVariable } from '../../../src/main/watch/dispatcher.js';
import { RateLimit } from '../../../src/main/watch/rate-limit.js';
import { WatchStats } from '../../../src/main/watch/watch-stats.js';
import type { UpdateMetadata, Watcher } from '../../../src/main/watch/watcher.js';
import type { Lineage } from '../../../src/shared/delivery/update.js';
import {
  BASELINE,
  flagsOfReason,
  HAS_OLD,
  INITIAL,
  MORE,
  RESYNC,
  UpdateRecord,
} from '../../../src/shared/delivery/update.js';
import { type BridgeError, InternalError, WatcherError } from '../../../src/shared/errors.js';
import type { VariableValue } from '../../../src/shared/values/variable-type.js';

type Seen = [identifier: string, old: VariableValue | undefined, value: VariableValue | undefined, missed: number];

interface TestWatch extends DispatchedWatch {
  isStopped: boolean;
  readonly seen: Seen[];
  readonly metadata: UpdateMetadata[];
  readonly errors: BridgeError[];
}

function watchOf(options: Partial<DispatchedWatch> = {}): TestWatch {
  const seen: Seen[] = [];
  const metadata: UpdateMetadata[] = [];
  const errors: BridgeError[] = [];
  const watcher: Watcher = (identifier, oldValue, newValue, about) => {
    seen.push([identifier, oldValue, newValue, about.missed]);
    metadata.push(about);
  };
  return {
    ref: 'watch-1',
    sessionId: 'session',
    watcher,
    filter: undefined,
    condition: undefined,
    hasCondition: false,
    limit: undefined,
    stats: new WatchStats(),
    verifies: true,
    isStopped: false,
    filterPromises: false,
    gate: undefined,
    batch: undefined,
    turns: undefined,
    handleIdentified: () => undefined,
    handleBatchBegun: () => undefined,
    handleGateFull: () => undefined,
    context: new AsyncResource('test'),
    clock: { wallAtMs: (nowMs) => nowMs },
    handleError: (error) => errors.push(error),
    handleGone: () => undefined,
    handleHeld: () => undefined,
    seen,
    metadata,
    errors,
    ...options,
  };
}

interface Sent {
  readonly flags?: number;
  readonly missed?: number;
  readonly filtered?: number;
  readonly old?: VariableValue;
  readonly lineage?: Lineage;
}

function send(variable: WatchedVariable, version: number, value: VariableValue, sent: Sent = {}): void {
  deliver(variable, updateOf(version, value, sent), 2);
}

function updateOf(version: number, value: VariableValue, sent: Sent = {}): UpdateRecord {
  return Object.assign(new UpdateRecord(), { version, value, receivedAt: 1, revision: version, source: 'me', ...sent });
}

function started(options: Partial<DispatchedWatch> = {}): { watch: TestWatch; fan: WatchedVariable } {
  const watch = watchOf(options);
  const fan = watchedVariable(watch, 'fan');
  send(fan, 1, 20, { flags: BASELINE });
  return { watch, fan };
}

describe('dispatcher', () => {
  test('a baseline calls nobody and is the next old value', () => {
    const { watch, fan } = started();
    assert.deepEqual(watch.seen, []);
    send(fan, 2, 21);
    send(fan, 3, 22);
    assert.deepEqual(watch.seen, [
      ['fan', 20, 21, 0],
      ['fan', 21, 22, 0],
    ]);
  });

  test('an initial value has no old one, whatever the filter says', () => {
    const watch = watchOf({ filter: () => false });
    send(watchedVariable(watch, 'fan'), 1, 20, { flags: INITIAL });
    assert.deepEqual(watch.seen, [['fan', undefined, 20, 0]]);
    assert.equal(watch.metadata[0]?.initial, true);
  });

  test('what a filter holds back is seen: old values chain over it, and its missed is told by the next', () => {
    const { watch, fan } = started({ filter: (old, value) => Math.abs(Number(value) - Number(old)) > 1 });
    send(fan, 4, 20.5, { missed: 2 });
    assert.deepEqual(watch.seen, []);
    send(fan, 5, 22);
    assert.deepEqual(watch.seen, [['fan', 20.5, 22, 2]]);
    assert.deepEqual([watch.stats.filtered, watch.stats.delivered, watch.stats.missed], [1, 1, 2]);
  });

  test('a filter that throws lets the update through and is told', () => {
    const filter = () => {
      throw new TypeError('no such field');
    };
    const { watch, fan } = started({ filter });
    send(fan, 2, 21);
    assert.equal(watch.seen.length, 1);
    assert.ok(watch.errors[0] instanceof WatcherError);
  });

  test('a watcher that throws or rejects stops nothing', async () => {
    let calls = 0;
    const { watch, fan } = started({
      watcher: () => {
        calls += 1;
        if (calls === 1) throw new Error('first');
        return Promise.reject(new Error('second'));
      },
    });
    send(fan, 2, 21);
    send(fan, 3, 22);
    await Promise.resolve();
    await Promise.resolve();
    assert.equal(calls, 2);
    assert.deepEqual(
      watch.errors.map(({ message }) => message),
      ['the watcher of watch-1 threw: first', 'the watcher of watch-1 threw: second'],
    );
    assert.equal(watch.stats.errors, 2);
  });

  test('a condition asked elsewhere says the old value with the update', () => {
    const { watch, fan } = started();
    send(fan, 3, 22, { flags: HAS_OLD, filtered: 1, old: 20.5 });
    assert.deepEqual(watch.seen, [['fan', 20.5, 22, 0]]);
    assert.deepEqual(watch.errors, []);
  });

  test('a deletion has no new value and is the last', () => {
    const { watch, fan } = started();
    send(fan, 2, 20, { flags: flagsOfReason('expired') });
    send(fan, 3, 21);
    assert.deepEqual(watch.seen, [['fan', 20, undefined, 0]]);
    assert.equal(watch.metadata[0]?.deleted, 'expired');
  });

  test('a deletion says what the held call that it replaces had to say', () => {
    const limit = new RateLimit<WatchedVariable, DispatchedCall>({
      ...{ debounceMs: 50, maxWaitMs: 0, throttleMs: 0, conflate: false },
    });
    const { watch, fan } = started({ limit });
    const lineage = { epoch: 'e2', variableId: 'v2' };
    send(fan, 3, 30, { flags: RESYNC, missed: 2, lineage });
    send(fan, 4, 30, { flags: flagsOfReason('deleted') });
    assert.deepEqual(watch.seen, [['fan', 20, undefined, 2]]);
    const [told] = watch.metadata;
    assert.deepEqual([told?.resync, told?.deleted, told?.variableId], [true, 'deleted', 'v2']);
  });

  test('a stopped watch is never called', () => {
    const { watch, fan } = started();
    watch.isStopped = true;
    send(fan, 2, 21);
    assert.deepEqual(watch.seen, []);
  });

  test('a call says the id of the life that its value belongs to, also when it was held back', () => {
    const { watch, fan } = started();
    deliver(fan, updateOf(2, 21, { lineage: { epoch: 'e', variableId: 'old' } }), 2);
    deliver(fan, updateOf(3, 22), 2);
    deliver(fan, updateOf(1, 5, { flags: RESYNC, lineage: { epoch: 'e', variableId: 'new' } }), 2);
    assert.deepEqual(
      watch.metadata.map(({ variableId }) => variableId),
      ['old', 'old', 'new'],
    );
  });

  test('nobody is told of an atomic group before the last of it is there, and then of all in order', () => {
    const watch = watchOf();
    const [fan, lamp] = [watchedVariable(watch, 'fan'), watchedVariable(watch, 'lamp')];
    fan.group = lamp.group = [];
    deliverInGroup(fan, updateOf(1, 1, { flags: MORE }), 2);
    deliverInGroup(lamp, updateOf(1, 2, { flags: MORE }), 2);
    assert.deepEqual(watch.seen, []);
    deliverInGroup(fan, updateOf(2, 3), 2);
    assert.deepEqual(watch.seen, [
      ['fan', undefined, 1, 0],
      ['lamp', undefined, 2, 0],
      ['fan', 1, 3, 0],
    ]);
    deliverInGroup(lamp, updateOf(2, 4), 2);
    assert.equal(watch.seen.length, 4);
  });

  test('a batch is told when its turn is over, in one call, and counted then', () => {
    const batches: unknown[][] = [];
    let begun = 0;
    const batch: ChangeBatch = {
      changes: [],
      watcher: (changes) => batches.push(changes.map(({ oldValue, newValue }) => [oldValue, newValue])),
    };
    const { watch, fan } = started({ batch, handleBatchBegun: () => (begun += 1) });
    send(fan, 2, 21);
    send(fan, 3, 22);
    assert.deepEqual([batches, watch.stats.delivered, begun], [[], 0, 1]);
    releaseDue(watch, 2);
    send(fan, 4, 23);
    releaseDue(watch, 3);
    releaseDue(watch, 4);
    assert.deepEqual(batches, [
      [
        [20, 21],
        [21, 22],
      ],
      [[22, 23]],
    ]);
    assert.deepEqual([watch.stats.delivered, begun], [3, 2]);
  });

  test('a batch of a watch that was stopped in its turn is told to nobody', () => {
    let calls = 0;
    const { watch, fan } = started({ batch: { changes: [], watcher: () => (calls += 1) } });
    send(fan, 2, 21);
    watch.isStopped = true;
    releaseDue(watch, 2);
    assert.deepEqual([calls, watch.stats.delivered], [0, 0]);
  });

  test('books that do not balance are told, a resync begins new ones', () => {
    const { watch, fan } = started();
    send(fan, 5, 21);
    assert.ok(watch.errors[0] instanceof InternalError);
    send(fan, 2, 30, { flags: RESYNC, missed: 1 });
    send(fan, 3, 31);
    assert.equal(watch.errors.length, 1);
  });

  test('the position has moved when the watcher is called', () => {
    const seen: number[] = [];
    const watch = watchOf({ watcher: () => seen.push(fan.lastVersion) });
    const fan = watchedVariable(watch, 'fan');
    send(fan, 1, 1);
    assert.deepEqual(seen, [1]);
  });
});
