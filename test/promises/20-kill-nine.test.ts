/** kill -9 of the server and of the writer: nobody else fails, watches return by themselves. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BridgedState, type UpdateMetadata, type VariableValue } from '../../src/main/index.js';
import { until, within } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';

interface Seen {
  readonly old: VariableValue | undefined;
  readonly value: VariableValue | undefined;
  readonly metadata: UpdateMetadata;
}

test('a server killed and started again without its state: watches return and tell the new epoch by resync', async () => {
  let server = await ServerProcess.start();
  const { port } = server;
  const endpoint = `127.0.0.1:${port}`;
  await using state = await BridgedState.open({ endpoint, workers: 1, verify: true });
  await state.registerVariable('fan', 'integer', 1);
  const seen: Seen[] = [];
  const states: string[] = [];
  const errors: Error[] = [];
  const watch = await state.watchVariables('fan', (_, old, value, metadata) => seen.push({ old, value, metadata }), {
    onState: (name) => states.push(name),
    onError: (error) => errors.push(error),
  });
  await state.setVariable('fan', 2);
  await within(
    5_000,
    until(5_000, () => seen.length === 1, 'the first update'),
  );

  await server.kill();
  await until(10_000, () => states.includes('backoff'), 'the watch in backoff');
  server = await ServerProcess.start({ port });
  try {
    await until(20_000, () => watch.state === 'live', 'the watch live again');
    await using other = await BridgedState.open({ endpoint, workers: 0 });
    await other.registerVariable('fan', 'integer', 10);
    await other.setVariable('fan', 11);
    await until(10_000, () => seen.at(-1)?.value === 11, 'the value set after the restart');

    assert.deepEqual(
      seen.map(({ old, value, metadata }) => [old, value, metadata.version, metadata.missed, metadata.resync]),
      [
        [1, 2, 2, 0, false],
        [2, 10, 1, 0, true],
        [10, 11, 2, 0, false],
      ],
    );
    assert.deepEqual(errors, []);
  } finally {
    await server.close();
  }
});

test('a writer killed in the middle: the watcher gets what was acknowledged, and another writer goes on', async () => {
  const server = await ServerProcess.start();
  try {
    const endpoint = `127.0.0.1:${server.port}`;
    await using state = await BridgedState.open({ endpoint, workers: 1, verify: true });
    await state.registerVariable('count', 'integer', 0);
    let last: VariableValue | undefined;
    let missed = 0;
    const errors: Error[] = [];
    await state.watchVariables(
      'count',
      (_, __, value, metadata) => {
        last = value;
        missed += metadata.missed;
      },
      { onError: (error) => errors.push(error) },
    );
    const writer = fork(fileURLToPath(import.meta.resolve('../support/writer-process.js')), [endpoint, 'count']);
    const exit = once(writer, 'exit');
    await until(20_000, () => Number(last ?? 0) >= 50, 'the writer at work');

    writer.kill('SIGKILL');
    await within(10_000, exit, 'the end of the writer');

    const { version } = await state.getVariableInfo('count');
    await state.setVariable('count', -1);
    await until(10_000, () => last === -1, 'the set of another writer');
    assert.equal((await state.getVariableInfo('count')).version, version + 1);
    assert.equal(missed, 0);
    assert.deepEqual(errors, []);
    assert.equal((await server.report()).metrics.observers, 1);
  } finally {
    await server.close();
  }
});
