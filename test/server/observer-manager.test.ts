import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { NewcomerObserver, Observer, PublishedChange } from '../../src/server/observer-manager.js';
import { ObserverManager } from '../../src/server/observer-manager.js';
import { parseCondition } from '../../src/shared/delivery/condition-text.js';
import { QuotaExceededError } from '../../src/shared/errors.js';
import { silentLogger } from '../../src/shared/logger.js';
import type { Variable } from '../../src/shared/state/variable.js';
import { SampleTable } from './sample-table.js';

class Recorder implements Observer {
  readonly versions: number[] = [];
  readonly published: PublishedChange[] = [];
  failure: unknown;

  handleChange(published: PublishedChange): void {
    this.published.push(published);
    this.versions.push(published.change.current.version);
  }

  handleFailure(error: unknown): void {
    this.failure = error;
  }
}

class FailingObserver extends Recorder {
  override handleChange(published: PublishedChange): void {
    super.handleChange(published);
    throw new Error('broken');
  }
}

/** Registers a recorder for each newcomer. */
class Newcomers implements NewcomerObserver {
  readonly recorders = new Map<string, Recorder>();
  readonly #manager: ObserverManager;

  constructor(manager: ObserverManager) {
    this.#manager = manager;
  }

  handleNewcomer(variable: Variable): void {
    const recorder = new Recorder();
    this.recorders.set(variable.name, recorder);
    this.#manager.register(variable, recorder);
  }

  handleFailure(): void {
    throw new Error('was not to fail');
  }
}

function setup() {
  return { sample: new SampleTable(), manager: new ObserverManager(silentLogger) };
}

describe('observers of a variable', () => {
  test('each is told of each change once, in order, and shares it with the others', () => {
    const { sample, manager } = setup();
    const fan = sample.variable('fan');
    const lamp = sample.variable('lamp');
    const [first, second, other] = [new Recorder(), new Recorder(), new Recorder()];
    manager.register(fan, first);
    manager.register(fan, second);
    manager.register(lamp, other);
    manager.publish('s', sample.set(fan, 1), 10);
    manager.publish('s', sample.set(fan, 2), 11);
    assert.deepEqual(first.versions, [2, 3]);
    assert.deepEqual(second.versions, [2, 3]);
    assert.deepEqual(other.versions, []);
    assert.equal(first.published[0], second.published[0]);
    assert.equal(first.published[1]?.atMs, 11);
    assert.deepEqual([manager.published, manager.delivered, manager.failed], [2, 4, 0]);
  });

  test('registering twice counts once', () => {
    const { sample, manager } = setup();
    const fan = sample.variable('fan');
    const recorder = new Recorder();
    manager.register(fan, recorder);
    manager.register(fan, recorder);
    assert.equal(manager.size, 1);
    manager.publish('s', sample.set(fan, 1), 0);
    assert.deepEqual(recorder.versions, [2]);
    assert.equal(manager.unregister(fan, recorder), true);
    assert.equal(manager.unregister(fan, recorder), false);
    assert.equal(manager.size, 0);
  });

  test('one that throws is counted, told and unregistered; the others get theirs', () => {
    const { sample, manager } = setup();
    const fan = sample.variable('fan');
    const [before, failing, behind] = [new Recorder(), new FailingObserver(), new Recorder()];
    for (const observer of [before, failing, behind]) manager.register(fan, observer);
    manager.publish('s', sample.set(fan, 1), 0);
    manager.publish('s', sample.set(fan, 2), 0);
    assert.deepEqual(before.versions, [2, 3]);
    assert.deepEqual(behind.versions, [2, 3]);
    assert.deepEqual(failing.versions, [2]);
    assert.match(String(failing.failure), /broken/);
    assert.deepEqual([manager.failed, manager.delivered, manager.size], [1, 4, 2]);
  });

  test('one that fails again when it is told so does not keep the others from theirs', () => {
    const { sample, manager } = setup();
    const fan = sample.variable('fan');
    const failing = new FailingObserver();
    failing.handleFailure = () => {
      throw new Error('broken again');
    };
    const behind = new Recorder();
    manager.register(fan, failing);
    manager.register(fan, behind);
    manager.publish('s', sample.set(fan, 1), 0);
    assert.deepEqual(behind.versions, [2]);
  });

  test('the deletion is the last change, and unregisters', () => {
    const { sample, manager } = setup();
    const fan = sample.variable('fan');
    const recorder = new Recorder();
    manager.register(fan, recorder);
    manager.publish('s', sample.delete(fan), 0);
    assert.equal(recorder.published[0]?.change.reason, 'deleted');
    assert.equal(manager.size, 0);
    assert.equal(manager.observersOf(fan), 0);
  });

  test('one that unregisters itself or another while a change is published leaves the counts right', () => {
    const { sample, manager } = setup();
    const fan = sample.variable('fan');
    const behind = new Recorder();
    const leaving = new Recorder();
    leaving.handleChange = () => {
      manager.unregister(fan, leaving);
      manager.unregister(fan, behind);
    };
    manager.register(fan, leaving);
    manager.register(fan, behind);
    manager.publish('s', sample.delete(fan), 0);
    assert.deepEqual(behind.versions, []);
    assert.equal(manager.size, 0);
  });
});

