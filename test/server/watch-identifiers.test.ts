/** Which variable an identifier means, and how a watch is told so. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import type { PlainWatch } from './plain-client.js';
import { PlainClient } from './plain-client.js';

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

function watch(variableIdentifiers: string[], more: object = {}): PlainWatch {
  return client.watch({ sessionId: 's', variableIdentifiers, options: { synced: '1' }, ...more });
}

function resume(variableIdentifiers: string[], seen: Record<string, number>): PlainWatch {
  return watch(variableIdentifiers, { resume: seen, resumeEpoch: server.epoch });
}

/** Type, name and identifiers of everything up to the synced mark. */
async function opening(of: PlainWatch) {
  const updates = [];
  for (;;) {
    const update = await of.next();
    if (update.updateType === 'synced') break;
    updates.push([update.updateType, update.variable?.name, update.identifiers]);
  }
  of.call.cancel();
  return updates;
}

describe('the first update of a variable on a stream', () => {
  test('says what the request calls it, where that is not its name, and no later one does', async () => {
    const id = await client.register('by-id', 1);
    const of = watch([id], { includeInitialValues: true });
    const [initial] = await of.take(2);
    await client.set('by-id', 2);
    const [change] = await of.take(1);
    assert.deepEqual(initial?.identifiers, [id]);
    assert.deepEqual([change?.updateType, change?.identifiers], ['value_change', []]);
    of.call.cancel();
  });

  test('says it though it is a change', async () => {
    const id = await client.register('change-by-id', 1);
    const of = watch([id]);
    await of.ready();
    await client.set('change-by-id', 2);
    const [, change] = await of.take(2);
    assert.deepEqual([change?.updateType, change?.identifiers], ['value_change', [id]]);
    of.call.cancel();
  });

  test('names all of the request that mean it, each once', async () => {
    const id = await client.register('both', 1);
    assert.deepEqual(await opening(watch(['both', id, id, 'both'], { includeInitialValues: true })), [
      ['initial_value', 'both', ['both', id]],
    ]);
  });

  test('says nothing of it for one that is called by its name', async () => {
    await client.register('named', 1);
    assert.deepEqual(await opening(watch(['named'], { includeInitialValues: true })), [['initial_value', 'named', []]]);
  });

  test('says it of a deletion that a resumed watch is told', async () => {
    const id = await client.register('gone-by-id', 1);
    const other = await client.register('stays', 1);
    await client.call('DeleteVariable', { sessionId: 's', variableIdentifier: id });
    assert.deepEqual(await opening(resume(['gone-by-id', id, 'stays', 'never'], { [id]: 1, [other]: 1, never: 1 })), [
      ['deleted', 'gone-by-id', ['gone-by-id', id]],
      ['deleted', undefined, ['never']],
    ]);
  });
});

describe('a variable named like the id of another', () => {
  test('is not taken for it by a watch that resumes', async () => {
    const id = await client.register('resumed', 1);
    await client.register(id, 5);
    await client.set('resumed', 2);
    assert.deepEqual(await opening(resume([id], { [id]: 1 })), [['value_change', 'resumed', [id]]]);
  });

  test('is not taken for it when the other was deleted meanwhile', async () => {
    const id = await client.register('deleted', 1);
    const other = await client.register('beside', 1);
    await client.call('DeleteVariable', { sessionId: 's', variableIdentifier: 'deleted' });
    await client.register(id, 5);
    assert.deepEqual(await opening(resume([id, 'beside'], { [id]: 1, [other]: 1 })), [['deleted', 'deleted', [id]]]);
  });

  test('is what a watch resumes that had it, whatever became of the other', async () => {
    const id = await client.register('other', 1);
    const ownId = await client.register(id, 5);
    await client.set(ownId, 6);
    await client.call('DeleteVariable', { sessionId: 's', variableIdentifier: 'other' });
    assert.deepEqual(await opening(resume(['other', id], { [id]: 1, [ownId]: 1 })), [
      ['value_change', id, []],
      ['deleted', 'other', []],
    ]);
  });
});
