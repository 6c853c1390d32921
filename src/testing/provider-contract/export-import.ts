/** A state goes out of one provider and into another, versions and all. */
import assert from 'node:assert/strict';
import type { StateProvider } from '../../main/state-provider.js';
import { ConstraintViolationError } from '../../shared/errors.js';
import type { Promised } from './contract-test.js';

export function describeExportImport(promise: Promised): void {
  promise(
    'what is exported is imported with names, types, values, versions, constraints, metadata and times to live',
    async (contract) => {
      const { provider } = contract;
      await fill(provider);
      const other = await contract.another();
      await other.importState(await provider.exportState());
      assert.deepEqual(comparable(await other.listVariables()), comparable(await provider.listVariables()));
    },
  );

  promise('an exported state is plain data: it survives structured clone', async (contract) => {
    const { provider } = contract;
    await fill(provider);
    const exported = await provider.exportState();
    assert.equal(exported.format, 'bridged-state/1');
    const other = await contract.another();
    await other.importState(structuredClone(exported));
    assert.deepEqual(comparable(await other.listVariables()), comparable(await provider.listVariables()));
  });

  promise('versions go on from where they were', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    for (const value of [1, 2, 3]) await provider.setVariable('x', value);
    const other = await contract.another();
    await other.importState(await provider.exportState());
    assert.equal((await other.getVariableInfo('x')).version, 4);
    assert.equal(await other.setVariable('x', 4), 5);
    assert.equal(await other.setVariable('x', 5, { expectedVersion: 5 }), 6);
  });

  promise('constraints hold after the import', async (contract) => {
    await contract.provider.registerVariable('x', 'float', 1, { constraints: { max: 5 } });
    const exported = await contract.provider.exportState();
    await contract.provider.deleteVariable('x');
    await contract.provider.importState(exported);
    await contract.refuses(() => contract.provider.setVariable('x', 9), ConstraintViolationError);
  });

  promise('variables that are there already get the value, as one more version that watchers see', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 1, same: 7 });
    const exported = await provider.exportState();
    await provider.setVariable('x', 2);
    const recording = await contract.record(['x', 'same']);
    await provider.importState(exported);
    const { identifier, oldValue, newValue, metadata } = await recording.next();
    assert.deepEqual([identifier, oldValue, newValue, metadata.version], ['x', 2, 1, 3]);
    assert.equal((await provider.getVariableInfo('same')).version, 1, 'an equal value changes no version');
  });

  promise('a waiting watch sees what is imported', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 1 });
    await provider.setVariable('x', 2);
    const exported = await provider.exportState();
    await provider.deleteVariable('x');
    const recording = await contract.record('x', { missing: 'wait' });
    await provider.importState(exported);
    const { newValue, metadata } = await recording.next();
    assert.deepEqual([newValue, metadata.version], [2, 2]);
    await provider.setVariable('x', 3);
    assert.deepEqual([(await recording.next()).metadata.version], [3]);
  });

  promise('an empty state is exported and imported', async (contract) => {
    const exported = await contract.provider.exportState();
    assert.deepEqual([...exported.variables], []);
    await contract.provider.importState(exported);
    assert.deepEqual(await contract.provider.listVariables(), []);
  });
}

async function fill(provider: StateProvider): Promise<void> {
  await provider.registerVariable('float', 'float', Number.NaN, {
    metadata: { ['__proto__']: 'odd' },
    description: 'a float',
  });
  await provider.registerVariable('integer', 'integer', 2n ** 70n, { constraints: { min: 0 }, ttlMs: 3_600_000 });
  await provider.registerVariable('choice', 'choice', 'a', { constraints: { choices: ['a', 'b'] } });
  await provider.registerVariable('embedding', 'embedding', new Float64Array(2_000).fill(0.5));
  await provider.registerVariable('tensor', 'tensor', { shape: [2], data: [1, 2] });
  await provider.registerVariable('map', 'map', { ['__proto__']: [1, null], deep: { a: '😀' } });
  await provider.setVariable('choice', 'b');
  await provider.setVariable('choice', 'a');
}

function comparable(variables: Awaited<ReturnType<StateProvider['listVariables']>>): unknown {
  return variables
    .map(({ id, lastUpdatedAt, ...rest }) => {
      assert.ok(id.length > 0 && lastUpdatedAt > 0);
      return { ...rest, constraints: { ...rest.constraints }, metadata: { ...rest.metadata } };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
