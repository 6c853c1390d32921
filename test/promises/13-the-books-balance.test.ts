/** Versions since registration = delivered + filtered + rate-limited + missed + buffered, for every kind of watch, through breaks. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { WatcherInfo, WatchOptions } from '../../src/main/index.js';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import { within } from '../support/deadline.js';
import { SOON } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';

let server: ServerProcess;

before(async () => {
  server = await ServerProcess.start();
});

after(() => server.close());

const isEven = (_: unknown, now: unknown) => (now as number) % 2 === 0;

const KINDS: readonly WatchOptions[] = [
  {},
  { filter: isEven },
  { filter: { in: [100, 200, 300] } },
  { bufferLimit: 4 },
  { bufferLimit: 4, overflow: 'drop-oldest', filter: { gt: 150 } },
  { debounceMs: 20 },
  { throttleMs: 50, filter: isEven },
  { throttleMs: 3_600_000 },
  { conflate: true },
];

const SETS = 300;

for (const fault of ['none', 'cut', 'death of the worker'] as const) {
  test(`the books of ${KINDS.length} kinds of watches balance: fault ${fault}`, async () => {
    const name = `books ${fault}`;
    await using proxy = await TcpProxy.start(server.port);
    await using pool = await WorkerPool.open({ workers: 1, credits: 64 });
    await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
    await using state = await BridgedState.open({ endpoint: proxy.endpoint, pool, verify: true, ...SOON });
    await writer.registerVariable(name, 'integer', 0);
    const errors: Error[] = [];
    const onError = (error: Error) => errors.push(error);
    for (const kind of KINDS) await state.watchVariables(name, () => undefined, { ...kind, onError });

    const sets: Promise<unknown>[] = [];
    for (let value = 1; value <= SETS; value += 1) {
      sets.push(writer.setVariable(name, value));
      if (fault === 'none' || value % 100 !== 50) continue;
      await Promise.all(sets);
      if (fault === 'cut') proxy.cut();
      else await pool.restartWorker(0);
      for (let more = 0; more < 5; more += 1) await writer.setVariable(name, -value - more);
      proxy.mend();
    }
    await Promise.all(sets);
    const { version } = await writer.getVariableInfo(name);

    const balanced = async () => {
      for (;;) {
        const infos = await state.listWatchers();
        if (infos.every((info) => booked(info) === version - 1)) return infos;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const infos = await within(20_000, balanced(), 'books that balance').catch(async (error: unknown) => {
      const books = (await state.listWatchers()).map((info) => [booked(info), info.stats]);
      throw new Error(`${version - 1} changes, ${JSON.stringify(books)}`, { cause: error });
    });
    assert.equal(infos.length, KINDS.length);
    assert.deepEqual(errors, []);
  });
}

function booked({ stats }: WatcherInfo): number {
  const { updatesDelivered, updatesFiltered, updatesRateLimited, updatesMissed, buffered } = stats;
  return updatesDelivered + updatesFiltered + updatesRateLimited + updatesMissed + buffered;
}
