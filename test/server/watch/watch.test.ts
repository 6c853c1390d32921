import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ObserverManager } from '../../../src/server/observer-manager.js';
import { CarrierBudget } from '../../../src/server/watch/carrier-budget.js';
import { Watch } from '../../../src/server/watch/watch.js';
import { QuotaExceededError } from '../../../src/shared/errors.js';
import { silentLogger } from '../../../src/shared/logger.js';
import { SampleTable } from '../sample-table.js';

function setup(maxBytes = 1e9) {
  const sample = new SampleTable();
  const manager = new ObserverManager(silentLogger);
  const budget = new CarrierBudget(maxBytes);
  const told: string[] = [];
  const watch = new Watch(
    { observers: manager, sessionId: 's', budget },
    {
      handleChange: (sent, { change }) => void told.push(`${sent.variable.name}=${change.current.version}`),
      handleNothingLeft: () => void told.push('nothing left'),
      handleFailure: (error) => void told.push(String((error as Error).name)),
    },
  );
  const spent: number[] = [];
  const work = () => ({
    spend(steps: number) {
      spent.push(steps);
      return spent.length % 100 === 0 ? Promise.resolve() : undefined;
    },
  });
  return { sample, manager, budget, watch, told, work, spent };
}

describe('a watch that is being registered', () => {
  test('tells nobody, and says at its capture where each variable is and what went', () => {
    const { sample, manager, watch, told } = setup();
    const [fan, lamp] = [sample.variable('fan'), sample.variable('lamp')];
    watch.observe(fan, 'fan');
    watch.observe(lamp, lamp.id);
    manager.publish('s', sample.set(fan, 1), 0);
    manager.publish('s', sample.delete(lamp), 0);
    const { states, gone } = watch.capture();
    assert.deepEqual(told, []);
    assert.deepEqual(
      states.map(({ variable, version, isNewcomer }) => [variable.name, version, isNewcomer]),
      [['fan', 2, false]],
    );
    assert.deepEqual(
      gone.map(({ id, identifiers }) => [id, identifiers]),
      [[lamp.id, [lamp.id]]],
    );
    manager.publish('s', sample.set(fan, 2), 0);
    assert.deepEqual(told, ['fan=3']);
  });

  test('knows a variable that comes meanwhile as a newcomer, once', () => {
    const { sample, manager, watch } = setup();
    watch.waitFor('fan');
    watch.waitForAll('f*');
    const registered = sample.register('fan');
    manager.publish('s', registered, 0);
    watch.observe(registered.variable, undefined);
    assert.deepEqual(
      watch.capture().states.map(({ variable, version, isNewcomer }) => [variable.name, version, isNewcomer]),
      [['fan', 1, true]],
    );
  });
});

describe('a live watch', () => {
  test('is told of a newcomer from its registration on, and of its end when nothing is left', () => {
    const { sample, manager, watch, told } = setup();
    watch.waitFor('fan');
    watch.capture();
    const registered = sample.register('fan');
    manager.publish('s', registered, 0);
    manager.publish('s', sample.delete(registered.variable), 0);
    assert.deepEqual(told, ['fan=1', 'fan=2', 'nothing left']);
  });

  test('keeps all identifiers of a variable but a name alone', () => {
    const { sample, watch } = setup();
    const [fan, lamp] = [sample.variable('fan'), sample.variable('lamp')];
    watch.observe(fan, 'fan');
    watch.observe(fan, fan.id);
    watch.observe(lamp, 'lamp');
    assert.deepEqual(
      watch.capture().states.map(({ unsaidIdentifiers }) => unsaidIdentifiers),
      [['fan', fan.id], undefined],
    );
  });
});

describe('what a watch holds', () => {
  test('is refused above the bytes of its connection, and given back at its end', () => {
    const { sample, manager, budget, watch, work } = setup(900);
    watch.observe(sample.variable('fan'), 'fan');
    watch.waitFor('a');
    assert.throws(() => watch.waitFor('x'.repeat(256)), QuotaExceededError);
    watch.waitForAll('b*');
    assert.throws(() => watch.observe(sample.variable('lamp'), 'lamp'), QuotaExceededError);
    watch.close({ begin: work });
    watch.close({ begin: work });
    assert.deepEqual([budget.held, manager.size], [0, 0]);
  });

  test('is given back when what it waited for comes and goes', () => {
    const { sample, manager, budget, watch } = setup();
    watch.waitFor('fan');
    watch.capture();
    const registered = sample.register('fan');
    manager.publish('s', registered, 0);
    manager.publish('s', sample.delete(registered.variable), 0);
    assert.equal(budget.held, 0);
  });

  test('is unregistered in turns when it is much, and nothing is told meanwhile', async () => {
    const { sample, manager, watch, work, spent, told } = setup();
    const fan = sample.variable('fan');
    watch.observe(fan, 'fan');
    for (let index = 0; index < 5_000; index += 1) watch.waitFor(`name${index}`);
    watch.capture();
    watch.close({ begin: work });
    manager.publish('s', sample.set(fan, 1), 0);
    manager.publish('s', sample.register('name4999'), 0);
    while (manager.size > 0) await Promise.resolve();
    assert.deepEqual(told, []);
    assert.ok(spent.length >= 5_000);
  });
});
