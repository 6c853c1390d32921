/** updateVariables: each that can be, or all or none. */
import assert from 'node:assert/strict';
import { BatchRefusedError } from '../../shared/errors.js';
import { setImmediate } from '../../shared/platform-timers.js';
import type { Promised } from './contract-test.js';

export function describeBatches(promise: Promised): void {
  promise('a batch sets several and resolves with their versions, by the identifiers given', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 1, b: 2 });
    const id = await provider.registerVariable('c', 'float', 3);
    const versions = await provider.updateVariables({ a: 10, b: 20, [id]: 30 });
    assert.deepEqual(
      versions,
      new Map([
        ['a', 2],
        ['b', 2],
        [id, 2],
      ]),
    );
    assert.deepEqual(
      await provider.getVariables(['a', 'b', 'c']),
      new Map([
        ['a', 10],
        ['b', 20],
        ['c', 30],
      ]),
    );
  });

  promise('an equal value in a batch keeps its version', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 1, b: 2 });
    for (const atomic of [false, true]) {
      const { version } = await provider.getVariableInfo('b');
      const versions = await provider.updateVariables({ a: 1, b: version + 10 }, { atomic });
      assert.deepEqual(
        versions,
        new Map([
          ['a', 1],
          ['b', version + 1],
        ]),
      );
    }
  });

  promise('watchers are told who made the batch and with what metadata', async (contract) => {
    await contract.floats({ a: 1, b: 2 });
    const recording = await contract.record(['a', 'b']);
    await contract.provider.updateVariables({ a: 10, b: 20 }, { source: 'planner', metadata: { step: '4' } });
    for (const { metadata } of await recording.take(2)) {
      assert.equal(metadata.source, 'planner');
      assert.deepEqual({ ...metadata.custom }, { step: '4' });
    }
  });

  promise(
    'of a batch that is not atomic what can be set is set, and the error says what was and what was not, and why',
    async (contract) => {
      const { provider } = contract;
      await contract.floats({ a: 1 });
      await provider.registerVariable('low', 'float', 1, { constraints: { max: 5 } });
      const recording = await contract.record(['a', 'low']);
      const update = provider.updateVariables({ a: 10, low: 9, nobody: 1 });
      const error = await refusedBatch(update);
      assert.equal(error.code, 'BATCH_REFUSED');
      assert.deepEqual(Object.keys(error.details.refused ?? {}).sort(), ['low', 'nobody']);
      assert.equal(error.details.refused?.low?.code, 'CONSTRAINT_VIOLATION');
      assert.equal(error.details.refused?.nobody?.code, 'VARIABLE_NOT_FOUND');
      assert.match(error.details.refused?.low?.message ?? '', /low/);
      assert.deepEqual({ ...error.details.versions }, { a: 2 });
      assert.deepEqual([...(error.details.identifiers ?? [])].sort(), ['low', 'nobody']);
      assert.equal(
        (error.cause as { code?: string } | undefined)?.code !== undefined,
        true,
        'the first refusal is the cause',
      );
      assert.deepEqual(
        await provider.getVariables(['a', 'low']),
        new Map([
          ['a', 10],
          ['low', 1],
        ]),
      );
      assert.equal((await recording.next()).identifier, 'a');
    },
  );

  for (const [what, bad] of [
    ['a value of the wrong type', { a: 10, b: 'twenty' }],
    ['a value that its constraints refuse', { a: 10, low: 9 }],
    ['a variable that is not there', { a: 10, nobody: 1 }],
  ] as const) {
    promise(`an atomic batch with ${what} sets nothing and tells nobody`, async (contract) => {
      const { provider } = contract;
      await contract.floats({ a: 1, b: 2 });
      await provider.registerVariable('low', 'float', 1, { constraints: { max: 5 } });
      const recording = await contract.record(['a', 'b', 'low']);
      const update = () => provider.updateVariables(bad, { atomic: true });
      const error = await contract.refuses(update, BatchRefusedError);
      assert.deepEqual(Object.keys(error.details.refused ?? {}), [Object.keys(bad)[1]]);
      assert.deepEqual({ ...error.details.versions }, {});
      await provider.setVariable('a', 5);
      const { newValue, metadata } = await recording.next();
      assert.deepEqual([newValue, metadata.version], [5, 2]);
    });
  }

  promise('the error of an atomic batch names all that are to blame, whatever is wrong with each', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 1, b: 2 });
    await provider.registerVariable('low', 'float', 1, { constraints: { max: 5 } });
    await provider.registerVariable('text', 'string', '');
    const update = () => provider.updateVariables({ a: 10, b: 'twenty', low: 9, nobody: 1, text: 5 }, { atomic: true });
    const error = await contract.refuses(update, BatchRefusedError);
    assert.deepEqual(
      Object.entries(error.details.refused ?? {}).map(([identifier, { code }]) => [identifier, code]),
      [
        ['b', 'INVALID_VALUE'],
        ['low', 'CONSTRAINT_VIOLATION'],
        ['nobody', 'VARIABLE_NOT_FOUND'],
        ['text', 'INVALID_VALUE'],
      ],
    );
    assert.deepEqual({ ...error.details.versions }, {});
  });

  promise('an atomic batch that names one variable twice is refused', async (contract) => {
    const { provider } = contract;
    const id = await provider.registerVariable('a', 'float', 1);
    const update = () => provider.updateVariables({ a: 10, [id]: 20 }, { atomic: true });
    const error = await contract.refuses(update, BatchRefusedError);
    assert.equal(Object.values(error.details.refused ?? {})[0]?.code, 'INVALID_ARGUMENT');
  });

  promise('an atomic batch is one revision; changes made one by one are one each', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 1, b: 2, c: 3 });
    const recording = await contract.record(['a', 'b', 'c'], { atomic: true });
    await provider.updateVariables({ a: 10, b: 20, c: 30 }, { atomic: true });
    const together = (await recording.take(3)).map(({ metadata }) => metadata.revision);
    assert.equal(new Set(together).size, 1);
    await provider.updateVariables({ a: 11, b: 21, c: 31 });
    const apart = (await recording.take(3)).map(({ metadata }) => metadata.revision);
    assert.deepEqual(apart, [together[0]! + 1, together[0]! + 2, together[0]! + 3]);
  });

  promise('an atomic batch comes to an atomic watch within one turn of the event loop', async (contract) => {
    const { provider } = contract;
    const names = Array.from({ length: 20 }, (_, n) => `v${n}`);
    await contract.floats(Object.fromEntries(names.map((name) => [name, 0])));
    let turns = 0;
    const turnOf = new Map<string, number>();
    let isMarked = false;
    const watch = await provider.watchVariables(
      names,
      (identifier) => {
        turnOf.set(identifier, turns);
        if (isMarked) return;
        isMarked = true;
        setImmediate(() => {
          turns += 1;
          isMarked = false;
        });
      },
      { atomic: true },
    );
    const other = await contract.record(names);
    await provider.updateVariables(Object.fromEntries(names.map((name) => [name, 1])), { atomic: true });
    await other.take(names.length);
    await watch.synced;
    const last = await contract.record('v0');
    await provider.setVariable('v0', 2);
    await last.next();
    assert.equal(turnOf.size, names.length);
    turnOf.delete('v0');
    assert.equal(new Set(turnOf.values()).size, 1);
    await watch.stop();
  });

  promise('batches and sets of one variable are made in the order they were called', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 0, b: 0 });
    const recording = await contract.record('a');
    const changes: Promise<unknown>[] = [];
    for (let n = 1; n <= 20; n += 2) {
      changes.push(
        provider.setVariable('a', n),
        provider.updateVariables({ a: n + 1, b: n + 1 }, { atomic: n % 4 === 1 }),
      );
    }
    await Promise.all(changes);
    assert.deepEqual(
      (await recording.take(20)).map((call) => call.newValue),
      Array.from({ length: 20 }, (_, n) => n + 1),
    );
    recording.checkChained({ a: { value: 0, version: 1 } });
  });
}

async function refusedBatch(update: Promise<unknown>): Promise<BatchRefusedError> {
  try {
    await update;
  } catch (error) {
    assert.ok(error instanceof BatchRefusedError, String(error));
    return error;
  }
  return assert.fail('the batch was not refused');
}
