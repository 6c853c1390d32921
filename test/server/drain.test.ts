/** How a server ends: nobody is left hanging, and nothing of it stays. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { LocalEngine } from '../../src/server/engine/local-engine.js';
import { startBridgeServer } from '../../src/server/index.js';
import { within } from '../support/deadline.js';
import { ServerProcess } from '../support/server-process.js';
import { StubJournal } from './engine/stub-journal.js';
import { any, PlainClient } from './plain-client.js';

test('draining ends every watch with UNAVAILABLE and refuses new calls with it', async () => {
  await using server = await startBridgeServer({ port: 0 });
  const client = new PlainClient(server.port);
  await client.initSession();
  await client.register('fan', 0);
  const watches = Array.from({ length: 20 }, () => client.watch({ sessionId: 's', variableIdentifiers: ['fan'] }));
  await Promise.all(watches.map((watch) => watch.ready()));

  await within(5_000, server.drain(), 'the drain');
  for (const watch of watches) {
    const { code, details, metadata } = await watch.end();
    assert.equal(code, status.UNAVAILABLE);
    assert.equal(details, 'server is draining: reconnect');
    assert.deepEqual(metadata.get('bridge-error'), ['UNAVAILABLE']);
  }
  assert.deepEqual([server.metrics().streams, server.metrics().observers], [0, 0]);
  const refused = [
    await client.failure('Ping', { message: '' }),
    await client.failure('SetVariable', { sessionId: 's', variableIdentifier: 'fan', value: any(1) }),
    await client.watch({ sessionId: 's', variableIdentifiers: ['fan'] }).end(),
  ];
  for (const { code } of refused) assert.equal(code, status.UNAVAILABLE);
  client.close();
});

test('closing frees the port, and closing twice is fine', async () => {
  const server = await startBridgeServer({ port: 0 });
  const client = new PlainClient(server.port);
  await client.initSession();
  await client.register('fan', 0);
  const watch = client.watch({ sessionId: 's', variableIdentifiers: ['fan'] });
  await watch.ready();
  await within(5_000, Promise.all([server.close(), server.close()]), 'the end');
  assert.equal((await watch.end()).code, status.UNAVAILABLE);
  await server.close();
  const next = await startBridgeServer({ port: server.port });
  await next.close();
  client.close();
});

test('what is under way is answered before the server closes', async () => {
  const journal = new StubJournal(undefined, { holds: true });
  const server = await startBridgeServer({ port: 0, engine: new LocalEngine(journal) });
  const client = new PlainClient(server.port);
  const beginning = client.initSession();
  await within(5_000, journal.keep(), 'the session');
  await beginning;
  const registering = client.register('fan', 0);
  await within(5_000, journal.asked(), 'the commit');
  const closing = server.close();
  await journal.keep();
  assert.match(await registering, /^var_/);
  await within(5_000, closing, 'the end');
  client.close();
});

test('a client that takes nothing holds the end up for drainMs and no longer', async () => {
  const server = await startBridgeServer({ port: 0, drainMs: 200 });
  const client = new PlainClient(server.port);
  await client.initSession();
  await client.register('text', 0, { type: 'string', initialValue: any('', 'string') });
  const call = client.watchUnread({ sessionId: 's', variableIdentifiers: ['text'] });
  call.on('error', () => undefined);
  call.read(0);
  for (let round = 0; round < 50; round += 1) {
    const value = any(`${round} ${'x'.repeat(10_000)}`, 'string');
    await client.call('SetVariable', { sessionId: 's', variableIdentifier: 'text', value });
  }
  await within(5_000, server.close(), 'the end');
  client.close();
});

test('a port that is in use is said in one sentence', async () => {
  await using server = await startBridgeServer({ port: 0 });
  await assert.rejects(startBridgeServer({ port: server.port }), (error: Error & { code: string }) => {
    assert.equal(error.code, 'UNAVAILABLE');
    assert.match(error.message, /cannot listen on 127\.0\.0\.1:\d+: the port is in use/);
    return true;
  });
  await assert.rejects(startBridgeServer({ port: 0, adminPort: server.port }), /admin port/);
  await assert.rejects(startBridgeServer({ port: 0, host: '192.0.2.1' }), /no such address/);
  await assert.rejects(startBridgeServer({ port: 0, tls: { cert: 'x', key: 'y' } }), { code: 'INVALID_OPTIONS' });
});

test('a closed server keeps its process no longer', async () => {
  const server = await ServerProcess.start();
  const client = new PlainClient(server.port);
  await client.initSession();
  await client.register('fan', 0, { ttlMs: 3_600_000 });
  const watch = client.watch({ sessionId: 's', variableIdentifiers: ['fan'] });
  await watch.ready();
  // The process is not told to exit: it ends when nothing holds it.
  await server.close();
  assert.equal(server.child.exitCode, 0);
  assert.equal((await watch.end()).code, status.UNAVAILABLE);
  client.close();
});
