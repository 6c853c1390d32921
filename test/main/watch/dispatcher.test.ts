import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DispatchedWatch, UpdateMetadata, WatchedVariable, Watcher } from '../../../src/main/watch/dispatcher.js';
import { Dispatcher } from '../../../src/main/watch/dispatcher.js';
import { WatchStats } from '../../../src/main/watch/watch-stats.js';
import { BASELINE, flagsOfReason, HAS_OLD, INITIAL, RESYNC } from '../../../src/shared/delivery/update.js';
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
    limit: undefined,
    stats: new WatchStats(),
    verifies: true,
    isStopped: false,
    handleError: (error) => errors.push(error),
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
}

function send(
  dispatcher: Dispatcher,
  { handle }: WatchedVariable,
  version: number,
  value: VariableValue,
  sent: Sent = {},
): void {
  const { flags = 0, missed = 0, filtered = 0, old } = sent;
  dispatcher.deliver(handle, version, value, 0, 1, version, missed, filtered, flags, 'me', {}, old, 2);
}

function started(options: Partial<DispatchedWatch> = {}): {
  dispatcher: Dispatcher;
  watch: TestWatch;
  fan: WatchedVariable;
} {
  const dispatcher = new Dispatcher(100);
  const watch = watchOf(options);
  const fan = dispatcher.allot(watch, 'fan');
  send(dispatcher, fan, 1, 20, { flags: BASELINE });
  return { dispatcher, watch, fan };
}

describe('dispatcher', () => {
  test('a baseline calls nobody and is the next old value', () => {
    const { dispatcher, watch, fan } = started();
    assert.deepEqual(watch.seen, []);
    send(dispatcher, fan, 2, 21);
    send(dispatcher, fan, 3, 22);
    assert.deepEqual(watch.seen, [
      ['fan', 20, 21, 0],
      ['fan', 21, 22, 0],
    ]);
  });

  test('an initial value has no old one, whatever the filter says', () => {
    const dispatcher = new Dispatcher();
    const watch = watchOf({ filter: () => false });
    send(dispatcher, dispatcher.allot(watch, 'fan'), 1, 20, { flags: INITIAL });
    assert.deepEqual(watch.seen, [['fan', undefined, 20, 0]]);
    assert.equal(watch.metadata[0]?.initial, true);
  });

  test('what a filter holds back is seen: old values chain over it, and its missed is told by the next', () => {
    const { dispatcher, watch, fan } = started({ filter: (old, value) => Math.abs(Number(value) - Number(old)) > 1 });
    send(dispatcher, fan, 4, 20.5, { missed: 2 });
    assert.deepEqual(watch.seen, []);
    send(dispatcher, fan, 5, 22);
    assert.deepEqual(watch.seen, [['fan', 20.5, 22, 2]]);
    assert.deepEqual([watch.stats.filtered, watch.stats.delivered, watch.stats.missed], [1, 1, 2]);
  });

  test('a filter that throws lets the update through and is told', () => {
    const filter = () => {
      throw new TypeError('no such field');
    };
    const { dispatcher, watch, fan } = started({ filter });
    send(dispatcher, fan, 2, 21);
    assert.equal(watch.seen.length, 1);
    assert.ok(watch.errors[0] instanceof WatcherError);
  });

  test('a watcher that throws or rejects stops nothing', async () => {
    let calls = 0;
    const { dispatcher, watch, fan } = started({
      watcher: () => {
        calls += 1;
        if (calls === 1) throw new Error('first');
        return Promise.reject(new Error('second'));
      },
    });
    send(dispatcher, fan, 2, 21);
    send(dispatcher, fan, 3, 22);
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
    const { dispatcher, watch, fan } = started();
    send(dispatcher, fan, 3, 22, { flags: HAS_OLD, filtered: 1, old: 20.5 });
    assert.deepEqual(watch.seen, [['fan', 20.5, 22, 0]]);
    assert.deepEqual(watch.errors, []);
  });

  test('a deletion has no new value and is the last', () => {
    const { dispatcher, watch, fan } = started();
    send(dispatcher, fan, 2, 20, { flags: flagsOfReason('expired') });
    send(dispatcher, fan, 3, 21);
    assert.deepEqual(watch.seen, [['fan', 20, undefined, 0]]);
    assert.equal(watch.metadata[0]?.deleted, 'expired');
  });

  test('a stopped watch and a released handle are never called', () => {
    const { dispatcher, watch, fan } = started();
    watch.isStopped = true;
    send(dispatcher, fan, 2, 21);
    dispatcher.release(fan);
    send(dispatcher, fan, 3, 22);
    assert.deepEqual(watch.seen, []);
    assert.equal(dispatcher.find(fan.handle), undefined);
  });

  test('a handle given back is given to another variable, from the range that it began with', () => {
    const { dispatcher, watch, fan } = started();
    assert.equal(fan.handle, 100);
    dispatcher.release(fan);
    dispatcher.release(fan);
    const lamp = dispatcher.allot(watch, 'lamp');
    assert.equal(lamp.handle, 100);
    assert.equal(dispatcher.allot(watch, 'door').handle, 101);
  });

  test('books that do not balance are told, a resync begins new ones', () => {
    const { dispatcher, watch, fan } = started();
    send(dispatcher, fan, 5, 21);
    assert.ok(watch.errors[0] instanceof InternalError);
    send(dispatcher, fan, 2, 30, { flags: RESYNC, missed: 1 });
    send(dispatcher, fan, 3, 31);
    assert.equal(watch.errors.length, 1);
  });

  test('the position has moved when the watcher is called', () => {
    const seen: number[] = [];
    const dispatcher = new Dispatcher();
    const watch = watchOf({ watcher: () => seen.push(fan.lastVersion) });
    const fan = dispatcher.allot(watch, 'fan');
    send(dispatcher, fan, 1, 1);
    assert.deepEqual(seen, [1]);
  });
});
