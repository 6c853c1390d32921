/** Per watch and variable, versions strictly increase: across cut connections and dying workers too, and under a running writer. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import { ChainChecker } from '../support/chain.js';
import { within } from '../support/deadline.js';
import { SOON } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { workerCounts } from '../support/worker-counts.js';
import { RunningWriter } from '../support/writer-children.js';

let server: ServerProcess;

before(async () => {
  server = await ServerProcess.start();
});

after(() => server.close());

for (const workers of workerCounts([0, 1, 2], 2)) {
  test(`with ${workers} workers no update comes twice or out of order, whatever breaks`, async () => {
    const name = `steady-${workers}`;
    const endpoint = `127.0.0.1:${server.port}`;
    await using proxy = await TcpProxy.start(server.port);
    await using pool = await WorkerPool.open({ workers });
    await using state = await BridgedState.open({ endpoint: proxy.endpoint, pool, verify: true, ...SOON });
    await state.registerVariable(name, 'integer', 0);
    const chains = Array.from({ length: 5 }, () => new ChainChecker([name], 1, 0));
    const errors: Error[] = [];
    const onError = (error: Error) => errors.push(error);
    await Promise.all(chains.map((chain) => state.watchVariables(name, chain.watcher, { onError })));
    const further = (updates: number) => {
      const goals = chains.map((chain) => chain.versionOf(name) + updates);
      return within(
        20_000,
        Promise.all(chains.map((chain, place) => chain.when(() => chain.versionOf(name) >= goals[place]!))),
        'further updates',
      );
    };

    await using writer = new RunningWriter(endpoint, name);
    await further(20);
    for (let round = 0; round < 3; round += 1) {
      proxy.cut();
      proxy.mend();
      await further(20);
      if (workers > 0) await pool.restartWorker(round % workers);
      await further(20);
    }
    await writer[Symbol.asyncDispose]();

    const { version } = await state.getVariableInfo(name);
    await state.setVariable(name, -1);
    await within(
      20_000,
      Promise.all(chains.map((chain) => chain.when(() => chain.versionOf(name) === version + 1))),
      'the last version',
    );
    for (const chain of chains) {
      assert.deepEqual(chain.broken, []);
      assert.equal(chain.delivered + chain.missed, version);
    }
    assert.deepEqual(errors, []);
  });
}
