/** What users give as values, good and hostile: in process and over a bridge they are taken or refused alike, in the same words. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import type { BridgeError, StateProvider, VariableInput, VariableType } from '../../src/main/index.js';
import { BridgedState, LocalState, OpaqueBinary } from '../../src/main/index.js';
import { VARIABLE_TYPES } from '../../src/shared/values/variable-type.js';
import { BridgedProviders } from '../support/bridged-providers.js';

const bridged = [0, 1].map((workers) => new BridgedProviders(workers));

async function openAll(): Promise<StateProvider[]> {
  const states = [new LocalState(), ...(await Promise.all(bridged.map((providers) => providers.open())))];
  after(() => Promise.all(states.map((state) => state.close())));
  return states;
}

const FIRST: Readonly<Record<VariableType, VariableInput>> = {
  float: 0,
  integer: 0,
  string: '',
  boolean: false,
  choice: 'a',
  module: 'a',
  embedding: [0],
  tensor: { shape: [1], data: [0] },
  map: {},
  list: [],
};

const optionsOf = (type: VariableType) => (type === 'choice' ? { constraints: { choices: ['a', 'b', ''] } } : {});

const broken = (): never => {
  throw new Error('broken');
};

class Point {
  x = 1;
}

/** Made anew for each provider: some can be read once only. */
const HOSTILE: readonly (() => unknown)[] = [
  () => () => 1,
  () => Symbol('s'),
  () => undefined,
  () => ({ [Symbol('s')]: 1 }),
  () => new Point(),
  () => new Date(0),
  () => new Map(),
  () => new Set([1]),
  () => new Error('error'),
  () => Promise.resolve(1),
  () => new WeakMap(),
  () => Object(5),
  () => /x/,
  () => ({ toJSON: () => 1 }),
  () => Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 1 }),
  () => ({
    get a(): never {
      return broken();
    },
  }),
  () => new Proxy({}, { ownKeys: broken }),
  () => new Proxy({}, { getPrototypeOf: broken }),
  () => new Proxy({}, {}),
  () => new Proxy([1], {}),
  () => {
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    return proxy;
  },
  () => {
    const map: Record<string, unknown> = {};
    map.self = [map];
    return map;
  },
  () => {
    let list: unknown = [];
    for (let level = 0; level < 120; level += 1) list = [list];
    return list;
  },
  () => new Uint8Array(2),
  () => new BigInt64Array(2),
  () => new Float32Array(new SharedArrayBuffer(8)),
  () => {
    const array = new Float32Array(2);
    structuredClone(array, { transfer: [array.buffer] });
    return array;
  },
  () => runInNewContext('({ a: [1] })'),
  () => runInNewContext('new Float64Array([1, 2])'),
  () => new OpaqueBinary('{"format":"pickle"}', Uint8Array.of(1)),
  () => ({ header: '{}', bytes: Buffer.from('a') }),
  () => ({ header: 'no JSON', bytes: Buffer.from('a') }),
  () => ({ header: '{}', bytes: new Uint8Array(0) }),
  () => ({ shape: [2], data: Float32Array.of(1, 2) }),
  () => ({ shape: [2], data: [1, new Point()] }),
  () => ({ shape: [1], data: new Point() }),
  () => 'half \ud800',
  () => ({ '\ud800': 1 }),
  () => 10n ** 4_400n,
  () => Object.create(null),
];

type Make = () => unknown;

const anyInput: fc.Arbitrary<Make> = fc.letrec<{ value: Make; leaf: Make; list: Make; map: Make }>((tie) => ({
  value: fc.oneof({ withCrossShrink: true, maxDepth: 3 }, tie('leaf'), tie('list'), tie('map')),
  leaf: fc.oneof(
    fc.constantFrom(...HOSTILE),
    fc
      .oneof(fc.double(), fc.integer(), fc.bigInt(), fc.string(), fc.boolean(), fc.constant(null))
      .map((value) => () => value),
  ),
  list: fc.array(tie('value'), { maxLength: 3 }).map((makers) => () => makers.map((make) => make())),
  map: fc
    .dictionary(fc.constantFrom('a', 'data', 'shape', 'bytes', 'header', 'toJSON', '__proto__'), tie('value'), {
      maxKeys: 3,
    })
    .map((makers) => () => Object.fromEntries(Object.entries(makers).map(([key, make]) => [key, make()]))),
})).value;

type Outcome =
  | { readonly value: unknown }
  | { readonly code: string; readonly message: string; readonly refused: unknown };

