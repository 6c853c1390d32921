import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { PlainClient } from './plain-client.js';

let server: BridgeServer;
let client: PlainClient;

before(async () => {
  server = await startBridgeServer({ port: 0, adminPort: 0 });
  client = new PlainClient(server.port);
  await client.initSession();
  await client.register('fan', 0);
  await client.set('fan', 1);
});

after(async () => {
  client.close();
  await server.close();
});

const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.adminPort}${path}`, init);

test('/metrics counts for Prometheus what metrics() says', async () => {
  const response = await get('/metrics');
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=/);
  const text = await response.text();
  assert.match(text, /^bridged_state_sessions 1$/m);
  assert.match(text, /^bridged_state_variables 1$/m);
  assert.match(text, /^bridged_state_sets_total 1$/m);
  assert.match(text, /^# TYPE bridged_state_sets_total counter$/m);
  // Asked again it is counted once.
  assert.match(await (await get('/metrics')).text(), /^bridged_state_sets_total 1$/m);
});

test('/sessions lists them with what they hold', async () => {
  const { epoch, total, sessions } = (await (await get('/sessions?x=1')).json()) as {
    epoch: string;
    total: number;
    sessions: { id: string; variables: number; revision: number; streams: number }[];
  };
  assert.equal(epoch, server.epoch);
  assert.equal(total, 1);
  assert.deepEqual(
    sessions.map(({ id, variables, revision, streams }) => [id, variables, revision, streams]),
    [['s', 1, 2, 0]],
  );
});

test('anything else is refused', async () => {
  assert.equal((await get('/')).status, 404);
  assert.equal((await get('/metrics', { method: 'POST' })).status, 405);
});

test('/healthz is ok as long as the process answers, /readyz until it drains', async () => {
  assert.deepEqual([(await get('/healthz')).status, (await get('/readyz')).status], [200, 200]);
  await server.drain();
  assert.deepEqual([(await get('/healthz')).status, (await get('/readyz')).status], [200, 503]);
});

test('a server without an admin port has none, and loads nothing for it', async () => {
  await using plain = await startBridgeServer({ port: 0 });
  assert.equal(plain.adminPort, undefined);
});
