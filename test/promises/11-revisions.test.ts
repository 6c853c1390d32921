/** A session's revision rises with each commit, over all variables of a watch, and never goes back within an epoch. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';

test('revisions rise over all variables of a watch, an atomic batch has one, and breaks take nothing back', async () => {
  const server = await ServerProcess.start();
  try {
    await using proxy = await TcpProxy.start(server.port);
    await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 1 });
    await using state = await BridgedState.open({
      endpoint: proxy.endpoint,
      workers: 1,
      reconnect: { baseMs: 20, spreadMs: 5 },
    });
    const names = Array.from({ length: 8 }, (_, number) => `v${number}`);
    for (const name of names) await writer.registerVariable(name, 'integer', 0);
    const seen = new SeenUpdates();
    await state.watchVariables(names, seen.watcher);
    for (let round = 1; round <= 60; round += 1) {
      await writer.setVariable(names[round % names.length]!, -round);
      await writer.updateVariables(Object.fromEntries(names.map((name) => [name, round])), { atomic: true });
      if (round % 20 === 10) proxy.cut();
      if (round % 20 === 15) proxy.mend();
    }
    proxy.mend();
    const isLast = (name: string) => seen.all.findLast(({ identifier }) => identifier === name)?.newValue === 60;
    await seen.when(20_000, () => names.every(isLast), 'the last of each');
    const revisions = seen.all.map(({ metadata }) => metadata.revision);
    for (const [place, revision] of revisions.entries()) {
      assert.ok(place === 0 || revision >= revisions[place - 1]!, `revision ${revision} after ${revisions[place - 1]}`);
    }
    const ofBatches = new Map<number, number>();
    for (const { metadata, newValue } of seen.all) {
      if (Number(newValue) > 0) ofBatches.set(metadata.revision, (ofBatches.get(metadata.revision) ?? 0) + 1);
    }
    assert.ok(
      [...ofBatches.values()].every((count) => count === names.length),
      'each batch has one revision',
    );
  } finally {
    await server.close();
  }
});
