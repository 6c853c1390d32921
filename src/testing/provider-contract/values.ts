/** Every type, there and back: no digit, sign or key is lost on any way out. */
import assert from 'node:assert/strict';
import type { ConstraintsInput } from '../../shared/values/constraint.js';
import type { VariableInput, VariableType } from '../../shared/values/variable-type.js';
import type { Promised } from './contract-test.js';

interface ValueCase {
  readonly what: string;
  readonly type: VariableType;
  readonly first: VariableInput;
  readonly value: VariableInput;
  readonly constraints?: ConstraintsInput;
}

const LARGE = Float64Array.from({ length: 1_281 }, (_, n) => Math.sin(n) * 10 ** (n % 300));
const LARGE_32 = Float32Array.from({ length: 4_000 }, (_, n) => Math.fround(Math.cos(n)));

const CASES: readonly ValueCase[] = [
  { what: 'a float', type: 'float', first: 0, value: 0.1 + 0.2 },
  { what: 'the least float', type: 'float', first: 0, value: 5e-324 },
  { what: 'the greatest float', type: 'float', first: 0, value: Number.MAX_VALUE },
  { what: 'negative zero', type: 'float', first: 1, value: -0 },
  { what: 'NaN', type: 'float', first: 0, value: Number.NaN },
  { what: 'Infinity', type: 'float', first: 0, value: Number.POSITIVE_INFINITY },
  { what: '-Infinity', type: 'float', first: 0, value: Number.NEGATIVE_INFINITY },
  { what: 'a number after NaN', type: 'float', first: Number.NaN, value: 1 },
  { what: 'an integer', type: 'integer', first: 0, value: -42 },
  { what: '2^53 - 1', type: 'integer', first: 0, value: Number.MAX_SAFE_INTEGER },
  { what: '2^53 + 1', type: 'integer', first: 0, value: 2n ** 53n + 1n },
  { what: '-(2^53 + 1)', type: 'integer', first: 0, value: -(2n ** 53n) - 1n },
  { what: 'an integer of 60 digits', type: 'integer', first: 0, value: 123_456_789n ** 7n },
  { what: 'a string', type: 'string', first: '', value: 'twenty' },
  { what: 'an empty string', type: 'string', first: 'a', value: '' },
  {
    what: 'a string of every kind of character',
    type: 'string',
    first: '',
    value: 'ä 😀 \0 \n \u2028 " \\ \u{10ffff} \ufeff',
  },
  { what: 'a string of 100,000 characters', type: 'string', first: '', value: 'ab😀'.repeat(25_000) },
  { what: 'true', type: 'boolean', first: false, value: true },
  { what: 'false', type: 'boolean', first: true, value: false },
  { what: 'a choice', type: 'choice', first: 'off', value: 'on', constraints: { choices: ['on', 'off'] } },
  { what: 'a module', type: 'module', first: 'A', value: 'Foo.Bar' },
  {
    what: 'a list of numbers as an embedding',
    type: 'embedding',
    first: [0],
    value: [1.5, -2, Number.NaN, Number.POSITIVE_INFINITY],
  },
  { what: 'a Float32Array', type: 'embedding', first: [0], value: Float32Array.of(0.1, 1e30, -0) },
  { what: 'an empty embedding', type: 'embedding', first: [1], value: [] },
  { what: 'doubles above 10,240 bytes', type: 'embedding', first: [0], value: LARGE },
  { what: 'floats above 10,240 bytes', type: 'embedding', first: [0], value: LARGE_32 },
  { what: 'a large embedding that becomes small', type: 'embedding', first: LARGE, value: [1] },
  {
    what: 'a nested tensor',
    type: 'tensor',
    first: { shape: [1], data: [0] },
    value: {
      shape: [2, 2],
      data: [
        [1, 2],
        [3, 4],
      ],
    },
  },
  { what: 'a tensor without axes', type: 'tensor', first: { shape: [1], data: [0] }, value: { shape: [], data: 7 } },
  { what: 'an empty tensor', type: 'tensor', first: { shape: [1], data: [0] }, value: { shape: [0, 3], data: [] } },
  {
    what: 'a tensor above 10,240 bytes',
    type: 'tensor',
    first: { shape: [1], data: [0] },
    value: { shape: [3, 427], data: LARGE },
  },
  { what: 'a map', type: 'map', first: {}, value: { a: { b: [1, 'two', null, true, { c: -0.5 }] }, '': 2n ** 64n } },
  { what: 'an empty map', type: 'map', first: { a: 1 }, value: {} },
  { what: 'a list', type: 'list', first: [], value: [1, [2, [3, []]], { a: null }, 'ü', 9_007_199_254_740_993n] },
  { what: 'an empty list', type: 'list', first: [1], value: [] },
];

export function describeValues(promise: Promised): void {
  for (const { what, type, first, value, constraints } of CASES) {
    promise(`${what} (${type}) comes back as it was set, by every way`, async (contract) => {
      const { provider } = contract;
      await provider.registerVariable('x', type, first, constraints === undefined ? {} : { constraints });
      const recording = await contract.record('x', { includeInitial: true });
      assert.equal(await provider.setVariable('x', value), 2);
      assert.equal(await provider.setVariable('x', value), 2, 'an equal value changes no version');
      assert.equal(await provider.setVariable('x', first), 3);

      const [initial, there, back] = await recording.take(3);
      assertSame(initial!.newValue, first);
      assertSame(there!.oldValue, first);
      assertSame(there!.newValue, value);
      assertSame(back!.oldValue, value);
      assertSame(back!.newValue, first);
      assert.equal(await provider.rollback('x', 2), 4);
      assertSame((await recording.next()).newValue, value);

      assertSame(await provider.getVariable('x'), value);
      assertSame((await provider.getVariables('x')).get('x'), value);
      assertSame((await provider.listVariables('x'))[0]?.value, value);
      assertSame((await provider.history('x')).map((entry) => entry.value)[1], value);
      assertSame((await provider.exportState()).variables[0]?.value, value);
    });
  }

  for (const [size, doubles] of [
    ['small', 3],
    ['large', 4_000],
  ] as const) {
    promise(`the numbers of a ${size} array are equal however wide they are given`, async ({ provider }) => {
      const wide = Float64Array.from({ length: doubles }, (_, n) => n / 4);
      const ways = [Float32Array.from(wide), wide, [...wide], Float32Array.from(wide)];
      const shape = [doubles];
      await provider.registerVariable('embedding', 'embedding', [...wide]);
      await provider.registerVariable('tensor', 'tensor', { shape, data: Float32Array.from(wide) });
      for (const numbers of ways) {
        assert.equal(await provider.setVariable('embedding', numbers), 1);
        assert.equal(await provider.setVariable('tensor', { shape, data: numbers }), 1);
      }
      assert.equal(
        await provider.setVariable(
          'embedding',
          Float32Array.from(wide, (number) => number + 1),
        ),
        2,
      );
    });
  }
}

/** Of typed arrays the elements count, not how wide they are: JSON knows no widths. */
function assertSame(actual: unknown, expected: unknown): void {
  assert.deepStrictEqual(plain(actual), plain(expected));
}

function plain(value: unknown): unknown {
  if (value instanceof Float32Array || value instanceof Float64Array) return [...value];
  const { shape, data } = (value ?? {}) as { shape?: readonly number[]; data?: unknown };
  if (Array.isArray(shape) && data !== undefined) return { shape: [...shape], data: [...[plain(data)].flat(9)] };
  return value;
}
