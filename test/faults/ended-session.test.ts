/** A session that is ended, and made anew under its id with the same names, while its clients set, watch or are away. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { PlainClient } from '../server/plain-client.js';
import { until, within } from '../support/deadline.js';
import { PassingServer } from '../support/passing-server.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const WAIT_MS = 5_000;

let server: BridgeServer;
let other: PlainClient;

before(async () => {
  server = await startBridgeServer({ port: 0 });
  other = new PlainClient(server.port);
});

after(async () => {
  other.close();
  await server.close();
});

/** By a client of its own, so that nobody's call waits for it. */
async function end(sessionId: string): Promise<void> {
  assert.ok((await other.call('CleanupSession', { sessionId, force: true })).success);
}

async function register(sessionId: string, name: string, value: number): Promise<void> {
  await other.call('InitializeSession', { sessionId });
  const initialValue = { type_url: 'type.googleapis.com/snakepit.integer', value: Buffer.from(String(value)) };
  const { success, errorMessage } = await other.call('RegisterVariable', {
    ...{ sessionId, name, type: 'integer', initialValue },
  });
  assert.ok(success, errorMessage ?? '');
}

function startPassing(): Promise<PassingServer> {
  return PassingServer.start(server.port, { tap: { up: () => undefined, down: (bytes) => bytes } });
}

function openBy({ endpoint }: PassingServer, sessionId: string): Promise<BridgedState> {
  return BridgedState.open({ endpoint, sessionId, workers: 0, transport: 'link' });
}

describe('when a session is ended and made anew', { concurrency: true }, () => {
  test('sets that met its end are made before those that were called later', async () => {
    const sessionId = 'order';
    await using passing = await startPassing();
    await using state = await openBy(passing, sessionId);
    await register(sessionId, 'v', 1);
    await state.setVariable('v', 2);
    await end(sessionId);
    passing.hold('InitializeSession');
    const first = state.setVariable('v', 10);
    await until(WAIT_MS, () => passing.holding > 0, 'the question for the session');
    await register(sessionId, 'v', 1);
    const second = state.setVariable('v', 20);
    // It may be at the server by now.
    await state.getVariable('v');
    passing.release();
    assert.deepEqual(await within(WAIT_MS, Promise.all([first, second]), 'both sets'), [2, 3]);
    assert.equal(await state.getVariable('v'), 20);
  });

  test('what was sent and not answered when it ended is made in the new one, an atomic batch as a whole', async () => {
    const sessionId = 'sent';
    await using passing = await startPassing();
    await using state = await openBy(passing, sessionId);
    for (const name of ['a', 'b']) await register(sessionId, name, 1);
    await state.setVariable('a', 2);
    passing.hold('Open');
    const made = [
      state.setVariable('a', 3),
      state.updateVariables({ a: 4, b: 4 }, { atomic: true }),
      state.setVariable('a', 5),
    ];
    await until(WAIT_MS, () => passing.holding > 0, 'the sets on their way');
    await end(sessionId);
    for (const name of ['a', 'b']) await register(sessionId, name, 1);
    passing.release();
    const [one, both, last] = await within(WAIT_MS, Promise.all(made), 'what was made');
    assert.deepEqual(
      [one, both, last],
      [
        2,
        new Map([
          ['a', 3],
          ['b', 2],
        ]),
        4,
      ],
    );
  });

  for (const transport of ['link', 'stream'] as const) {
    test(`a watch that was away meanwhile is told what is there now, by ${transport}`, async () => {
      const sessionId = `away-${transport}`;
      await using wire = await TcpProxy.start(server.port);
      const reconnect = { baseMs: 20, capMs: 50, spreadMs: 10 };
      await using state = await BridgedState.open({
        endpoint: wire.endpoint,
        sessionId,
        workers: 0,
        transport,
        reconnect,
      });
      await register(sessionId, 'v', 1);
      const seen = new SeenUpdates();
      const watch = await state.watchVariables('v', seen.watcher, { onState: seen.onState });
      await state.setVariable('v', 2);
      await seen.when(WAIT_MS, () => seen.last?.newValue === 2, 'the set');
      // So that it is known where it is.
      await state.setVariable('v', 3);
      await seen.when(WAIT_MS, () => seen.last?.newValue === 3, 'the second set');
      wire.cut();
      await end(sessionId);
      await register(sessionId, 'v', 100);
      for (let other = 0; other < 10; other += 1) await register(sessionId, `other-${other}`, 1);
      wire.mend();
      await seen.when(WAIT_MS, () => seen.last?.newValue === 100, 'the value of the new life');
      assert.deepEqual(seen.rows().at(-1), [3, 100, 1, 0, true]);
      await watch.stop();
    });
  }
});
