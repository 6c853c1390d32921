/** What a watch is sent that comes back after a break. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import type { PlainWatch } from './plain-client.js';
import { long, newValue, oldValue, PlainClient } from './plain-client.js';

let server: BridgeServer;
let client: PlainClient;

before(async () => {
  // Versions are kept by number alone: the last 16 of each variable.
  server = await startBridgeServer({ port: 0, history: { maxAgeMs: 0 } });
  client = new PlainClient(server.port);
  await client.initSession();
});

after(async () => {
  client.close();
  await server.close();
});

function resume(variableIdentifiers: string[], seen: Record<string, number>, more: object = {}): PlainWatch {
  return client.watch({
    sessionId: 's',
    variableIdentifiers,
    resume: seen,
    resumeEpoch: server.epoch,
    includeInitialValues: true,
    options: { synced: '1' },
    ...more,
  });
}

/** Everything up to the synced mark. */
async function opening(watch: PlainWatch) {
  const updates = [];
  for (;;) {
    const update = await watch.next();
    if (update.updateType === 'synced') break;
    updates.push(update);
  }
  watch.call.cancel();
  return updates;
}

async function registerAndSet(name: string, versions: number): Promise<string> {
  const id = await client.register(name, 1);
  for (let version = 2; version <= versions; version += 1) await client.set(name, version);
  return id;
}

describe('within one epoch', () => {
  test('nothing that the watch has seen', async () => {
    const id = await registerAndSet('seen', 3);
    assert.deepEqual(await opening(resume(['seen'], { [id]: 3 })), []);
  });

  test('every version since, where the history holds them', async () => {
    const id = await registerAndSet('replay', 10);
    const updates = await opening(resume(['replay'], { [id]: 4 }));
    assert.deepEqual(
      updates.map((update) => [update.updateType, update.variable?.version, oldValue(update), newValue(update)]),
      [5, 6, 7, 8, 9, 10].map((version) => ['value_change', version, version - 1, version]),
    );
    assert.ok(updates.every(({ missed }) => long(missed) === 0));
  });

  test('then what changes, from what was replayed on', async () => {
    const id = await registerAndSet('replay-on', 3);
    const watch = resume(['replay-on'], { [id]: 2 });
    await watch.ready();
    await client.set('replay-on', 4);
    const [replayed, synced, changed] = await watch.take(3);
    assert.equal(synced?.updateType, 'synced');
    assert.deepEqual([replayed?.variable?.version, changed?.variable?.version], [3, 4]);
    assert.equal(oldValue(changed!), 3);
    watch.call.cancel();
  });

  test('one resync with what was missed, where the history has gone on', async () => {
    const id = await registerAndSet('gap', 40);
    const updates = await opening(resume(['gap'], { [id]: 4 }));
    assert.deepEqual(
      updates.map((update) => [update.updateType, update.variable?.version, newValue(update), long(update.missed)]),
      [['resync', 40, 40, 35]],
    );
  });

  test('several variables in the order in which they were set', async () => {
    const a = await client.register('order-a', 1);
    const b = await client.register('order-b', 1);
    for (const [name, value] of [
      ['order-a', 2],
      ['order-b', 2],
      ['order-a', 3],
    ] as const) {
      await client.set(name, value);
    }
    const updates = await opening(resume(['order-b', 'order-a'], { [a]: 1, [b]: 1 }));
    assert.deepEqual(
      updates.map(({ variable }) => [variable?.name, variable?.version]),
      [
        ['order-a', 2],
        ['order-b', 2],
        ['order-a', 3],
      ],
    );
  });

  test('initial values only of what the watch has not seen', async () => {
    const id = await registerAndSet('old', 2);
    await client.register('new', 5);
    const updates = await opening(resume(['old', 'new'], { [id]: 2 }));
    assert.deepEqual(
      updates.map(({ updateType, variable }) => [updateType, variable?.name]),
      [['initial_value', 'new']],
    );
  });

  test('a version that this server never had is a resync', async () => {
    const id = await registerAndSet('ahead', 2);
    const [update] = await opening(resume(['ahead'], { [id]: 9 }));
    assert.deepEqual([update?.updateType, update?.variable?.version, long(update?.missed)], ['resync', 2, 1]);
  });

  test('the deletion of what is gone, with its reason; then the stream ends with OK', async () => {
    const id = await registerAndSet('gone', 2);
    await client.call('DeleteVariable', { sessionId: 's', variableIdentifier: 'gone' });
    const watch = resume(['gone'], { [id]: 2 }, { options: {} });
    const update = await watch.next();
    assert.deepEqual([update.updateType, update.variableId, update.reason], ['deleted', id, 'deleted']);
    assert.equal(update.variable?.name, 'gone');
    assert.equal((await watch.end()).code, status.OK);
  });

  test('the deletion of what is gone, and how many versions before it were skipped', async () => {
    const id = await registerAndSet('gone-later', 6);
    await client.call('DeleteVariable', { sessionId: 's', variableIdentifier: 'gone-later' });
    const watch = resume(['gone-later'], { [id]: 2 }, { options: {} });
    const update = await watch.next();
    assert.deepEqual([update.updateType, update.variable?.version, long(update.missed)], ['deleted', 7, 4]);
  });

  test('the deletion of what came back under its name, which is another variable', async () => {
    const id = await registerAndSet('reborn', 2);
    await client.call('DeleteVariable', { sessionId: 's', variableIdentifier: 'reborn' });
    await client.register('reborn', 1);
    const watch = resume(['reborn'], { [id]: 2 }, { options: {} });
    assert.deepEqual([(await watch.next()).updateType, (await watch.end()).code], ['deleted', status.OK]);
  });

  test('the deletion, by id alone, of what nobody remembers', async () => {
    const watch = resume(['forgotten'], { var_unknown: 2 }, { options: {} });
    const update = await watch.next();
    assert.deepEqual([update.updateType, update.variableId], ['deleted', 'var_unknown']);
    assert.equal((await watch.end()).code, status.OK);
  });

  test('NOT_FOUND for a name that no gone variable explains', async () => {
    const id = await registerAndSet('explained', 1);
    const { code, details } = await resume(['explained', 'unexplained'], { [id]: 1 }).end();
    assert.equal(code, status.NOT_FOUND);
    assert.match(details, /unexplained/);
  });

  test('a pattern is told of what was registered while it was away', async () => {
    const id = await client.register('p/1', 1);
    await client.register('p/2', 1);
    await client.set('p/2', 2);
    const updates = await opening(resume([], { [id]: 1 }, { patterns: ['p/*'] }));
    assert.deepEqual(
      updates.map(({ updateType, variable }) => [updateType, variable?.name, variable?.version]),
      [
        ['value_change', 'p/2', 1],
        ['value_change', 'p/2', 2],
      ],
    );
  });
});

