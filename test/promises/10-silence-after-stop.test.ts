/** When a watch stops, no watcher call happens after stop() resolves, and nothing of it is left at either end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { workerCounts } from '../support/worker-counts.js';
import { RunningWriter } from '../support/writer-children.js';

for (const workers of workerCounts([0, 2], 0)) {
  test(`with ${workers} workers, 100 watches stopped one by one under a running writer are silent from then on`, async () => {
    const server = await ServerProcess.start();
    try {
      const endpoint = `127.0.0.1:${server.port}`;
      await using state = await BridgedState.open({ endpoint, workers, verify: true });
      await state.registerVariable('count', 'integer', 0);
      await using _writer = new RunningWriter(endpoint, 'count');
      const steady = new SeenUpdates();
      await state.watchVariables('count', steady.watcher);
      const further = (updates: number) => {
        const goal = steady.all.length + updates;
        return steady.when(20_000, () => steady.all.length >= goal, 'further updates');
      };
      await further(10);

      let isSilent = new Set<number>();
      const late: number[] = [];
      for (let number = 0; number < 100; number += 1) {
        const watch = await state.watchVariables('count', () => {
          if (isSilent.has(number)) late.push(number);
        });
        await further(1);
        if (number % 2 === 0) await watch.stop();
        else await state.unwatchVariables(watch.ref);
        isSilent = isSilent.add(number);
      }
      await further(50);

      assert.deepEqual(late, []);
      assert.equal((await state.listWatchers()).length, 1);
      for (let tries = 0; (await server.report()).metrics.observers !== 1; tries += 1) {
        assert.ok(tries < 500, 'the observers of stopped watches go');
      }
    } finally {
      await server.close();
    }
  });
}
