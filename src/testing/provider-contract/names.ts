/** Names, map keys and metadata keys are ordinary, whatever they are. */
import assert from 'node:assert/strict';
import type { Promised } from './contract-test.js';

/** What careless code takes for something else: properties of every object, wildcards, ids, empty looks. */
const ODD_NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'then',
  '0',
  '*',
  'a?b',
  ' ',
  'größe 😀',
  'נתב',
  'a'.repeat(256),
  '😀'.repeat(256),
  '\u00a0',
  '"quoted\\"',
] as const;

export function describeNames(promise: Promised): void {
  for (const name of ODD_NAMES) {
    promise(
      `${JSON.stringify(name.slice(0, 12))} (${name.length} units) is a name like any other`,
      async (contract) => {
        const { provider } = contract;
        const id = await provider.registerVariable(name, 'integer', 1);
        const recording = await contract.record(name, { includeInitial: true });
        assert.equal(await provider.setVariable(name, 2), 2);
        assert.deepEqual(await provider.updateVariables(recordOf(name, 3)), new Map([[name, 3]]));
        assert.equal(await provider.getVariable(name), 3);
        assert.deepEqual(await provider.getVariables([name]), new Map([[name, 3]]));
        assert.equal((await provider.getVariableInfo(name)).id, id);
        assert.deepEqual(
          (await provider.listVariables()).map((info) => info.name),
          [name],
        );
        const calls = await recording.take(3);
        assert.deepEqual(
          calls.map(({ identifier, oldValue, newValue }) => [identifier, oldValue, newValue]),
          [
            [name, undefined, 1],
            [name, 1, 2],
            [name, 2, 3],
          ],
        );
        const exported = await provider.exportState();
        assert.deepEqual(
          exported.variables.map((variable) => [variable.name, variable.value]),
          [[name, 3]],
        );
        await provider.deleteVariable(name);
        assert.equal((await recording.next()).metadata.deleted, 'deleted');
      },
    );
  }

  promise('keys of maps and of metadata are ordinary, __proto__ and constructor too', async (contract) => {
    const { provider } = contract;
    const keys = ODD_NAMES.filter((name) => name.length < 50);
    const map = Object.fromEntries(keys.map((key, place) => [key, place]));
    const metadata = Object.fromEntries(keys.map((key) => [key, `of ${key}`]));
    await provider.registerVariable('config', 'map', map, { metadata });
    assert.deepEqual(await provider.getVariable('config'), map);
    assert.deepEqual({ ...(await provider.getVariableInfo('config')).metadata }, metadata);

    const recording = await contract.record('config');
    await provider.setVariable('config', { ['__proto__']: { ['__proto__']: 1 } }, { metadata, source: 'odd' });
    const { newValue, metadata: told } = await recording.next();
    assert.deepEqual(Object.entries(newValue as object), [['__proto__', { ['__proto__']: 1 }]]);
    assert.deepEqual({ ...told.custom }, metadata);
    assert.equal(told.source, 'odd');
    assert.equal(({} as Record<string, unknown>)['0'], undefined, 'no prototype was touched');
  });

  promise('odd names in one batch and one watch do not get in each other’s way', async (contract) => {
    const { provider } = contract;
    for (const name of ODD_NAMES) await provider.registerVariable(name, 'integer', 0);
    const recording = await contract.record([...ODD_NAMES]);
    const values = Object.fromEntries(ODD_NAMES.map((name, place) => [name, place + 1]));
    const versions = await provider.updateVariables(values, { atomic: true });
    assert.deepEqual([...versions.keys()].sort(), [...ODD_NAMES].sort());
    const calls = await recording.take(ODD_NAMES.length);
    assert.deepEqual(new Map(calls.map((call) => [call.identifier, call.newValue])), new Map(Object.entries(values)));
  });

  promise("keys of metadata that are called like options are the user's own", async (contract) => {
    const { provider } = contract;
    const metadata = { ttl_ms: '1', description: 'theirs', 'bridge.first_version': '900', source: 'their source' };
    await provider.registerVariable('x', 'float', 1, { metadata, description: 'ours', ttlMs: 3_600_000 });
    const info = await provider.getVariableInfo('x');
    assert.deepEqual({ ...info.metadata }, metadata);
    assert.deepEqual([info.description, info.ttlMs, info.version], ['ours', 3_600_000, 1]);
    const recording = await contract.record('x');
    await provider.setVariable('x', 2, { metadata, source: 'ours' });
    const told = (await recording.next()).metadata;
    assert.deepEqual([told.source, { ...told.custom }], ['ours', metadata]);
    const last = (await provider.history('x')).at(-1)!;
    assert.deepEqual([last.source, { ...last.custom }], ['ours', metadata]);
  });
}

/** With an own property, whatever the name. */
function recordOf(name: string, value: number): Record<string, number> {
  return Object.fromEntries([[name, value]]);
}
