/** A typed schema at run time: what it registers, what it refuses. What the compiler knows is in schema-types.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Tensor } from '../../../src/main/index.js';
import {
  BridgeError,
  boolean,
  choice,
  defineVariables,
  embedding,
  float,
  integer,
  LocalState,
  list,
  map,
  module,
  string,
  tensor,
} from '../../../src/main/index.js';
import { until } from '../../../src/testing/within.js';
import { BridgedProviders } from '../../support/bridged-providers.js';

const providers = new BridgedProviders(1);

const house = defineVariables({
  temperature: float({ min: -40, description: 'of the room, °C' }),
  speed: integer({ min: 2, max: 5 }),
  mode: choice('eco', 'boost'),
  label: string({ enum: ['old', 'new'], initial: 'new' }),
  isOn: boolean(),
  ranking: module({ allowed_modules: ['rank.recent', 'rank.popular'] }),
  face: embedding({ dimensions: 3 }),
  picture: tensor({ shape: [2, 2] }),
  settings: map<{ depth: number }>({ initial: { depth: 3 } }),
  tags: list<string>(),
});

test('register makes what is not there, with what the schema says, and takes what is', async () => {
  await using state = await providers.open();
  await state.registerVariable('temperature', 'float', 21);
  const typed = await house.register(state);
  const { face, picture, ...values } = Object.fromEntries(await state.getVariables(Object.keys(house.definitions)));
  assert.deepEqual(
    [[...(face as Float64Array)], (picture as Tensor).shape],
    [
      [0, 0, 0],
      [2, 2],
    ],
  );
  assert.deepEqual(values, {
    temperature: 21,
    speed: 2,
    mode: 'eco',
    label: 'new',
    isOn: false,
    ranking: 'rank.recent',
    settings: { depth: 3 },
    tags: [],
  });
  assert.deepEqual((await state.getVariableInfo('mode')).constraints, { choices: ['eco', 'boost'] });
  await assert.rejects(typed.set('speed', 6), { code: 'CONSTRAINT_VIOLATION' });
  // Another program with the same schema.
  const again = await house.register(state);
  await typed.set('mode', 'boost');
  assert.equal(await again.get('mode'), 'boost');
});

test('two programs may register one schema at once', async () => {
  const sessionId = providers.newSession();
  await using one = await providers.open({ sessionId });
  await using other = await providers.open({ sessionId });
  const typed = await Promise.all([one, other, one, other].map((state) => house.register(state)));
  assert.equal(await typed[3]!.get('speed'), 2);
});

test('where one does not fit, none is registered', async () => {
  await using state = new LocalState();
  await state.registerVariable('isOn', 'integer', 1);
  await assert.rejects(house.register(state), { code: 'INVALID_TYPE', message: /"isOn" is there as integer/ });
  assert.equal((await state.listVariables()).length, 1);
  await state.deleteVariable('isOn');
  await state.registerVariable('mode', 'choice', 'turbo', { constraints: { choices: ['eco', 'turbo'] } });
  await assert.rejects(house.register(state), { code: 'INVALID_CONSTRAINT', message: /may be "turbo"/ });
  await state.deleteVariable('mode');
  await state.registerVariable('label', 'string', 'old');
  await assert.rejects(house.register(state), { code: 'INVALID_CONSTRAINT', message: /may be any text/ });
  await state.deleteVariable('label');
  await state.registerVariable('mode', 'choice', 'eco', { constraints: { choices: ['eco'] } });
  await house.register(state);
});

test('what a definition says wrong is refused where it is written', () => {
  const wrong: readonly [() => unknown, string][] = [
    [() => defineVariables({ 'a b\n': float() }), 'INVALID_NAME'],
    [() => defineVariables({ a: float({ min: 3, max: 1 }) }), 'INVALID_CONSTRAINT'],
    [() => defineVariables({ a: float({ max: 1, initial: 2 }) }), 'CONSTRAINT_VIOLATION'],
    [() => defineVariables({ a: integer({ initial: 1.5 }) }), 'INVALID_VALUE'],
    [() => defineVariables({ a: string({ pattern: '(?=x)' }) }), 'INVALID_CONSTRAINT'],
    [() => defineVariables({ a: string({ min_length: 2 }) }), 'CONSTRAINT_VIOLATION'],
    [() => defineVariables({ a: choice([]) }), 'INVALID_CONSTRAINT'],
    [() => defineVariables({ a: { type: 'float' } as never }), 'INVALID_ARGUMENT'],
    [() => defineVariables(undefined as never), 'INVALID_ARGUMENT'],
    [() => float({ least: 3 } as never), 'INVALID_OPTIONS'],
  ];
  for (const [make, code] of wrong) {
    assert.throws(make, (error) => {
      assert.ok(error instanceof BridgeError, String(error));
      assert.equal(error.code, code, error.message);
      return true;
    });
  }
});

test('one without an initial value is used and not registered', async () => {
  const plugins = defineVariables({ plugin: module() });
  await using state = new LocalState();
  await assert.rejects(plugins.register(state), { code: 'INVALID_ARGUMENT', message: /"plugin": give initial/ });
  await state.registerVariable('plugin', 'module', 'a.b');
  assert.equal(await plugins.over(state).get('plugin'), 'a.b');
});

test('a name that is not in the schema is refused when the program runs, too', async () => {
  await using state = new LocalState();
  const typed = await house.register(state);
  await state.registerVariable('other', 'integer', 0);
  const other = 'other' as 'mode';
  const calls: readonly (() => unknown)[] = [
    () => typed.get(other),
    () => typed.set(other, 'eco'),
    () => typed.updateVariables({ [other]: 'eco' } as never),
    async () => typed.watch([other]),
    () => typed.watchVariables(['isOn', other], () => undefined),
    () => typed.combine([other], () => 0),
    () => typed.derive('isOn', [other], () => true),
    () => typed.derive(other, ['isOn'], () => 'eco'),
    () => typed.waitFor([other], { eq: 1 }),
    () => typed.reactive(other),
    () => typed.group([other]),
    async () => typed.peek(other),
  ];
  for (const call of calls) {
    await assert.rejects(async () => call(), { code: 'INVALID_ARGUMENT', message: /"other" is not in the schema/ });
  }
  assert.deepEqual(await state.listWatchers(), []);
});

test('every face of a typed state does what the provider does', async () => {
  await using state = await providers.open();
  const typed = await house.register(state);
  const seen: unknown[] = [];
  await typed.watchVariables(['mode', 'speed'], (identifier, oldValue, newValue) =>
    seen.push([identifier, oldValue, newValue]),
  );
  const watched = typed.watch('mode');
  const batches: unknown[] = [];
  await typed.watchVariables('speed', (changes) => batches.push(...changes.map(({ newValue }) => newValue)), {
    batch: true,
  });
  const heat = await typed.combine(['temperature', 'speed'], (temperature, speed) => temperature * Number(speed));
  const derived = await typed.derive('isOn', ['mode'], (mode) => mode === 'boost');
  const mode = await typed.reactive('mode');
  const both = await typed.group(['mode', 'speed']);
  const waited = typed.waitFor(['speed', 'temperature'], (speed, temperature) => speed === 4 && temperature > 10);
  await typed.set('temperature', 12);
  await typed.updateVariables({ mode: 'boost', speed: 4 }, { atomic: true });
  assert.deepEqual(await waited, { speed: 4, temperature: 12 });
  const { value } = await watched.next();
  assert.deepEqual([value.identifier, value.newValue], ['mode', 'boost']);
  await until(() => seen.length === 2 && heat.value === 48 && mode.value === 'boost', 'the changes');
  assert.deepEqual(
    [seen, batches],
    [
      [
        ['mode', 'eco', 'boost'],
        ['speed', 2, 4],
      ].sort(),
      [4],
    ],
  );
  await until(async () => (await typed.get('isOn')) === true, 'what is derived');
  assert.deepEqual(both.values, { mode: 'boost', speed: 4 });
  assert.equal(typed.peek('speed'), 4);
  for (const one of [heat, derived, mode, both]) await one.close();
  await watched.return?.();
});
