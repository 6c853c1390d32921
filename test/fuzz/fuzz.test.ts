/** Short runs of `npm run fuzz`, of fixed seeds: frames of the link that are changed, sent again, out of order, or somebody else's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { until } from '../../src/testing/within.js';
import { Random } from '../chaos/programs/random.js';
import { PlainClient } from '../server/plain-client.js';
import { PassingServer } from '../support/passing-server.js';
import { fuzzClient } from './client-fuzz.js';
import { mutated } from './mutation.js';
import { fuzzServer } from './server-fuzz.js';
import { OTHER_SESSION, SESSION, sendCarelessly } from './sets-once.js';

test('changed frames of a client end their link with a reason, or are counted and passed over (seed 3)', async () => {
  const { frames, findings } = await fuzzServer(3, 500);
  assert.deepEqual(findings, []);
  assert.ok(frames >= 500);
});

test('changed frames of a server are read, or refused as what they are (seed 3)', async () => {
  const { findings } = await fuzzClient(3, 3_000);
  assert.deepEqual(findings, []);
});

test('sets that are sent again, out of order, cut, and by a session that does not own the link id are made once (seeds 1 to 6)', async () => {
  const server = await startBridgeServer({ port: 0 });
  const client = new PlainClient(server.port);
  try {
    await client.initSession();
    await client.initSession(OTHER_SESSION);
    for (let seed = 1; seed <= 6; seed += 1) {
      const name = `once ${seed}`;
      await client.register(name, 0);
      await client.register(name, 0, { sessionId: OTHER_SESSION });
      assert.deepEqual(
        await sendCarelessly(client, server.port, name, 60, seed),
        [],
        `seed ${seed} of session ${SESSION}`,
      );
    }
  } finally {
    client.close();
    await server.close();
  }
});

test('a client whose server says changed frames for a while watches on when it says right ones again (seed 5)', async () => {
  const server = await startBridgeServer({ port: 0 });
  const random = new Random(5);
  let isChanging = false;
  let changed = 0;
  const seen: Uint8Array[] = [];
  const tap = {
    up: () => undefined,
    down: (bytes: Buffer) => {
      if (seen.length < 50) seen.push(Uint8Array.from(bytes));
      // Cut, so that it can be told from what a server of good will says: one that lies is believed.
      if (!isChanging || random.chance(0.5)) return bytes;
      changed += 1;
      const lie = mutated(bytes, seen, random);
      return Buffer.concat([lie.subarray(0, lie.length >> 1), Buffer.from([0xff])]);
    },
  };
  await using passing = await PassingServer.start(server.port, { tap });
  const options = { sessionId: 's', workers: 1, reconnect: { baseMs: 5, capMs: 20 } } as const;
  await using writer = await BridgedState.open({ ...options, endpoint: `127.0.0.1:${server.port}` });
  await using state = await BridgedState.open({
    ...options,
    endpoint: passing.endpoint,
    transport: 'link',
    verify: true,
  });
  await writer.registerVariable('number', 'float', 0);
  let last: unknown;
  const errors: Error[] = [];
  const onError = (error: Error): void => void errors.push(error);
  await state.watchVariables('number', (_, __, now) => (last = now), { onError });
  isChanging = true;
  let value = 0;
  await until(
    async () => {
      value += 1;
      await writer.setVariable('number', value);
      return changed >= 100;
    },
    'frames are changed',
    60_000,
  );
  isChanging = false;
  await writer.setVariable('number', -1);
  await until(() => last === -1, 'the last value', 30_000);
  await state.close();
  await writer.close();
  await server.close();
});
