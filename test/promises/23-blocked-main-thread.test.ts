/** A blocked main thread costs bounded memory and conflation, never a lost update that nobody tells. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import { ChainChecker } from '../support/chain.js';
import { until, within } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';

test('updates that come while the main thread is blocked are delivered or told as missed, to the last', async () => {
  const server = await ServerProcess.start();
  try {
    const endpoint = `127.0.0.1:${server.port}`;
    // Few credits and a short ring, so that both run out.
    await using pool = await WorkerPool.open({ workers: 1, credits: 64 });
    await using state = await BridgedState.open({ endpoint, pool, verify: true });
    await state.registerVariable('count', 'integer', 0);
    const chain = new ChainChecker(['count'], 1, 0);
    const errors: Error[] = [];
    const options = { bufferLimit: 16, onError: (error: Error) => errors.push(error) };
    await state.watchVariables('count', chain.watcher, options);
    const writer = fork(fileURLToPath(import.meta.resolve('../support/writer-process.js')), [endpoint, 'count']);
    await within(
      20_000,
      chain.when(() => chain.delivered > 10),
      'the writer at work',
    );

    // Until more has been set than credits and ring can hold: how long that takes is the machine's.
    const before = chain.versionOf('count');
    for (let blockMs = 1_000; chain.missed === 0; blockMs *= 2) {
      assert.ok(blockMs < 10_000, 'the writer sets hardly anything');
      const from = chain.delivered;
      const blockedUntil = performance.now() + blockMs;
      while (performance.now() < blockedUntil);
      await within(
        20_000,
        chain.when(() => chain.missed > 0 || chain.delivered > from + 64 + 16),
        'what was set meanwhile',
      );
    }
    const exit = once(writer, 'exit');
    writer.kill('SIGKILL');
    await within(10_000, exit, 'the end of the writer');
    await state.setVariable('count', -1);
    const { version } = await state.getVariableInfo('count');
    await until(10_000, () => chain.versionOf('count') === version, 'the last version');

    assert.deepEqual(chain.broken, []);
    assert.deepEqual(errors, []);
    assert.equal(chain.delivered + chain.missed, version - 1);
    assert.ok(version - before > 64 + 16);
    const [info] = await state.listWatchers();
    assert.equal(info?.stats.updatesMissed, chain.missed);
  } finally {
    await server.close();
  }
});
