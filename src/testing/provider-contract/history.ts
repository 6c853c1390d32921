/** Earlier versions: read them, and set one of them again. */
import assert from 'node:assert/strict';
import { VariablesNotFoundError, VersionConflictError, VersionNotFoundError } from '../../shared/errors.js';
import type { Promised } from './contract-test.js';

export function describeHistory(promise: Promised): void {
  promise('the history has every version, oldest first, with its value, setter and time', async ({ provider }) => {
    await provider.registerVariable('fan', 'integer', 1);
    await provider.setVariable('fan', 2, { source: 'planner', metadata: { step: '1' } });
    await provider.setVariable('fan', 3, { source: 'operator' });
    const entries = await provider.history('fan');
    assert.deepEqual(
      entries.map(({ version, value }) => [version, value]),
      [
        [1, 1],
        [2, 2],
        [3, 3],
      ],
    );
    assert.deepEqual([entries[1]!.source, { ...entries[1]!.custom }], ['planner', { step: '1' }]);
    assert.deepEqual([entries[2]!.source, { ...entries[2]!.custom }], ['operator', {}]);
    assert.ok(entries.every(({ timestamp }, place) => timestamp >= (entries[place - 1]?.timestamp ?? 1.6e12)));
  });

  promise('a limit takes the newest; 0 takes all', async ({ provider }) => {
    await provider.registerVariable('fan', 'integer', 1);
    for (let value = 2; value <= 10; value += 1) await provider.setVariable('fan', value);
    const versions = async (limit?: number) =>
      (await provider.history('fan', limit === undefined ? {} : { limit })).map(({ version }) => version);
    assert.deepEqual(await versions(3), [8, 9, 10]);
    assert.deepEqual(await versions(1), [10]);
    assert.equal((await versions(100)).length, 10);
    assert.equal((await versions(0)).length, 10);
    assert.equal((await versions()).length, 10);
  });

  promise('at least the last 16 versions are kept', async ({ provider }) => {
    await provider.registerVariable('fan', 'integer', 1);
    for (let value = 2; value <= 40; value += 1) await provider.setVariable('fan', value);
    const entries = await provider.history('fan');
    assert.ok(entries.length >= 16);
    assert.equal(entries.at(-1)?.version, 40);
  });

  promise(
    'a rollback sets the value of an earlier version again, as a new version that watchers see',
    async (contract) => {
      const { provider } = contract;
      await provider.registerVariable('fan', 'integer', 1);
      await provider.setVariable('fan', 2);
      await provider.setVariable('fan', 3);
      const recording = await contract.record('fan');
      assert.equal(await provider.rollback('fan', 1), 4);
      assert.equal(await provider.getVariable('fan'), 1);
      const { oldValue, newValue, metadata } = await recording.next();
      assert.deepEqual([oldValue, newValue, metadata.version], [3, 1, 4]);
      assert.deepEqual(
        (await provider.history('fan')).map(({ value }) => value),
        [1, 2, 3, 1],
      );
    },
  );

  promise('what is rolled back is set by whoever the state is', async (contract) => {
    const { provider } = contract;
    await provider.registerVariable('fan', 'integer', 1);
    await provider.setVariable('fan', 2);
    await provider.setVariable('fan', 3, { source: 'another' });
    const recording = await contract.record('fan');
    await provider.rollback('fan', 2);
    const [, set, , back] = await provider.history('fan');
    assert.deepEqual([back!.source, (await recording.next()).metadata.source], [set!.source, set!.source]);
  });

  promise('the history of a variable that is gone is refused, and names it', async (contract) => {
    const { provider } = contract;
    await provider.registerVariable('fan', 'list', [1, 2]);
    await provider.history('fan');
    await provider.deleteVariable('fan');
    const error = await contract.refuses(() => provider.history('fan'), VariablesNotFoundError);
    assert.deepEqual(error.identifiers, ['fan']);
  });

  promise('a rollback to the present value changes nothing', async ({ provider }) => {
    await provider.registerVariable('fan', 'integer', 1);
    await provider.setVariable('fan', 2);
    assert.equal(await provider.rollback('fan', 2), 2);
    assert.equal((await provider.history('fan')).length, 2);
  });

  promise('a rollback to a version that is not kept is refused', async (contract) => {
    const { provider } = contract;
    await provider.registerVariable('fan', 'integer', 1);
    await provider.setVariable('fan', 2);
    const error = await contract.refuses(() => provider.rollback('fan', 7), VersionNotFoundError);
    assert.equal(error.code, 'VERSION_NOT_FOUND');
    assert.match(error.message, /fan/);
  });

  promise('a version and a limit that 32 bits do not hold are no others that they do', async (contract) => {
    const { provider } = contract;
    await provider.registerVariable('fan', 'integer', 1);
    await provider.setVariable('fan', 2);
    for (const large of [2 ** 31, 2 ** 32 + 1, 2 ** 32 + 2, Number.MAX_SAFE_INTEGER]) {
      await contract.refuses(() => provider.rollback('fan', large), VersionNotFoundError);
      await contract.refuses(() => provider.setVariable('fan', 3, { expectedVersion: large }), VersionConflictError);
      assert.equal((await provider.history('fan', { limit: large })).length, 2);
    }
    assert.equal(await provider.getVariable('fan'), 2);
  });
}
