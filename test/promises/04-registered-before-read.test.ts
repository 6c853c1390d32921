/** The observer is registered before values are read: initial value and changes join, however busy the writer is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { until } from '../support/deadline.js';
import type { SeenUpdate } from '../support/seen-updates.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { ServerProcess } from '../support/server-process.js';
import { RunningWriter } from '../support/writer-children.js';

test('200 watches opened under a running writer begin with the initial value and have no gap after it', async () => {
  const server = await ServerProcess.start();
  try {
    const endpoint = `127.0.0.1:${server.port}`;
    await using state = await BridgedState.open({ endpoint, workers: 2, verify: true });
    await state.registerVariable('count', 'integer', 0);
    await using _writer = new RunningWriter(endpoint, 'count');
    const steady = new SeenUpdates();
    await state.watchVariables('count', steady.watcher);
    await steady.when(20_000, () => steady.all.length > 10, 'the writer at work');

    const watches: SeenUpdates[] = [];
    for (let round = 0; round < 20; round += 1) {
      const some = Array.from({ length: 10 }, () => new SeenUpdates());
      watches.push(...some);
      await Promise.all(
        some.map(({ watcher, onError }) => state.watchVariables('count', watcher, { includeInitial: true, onError })),
      );
    }

    await until(20_000, () => watches.every(({ all }) => all.length >= 30), '30 updates of each watch');
    for (const { all, errors } of watches) {
      checkJoined(all);
      assert.deepEqual(errors, []);
    }
  } finally {
    await server.close();
  }
});

/** The writer's value is always one less than the version. */
function checkJoined(all: readonly SeenUpdate[]): void {
  const first = all[0]!.metadata.version;
  for (const [place, { oldValue, newValue, metadata }] of all.entries()) {
    assert.equal(metadata.initial, place === 0);
    assert.equal(metadata.version, first + place);
    assert.equal(newValue, metadata.version - 1);
    assert.equal(oldValue, place === 0 ? undefined : metadata.version - 2);
    assert.equal(metadata.missed, 0);
  }
}
