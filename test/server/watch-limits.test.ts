/** Watches that are large or hostile: refused, opened in turns, and gone without a trace. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { BridgeServer, BridgeServerOptions } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { until, within } from '../support/deadline.js';
import { any, PlainClient } from './plain-client.js';

let server: BridgeServer;
let client: PlainClient;

async function start(options: BridgeServerOptions = {}): Promise<void> {
  server = await startBridgeServer({ port: 0, ...options });
  client = new PlainClient(server.port, undefined, { 'grpc.max_send_message_length': 8e6 });
  await client.initSession();
}

afterEach(async () => {
  client.close();
  await server.close();
});

const names = (count: number, prefix: string) => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

describe('names that a connection waits for', () => {
  test('are refused above maxConnectionBytes, and there is room again when the watch is gone', async () => {
    await start({ maxConnectionBytes: 1_000_000 });
    const waiting = { sessionId: 's', options: { missing: 'wait' } };
    const first = client.watch({ ...waiting, variableIdentifiers: names(2_000, 'a') });
    await first.ready();
    const second = client.watch({ ...waiting, variableIdentifiers: names(2_000, 'b') });
    const { code, details, metadata } = await second.end();
    assert.equal(code, status.RESOURCE_EXHAUSTED);
    assert.match(details, /maxConnectionBytes/);
    assert.deepEqual(metadata.get('bridge-error'), ['QUOTA_EXCEEDED']);
    // It goes in turns.
    await until(5_000, () => server.metrics().observers === 2_000, 'nothing of it is left');
    const other = new PlainClient(server.port);
    const elsewhere = other.watch({ ...waiting, variableIdentifiers: names(2_000, 'b') });
    await elsewhere.ready();
    for (const { call } of [first, elsewhere]) call.cancel();
    await until(5_000, () => server.metrics().observers === 0, 'the observers of both watches go');
    const third = client.watch({ ...waiting, variableIdentifiers: names(2_000, 'c') });
    await third.ready();
    third.call.cancel();
    other.close();
  });
});

test('one more pattern than maxSessionPatterns is refused', async () => {
  await start({ maxSessionPatterns: 2 });
  const first = client.watch({ sessionId: 's', patterns: ['a*', 'b*'] });
  await first.ready();
  const refused = await client.watch({ sessionId: 's', patterns: ['b*', 'c*'] }).end();
  assert.equal(refused.code, status.RESOURCE_EXHAUSTED);
  assert.match(refused.details, /maxSessionPatterns/);
  const same = client.watch({ sessionId: 's', patterns: ['a*'] });
  await same.ready();
  for (const { call } of [first, same]) call.cancel();
});

test('registrations that are compared with many patterns leave others their turn', async () => {
  await start({ maxSessionPatterns: 400 });
  const tail = 'a'.repeat(120);
  for (let watch = 0; watch < 4; watch += 1) {
    const patterns = names(100, `*?${tail}b`).map((pattern) => `${pattern}${watch}*`);
    await client.watch({ sessionId: 's', patterns }).ready();
  }
  const other = new PlainClient(server.port);
  await other.call('Ping', { message: '' });
  let registered = 0;
  const registering = names(200, 'a'.repeat(240)).map(async (name) => {
    await client.register(name, 0);
    registered += 1;
  });
  let pings = 0;
  while (registered < 200) {
    await other.call('Ping', { message: '' });
    pings += 1;
  }
  await Promise.all(registering);
  assert.ok(pings >= 6, `${pings} calls of another were answered meanwhile`);
  other.close();
});

describe('a watch that is gone before it is open', () => {
  test('leaves no observer', async () => {
    await start();
    for (let round = 0; round < 5; round += 1) {
      const watch = client.watch({
        sessionId: 's',
        variableIdentifiers: names(50_000, `r${round}-`),
        options: { missing: 'wait' },
      });
      await until(5_000, () => server.metrics().observers > 0, 'it has begun to register');
      watch.call.cancel();
      await until(5_000, () => server.metrics().observers === 0 && server.metrics().streams === 0, 'nothing is left');
    }
  });

  test('because a name is missing holds nothing up: the server closes at once', async () => {
    await start({ drainMs: 60_000 });
    const { code } = await client.watch({ sessionId: 's', variableIdentifiers: ['never'] }).end();
    assert.equal(code, status.NOT_FOUND);
    await within(5_000, server.close(), 'the end of the server');
  });

  test('because its session ended is told that its variables went, then ends', async () => {
    await start();
    await client.register('fan', 1);
    const watch = client.watch({
      sessionId: 's',
      variableIdentifiers: ['fan', ...names(100_000, 'n')],
      options: { missing: 'wait' },
    });
    await until(5_000, () => server.metrics().observers > 0, 'it has begun to register');
    await client.call('CleanupSession', { sessionId: 's', force: true });
    const { code } = await watch.end();
    assert.equal(code, status.OK);
    assert.deepEqual(
      watch.updates.map(({ updateType, reason }) => [updateType, reason]),
      [['deleted', 'session-ended']],
    );
  });
});

test('a set while a large watch opens is told once, behind the initial value that was there before', async () => {
  await start();
  await Promise.all(names(600, 'v').map((name) => client.register(name, 0)));
  const watch = client.watch({
    sessionId: 's',
    patterns: ['v*'],
    includeInitialValues: true,
    options: { synced: '1' },
  });
  const writer = new PlainClient(server.port);
  for (let value = 1; value <= 20; value += 1) {
    const updates = Object.fromEntries(['v0', 'v300', 'v599'].map((name) => [name, any(value)]));
    await writer.call('SetVariables', { sessionId: 's', updates, atomic: true });
  }
  await until(10_000, () => watch.updates.filter(({ updateType }) => updateType !== 'synced').length >= 600, 'all');
  await until(10_000, () => watch.updates.at(-1)?.variable?.version === 21, 'the last set');
  writer.close();
  let revision = 0;
  const known = new Map<string, number>();
  for (const { updateType, variable, revision: at } of watch.updates) {
    if (updateType === 'synced') continue;
    assert.ok(Number(at) >= revision, 'revisions rise');
    revision = Number(at);
    const before = known.get(variable!.name!);
    assert.equal(updateType, before === undefined ? 'initial_value' : 'value_change');
    if (before !== undefined) assert.equal(variable!.version, before + 1);
    known.set(variable!.name!, variable!.version!);
  }
  assert.equal(known.size, 600);
  for (const name of ['v0', 'v300', 'v599']) assert.equal(known.get(name), 21);
  watch.call.cancel();
});
