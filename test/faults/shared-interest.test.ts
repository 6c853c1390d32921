/** Watches of one variable share what comes upstream: whoever joins, leaves or breaks in the middle, each hears every version. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Watch } from '../../src/main/index.js';
import { BridgedState } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { until, within } from '../support/deadline.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { workerCounts } from '../support/worker-counts.js';

const SOON = { reconnect: { baseMs: 5, spreadMs: 5, capMs: 50 } };

/** Broken chains of what one watch saw: versions that neither came nor were missed. */
function gapsOf({ all }: SeenUpdates): string[] {
  const gaps: string[] = [];
  for (const [place, { oldValue, metadata }] of all.entries()) {
    const before = all[place - 1];
    if (before === undefined) continue;
    if (metadata.version !== before.metadata.version + 1 + metadata.missed)
      gaps.push(`${before.metadata.version} -> ${metadata.version} with ${metadata.missed} missed`);
    if (metadata.missed === 0 && oldValue !== before.newValue)
      gaps.push(`old ${String(oldValue)} at ${metadata.version}`);
  }
  return gaps;
}

for (const workers of workerCounts([0, 1], 0)) {
  test(`with ${workers} workers, watches that join and leave while a variable is set hear each version, and cost the server one observer`, async () => {
    await using server = await startBridgeServer({ port: 0 });
    await using proxy = await TcpProxy.start(server.port);
    await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 1 });
    await using state = await BridgedState.open({ endpoint: proxy.endpoint, workers, verify: true, ...SOON });
    await writer.registerVariable('fan', 'integer', 0);
    const sightings: SeenUpdates[] = [];
    const running: Watch[] = [];
    let value = 0;
    let isWriting = true;
    const writing = (async () => {
      while (isWriting) {
        value += 1;
        await writer.setVariable('fan', value);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let round = 0; round < 60; round += 1) {
      const opening = Array.from({ length: 4 }, async (_, number) => {
        const seen = new SeenUpdates();
        sightings.push(seen);
        const options = { onError: seen.onError, includeInitial: number % 2 === 0, bufferLimit: 100_000 };
        running.push(await state.watchVariables('fan', seen.watcher, options));
      });
      await within(20_000, Promise.all(opening), 'four watches');
      for (const watch of running.splice(0, running.length > 40 ? 10 : 2)) await watch.stop();
      if (round % 20 === 10) {
        proxy.cut();
        proxy.mend();
      }
    }
    isWriting = false;
    await writing;
    await writer.setVariable('fan', -1);
    const live = running.length;
    const isTold = (): boolean => sightings.filter(({ last }) => last?.newValue === -1).length === live;
    await until(20_000, isTold, 'the last value at every watch');
    assert.deepEqual(sightings.flatMap(gapsOf), []);
    assert.deepEqual(
      sightings.flatMap(({ errors }) => errors),
      [],
    );
    if (state.capabilities.transport !== 'link') return;
    await writer.setVariable('fan', -2);
    await until(10_000, () => server.metrics().observers === 1, 'one observer for all of them');
    await Promise.all(running.map((watch) => watch.stop()));
    await until(10_000, () => server.metrics().observers === 0, 'none');
  });
}
