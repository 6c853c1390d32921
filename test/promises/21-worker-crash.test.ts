/** A worker that dies takes nothing with it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import { ChainChecker } from '../support/chain.js';
import { within } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';

let server: ServerProcess;

before(async () => {
  server = await ServerProcess.start();
});

after(() => server.close());

test('workers that die under a running writer leave no duplicate and no unmarked gap', async () => {
  const endpoint = `127.0.0.1:${server.port}`;
  await using writer = await BridgedState.open({ endpoint, workers: 0 });
  await using pool = await WorkerPool.open({ workers: 2 });
  await using state = await BridgedState.open({ endpoint, pool, verify: true });
  const names = Array.from({ length: 20 }, (_, number) => `crash-${number}`);
  for (const name of names) await writer.registerVariable(name, 'integer', 0);
  const chain = new ChainChecker(names, 1, 0);
  const errors: Error[] = [];
  for (const name of names) await state.watchVariables(name, chain.watcher, { onError: (error) => errors.push(error) });

  const rounds = 60;
  for (let round = 1; round <= rounds; round += 1) {
    await writer.updateVariables(Object.fromEntries(names.map((name) => [name, round])));
    if (round === 20) await pool.restartWorker(0);
    if (round === 40) await pool.restartWorker(1);
  }

  await within(
    20_000,
    chain.when(() => names.every((name) => chain.versionOf(name) === rounds + 1)),
    'the last version of each',
  );
  assert.deepEqual(chain.broken, []);
  assert.deepEqual(errors, []);
  assert.equal(chain.delivered + chain.missed, names.length * rounds);
  assert.equal((await state.listWatchers()).length, names.length);
});
