/** Registering, reading, setting, listing and deleting. */
import assert from 'node:assert/strict';
import { VariablesNotFoundError, VersionConflictError } from '../../shared/errors.js';
import type { Promised } from './contract-test.js';

export function describeVariables(promise: Promised): void {
  promise('a registered variable is there at version 1, under its name and under its id', async ({ provider }) => {
    const id = await provider.registerVariable('fan', 'integer', 3);
    assert.equal(await provider.getVariable('fan'), 3);
    assert.equal(await provider.getVariable(id), 3);
    assert.equal((await provider.getVariableInfo(id)).version, 1);
  });

  promise('its info says everything that it was registered with', async ({ provider }) => {
    const id = await provider.registerVariable('fan', 'integer', 3, {
      constraints: { min: 0, max: 9 },
      metadata: { unit: 'rpm', owner: 'größe 😀' },
      description: 'speed of the fan',
      ttlMs: 3_600_000,
    });
    const { lastUpdatedAt, ...info } = await provider.getVariableInfo('fan');
    assert.deepEqual(info, {
      id,
      name: 'fan',
      type: 'integer',
      value: 3,
      version: 1,
      constraints: { min: 0, max: 9 },
      metadata: { unit: 'rpm', owner: 'größe 😀' },
      description: 'speed of the fan',
      ttlMs: 3_600_000,
    });
    assert.ok(lastUpdatedAt > 1.6e12, 'ms since 1970');
  });

  promise('a variable registered without options has none', async ({ provider }) => {
    await provider.registerVariable('fan', 'integer', 3);
    const { constraints, metadata, description, ttlMs } = await provider.getVariableInfo('fan');
    assert.deepEqual({ ...constraints }, {});
    assert.deepEqual({ ...metadata }, {});
    assert.equal(description, '');
    assert.equal(ttlMs, 0);
  });

  promise('each set raises the version by one and resolves with it', async ({ provider }) => {
    const id = await provider.registerVariable('fan', 'integer', 1);
    assert.equal(await provider.setVariable('fan', 2), 2);
    assert.equal(await provider.setVariable(id, 3), 3);
    assert.equal(await provider.getVariable('fan'), 3);
    assert.equal((await provider.getVariableInfo('fan')).version, 3);
  });

  promise('setting an equal value succeeds and changes no version', async ({ provider }) => {
    await provider.registerVariable('config', 'map', { a: 1, b: [true, null] });
    assert.equal(await provider.setVariable('config', { b: [true, null], a: 1 }), 1);
    assert.equal((await provider.history('config')).length, 1);
  });

  promise(
    'sets of one variable that are not awaited one by one are made in the order they were called',
    async ({ provider }) => {
      await provider.registerVariable('fan', 'integer', 0);
      const versions = await Promise.all(Array.from({ length: 50 }, (_, n) => provider.setVariable('fan', n + 1)));
      assert.deepEqual(
        versions,
        Array.from({ length: 50 }, (_, n) => n + 2),
      );
      assert.equal(await provider.getVariable('fan'), 50);
    },
  );

  promise(
    'several are read at once by the identifiers asked for, and those that are not there are left out',
    async ({ provider }) => {
      await provider.registerVariable('fan', 'integer', 1);
      const id = await provider.registerVariable('pump', 'boolean', true);
      const found = await provider.getVariables(['fan', 'nobody', id]);
      assert.deepEqual(
        found,
        new Map<string, unknown>([
          ['fan', 1],
          [id, true],
        ]),
      );
      assert.deepEqual(await provider.getVariables('nobody'), new Map());
    },
  );

  promise('all variables are listed, or those that fit a pattern with * and ?', async ({ provider }) => {
    for (const name of ['fan', 'fan.speed', 'fan.level', 'pump', 'fän', 'f😀n', 'a*b']) {
      await provider.registerVariable(name, 'integer', 1);
    }
    const names = async (pattern?: string) => (await provider.listVariables(pattern)).map(({ name }) => name).sort();
    assert.equal((await names()).length, 7);
    assert.equal((await names('*')).length, 7);
    assert.deepEqual(await names('fan*'), ['fan', 'fan.level', 'fan.speed']);
    assert.deepEqual(await names('fan.?????'), ['fan.level', 'fan.speed']);
    assert.deepEqual(await names('f?n'), ['fan', 'fän', 'f😀n'].sort());
    assert.deepEqual(await names('pump'), ['pump']);
    assert.deepEqual(await names('pum'), []);
    assert.deepEqual(await names('*.*'), ['fan.level', 'fan.speed']);
    assert.deepEqual(await names('a*b'), ['a*b']);
  });

  promise('a listed variable is as its info says', async ({ provider }) => {
    await provider.registerVariable('fan', 'integer', 1, { metadata: { unit: 'rpm' }, description: 'a fan' });
    assert.deepEqual(await provider.listVariables('fan'), [await provider.getVariableInfo('fan')]);
  });

  promise('a missing variable fails each call with its name', async (contract) => {
    const { provider } = contract;
    for (const call of [
      () => provider.getVariable('nobody'),
      () => provider.getVariableInfo('nobody'),
      () => provider.setVariable('nobody', 1),
      () => provider.deleteVariable('nobody'),
      () => provider.history('nobody'),
      () => provider.rollback('nobody', 1),
    ]) {
      const error = await contract.refuses(call, VariablesNotFoundError, String(call));
      assert.deepEqual(error.identifiers, ['nobody'], String(call));
      assert.equal(error.code, 'VARIABLE_NOT_FOUND');
      assert.match(error.message, /nobody/);
    }
  });

  promise('a deleted variable is not there any more, and its name may be registered again', async (contract) => {
    const { provider } = contract;
    const id = await provider.registerVariable('fan', 'integer', 1);
    await provider.setVariable('fan', 2);
    await provider.deleteVariable('fan');
    await contract.refuses(() => provider.getVariable('fan'), VariablesNotFoundError);
    await contract.refuses(() => provider.getVariable(id), VariablesNotFoundError);
    assert.deepEqual(await provider.listVariables(), []);
    const next = await provider.registerVariable('fan', 'string', 'on');
    assert.notEqual(next, id);
    assert.equal(await provider.getVariable('fan'), 'on');
    assert.equal((await provider.getVariableInfo('fan')).version, 1);
    assert.equal(await provider.setVariable('fan', 'off'), 2);
  });

  promise('a variable is deleted by its id too', async ({ provider }) => {
    const id = await provider.registerVariable('fan', 'integer', 1);
    await provider.deleteVariable(id);
    assert.deepEqual(await provider.listVariables(), []);
  });

  promise('a set that expects the present version is made', async ({ provider }) => {
    await provider.registerVariable('fan', 'integer', 1);
    assert.equal(await provider.setVariable('fan', 2, { expectedVersion: 1 }), 2);
    assert.equal(await provider.setVariable('fan', 3, { expectedVersion: 0 }), 3, '0 checks nothing');
  });

  promise('a set that expects another version is refused and changes nothing', async (contract) => {
    const { provider } = contract;
    await provider.registerVariable('fan', 'integer', 1);
    await provider.setVariable('fan', 2);
    for (const expectedVersion of [1, 3]) {
      const set = () => provider.setVariable('fan', 9, { expectedVersion });
      const error = await contract.refuses(set, VersionConflictError);
      assert.equal(error.code, 'VERSION_CONFLICT');
      assert.match(error.message, /fan/);
    }
  });

  promise('of two sets that expect the same version one is made', async ({ provider }) => {
    await provider.registerVariable('fan', 'integer', 1);
    const sets = [10, 11].map((value) => provider.setVariable('fan', value, { expectedVersion: 1 }));
    const results = await Promise.allSettled(sets);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    );
    assert.equal(await provider.getVariable('fan'), 10);
    assert.equal((await provider.getVariableInfo('fan')).version, 2);
  });

  promise('what a caller does to an object after it was set or read changes no variable', async ({ provider }) => {
    const given = { list: [1, 2] };
    await provider.registerVariable('config', 'map', given);
    given.list.push(3);
    const numbers = new Float64Array([1, 2]);
    await provider.registerVariable('vector', 'embedding', numbers);
    numbers[0] = 9;
    const read = (await provider.getVariable('config')) as { list: number[] };
    // Frozen, or a copy: either is right.
    await Promise.resolve()
      .then(() => read.list.push(4))
      .catch(() => undefined);
    assert.deepEqual(await provider.getVariable('config'), { list: [1, 2] });
    assert.deepEqual([...((await provider.getVariable('vector')) as Float64Array)], [1, 2]);
  });
}
