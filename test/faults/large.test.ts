/** What one message can carry is nobody's limit: requests and answers are split and paged. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BridgedState, LocalState } from '../../src/main/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { until, within } from '../support/deadline.js';
import { SeenUpdates } from '../support/seen-updates.js';
import { sharedPool } from '../support/shared-pool.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const LIMIT = 16_384;

test('a watch whose names fit a message comes back after a break, although names and versions do not', async () => {
  await using server = await startBridgeServer({ port: 0, maxMessageBytes: LIMIT });
  await using proxy = await TcpProxy.start(server.port);
  await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 1 });
  await using state = await BridgedState.open({ endpoint: proxy.endpoint, workers: 1 });
  const names = Array.from({ length: 625 }, (_, number) => `v${number}`);
  await Promise.all(names.map((name) => writer.registerVariable(name, 'integer', 0)));
  const seen = new SeenUpdates();
  const watch = await state.watchVariables(names, seen.watcher, { onState: seen.onState, onError: seen.onError });
  await watch.synced;
  proxy.cut();
  await seen.when(5_000, () => seen.states.includes('backoff'), 'the break');
  for (const name of ['v7', 'v600']) await writer.setVariable(name, 1);
  proxy.mend();
  await seen.when(10_000, () => seen.all.length === 2, 'both changes');
  await within(5_000, watch.synced, 'being in step again');
  assert.deepEqual(seen.errors, []);
  assert.equal(seen.missed, 0);
  await watch.stop();
  assert.deepEqual(await state.listWatchers(), []);
});

test('watches and sets of one turn go to a server that takes small messages, in as many as they need', async () => {
  await using server = await startBridgeServer({ port: 0, maxMessageBytes: 1_024 });
  const endpoint = `127.0.0.1:${server.port}`;
  await using state = await BridgedState.open({ endpoint, pool: await sharedPool(1), transport: 'link' });
  const names = Array.from({ length: 200 }, (_, place) => `house/room/sensor/${place}`);
  for (const name of names) await state.registerVariable(name, 'float', 0);
  const heard = new Set<string>();
  const watches = await Promise.all(
    names.map((name) => state.watchVariables([name], (_, __, value, { version }) => heard.add(`${value} ${version}`))),
  );
  const sets = names.map((name, place) => state.setVariable(name, place + 1, { metadata: { note: 'x'.repeat(40) } }));
  await within(10_000, Promise.all(sets), 'the sets');
  await until(5_000, () => heard.size === names.length, 'all updates');
  await Promise.all(watches.map((watch) => watch.stop()));
});

test('lists, gets of many, updates of many, exports and imports go over any number of messages', async () => {
  await using server = await startBridgeServer({ port: 0, maxMessageBytes: LIMIT });
  const endpoint = `127.0.0.1:${server.port}`;
  const local = new LocalState();
  const names = Array.from({ length: 750 }, (_, number) => `variable-${number}`);
  for (const name of names) await local.registerVariable(name, 'string', `value of ${name} ${'x'.repeat(40)}`);
  await using state = await BridgedState.open({ endpoint, workers: 1, existingState: local });
  await local.close();
  assert.equal((await state.listVariables()).length, names.length);
  assert.equal(
    (await state.listVariables('variable-1*')).length,
    names.filter((name) => name.startsWith('variable-1')).length,
  );
  assert.equal((await state.getVariables(names)).size, names.length);
  const versions = await state.updateVariables(
    Object.fromEntries(names.map((name) => [name, `another value of ${name}`])),
  );
  assert.deepEqual(new Set(versions.values()), new Set([2]));
  assert.equal((await state.exportState()).variables.length, names.length);
});

test('a history larger than a message comes whole, and an atomic batch larger than one is refused as such', async () => {
  await using server = await startBridgeServer({ port: 0, maxMessageBytes: LIMIT });
  await using state = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 1 });
  await state.registerVariable('text', 'string', '0');
  for (let version = 2; version <= 12; version += 1) await state.setVariable('text', String(version).repeat(2_000));
  const history = await state.history('text');
  assert.deepEqual(
    history.map(({ version }) => version),
    Array.from({ length: 12 }, (_, place) => place + 1),
  );
  assert.deepEqual(
    (await state.history('text', { limit: 5 })).map(({ version }) => version),
    [8, 9, 10, 11, 12],
  );
  const names = Array.from({ length: 30 }, (_, number) => `t${number}`);
  for (const name of names) await state.registerVariable(name, 'string', '');
  const large = Object.fromEntries(names.map((name) => [name, 'y'.repeat(1_000)]));
  await assert.rejects(state.updateVariables(large, { atomic: true }), { code: 'MESSAGE_TOO_LARGE' });
  assert.equal(await state.getVariable('t0'), '');
  assert.equal((await state.updateVariables(large)).size, names.length);
});