describe('observers with a condition', () => {
  const above10 = parseCondition('{"gt":10}');

  test('are told of changes that meet it, of the registration and of the deletion', () => {
    const { sample, manager } = setup();
    const registered = sample.register('fan');
    const fan = registered.variable;
    const [asking, other] = [new Recorder(), new Recorder()];
    manager.register(fan, asking, above10);
    manager.register(fan, other);
    manager.publish('s', registered, 0);
    for (const value of [5, 11, 9]) manager.publish('s', sample.set(fan, value), 0);
    assert.deepEqual([manager.size, manager.observersOf(fan)], [2, 2]);
    manager.publish('s', sample.delete(fan), 0);
    assert.deepEqual(asking.versions, [1, 3, 5]);
    assert.deepEqual(other.versions, [1, 2, 3, 4, 5]);
    assert.deepEqual([manager.size, manager.observersOf(fan)], [0, 0]);
  });

  test('are unregistered with it alone, and when they throw', () => {
    const { sample, manager } = setup();
    const fan = sample.variable('fan');
    const asking = new Recorder();
    manager.register(fan, asking, above10);
    assert.equal(manager.unregister(fan, asking), false);
    assert.equal(manager.unregister(fan, asking, above10), true);
    const failing = new FailingObserver();
    manager.register(fan, failing, above10);
    manager.publish('s', sample.set(fan, 20), 0);
    manager.publish('s', sample.set(fan, 30), 0);
    assert.deepEqual([failing.versions, manager.failed, manager.size], [[2], 1, 0]);
  });

  test('a follower hears of the next change alone, whether anybody wants it or not', () => {
    const { sample, manager } = setup();
    const fan = sample.variable('fan');
    let heard = 0;
    const follower = {
      handleChanged: () => {
        heard += 1;
      },
    };
    manager.followNext(fan, follower);
    const asking = new Recorder();
    manager.register(fan, asking, above10);
    manager.followNext(fan, follower);
    for (const value of [1, 2]) manager.publish('s', sample.set(fan, value), 0);
    assert.deepEqual([heard, asking.versions], [1, []]);
  });
});

