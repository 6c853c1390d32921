/** What makes no sense is refused with the class that says why, and everything stays as it was. */
import assert from 'node:assert/strict';
import type { BridgeError } from '../../shared/errors.js';
import {
  AlreadyExistsError,
  InvalidArgumentError,
  InvalidNameError,
  InvalidOptionsError,
  InvalidTypeError,
  InvalidValueError,
  VariablesNotFoundError,
  WatchNotFoundError,
} from '../../shared/errors.js';
import type { VariableInput, VariableType } from '../../shared/values/variable-type.js';
import type { Promised } from './contract-test.js';

type AnyFunction = (...input: unknown[]) => Promise<unknown>;

const WRONG_VALUES: readonly (readonly [type: VariableType, good: VariableInput, wrong: readonly unknown[]])[] = [
  ['float', 1, ['1', true, null, undefined, 1n, [1], {}, () => 1]],
  ['integer', 1, [1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1', true, null, undefined]],
  ['string', 'a', [1, true, null, undefined, ['a'], 'half \ud800 of a pair']],
  ['boolean', true, [1, 0, 'true', null, undefined]],
  ['choice', 'a', [1, null, ['a']]],
  ['module', 'a', [1, null, {}]],
  ['embedding', [1], ['1', 1, [1, 'two'], [1, null], { 0: 1 }, Uint8Array.of(1), null]],
  [
    'tensor',
    { shape: [1], data: [1] },
    [
      [1],
      { shape: [2], data: [1] },
      { shape: [1.5], data: [1] },
      { shape: [-1], data: [] },
      { data: [1] },
      { shape: [2, 2], data: [[1, 2], [3]] },
    ],
  ],
  [
    'map',
    {},
    [[], null, 'a', 1, { a: Number.NaN }, { a: undefined }, { a: () => 1 }, { a: new Date(0) }, new Map(), cycle()],
  ],
  ['list', [], [{}, null, 'a', [Number.POSITIVE_INFINITY], [undefined], [Symbol.iterator], nested(101)]],
];

const WRONG_WATCH_OPTIONS: readonly Readonly<Record<string, unknown>>[] = [
  { bufferLimit: 0 },
  { bufferLimit: -1 },
  { bufferLimit: 1.5 },
  { bufferLimit: Number.NaN },
  { bufferLimit: '10' },
  { bufferLimit: 2 ** 40 },
  { debounceMs: -1 },
  { debounceMs: 0.5 },
  { throttleMs: -1 },
  { throttleMs: Number.POSITIVE_INFINITY },
  { maxWaitMs: 10, debounceMs: 20 },
  { staleAfterMs: 10 },
  { staleAfterMs: -1 },
  { overflow: 'drop' },
  { missing: 'ignore' },
  { includeInitial: 'yes' },
  { conflate: 1 },
  { atomic: null },
  { filter: 5 },
  { filter: 'new > old' },
  { filter: {} },
  { filter: { above: 3 } },
  { filter: { gt: 1, lt: 5 } },
  { filter: { changedBy: -1 } },
  { filter: { changedBy: Number.NaN } },
  { filter: { and: [] } },
  { filter: { not: { gt: null } } },
  { filter: { eq: () => 1 } },
  { filter: { in: [Symbol.iterator] } },
  { filter: nested(40) },
  { signal: {} },
  { owner: 5 },
  { onError: 'log' },
  { debouncems: 5 },
  { includeinitial: true },
];

export function describeBadInput(promise: Promised): void {
  for (const [type, good, wrong] of WRONG_VALUES) {
    promise(`a ${type} takes no value of another kind`, async (contract) => {
      const { provider } = contract;
      const options = type === 'choice' ? { constraints: { choices: ['a'] } } : {};
      await provider.registerVariable('x', type, good, options);
      for (const value of wrong as VariableInput[]) {
        const what = `${type}: ${describe(value)}`;
        const error = await contract.refuses(() => provider.setVariable('x', value), InvalidValueError, `set ${what}`);
        assert.equal(error.code, 'INVALID_VALUE');
        assert.match(error.message, /"x"/, 'the error names the variable');
        const register = () => provider.registerVariable('y', type, value, options);
        await contract.refuses(register, InvalidValueError, `register ${what}`);
      }
    });
  }

  promise('a name has 1 to 256 characters and no control characters', async (contract) => {
    const names = [
      '',
      'a'.repeat(257),
      '😀'.repeat(257),
      'a\u0000b',
      'a\nb',
      '\u007f',
      '\u0085',
      'half \udc00',
      7,
      null,
      undefined,
    ];
    for (const name of names as string[]) {
      const register = () => contract.provider.registerVariable(name, 'float', 1);
      const error = await contract.refuses(register, InvalidNameError, `the name ${describe(name)}`);
      assert.equal(error.code, 'INVALID_NAME');
    }
  });

  promise('a type is one of the ten', async (contract) => {
    for (const type of [
      'decimal',
      'Float',
      '',
      '__proto__',
      'constructor',
      undefined,
      null,
      3,
    ] as unknown as VariableType[]) {
      const register = () => contract.provider.registerVariable('x', type, 1);
      const error = await contract.refuses(register, InvalidTypeError, `the type ${describe(type)}`);
      assert.equal(error.code, 'INVALID_TYPE');
    }
  });

  promise('a name is registered once', async (contract) => {
    const { provider } = contract;
    await provider.registerVariable('fan', 'integer', 1);
    for (const type of ['integer', 'string'] as const) {
      const register = () => provider.registerVariable('fan', type, type === 'string' ? 'a' : 2);
      const error = await contract.refuses(register, AlreadyExistsError);
      assert.equal(error.code, 'ALREADY_EXISTS');
      assert.match(error.message, /fan/);
    }
  });

  promise('a ttl is a whole number of ms from 0', async (contract) => {
    for (const ttlMs of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const register = () => contract.provider.registerVariable('x', 'float', 1, { ttlMs });
      await contract.refuses(register, InvalidArgumentError, `ttlMs ${ttlMs}`);
    }
  });

  promise('metadata is a map of strings', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 1 });
    for (const metadata of [{ a: 1 }, { a: undefined }, { a: null }, ['a'], 'a'] as unknown as Record<
      string,
      string
    >[]) {
      const what = `metadata ${describe(metadata)}`;
      await contract.refuses(() => provider.setVariable('x', 2, { metadata }), InvalidValueError, what);
      await contract.refuses(() => provider.updateVariables({ x: 2 }, { metadata }), InvalidValueError, what);
      await contract.refuses(() => provider.registerVariable('y', 'float', 1, { metadata }), InvalidValueError, what);
    }
  });

  promise('an expected version is a whole number from 0', async (contract) => {
    await contract.floats({ x: 1 });
    for (const expectedVersion of [-1, 1.5, Number.NaN, 2 ** 53]) {
      const set = () => contract.provider.setVariable('x', 2, { expectedVersion });
      await contract.refuses(set, InvalidOptionsError, `expectedVersion ${expectedVersion}`);
    }
  });

  promise('a history limit is a whole number from 0', async (contract) => {
    await contract.floats({ x: 1 });
    for (const limit of [-1, 1.5, Number.NaN]) {
      await contract.refuses(() => contract.provider.history('x', { limit }), InvalidOptionsError, `limit ${limit}`);
    }
  });

  promise('a version to roll back to is a whole number from 1', async (contract) => {
    await contract.floats({ x: 1 });
    for (const version of [0, -1, 1.5, Number.NaN]) {
      await contract.refuses(
        () => contract.provider.rollback('x', version),
        InvalidArgumentError,
        `version ${version}`,
      );
    }
  });

  promise('a batch is a record of at least one variable', async (contract) => {
    const update = contract.provider.updateVariables.bind(contract.provider) as AnyFunction;
    for (const values of [{}, [], null, 'a', undefined]) {
      await contract.refuses(() => update(values), InvalidArgumentError, `the batch ${describe(values)}`);
    }
  });

  promise('an identifier is a string that is not empty', async (contract) => {
    const { provider } = contract;
    for (const identifier of ['', 7, null, undefined, {}] as string[]) {
      for (const [what, call] of [
        ['get', () => provider.getVariable(identifier)],
        ['info', () => provider.getVariableInfo(identifier)],
        ['set', () => provider.setVariable(identifier, 1)],
        ['delete', () => provider.deleteVariable(identifier)],
        ['history', () => provider.history(identifier)],
        ['rollback', () => provider.rollback(identifier, 1)],
        ['getVariables', () => provider.getVariables([identifier])],
      ] as const) {
        await contract.refuses(call, InvalidArgumentError, `${what} of ${describe(identifier)}`);
      }
    }
  });

  promise('a watch of nothing, or without a watcher, is refused', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 1 });
    const watch = provider.watchVariables.bind(provider) as AnyFunction;
    const watcher = () => undefined;
    for (const identifiers of [[], '', [''], ['x', ''], null, undefined, 7, ['x', 7], { x: 1 }]) {
      const error = await contract.refuses(
        () => watch(identifiers, watcher),
        InvalidArgumentError,
        `a watch of ${describe(identifiers)}`,
      );
      assert.equal(error.code, 'INVALID_ARGUMENT');
    }
    for (const noWatcher of [undefined, null, 'log', {}]) {
      await contract.refuses(() => watch('x', noWatcher), InvalidArgumentError, `the watcher ${describe(noWatcher)}`);
    }
    assert.deepEqual(await provider.listWatchers(), []);
  });

  for (const options of WRONG_WATCH_OPTIONS) {
    promise(`a watch with ${describe(options)} is refused, and nothing is watched`, async (contract) => {
      const { provider } = contract;
      await contract.floats({ x: 1 });
      const watch = () => provider.watchVariables('x', () => undefined, options as never);
      const error: BridgeError = await contract.refuses(watch, InvalidOptionsError);
      assert.equal(error.code, 'INVALID_OPTIONS');
      const iterate = async () => {
        for await (const change of provider.watch('x', options as never)) return change;
        return undefined;
      };
      await contract.refuses(iterate, InvalidOptionsError, 'the same as an iterable');
      assert.deepEqual(await provider.listWatchers(), []);
    });
  }

  promise('a ref that names no watch is not found', async (contract) => {
    for (const ref of ['nobody', '', '__proto__']) {
      const error = await contract.refuses(() => contract.provider.unwatchVariables(ref), WatchNotFoundError);
      assert.equal(error.code, 'WATCH_NOT_FOUND');
    }
  });

  promise('a watch of missing variables fails with all their names, and then nothing is watched', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 1, b: 2 });
    const calls: unknown[] = [];
    const missing = ['x', 'y', 'z', 'größe'];
    const watch = () =>
      provider.watchVariables(['a', ...missing, 'b'], (...call) => calls.push(call), { includeInitial: true });
    const error = await contract.refuses(watch, VariablesNotFoundError);
    assert.deepEqual(error.identifiers, missing);
    for (const name of missing) assert.ok(error.message.includes(name));
    assert.deepEqual(await provider.listWatchers(), []);
    const recording = await contract.record('a');
    await provider.setVariable('a', 5);
    await recording.next();
    assert.deepEqual(calls, []);
  });

  promise('what is no exported state is not imported', async (contract) => {
    const importState = contract.provider.importState.bind(contract.provider) as AnyFunction;
    for (const exported of [
      undefined,
      null,
      {},
      [],
      { format: 'bridged-state/1' },
      { format: 'other', variables: [] },
    ]) {
      await contract.refuses(() => importState(exported), InvalidArgumentError, `import of ${describe(exported)}`);
    }
  });
}

function cycle(): unknown {
  const map: Record<string, unknown> = {};
  map.self = map;
  return map;
}

function nested(levels: number): unknown {
  let list: unknown[] = [];
  for (let level = 1; level < levels; level += 1) list = [list];
  return list;
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 20 ? `${value.slice(0, 20)}…` : value);
  if (typeof value !== 'object' || value === null) return String(value);
  try {
    return (
      JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'number' ? String(inner) : inner)) ?? ''
    ).slice(0, 60);
  } catch {
    return 'a cycle';
  }
}