describe('of another epoch', () => {
  test('a resync of each variable, whatever was seen, and no deletions', async () => {
    const a = await registerAndSet('other-a', 3);
    await registerAndSet('other-b', 2);
    const seen = { [a]: 3, var_of_earlier_life: 7 };
    const updates = await opening(resume(['other-a', 'other-b'], seen, { resumeEpoch: 'epoch_earlier' }));
    assert.deepEqual(
      updates.map(({ updateType, variable, missed, epoch }) => [updateType, variable?.version, long(missed), epoch]),
      [
        ['resync', 3, 2, server.epoch],
        ['resync', 2, 1, server.epoch],
      ],
    );
  });
});

test('a negative version is INVALID_ARGUMENT', async () => {
  const id = await registerAndSet('negative', 1);
  assert.equal((await resume(['negative'], { [id]: -1 }).end()).code, status.INVALID_ARGUMENT);
});

describe('beyond 32 bits', () => {
  const SPAN = 2 ** 31 - 2;

  test('versions go on in a new era of the epoch, which begins with a resync', async () => {
    const id = await client.register('era', 1, { firstVersion: SPAN - 1 });
    const watch = client.watch({ sessionId: 's', variableIdentifiers: ['era'], includeInitialValues: true });
    assert.equal((await watch.next()).variable?.version, SPAN - 1);
    assert.equal(await client.set('era', 2), SPAN);
    assert.equal(await client.set('era', 3), 1);
    assert.equal(await client.set('era', 4), 2);
    const updates = await watch.take(3);
    assert.deepEqual(
      updates.map(({ updateType, variable, epoch, missed }) => [updateType, variable?.version, epoch, long(missed)]),
      [
        ['value_change', SPAN, '', 0],
        ['resync', 1, `${server.epoch}.1`, 0],
        ['value_change', 2, `${server.epoch}.1`, 0],
      ],
    );
    watch.call.cancel();

    const resumed = await opening(resume(['era'], { [id]: 1 }, { resumeEpoch: `${server.epoch}.1` }));
    assert.deepEqual(
      resumed.map(({ updateType, variable }) => [updateType, variable?.version]),
      [['value_change', 2]],
    );
    const fromBefore = await opening(resume(['era'], { [id]: SPAN }));
    assert.deepEqual(
      fromBefore.map(({ updateType, variable }) => [updateType, variable?.version]),
      [
        ['resync', 1],
        ['value_change', 2],
      ],
    );
    const { success } = await client.call('RollbackVariable', {
      sessionId: 's',
      variableIdentifier: 'era',
      targetVersion: SPAN,
    });
    assert.equal(success, true, 'a version of the era before is found');
    const conflict = await client.answer('SetVariable', {
      sessionId: 's',
      variableIdentifier: 'era',
      expectedVersion: 3,
      value: { type_url: '', value: Buffer.from('9') },
    });
    assert.equal(conflict.response.newVersion, 4, 'expected versions are of the present era');
  });
});
