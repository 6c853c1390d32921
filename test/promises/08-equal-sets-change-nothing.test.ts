/** Setting an equal value is no change; versions begin at 1, rise by 1, and outlive the 32 bits of the published field. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { VariableInput, VariableType } from '../../src/main/index.js';
import { BridgedState } from '../../src/main/index.js';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { sharedPool } from '../support/shared-pool.js';

let server: BridgeServer;

before(async () => {
  server = await startBridgeServer({ port: 0 });
});

after(() => server.close());

test('setting an equal value succeeds at the present version, changes nothing and notifies nobody', async () => {
  const cases: readonly (readonly [VariableType, VariableInput, VariableInput, VariableInput])[] = [
    ['integer', 5, 5, 6],
    ['float', Number.NaN, Number.NaN, 1.5],
    ['float', 0, -0, 1],
    ['string', 'a', 'a', 'b'],
    ['boolean', true, true, false],
    ['embedding', [1, 2, 3], [1, 2, 3], [1, 2, 4]],
  ];
  await using state = await BridgedState.open({
    endpoint: `127.0.0.1:${server.port}`,
    pool: await sharedPool(1),
    verify: true,
  });
  for (const [index, [type, value, equal, other]] of cases.entries()) {
    const name = `equal-${index}`;
    await state.registerVariable(name, type, value);
    const seen = new SeenUpdates();
    await state.watchVariables(name, seen.watcher, { onError: seen.onError });

    const versions = [await state.setVariable(name, equal), await state.setVariable(name, equal)];
    const changed = await state.setVariable(name, other);

    // Updates of a variable come in order: one for an equal set would have come before.
    await seen.when(5_000, () => seen.all.length > 0, 'the change');
    assert.deepEqual(versions, [1, 1], type);
    assert.equal(changed, 2);
    assert.deepEqual(
      seen.all.map(({ metadata }) => [metadata.version, metadata.missed]),
      [[2, 0]],
    );
    assert.equal((await state.history(name)).length, 2);
    assert.deepEqual(seen.errors, []);
  }
});

test('a batch notifies of those values only that are not equal', async () => {
  const sessionId = 'batch';
  await using state = await BridgedState.open({
    endpoint: `127.0.0.1:${server.port}`,
    pool: await sharedPool(1),
    sessionId,
  });
  for (const name of ['a', 'b', 'c']) await state.registerVariable(name, 'integer', 0);
  const seen = new SeenUpdates();
  await state.watchVariables(['a', 'b', 'c'], seen.watcher);

  const versions = await state.updateVariables({ a: 0, b: 1, c: 0 }, { atomic: true });

  await state.setVariable('a', 9);
  await seen.when(5_000, () => seen.last?.newValue === 9, 'the set after the batch');
  assert.deepEqual(Object.fromEntries(versions), { a: 1, b: 2, c: 1 });
  assert.deepEqual(
    seen.all.map(({ identifier }) => identifier),
    ['b', 'a'],
  );
});

/** The last version that the published field holds before its era ends. */
const LAST = 2 ** 31 - 2;

/** What a watch is told of five sets, the second of which leaves the 32-bit field. */
async function rowsOver(transport: 'stream' | 'link'): Promise<ReturnType<SeenUpdates['rows']>> {
  const variable = {
    name: 'old',
    type: 'integer',
    value: 0,
    version: LAST - 1,
    constraints: {},
    metadata: {},
    description: '',
    ttlMs: 0,
  } as const;
  await using state = await BridgedState.open({
    endpoint: `127.0.0.1:${server.port}`,
    pool: await sharedPool(1),
    sessionId: `era over ${transport}`,
    verify: true,
    transport,
    existingState: { format: 'bridged-state/1', variables: [variable] },
  });
  const seen = new SeenUpdates();
  await state.watchVariables('old', seen.watcher, { includeInitial: true, onError: seen.onError });
  for (let value = 1; value <= 5; value += 1) await state.setVariable('old', value);
  await seen.when(5_000, () => seen.last?.newValue === 5, 'the last value');
  assert.deepEqual(seen.errors, []);
  return seen.rows();
}

test('over streams, versions that leave the 32-bit field begin a new era by one resync, and rise strictly within it', async () => {
  assert.deepEqual(await rowsOver('stream'), [
    [undefined, 0, LAST - 1, 0, false],
    [0, 1, LAST, 0, false],
    [1, 2, 1, 0, true],
    [2, 3, 2, 0, false],
    [3, 4, 3, 0, false],
    [4, 5, 4, 0, false],
  ]);
});

test('over the link, versions leave the 32-bit field without a word', async () => {
  assert.deepEqual(await rowsOver('link'), [
    [undefined, 0, LAST - 1, 0, false],
    [0, 1, LAST, 0, false],
    [1, 2, LAST + 1, 0, false],
    [2, 3, LAST + 2, 0, false],
    [3, 4, LAST + 3, 0, false],
    [4, 5, LAST + 4, 0, false],
  ]);
});
