/** Clients that vanish: their observers go at once, and with them everything that they held. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBridgeServer } from '../../src/server/index.js';
import { until, within } from '../support/deadline.js';
import { newValue, PlainClient } from './plain-client.js';

const program = fileURLToPath(new URL('./watching-process.js', import.meta.url));

test('a killed client leaves no observer, and the others get their updates', async () => {
  await using server = await startBridgeServer({ port: 0 });
  const client = new PlainClient(server.port);
  await client.initSession();
  await client.register('fan', 0);
  const own = client.watch({ sessionId: 's', variableIdentifiers: ['fan'] });
  await own.ready();

  const child = fork(program, [String(server.port), '200']);
  await within(20_000, once(child, 'message'), 'the watches of the process');
  assert.equal(server.metrics().observers, 201);
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await within(5_000, exit, 'its end');
  // No keepalive is needed for a process that died: its sockets are closed.
  await until(5_000, () => server.metrics().streams === 1, 'one stream');
  assert.equal(server.metrics().observers, 1);
  await client.set('fan', 1);
  assert.equal(newValue(await own.next()), 1);
  own.call.cancel();
  client.close();
});

test('a client that leaves while changes are published to it leaves no observer', async () => {
  await using server = await startBridgeServer({ port: 0 });
  const client = new PlainClient(server.port);
  await client.initSession();
  await client.register('fan', 0);
  const child = fork(program, [String(server.port), '200']);
  await within(20_000, once(child, 'message'), 'the watches of the process');
  const exit = once(child, 'exit');
  let isGone = false;
  void exit.then(() => {
    isGone = true;
  });
  for (let value = 1; !isGone || value < 100; value += 1) {
    await client.set('fan', value);
    if (value === 50) child.kill('SIGKILL');
  }
  await until(5_000, () => server.metrics().streams === 0, 'no stream');
  assert.equal(server.metrics().observers, 0);
  assert.equal(server.metrics().observersFailed, 0);
  client.close();
});
