/** Each update is delivered, or the next one of that variable says exactly how many were missed; memory stays bounded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import { ChainChecker } from '../support/chain.js';
import { within } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';
import { burstWhileBlocked } from '../support/writer-children.js';

const VARIABLES = 100;
const ROUNDS = 200;

for (const overflow of ['conflate', 'drop-oldest'] as const) {
  test(`${ROUNDS * VARIABLES} updates while the main thread is blocked: '${overflow}' is bounded, and what it leaves out is told exactly`, async () => {
    const server = await ServerProcess.start();
    try {
      const endpoint = `127.0.0.1:${server.port}`;
      await using pool = await WorkerPool.open({ workers: 1, credits: 64 });
      await using state = await BridgedState.open({ endpoint, pool, verify: true });
      const names = Array.from({ length: VARIABLES }, (_, place) => `v${place}`);
      for (const name of names) await state.registerVariable(name, 'integer', 0);
      const chain = new ChainChecker(names, 1, 0);
      const errors: Error[] = [];
      const onError = (error: Error) => errors.push(error);
      const watch = await state.watchVariables(names, chain.watcher, { bufferLimit: VARIABLES, overflow, onError });

      burstWhileBlocked(endpoint, VARIABLES, ROUNDS);

      const isAtLast = () => names.every((name) => chain.versionOf(name) === ROUNDS + 1);
      await within(30_000, chain.when(isAtLast), 'the last version of each variable');
      assert.deepEqual(chain.broken, []);
      assert.deepEqual(errors, []);
      assert.equal(chain.delivered + chain.missed, VARIABLES * ROUNDS);
      // The port's credits, the ring, and what came before the block and after it.
      assert.ok(chain.delivered < (VARIABLES * ROUNDS) / 2, `${chain.delivered} were kept for a thread that took none`);
      const [info] = await state.listWatchers();
      assert.equal(info?.stats.updatesMissed, chain.missed);
      assert.equal(info?.stats.updatesDelivered, chain.delivered);
      await watch.stop();
    } finally {
      await server.close();
    }
  });
}

test('what the server leaves out for a slow stream is told exactly too', async () => {
  const server = await ServerProcess.start({ outboxLimit: VARIABLES });
  try {
    const endpoint = `127.0.0.1:${server.port}`;
    // Without workers a blocked main thread reads no socket: the server's outbox is what fills.
    await using state = await BridgedState.open({ endpoint, workers: 0, verify: true });
    const names = Array.from({ length: VARIABLES }, (_, place) => `v${place}`);
    for (const name of names) await state.registerVariable(name, 'integer', 0);
    const chain = new ChainChecker(names, 1, 0);
    const errors: Error[] = [];
    await state.watchVariables(names, chain.watcher, { onError: (error) => errors.push(error) });

    // More bytes than the flow-control window of a stream that nobody reads: of a link, whose rows are small, too.
    const rounds = 1_000;
    burstWhileBlocked(endpoint, VARIABLES, rounds);

    const isAtLast = () => names.every((name) => chain.versionOf(name) === rounds + 1);
    await within(30_000, chain.when(isAtLast), 'the last version of each variable');
    assert.deepEqual(chain.broken, []);
    assert.deepEqual(errors, []);
    assert.equal(chain.delivered + chain.missed, VARIABLES * rounds);
    assert.ok(chain.missed > 0, 'the outbox was full');
  } finally {
    await server.close();
  }
});
