/** The old value is the one that this watch saw last, filtered ones included, across a cut and a dead worker too. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import { SeenUpdates, SOON } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';

let server: ServerProcess;

before(async () => {
  server = await ServerProcess.start();
});

after(() => server.close());

/** Changes by 1 or less are between those by more. */
const TEMPERATURES = [20.5, 22, 21.5, 21, 30, 29.5, 29, 25, 25.5, 40];
/** [old, new, version] of those by more than 1. */
const LARGE_CHANGES = [
  [20.5, 22, 3],
  [21, 30, 6],
  [29, 25, 9],
  [25.5, 40, 11],
];

for (const [what, filter] of [
  ['a condition', { changedBy: 1.01 }],
  ['a function', (old: unknown, now: unknown) => Math.abs((now as number) - (old as number)) > 1],
] as const) {
  for (const fault of ['none', 'cut', 'crash'] as const) {
    test(`${what} sees the same old and new in another process: fault ${fault}`, async () => {
      const name = `${what} ${fault}`;
      await using proxy = await TcpProxy.start(server.port);
      await using pool = await WorkerPool.open({ workers: 1 });
      await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
      await using state = await BridgedState.open({ endpoint: proxy.endpoint, pool, verify: true, ...SOON });
      await writer.registerVariable(name, 'float', 20);
      const seen = new SeenUpdates();
      const { onError, onState } = seen;
      const watch = await state.watchVariables(name, seen.watcher, { filter, onError, onState });

      for (const [place, value] of TEMPERATURES.entries()) {
        await writer.setVariable(name, value);
        // Each time right behind a value that is not told.
        if (fault !== 'none' && (place === 3 || place === 6)) {
          const states = seen.states.length;
          if (fault === 'cut') proxy.cut();
          else await pool.restartWorker(0);
          await seen.when(10_000, () => seen.states.length > states, 'the break');
          proxy.mend();
          await seen.when(20_000, () => watch.state === 'live', 'the watch live again');
          await watch.synced;
        }
      }

      await seen.when(10_000, () => seen.last?.newValue === 40, 'the last value');
      assert.deepEqual(
        seen.all.map(({ oldValue, newValue, metadata }) => [oldValue, newValue, metadata.version]),
        LARGE_CHANGES,
      );
      assert.deepEqual(
        seen.all.map(({ metadata }) => [metadata.missed, metadata.resync]),
        LARGE_CHANGES.map(() => [0, false]),
      );
      assert.deepEqual(seen.errors, []);
    });
  }
}