describe('observers of what does not exist yet', () => {
  test('one that waits for a name gets the registration, and waits no more', () => {
    const { sample, manager } = setup();
    const waiting = new Newcomers(manager);
    manager.registerName('s', 'fan', waiting);
    const registered = sample.register('fan');
    manager.publish('s', registered, 0);
    assert.deepEqual(waiting.recorders.get('fan')?.versions, [1]);
    assert.equal(manager.size, 1, 'the observer of the variable is left');
    manager.publish('s', sample.delete(registered.variable), 0);
    manager.publish('s', sample.register('fan'), 0);
    assert.deepEqual(waiting.recorders.get('fan')?.versions, [1, 2]);
    assert.equal(manager.size, 0);
  });

  test('a pattern gets every variable that fits, and goes on waiting', () => {
    const { sample, manager } = setup();
    const rooms = new Newcomers(manager);
    manager.registerPattern('s', 'room/*', rooms);
    manager.registerPattern('s', 'room/*', rooms);
    for (const name of ['room/1', 'hall', 'room/2']) manager.publish('s', sample.register(name), 0);
    assert.deepEqual([...rooms.recorders.keys()], ['room/1', 'room/2']);
    assert.equal(manager.size, 3);
    manager.unregisterPattern('s', 'room/*', rooms);
    manager.publish('s', sample.register('room/3'), 0);
    assert.equal(rooms.recorders.has('room/3'), false);
  });

  test('one more pattern than a session may have is refused, one that others wait with is not', () => {
    const sample = new SampleTable();
    const manager = new ObserverManager(silentLogger, 2);
    const [first, second] = [new Newcomers(manager), new Newcomers(manager)];
    manager.registerPattern('s', 'a*', first);
    manager.registerPattern('s', 'b*', first);
    manager.registerPattern('s', 'a*', second);
    assert.throws(() => manager.registerPattern('s', 'c*', second), QuotaExceededError);
    manager.registerPattern('t', 'c*', second);
    assert.deepEqual([manager.patternsOf('s'), manager.patternsOf('t'), manager.patternsOf('u')], [2, 1, 0]);
    manager.unregisterPattern('s', 'b*', first);
    manager.registerPattern('s', 'c*', second);
    manager.publish('s', sample.register('a1'), 0);
    assert.deepEqual([first.recorders.size, second.recorders.size], [1, 1]);
  });

  test('a name that many wait for comes to all of them', () => {
    const { sample, manager } = setup();
    const many = [new Newcomers(manager), new Newcomers(manager), new Newcomers(manager)];
    for (const observer of many) {
      manager.registerName('s', 'fan', observer);
      manager.registerName('s', 'fan', observer);
    }
    assert.equal(manager.size, 3);
    manager.unregisterName('s', 'fan', many[1]!);
    manager.unregisterName('s', 'fan', many[1]!);
    assert.equal(manager.size, 2);
    manager.publish('s', sample.register('fan'), 0);
    assert.deepEqual(
      many.map(({ recorders }) => recorders.size),
      [1, 0, 1],
    );
  });

  test('another session has names of its own', () => {
    const { sample, manager } = setup();
    const waiting = new Newcomers(manager);
    manager.registerName('s', 'fan', waiting);
    manager.registerPattern('s', 'fan*', new Newcomers(manager));
    manager.publish('t', sample.register('fan'), 0);
    assert.equal(waiting.recorders.size, 0);
    manager.unregisterName('s', 'fan', waiting);
    assert.equal(manager.size, 1);
  });
});

describe('what was committed together', () => {
  test('says of each change whether more of its batch follows, and whoever holds it back is told once when all is published', () => {
    const { sample, manager } = setup();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => sample.variable(name));
    const told: string[] = [];
    for (const variable of [a!, b!, c!]) {
      manager.register(variable, {
        handleChange({ batch }) {
          told.push(`${variable.name} ${batch === undefined ? 'last' : 'goes on'}`);
          batch?.hold({ handleBatchEnd: () => void told.push(`end of ${variable.name}`) });
        },
        handleFailure: () => undefined,
      });
    }
    const batch = sample.setAll([a!, b!], 5);
    manager.publishAll('s', [...batch, sample.set(c!, 6)], 0);
    assert.deepEqual(told, ['a goes on', 'b last', 'end of a', 'c last']);
  });
});

test('the count is what is registered, whatever comes and goes', () => {
  type Step = { readonly isRegistered: boolean; readonly variable: number; readonly observer: number };
  const step = fc.record({ isRegistered: fc.boolean(), variable: fc.nat(2), observer: fc.nat(2) });
  fc.assert(
    fc.property(fc.array(step), (steps: Step[]) => {
      const { sample, manager } = setup();
      const variables = ['a', 'b', 'c'].map((name) => sample.variable(name));
      const observers = variables.map(() => new Recorder());
      const expected = new Set<string>();
      for (const { isRegistered, variable, observer } of steps) {
        if (isRegistered) {
          manager.register(variables[variable]!, observers[observer]!);
          expected.add(`${variable} ${observer}`);
        } else {
          assert.equal(
            manager.unregister(variables[variable]!, observers[observer]!),
            expected.delete(`${variable} ${observer}`),
          );
        }
        assert.equal(manager.size, expected.size);
      }
    }),
  );
});
