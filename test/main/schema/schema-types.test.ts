/** What the compiler knows by a schema: this file compiles, and what it expects to be wrong is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TypedState } from '../../../src/main/index.js';
import {
  choice,
  defineVariables,
  float,
  integer,
  LocalState,
  list,
  map,
  module,
  string,
} from '../../../src/main/index.js';

const house = defineVariables({
  temperature: float({ min: -40 }),
  mode: choice('eco', 'boost'),
  speed: integer(),
  label: string(),
  size: string({ enum: ['small', 'large'] }),
  plugin: module({ choices: ['a.b', 'a.c'] }),
  settings: map<{ depth: number }>({ initial: { depth: 1 } }),
  tags: list<string>(),
});
type House = (typeof house)['definitions'];

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._: Same<A, B> extends true ? [] : [never]): void {}

test('get and set know names and values', async () => {
  await using state = new LocalState();
  const typed: TypedState<House> = await house.register(state);
  const temperature = await typed.get('temperature');
  same<typeof temperature, number>();
  const mode = await typed.get('mode');
  same<typeof mode, 'eco' | 'boost'>();
  const speed = await typed.get('speed');
  same<typeof speed, number | bigint>();
  const label = await typed.get('label');
  same<typeof label, string>();
  const size = await typed.get('size');
  same<typeof size, 'small' | 'large'>();
  const plugin = await typed.get('plugin');
  same<typeof plugin, 'a.b' | 'a.c'>();
  const settings = await typed.get('settings');
  same<typeof settings, Readonly<{ depth: number }>>();
  const tags = await typed.get('tags');
  same<typeof tags, readonly string[]>();
  await typed.set('mode', 'boost');
  await typed.set('speed', 3n);
  const peeked = typed.peek('temperature');
  same<typeof peeked, number | undefined>();
  // @ts-expect-error a name with a slip in it
  await assert.rejects(typed.get('temprature'));
  // @ts-expect-error not one of the choices
  await assert.rejects(typed.set('mode', 'turbo'));
  // @ts-expect-error a text for a number
  await assert.rejects(typed.set('temperature', '21'));
  // @ts-expect-error not what the map holds
  await typed.set('settings', { deep: 1 });
  // @ts-expect-error not one of the texts
  assert.throws(() => defineVariables({ size: string({ enum: ['s', 'm'], initial: 'x' }) }));
  // @ts-expect-error not one of the choices
  assert.throws(() => defineVariables({ mode: choice(['eco', 'boost'], { initial: 'turbo' }) }));
});

test('updateVariables knows names and values', async () => {
  await using state = new LocalState();
  const typed = await house.register(state);
  const versions = await typed.updateVariables({ temperature: 20, mode: 'boost' }, { atomic: true });
  same<typeof versions extends Map<infer K, number> ? K : never, keyof House>();
  // @ts-expect-error a number for a text
  await assert.rejects(typed.updateVariables({ mode: 3 }));
  // @ts-expect-error not of the schema
  await assert.rejects(typed.updateVariables({ pressure: 3 }));
});

test('callbacks and loops know the value by the identifier', async () => {
  await using state = new LocalState();
  const typed = await house.register(state);
  await typed.watchVariables(['temperature', 'mode'], (identifier, oldValue, newValue, { version }) => {
    same<typeof identifier, 'temperature' | 'mode'>();
    same<typeof version, number>();
    if (identifier === 'mode') same<typeof newValue, 'eco' | 'boost' | undefined>();
    else same<typeof oldValue, number | undefined>();
  });
  await typed.watchVariables('speed', (_, __, newValue) => same<typeof newValue, number | bigint | undefined>());
  await typed.watchVariables(['temperature'], (changes) => changes.map(({ newValue }) => newValue?.toFixed()), {
    batch: true,
  });
  await typed.watchVariables('temperature', () => undefined, {
    filter: (oldValue, newValue) => newValue > (oldValue ?? 0),
  });
  // @ts-expect-error not of the schema
  await assert.rejects(typed.watchVariables(['temperature', 'pressure'], () => undefined));
  // @ts-expect-error it is a number
  await typed.watchVariables('temperature', (_, __, newValue) => newValue?.toUpperCase());
  const changes = typed.watch(['temperature', 'mode'], { includeInitial: true });
  for await (const { identifier, newValue } of changes) {
    if (identifier === 'mode') same<typeof newValue, 'eco' | 'boost' | undefined>();
    else if (identifier === 'temperature') {
      same<typeof newValue, number | undefined>();
      break;
    }
  }
  for await (const together of typed.watch('mode', { batch: true, includeInitial: true })) {
    same<(typeof together)[number]['newValue'], 'eco' | 'boost' | undefined>();
    break;
  }
  // @ts-expect-error not of the schema
  assert.throws(() => typed.watch('pressure'));
});

test('what is combined, derived, waited for, reactive and grouped is typed', async () => {
  await using state = new LocalState();
  const typed = await house.register(state);
  const combined = await typed.combine(['temperature', 'mode'], (temperature, mode) => {
    same<typeof temperature, number>();
    same<typeof mode, 'eco' | 'boost'>();
    return mode === 'eco' ? temperature : 'hot';
  });
  const { value } = combined;
  same<typeof value, number | 'hot' | undefined>();
  combined.onChange((_, newValue) => same<typeof newValue, number | 'hot' | undefined>());
  await typed.derive('mode', ['temperature'], (temperature) => (temperature > 20 ? 'eco' : 'boost'));
  // @ts-expect-error 'off' is no mode
  await typed.derive('mode', ['speed'], () => 'off').catch(() => undefined);
  const waited = await typed.waitFor(['speed', 'label'], (speed, label) => Number(speed) + label.length >= 0);
  same<typeof waited, { readonly speed: number | bigint; readonly label: string }>();
  const mode = await typed.reactive('mode');
  const present = mode.value;
  same<typeof present, 'eco' | 'boost' | undefined>();
  mode.value = 'boost';
  // @ts-expect-error not one of the choices
  await assert.rejects(mode.set('turbo'));
  const both = await typed.group(['mode', 'speed']);
  const speed = both.get('speed');
  same<typeof speed, number | bigint | undefined>();
  both.onChange((changed, values) => {
    same<typeof changed, ReadonlySet<'mode' | 'speed'>>();
    same<(typeof values)['mode'], 'eco' | 'boost' | undefined>();
  });
  // @ts-expect-error not of the group
  both.get('label');
  for (const one of [combined, mode, both]) await one.close();
});
