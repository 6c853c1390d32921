/** Sets of values of every type: the same by every provider and carrier, and over the link without asking for the type. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { BridgeError, StateProvider, VariableInput, VariableType } from '../../src/main/index.js';
import { BridgedState, LocalState, OpaqueBinary } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { within } from '../support/deadline.js';
import { PassingServer } from '../support/passing-server.js';
import { sharedPool } from '../support/shared-pool.js';

const FIRST: Readonly<Record<VariableType, VariableInput>> = {
  ...{ float: 0.5, integer: 7, string: 'text', boolean: false, choice: 'eco', module: 'a.b' },
  ...{ embedding: [9], tensor: { shape: [1], data: [9] }, map: { first: 1 }, list: ['first'] },
};

const INPUTS: readonly unknown[] = [
  ...[
    1.5,
    3,
    -0,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 60,
    5n,
    2n ** 70n,
    true,
    'eco',
    'x'.repeat(5_000),
    '\ud800',
  ],
  ...[
    null,
    undefined,
    [],
    [1, 2.5],
    [-0],
    [1, Number.NaN],
    ['NaN', 1],
    [1, 2n],
    ['a', null, { b: [true] }],
    [[1], [2]],
  ],
  ...[Float32Array.of(0.1, 2), Float64Array.of(0.1), new Float32Array(3_000).fill(0.1), new Float64Array(0)],
  ...[
    { shape: [2], data: [1, 2] },
    { shape: [1, 2], data: [[1, 2]] },
    { shape: [2], data: Float32Array.of(1, 2) },
  ],
  ...[
    { shape: [3], data: Float32Array.of(1, 2) },
    { shape: [2], data: ['NaN', 1] },
    { shape: 'wide', data: 'none' },
  ],
  ...[{}, { a: 1, b: [1n, 2 ** 60] }, { a: Number.NaN }, { __proto__: null, k: 'ü' }, { a: '\ud800' }, { toJSON: 1 }],
  ...[new OpaqueBinary('{"binary_format":"pickle"}', Uint8Array.of(1, 2)), { text: 'y'.repeat(200_000) }],
];

/** What became of it: the code of a refusal, or the value that is read afterwards. */
async function outcome(state: StateProvider, type: VariableType, input: unknown): Promise<unknown> {
  try {
    await state.setVariable(type, input as VariableInput);
  } catch (error) {
    return (error as BridgeError).code;
  }
  return told(await state.getVariable(type));
}

/** Over a bridge a small array of floats is one of doubles. */
function told(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Array.from(value as Float64Array);
  if (typeof value !== 'object' || value === null || !('data' in value)) return value;
  return { ...value, data: told(value.data) };
}

async function registered<S extends StateProvider>(state: S): Promise<S> {
  for (const [type, first] of Object.entries(FIRST)) {
    const constraints = type === 'choice' ? { choices: ['eco', 'boost'] } : undefined;
    await state.registerVariable(type, type as VariableType, first, constraints && { constraints });
  }
  return state;
}

suite('a set of any value', () => {
  test('comes to the same in process, by the link and by calls', async () => {
    await using server = await startBridgeServer({ port: 0 });
    const options = { endpoint: `127.0.0.1:${server.port}`, pool: await sharedPool(1) };
    await using local = await registered(new LocalState());
    await using link = await registered(await BridgedState.open({ ...options, sessionId: 'a', transport: 'link' }));
    await using stream = await registered(await BridgedState.open({ ...options, sessionId: 'b', transport: 'stream' }));
    for (const type of Object.keys(FIRST) as VariableType[]) {
      for (const [place, input] of INPUTS.entries()) {
        const [expected, byLink, byCall] = await Promise.all(
          [local, link, stream].map((state) => outcome(state, type, input)),
        );
        assert.deepEqual(byLink, expected, `input ${place} for a ${type}, by the link`);
        assert.deepEqual(byCall, expected, `input ${place} for a ${type}, by a call`);
      }
    }
  });

  test('goes by the link without a call, alone and in batches', async () => {
    await using server = await startBridgeServer({ port: 0 });
    await using passing = await PassingServer.start(server.port, {
      tap: { up: () => undefined, down: (bytes) => bytes },
    });
    await using state = await BridgedState.open({ endpoint: passing.endpoint, workers: 1, transport: 'link' });
    await using owner = await registered(await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 }));
    for (const name of ['GetVariable', 'GetVariables', 'SetVariable', 'SetVariables'] as const) passing.hold(name);
    const map = { room: 'hall', values: [1, 2, 3] };
    const values = { map, list: ['a', 1], embedding: new Float32Array(1_536).fill(0.5), string: 's'.repeat(10_000) };
    const tensor = { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) };
    for (const [name, value] of Object.entries({ ...values, tensor })) {
      assert.equal(await within(5_000, state.setVariable(name, value as VariableInput), name), 2);
    }
    const versions = await within(
      5_000,
      state.updateVariables({ map: { ...map, on: true }, list: [], float: 2 }, { atomic: true }),
      'the batch',
    );
    assert.deepEqual(Object.fromEntries(versions), { map: 3, list: 3, float: 2 });
    assert.deepEqual(await owner.getVariable('map'), { ...map, on: true });
    passing.release();
    assert.equal(await state.setVariable('list', ['a call']), 4);
  });
});
