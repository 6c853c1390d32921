/** missing: 'wait' watches what nobody has registered yet. */
import assert from 'node:assert/strict';
import { InvalidNameError } from '../../shared/errors.js';
import { until } from '../within.js';
import type { Promised } from './contract-test.js';
import { pairsOf } from './recording.js';

export function describeMissingVariables(promise: Promised): void {
  promise('a watch that waits tells a variable from its registration on', async (contract) => {
    const { provider } = contract;
    const recording = await contract.record('later', { missing: 'wait' });
    assert.equal(recording.watch.state, 'live');
    const id = await provider.registerVariable('later', 'integer', 1);
    await provider.setVariable('later', 2);
    const [registered, set] = await recording.take(2);
    assert.deepEqual(pairsOf([registered!, set!]), [
      [undefined, 1],
      [1, 2],
    ]);
    assert.deepEqual([registered!.metadata.version, set!.metadata.version], [1, 2]);
    assert.equal(set!.metadata.variableId, id);
    assert.equal(set!.identifier, 'later');
  });

  promise('it tells those that are there at once, and with includeInitial their values first', async (contract) => {
    const { provider } = contract;
    await contract.floats({ here: 1 });
    const recording = await contract.record(['here', 'later'], { missing: 'wait', includeInitial: true });
    const initial = await recording.next();
    assert.deepEqual([initial.identifier, initial.newValue, initial.metadata.initial], ['here', 1, true]);
    await provider.registerVariable('later', 'string', 'a');
    const registered = await recording.next();
    assert.deepEqual([registered.identifier, registered.oldValue, registered.newValue], ['later', undefined, 'a']);
    await provider.setVariable('here', 2);
    await provider.setVariable('later', 'b');
    const last = await recording.take(2);
    assert.deepEqual(
      new Map(last.map((call) => [call.identifier, call.newValue])),
      new Map<string, unknown>([
        ['here', 2],
        ['later', 'b'],
      ]),
    );
  });

  promise('what can be no name is not waited for', async (contract) => {
    const { provider } = contract;
    await contract.floats({ here: 1 });
    for (const name of ['y'.repeat(257), 'a\nb']) {
      const wait = () => provider.watchVariables(['here', name], () => undefined, { missing: 'wait' });
      await contract.refuses(wait, InvalidNameError);
      const { watch } = await contract.record('here', { missing: 'wait' });
      await contract.refuses(() => watch.add(name), InvalidNameError);
      assert.deepEqual(watch.identifiers, ['here']);
      await watch.stop();
    }
    assert.deepEqual(await provider.listWatchers(), []);
  });

  promise('a watch that waits may be stopped before its variable comes', async (contract) => {
    const { provider } = contract;
    const recording = await contract.record('later', { missing: 'wait' });
    await recording.watch.stop();
    await provider.registerVariable('later', 'integer', 1);
    await provider.setVariable('later', 2);
    const witness = await contract.record('later');
    await provider.setVariable('later', 3);
    await witness.next();
    assert.equal(recording.calls.length, 0);
  });

  promise('variables may be added that are not there yet', async (contract) => {
    const { provider } = contract;
    await contract.floats({ here: 1 });
    const recording = await contract.record('here', { missing: 'wait' });
    await recording.watch.add('later');
    await provider.registerVariable('later', 'integer', 1);
    assert.deepEqual([(await recording.next()).identifier], ['later']);
  });

  promise('a waiting variable may be removed, and is not told when it comes', async (contract) => {
    const { provider } = contract;
    await contract.floats({ here: 1 });
    const recording = await contract.record(['here', 'later'], { missing: 'wait' });
    await recording.watch.remove('later');
    await provider.registerVariable('later', 'integer', 1);
    await provider.setVariable('here', 2);
    assert.equal((await recording.next()).identifier, 'here');
  });

  promise('several watches may wait for the same variable', async (contract) => {
    const { provider } = contract;
    const recordings = [
      await contract.record('later', { missing: 'wait' }),
      await contract.record('later', { missing: 'wait' }),
    ];
    await provider.registerVariable('later', 'integer', 1);
    for (const recording of recordings) assert.equal((await recording.next()).newValue, 1);
  });

  promise('an iterable may wait too', async ({ provider }) => {
    const changes = provider.watch('later', { missing: 'wait' });
    const first = changes.next();
    await until(async () => (await provider.listWatchers())[0]?.state === 'live', 'the watch is registered');
    await provider.registerVariable('later', 'integer', 1);
    const { value } = await first;
    assert.equal(value?.newValue, 1);
    await changes.return?.();
  });
}
