/** Options that cannot be meant are refused at the call, in one sentence, and no secret is in it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type {
  BatchRefusedError,
  BridgedStateOptions,
  BridgeError,
  Condition,
  StateProvider,
} from '../../src/main/index.js';
import {
  BridgedState,
  Context,
  combine,
  InvalidOptionsError,
  LocalState,
  Variables,
  WorkerPool,
} from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { BridgedProviders } from '../support/bridged-providers.js';
import { Certificates } from '../support/certificates.js';

const SECRET = 'hunter2';
const certificates = new Certificates();
const { ca } = certificates;
const { cert, key } = certificates.issue('own', 'DNS:localhost');
const other = certificates.issue('other', 'DNS:localhost');

async function refusalOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof InvalidOptionsError, String(error));
    assert.ok(!error.message.includes(SECRET) && !error.message.includes('\n'), error.message);
    return error.message;
  }
  return assert.fail('it was taken');
}

const opening = (options: unknown) => () =>
  BridgedState.open({ endpoint: '127.0.0.1:1', workers: 0, ...(options as object) } as BridgedStateOptions);
const serving = (options: unknown) => () => startBridgeServer(options as object);

class Options {
  readonly workers = 0;
}

const throwing = (name: string) =>
  Object.defineProperty({}, name, {
    enumerable: true,
    get() {
      throw new Error('broken');
    },
  });

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

const REFUSED: [string, () => unknown, RegExp][] = [
  ['a token with a newline', opening({ token: `${SECRET}\n` }), /token: give visible ASCII/],
  ['a token with a control character', opening({ token: `${SECRET}\0` }), /token: give visible ASCII/],
  ['a token beyond ASCII', opening({ token: `${SECRET}ü` }), /token: give visible ASCII/],
  ['an empty token', opening({ token: '' }), /token/],
  ['a token that is a number', opening({ token: 12345 }), /token: give a string/],
  ['a token in a list', opening({ token: [SECRET] }), /token: give a string/],
  ['a server token with a newline', serving({ tokens: [`${SECRET}\n`] }), /tokens/],
  ['server tokens that are one text', serving({ tokens: SECRET }), /tokens: give a list/],
  ['server tokens that are no texts', serving({ tokens: [{ token: SECRET }] }), /tokens/],
  ['a path as ca', opening({ tls: { ca: '/etc/ssl/ca.pem' } }), /tls\.ca looks like a path/],
  ['a path as key', opening({ tls: { cert, key: `./${SECRET}.key` } }), /tls\.key looks like a path/],
  ['no PEM as ca', opening({ tls: { ca: `garbage ${SECRET}` } }), /tls\.ca holds no PEM/],
  [
    'a broken PEM as ca',
    opening({ tls: { ca: ca.replace(/\nM/, '\n!') } }),
    /tls\.ca holds a certificate that cannot be read/,
  ],
  [
    'a broken second PEM as ca',
    opening({ tls: { ca: ca + ca.replace(/\nM/, '\n!') } }),
    /tls\.ca holds a certificate that/,
  ],
  ['a key as ca', opening({ tls: { ca: key } }), /tls\.ca holds no PEM text "-----BEGIN CERTIFICATE/],
  ['a certificate as key', opening({ tls: { cert, key: cert } }), /tls\.key holds no PEM text "-----BEGIN PRIVATE KEY/],
  ['a broken key', opening({ tls: { cert, key: key.replace(/\nM/, '\n!') } }), /tls\.key cannot be read/],
  ['a certificate without key', opening({ tls: { ca, cert } }), /tls\.cert is given without tls\.key/],
  ['a key without certificate', opening({ tls: { ca, key } }), /tls\.key is given without tls\.cert/],
  [
    'a key of another certificate',
    opening({ tls: { ca, cert, key: other.key } }),
    /tls\.key does not belong to tls\.cert/,
  ],
  ['tls as a text', opening({ tls: SECRET }), /tls: give true, or/],
  [
    'a buffer as ca',
    opening({ tls: { ca: Buffer.from(ca) } }),
    /tls: give true, or \{ ca\?, cert\?, key\? \} with PEM texts/,
  ],
  ['a number as key', opening({ tls: { cert, key: 5 } }), /tls/],
  [
    'a server with a path',
    serving({ tls: { cert: 'cert.pem', key: 'key.pem' } }),
    /startBridgeServer: tls\.cert looks like a path/,
  ],
  ['a server with a key of another', serving({ tls: { cert, key: other.key } }), /does not belong/],
  ['a server with tls as a text', serving({ tls: SECRET }), /tls: give \{ cert, key, ca\? \}/],
  ['a session id with a newline', opening({ sessionId: 'a\nb' }), /sessionId: a session id has no control/],
  ['half a pair as session id', opening({ sessionId: 'a\ud800' }), /sessionId: .*half of a surrogate pair/],
  ['half a pair as source', opening({ source: 'a\ud800' }), /source/],
  ['a number as text', opening({ workers: '2' }), /workers/],
  ['a limit as text', opening({ limits: { callTimeoutMs: '100' } }), /limits\.callTimeoutMs/],
  ['an unknown key', opening({ sesionId: 'a' }), /there is no option "sesionId"/],
  ['an unknown key inside', opening({ limits: { callTimeout: 1 } }), /there is no option "limits\.callTimeout"/],
  ['a Map of limits', opening({ limits: new Map([['callTimeoutMs', 1]]) }), /limits: give a plain object, not a Map/],
  ['a list of limits', opening({ limits: [] }), /limits: give a plain object, not a list/],
  ['a class instance', () => BridgedState.open(new Options() as never), /give a plain object, not an Options/],
  ['a text', () => BridgedState.open(SECRET as never), /give a plain object, not a string/],
  [
    'a getter that throws',
    opening({
      get limits() {
        return throwing('callTimeoutMs');
      },
    }),
    /cannot be read/,
  ],
  ['a getter that throws, of the pool', () => BridgedState.open(throwing('pool')), /cannot be read/],
  ['a revoked proxy', () => BridgedState.open(revoked()), /cannot be read/],
  ['a class instance for a pool', () => WorkerPool.open(new Options()), /give a plain object, not an Options/],
  ['a Map for a server', serving(new Map()), /give a plain object, not a Map/],
  ['an endpoint with a password', opening({ endpoint: `https://me:${SECRET}@host:1` }), /no endpoint: write HOST:PORT/],
  ['a local session id that is a number', () => new LocalState({ sessionId: 5 as never }), /sessionId/],
  ['an unknown local option', () => new LocalState({ session: 'a' } as never), /there is no option "session"/],
  ['a local logger that is none', () => new LocalState({ logger: console.log as never }), /logger/],
];

describe('refused at the call', () => {
  for (const [name, call, expected] of REFUSED) test(name, async () => assert.match(await refusalOf(call), expected));
});

describe('watch options', () => {
  const cases: [string, unknown, RegExp][] = [
    ['a Map', new Map(), /give a plain object, not a Map/],
    ['a revoked proxy', revoked(), /cannot be read/],
    ['a getter that throws', throwing('filter'), /cannot be read/],
    ['a condition that throws', { filter: throwing('gt') }, /filter: .*cannot be read/],
    ['a condition with a function', { filter: { eq: () => 1 } }, /a condition is data: filter: \.eq is a function/],
    ['a condition with a Date', { filter: { in: [new Date(0)] } }, /a condition is data/],
  ];
  for (const [name, options, expected] of cases) {
    test(name, async () => {
      await using state = new LocalState();
      await state.registerVariable('a', 'float', 1);
      assert.match(await refusalOf(() => state.watchVariables('a', () => undefined, options as object)), expected);
      assert.match(await refusalOf(() => state.watch('a', options as object)), expected);
    });
  }

  test('a condition on a row of a matrix keeps the row, and later changes change nothing', async () => {
    await using state = new LocalState();
    await state.registerVariable('e', 'embedding', [0]);
    const row = new Float64Array(1_000).subarray(10, 12).fill(1);
    const seen: unknown[] = [];
    const watch = await state.watchVariables('e', (_, __, value) => seen.push(value), { filter: { eq: row } });
    row.fill(2);
    await state.setVariable('e', [2, 2]);
    await state.setVariable('e', [1, 1]);
    await watch.synced;
    await watch.stop();
    assert.deepEqual(seen, [Float64Array.of(1, 1)]);
  });
});

describe('options of calls', () => {
  const states = (): Promise<StateProvider[]> =>
    Promise.all([new LocalState(), new Context(), ...[0, 1].map((workers) => new BridgedProviders(workers).open())]);
  type Calls = (state: StateProvider, bad: unknown) => Promise<unknown>;
  const sets: Calls = (state, bad) => state.setVariable('a', 2, bad as object);
  const updates: Calls = (state, bad) => state.updateVariables({ a: 2 }, bad as object);
  const registers: Calls = (state, bad) => state.registerVariable('b', 'float', 1, bad as object);
  const reads: Calls = (state, bad) => state.history('a', bad as object);
  const lists: Calls = (state, bad) => state.listVariables(bad as string);
  const rollsBack: Calls = (state, bad) => state.rollback('a', bad as number);
  const gets: Calls = (state, bad) => state.getVariables(bad as string[]);
  const types: Calls = (state, bad) => state.registerVariable('b', bad as 'float', 1);
  const watches: Calls = (state, bad) => state.watchVariables(bad as string, () => undefined);
  const watchesBy: Calls = (state, bad) => state.watchVariables('a', () => undefined, bad as object);
  const unwatches: Calls = (state, bad) => state.unwatchVariables(bad as string);
  const cases: [string, Calls, unknown, string, RegExp][] = [
    ['a misspelled expectedVersion', sets, { expectedVerison: 1 }, 'INVALID_OPTIONS', /no option "expectedVerison"/],
    ['expectedVersion as a text', sets, { expectedVersion: '1' }, 'INVALID_OPTIONS', /expectedVersion "1" is not/],
    ['expectedVersion as a symbol', sets, { expectedVersion: Symbol('s') }, 'INVALID_OPTIONS', /a symbol is not/],
    ['a source that is a number', sets, { source: 5 }, 'INVALID_OPTIONS', /source is 5: give a string/],
    ['a source with half a pair', sets, { source: 'a\ud800' }, 'INVALID_OPTIONS', /source is .*: give a string/],
    ['a Map of options', sets, new Map(), 'INVALID_OPTIONS', /give a plain object, not a Map/],
    ['a getter that throws', sets, throwing('source'), 'INVALID_OPTIONS', /cannot be read/],
    ['a number instead of options', sets, 5, 'INVALID_OPTIONS', /give a plain object, not 5/],
    ['a Map of metadata', sets, { metadata: new Map([['a', 'b']]) }, 'INVALID_VALUE', /a map of strings, not a Map/],
    ['metadata that throws', sets, { metadata: throwing('a') }, 'INVALID_VALUE', /metadata cannot be read/],
    ['metadata with half a pair', sets, { metadata: { a: '\ud800' } }, 'INVALID_VALUE', /half of a surrogate pair/],
    ['atomic as a text', updates, { atomic: 'no' }, 'INVALID_OPTIONS', /atomic is "no": give a boolean/],
    ['an unknown option of a batch', updates, { expectedVersion: 1 }, 'INVALID_OPTIONS', /no option "expectedVersion"/],
    ['a description that is a number', registers, { description: 5 }, 'INVALID_OPTIONS', /description is 5/],
    ['a time to live as a text', registers, { ttlMs: '5' }, 'INVALID_ARGUMENT', /ttlMs "5" is not a whole number/],
    ['a time to live as a symbol', registers, { ttlMs: Symbol('s') }, 'INVALID_ARGUMENT', /ttlMs a symbol is not/],
    ['a misspelled time to live', registers, { ttl: 5 }, 'INVALID_OPTIONS', /no option "ttl"/],
    ['constraints that throw', registers, { constraints: throwing('min') }, 'INVALID_CONSTRAINT', /cannot be read/],
    ['a Map of constraints', registers, { constraints: new Map() }, 'INVALID_CONSTRAINT', /is a Map/],
    ['a limit as a text', reads, { limit: '5' }, 'INVALID_OPTIONS', /limit "5" is not/],
    ['an unknown option of a history', reads, { last: 5 }, 'INVALID_OPTIONS', /no option "last"/],
    ['a pattern that is a symbol', lists, Symbol('s'), 'INVALID_ARGUMENT', /a pattern is a string/],
    ['a version that is a symbol', rollsBack, Symbol('s'), 'INVALID_ARGUMENT', /version a symbol is not/],
    [
      'a version that cannot be read',
      rollsBack,
      revoked(),
      'INVALID_ARGUMENT',
      /version an object that cannot be read/,
    ],
    ['a pattern with half a pair', lists, '\ud800*', 'INVALID_ARGUMENT', /a pattern is a string/],
    ['half a pair as identifier', gets, '\ud800', 'INVALID_ARGUMENT', /no half pair/],
    ['half a pair in a list of identifiers', gets, ['a', '\ud800'], 'INVALID_ARGUMENT', /no half pair/],
    ['a list that cannot be read', gets, revoked(), 'INVALID_ARGUMENT', /the list of identifiers cannot be read/],
    ['a type that JSON cannot say', types, 5n, 'INVALID_TYPE', /type 5n is unknown/],
    ['a type that throws', types, { toJSON: () => assert.fail('boom') }, 'INVALID_TYPE', /type a map is unknown/],
    ['a target that throws', watches, throwing('pattern'), 'INVALID_ARGUMENT', /shall be watched cannot be read/],
    ['a target that is revoked', watches, revoked(), 'INVALID_ARGUMENT', /shall be watched cannot be read/],
    ['a target with half a pair', watches, 'a\udfff', 'INVALID_ARGUMENT', /no half pair/],
    ['a pattern that is a number', watches, { pattern: 5 }, 'INVALID_ARGUMENT', /a pattern is a string .*, not 5/],
    ['watch options that throw', watchesBy, throwing('signal'), 'INVALID_OPTIONS', /cannot be read/],
    ['nothing as a watch', unwatches, undefined, 'INVALID_ARGUMENT', /a watch is what watchVariables returned/],
    ['a number as a watch', unwatches, 5, 'INVALID_ARGUMENT', /or its ref, not 5/],
    ['a watch without a ref', unwatches, {}, 'INVALID_ARGUMENT', /or its ref, not a map/],
  ];

  test('are refused in the same words in process and over a bridge', async () => {
    const all = await states();
    for (const state of all) await state.registerVariable('a', 'float', 1);
    for (const [what, call, bad, code, expected] of cases) {
      const messages = new Set<string>();
      for (const state of all) {
        await assert.rejects(call(state, bad), (error: BridgeError) => {
          assert.equal(error.code, code, `${what}: ${error.message}`);
          assert.match(error.message, expected, what);
          return messages.add(error.message).size > 0;
        });
      }
      assert.equal(messages.size, 1, what);
    }
    for (const state of all) {
      assert.equal((await state.getVariableInfo('a')).version, 1);
      await state.close();
    }
  });

  test("the handle of another state's watch stops no watch that has its ref", async () => {
    const all = await states();
    await using other = new LocalState();
    for (const state of [...all, other]) await state.registerVariable('a', 'float', 1);
    const foreign = await other.watchVariables('a', () => undefined);
    for (const state of all) {
      const own = await state.watchVariables('a', () => undefined);
      assert.equal(own.ref, foreign.ref);
      await assert.rejects(state.unwatchVariables(foreign), { code: 'WATCH_NOT_FOUND' });
      assert.equal(own.state, 'live');
      await state.unwatchVariables(own);
      assert.equal(own.state, 'stopped');
      await state.close();
    }
    assert.equal(foreign.state, 'live');
  });

  test('a batch does not set another variable for a name that no text can say', async () => {
    for (const state of await states()) {
      // What half a pair becomes on its way.
      await state.registerVariable('\ufffd', 'float', 1);
      await state.registerVariable('a', 'float', 1);
      await assert.rejects(state.setVariable('\ud800', 2), { code: 'INVALID_ARGUMENT' });
      await assert.rejects(state.updateVariables({ '\ud800': 2, a: 2 }), (error: BatchRefusedError) => {
        assert.deepEqual(error.details, {
          identifiers: ['\ud800'],
          refused: { '\ud800': { code: 'INVALID_ARGUMENT', message: (error.cause as Error).message } },
          versions: { a: 2 },
        });
        return true;
      });
      assert.equal(await state.getVariable('\ufffd'), 1);
      await state.close();
    }
  });

  test('of the typed face and the reactive helpers are named at the call', async () => {
    await using state = new LocalState();
    const variables = new Variables(state);
    const handle = await variables.define('w', 'float', 1);
    const refused: [() => unknown, RegExp][] = [
      [() => new Variables(Promise.resolve(state) as never), /a state is what .*, not a Promise/],
      [() => combine(undefined as never, 'w', () => 1), /a state is what .*, not undefined/],
      [() => variables.get(undefined as never), /a variable is given as define returned it, not as undefined/],
      [() => variables.set('w' as never, 2), /a variable is given as define returned it, not as "w"/],
      [() => variables.update({ w: 2 } as never), /an update is a list of pairs/],
      [() => variables.watch(handle as never, () => undefined), /variables are given as a list, not as a map/],
      [() => variables.watchOne(handle, 5 as never), /the watcher is a function .*, not 5/],
      [() => variables.combine([handle], undefined as never), /what combine calls is a function .*, not undefined/],
    ];
    for (const [call, message] of refused) {
      await assert.rejects(async () => call(), { code: 'INVALID_ARGUMENT', message });
    }
    assert.deepEqual(await state.listWatchers(), []);
  });

  test('of a move leave the context as it was', async () => {
    await using context = new Context();
    await context.registerVariable('a', 'float', 1);
    for (const bad of [null, undefined, throwing('endpoint'), { endpoint: '127.0.0.1:1', existingState: context }])
      await assert.rejects(context.ensureBridged(bad as never), { code: 'INVALID_OPTIONS' });
    assert.equal(await context.setVariable('a', 2), 2);
  });

  test('an existing state that is none is refused at the opening', async () => {
    for (const existingState of [5, 'x', true, [], {}]) {
      const server = await new BridgedProviders(0).server();
      const options = { endpoint: `127.0.0.1:${server.port}`, workers: 0, existingState } as never;
      await assert.rejects(BridgedState.open(options), { code: 'INVALID_ARGUMENT' });
    }
  });

  test('of waitFor are refused before it waits', async () => {
    await using state = new LocalState();
    const variables = new Variables(state);
    const handle = await variables.define('w', 'float', 1);
    for (const bad of [
      { timeoutMs: '5' },
      { timeoutMs: Number.NaN },
      { timeoutMs: 2 ** 40 },
      { timeoutMs: -1 },
      { timeout: 5 },
      5,
    ]) {
      await assert.rejects(variables.waitFor(handle, { gt: 5 }, bad as object), { code: 'INVALID_OPTIONS' });
    }
    await assert.rejects(variables.waitFor(handle, throwing('gt') as Condition), { code: 'INVALID_OPTIONS' });
    assert.deepEqual(await state.listWatchers(), []);
    const condition = { in: [2] };
    const met = variables.waitFor(handle, condition, { timeoutMs: 10_000 });
    condition.in[0] = 3;
    await variables.set(handle, 2);
    assert.equal(await met, 2);
  });

  test('of an imported variable likewise', async () => {
    const all = await states();
    const one = {
      name: 'i',
      type: 'float',
      value: 1,
      version: 2,
      constraints: {},
      metadata: {},
      description: '',
      ttlMs: 0,
    };
    for (const [bad, code] of [
      [{ ...one, description: 5 }, 'INVALID_OPTIONS'],
      [{ ...one, ttlMs: '5' }, 'INVALID_ARGUMENT'],
      [{ ...one, name: Symbol('s') }, 'INVALID_NAME'],
      [{ ...one, metadata: new Map() }, 'INVALID_VALUE'],
      [5, 'INVALID_ARGUMENT'],
    ] as const) {
      for (const state of all) {
        await assert.rejects(state.importState({ format: 'bridged-state/1', variables: [bad as never] }), { code });
      }
    }
    for (const state of all) await state.close();
  });
});

describe('taken', () => {
  for (const endpoint of ['name.:1', 'my_host:1', '[::1%lo]:1', '[::1]:1', 'unix:/tmp/x', 'unix:x', 'a.b.c.:65535']) {
    test(endpoint, async () => {
      const opened = BridgedState.open({ endpoint, workers: 0, limits: { connectTimeoutMs: 50 } });
      await assert.rejects(opened, { code: 'UNAVAILABLE' });
    });
  }

  for (const endpoint of ['.:1', 'a..:1', ':1', 'a:0', 'a:65536', '[::1%]:1', 'unix:', 'a b:1', 'a\n:1']) {
    test(`and not ${JSON.stringify(endpoint)}`, async () => {
      assert.match(await refusalOf(opening({ endpoint })), /no endpoint/);
    });
  }
});
