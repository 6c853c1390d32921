/** The order of what a watch is sent: registration before reading, initial values before changes, versions rising. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { newValue, oldValue, PlainClient } from './plain-client.js';

describe('what a watch is sent', () => {
  let server: BridgeServer;
  let client: PlainClient;

  before(async () => {
    server = await startBridgeServer({ port: 0 });
    client = new PlainClient(server.port);
    await client.initSession();
  });

  after(async () => {
    client.close();
    await server.close();
  });

  test('a watch says its epoch in the headers before anything has changed', async () => {
    await client.register('headers', 1);
    const watch = client.watch({ sessionId: 's', variableIdentifiers: ['headers'] });
    const header = await watch.ready();
    assert.deepEqual(header.get('bridge-epoch'), [server.epoch]);
    assert.deepEqual(header.get('bridge-keepalive-ms'), ['10000']);
    watch.call.cancel();
  });

  test('a set after the headers is delivered with its old value', async () => {
    const id = await client.register('fan', 20);
    const watch = client.watch({ sessionId: 's', variableIdentifiers: ['fan'] });
    await watch.ready();
    assert.equal(await client.set('fan', 21.5), 2);
    const update = await watch.next();
    assert.equal(update.updateType, 'value_change');
    assert.equal(update.variableId, id);
    assert.equal(update.variable?.version, 2);
    assert.equal(newValue(update), 21.5);
    assert.equal(oldValue(update), 20);
    watch.call.cancel();
  });
});