/** Of typed arrays the elements count, not how wide they are: the JSON of a small one knows no widths. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return [...value].map(([key, inner]) => [key, plain(inner)]);
  if (value instanceof Float32Array || value instanceof Float64Array) return [...value];
  const { shape, data } = (value ?? {}) as { shape?: unknown; data?: unknown };
  return ArrayBuffer.isView(data) ? { shape, data: plain(data) } : value;
}

async function outcomeOf(promise: Promise<unknown>): Promise<Outcome> {
  try {
    return { value: plain(await promise) };
  } catch (error) {
    const { code, message, details } = error as BridgeError;
    return { code, message, refused: details?.refused };
  }
}

async function assertAlike(
  states: readonly StateProvider[],
  call: (state: StateProvider) => Promise<unknown>,
): Promise<Outcome> {
  const [expected, ...others] = await Promise.all(states.map((state) => outcomeOf(call(state))));
  for (const other of others) assert.deepStrictEqual(other, expected);
  return expected!;
}

describe('in process and over a bridge', () => {
  test('any value, set for a variable of any type, is taken as the same or refused in the same words', async () => {
    const states = await openAll();
    for (const type of VARIABLE_TYPES)
      for (const state of states) await state.registerVariable(type, type, FIRST[type], optionsOf(type));
    const property = fc.asyncProperty(anyInput, fc.constantFrom(...VARIABLE_TYPES), async (make, type) => {
      const input = () => make() as VariableInput;
      await assertAlike(states, async (state) => {
        await state.setVariable(type, input());
        return state.getVariable(type);
      });
      await assertAlike(states, async (state) => {
        await state.updateVariables({ [type]: input(), string: 'b', gone: input() });
        return state.getVariables([type, 'string']);
      });
      await assertAlike(states, (state) =>
        state.updateVariables({ string: input(), [type]: input() }, { atomic: true }),
      );
    });
    await fc.assert(property, {
      numRuns: 400,
      examples: HOSTILE.flatMap((make) => VARIABLE_TYPES.map((type): [Make, VariableType] => [make, type])),
    });
  });

  test('any value that a variable begins with, or that is imported, likewise', async () => {
    const states = await openAll();
    let count = 0;
    const property = fc.asyncProperty(anyInput, fc.constantFrom(...VARIABLE_TYPES), async (make, type) => {
      count += 1;
      const name = `v${count}`;
      await assertAlike(states, async (state) => {
        await state.registerVariable(name, type, make() as VariableInput, optionsOf(type));
        return state.getVariable(name);
      });
      await assertAlike(states, async (state) => {
        const { constraints = {} } = optionsOf(type);
        const one = { name: `i${count}`, type, version: 3, constraints, metadata: {}, description: '', ttlMs: 0 };
        const value = make() as never;
        await state.importState({ format: 'bridged-state/1', variables: [{ ...one, value }] });
        return (await state.getVariableInfo(one.name)).version;
      });
    });
    await fc.assert(property, { numRuns: 200, examples: HOSTILE.map((make): [Make, VariableType] => [make, 'map']) });
  });

  test('what the caller changes right after the call changes nothing', async () => {
    for (const state of await openAll()) {
      await state.registerVariable('m', 'map', { a: [1] });
      await state.registerVariable('e', 'embedding', [0]);
      const map = { a: [1, 2] };
      const row = new Float32Array(64).subarray(8, 10).fill(1);
      const shared = new Float32Array(new SharedArrayBuffer(8)).fill(1);
      const sets = [state.setVariable('m', map), state.setVariable('e', row)];
      map.a[0] = 77;
      row.fill(77);
      await Promise.all(sets);
      assert.deepEqual(await state.getVariable('m'), { a: [1, 2] });
      assert.deepEqual(plain(await state.getVariable('e')), [1, 1]);
      const update = state.updateVariables({ e: shared, m: {} });
      shared.fill(2);
      await update;
      assert.deepEqual(plain(await state.getVariable('e')), [1, 1]);
    }
  });

  test('of a batch whose record cannot be read at one place the others are set', async () => {
    const states = await openAll();
    for (const state of states) for (const name of ['a', 'b']) await state.registerVariable(name, 'float', 0);
    const batch = () =>
      Object.defineProperty({ b: 1 }, 'a', { enumerable: true, get: broken }) as Record<string, number>;
    const outcome = await assertAlike(states, (state) => state.updateVariables(batch()));
    assert.ok('code' in outcome && outcome.code === 'BATCH_REFUSED');
    for (const state of states) assert.equal(await state.getVariable('b'), 1);
    const none = await assertAlike(states, (state) =>
      state.updateVariables({ ...{ b: 2 }, a: Symbol('s') as never }, { atomic: true }),
    );
    assert.ok('code' in none && none.code === 'BATCH_REFUSED');
    for (const state of states) assert.equal(await state.getVariable('b'), 1);
  });

  test('a state that a bridge is opened with is refused as an import is', async () => {
    const server = await bridged[0]!.server();
    const value = new Date(0) as never;
    const one = {
      name: 'm',
      type: 'map' as const,
      version: 1,
      constraints: {},
      metadata: {},
      description: '',
      ttlMs: 0,
    };
    const existingState = { format: 'bridged-state/1' as const, variables: [{ ...one, value }] };
    const opening = BridgedState.open({
      endpoint: `127.0.0.1:${server.port}`,
      sessionId: 'existing',
      workers: 1,
      existingState,
    });
    await assert.rejects(opening, { code: 'INVALID_VALUE', message: /variable "m": the value is a Date/ });
  });
});
