/** The order of what a watch is sent: registration before reading, initial values before changes, versions rising. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { until } from '../support/deadline.js';
import { any, long, newValue, oldValue, PlainClient } from './plain-client.js';

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

const watch = (variableIdentifiers: string[], more: object = {}) =>
  client.watch({ sessionId: 's', variableIdentifiers, ...more });

describe('registration', () => {
  test('is said in the headers, with the epoch, before anything has changed', async () => {
    await client.register('headers', 1);
    const stream = watch(['headers']);
    const header = await stream.ready();
    assert.deepEqual(header.get('bridge-epoch'), [server.epoch]);
    assert.deepEqual(header.get('bridge-keepalive-ms'), ['10000']);
    stream.call.cancel();
  });

  test('comes before reading: a set that runs beside it is seen exactly once', async () => {
    await client.register('race', 0);
    for (let round = 1; round <= 50; round += 1) {
      // Both are on their way at once; whichever is handled first.
      const setting = client.set('race', round);
      const stream = watch(['race'], { includeInitialValues: true, options: { synced: '1' } });
      const version = await setting;
      const seen: number[] = [];
      while (seen.at(-1) !== version) {
        const update = await stream.next();
        if (update.updateType !== 'synced') seen.push(update.variable!.version!);
      }
      assert.deepEqual(seen, seen.length === 1 ? [version] : [version - 1, version]);
      stream.call.cancel();
    }
  });

  test('of something unknown fails and names all of it, and nothing is watched', async () => {
    await client.register('known', 1);
    const { observers, streams } = server.metrics();
    const { code, details, metadata } = await watch(['known', 'unknown-1', 'unknown-2']).end();
    assert.equal(code, status.NOT_FOUND);
    assert.match(details, /^Variable not found: unknown-1, unknown-2/);
    assert.deepEqual(metadata.get('bridge-error'), ['VARIABLE_NOT_FOUND']);
    assert.deepEqual(metadata.get('bridge-epoch'), [server.epoch]);
    assert.deepEqual([server.metrics().observers, server.metrics().streams], [observers, streams]);
  });

  test('of nothing is INVALID_ARGUMENT', async () => {
    assert.equal((await watch([]).end()).code, status.INVALID_ARGUMENT);
  });

  test('with an option of a value that is none is INVALID_ARGUMENT', async () => {
    for (const more of [{ options: { missing: 'maybe' } }, { options: { old_value: 'all' } }, { heartbeatMs: -1 }]) {
      assert.equal((await watch(['headers'], more).end()).code, status.INVALID_ARGUMENT, JSON.stringify(more));
    }
  });

  test('ignores options that it does not know', async () => {
    const stream = watch(['headers'], { options: { colour: 'blue' } });
    await stream.ready();
    stream.call.cancel();
  });
});

describe('what is sent', () => {
  test('a set after the headers, with its old value', async () => {
    const id = await client.register('fan', 20);
    const stream = watch(['fan']);
    await stream.ready();
    assert.equal(await client.set('fan', 21.5), 2);
    const update = await stream.next();
    assert.equal(update.updateType, 'value_change');
    assert.equal(update.variableId, id);
    assert.equal(update.variable?.version, 2);
    assert.deepEqual([oldValue(update), newValue(update), long(update.missed)], [20, 21.5, 0]);
    assert.ok(long(update.revision) > 0);
    stream.call.cancel();
  });

  test('no old value to a watch that wants none', async () => {
    await client.register('no-old', 1);
    const stream = watch(['no-old'], { options: { old_value: 'none' } });
    await stream.ready();
    await client.set('no-old', 2);
    const update = await stream.next();
    assert.deepEqual([oldValue(update), newValue(update)], [undefined, 2]);
    stream.call.cancel();
  });

  test('initial values first, one a variable however often it is named, then synced, then changes', async () => {
    const id = await client.register('a', 1);
    await client.register('b', 2);
    await client.set('a', 3);
    const stream = watch(['a', 'b', id, 'a'], { includeInitialValues: true, options: { synced: '1' } });
    await stream.ready();
    await client.set('b', 4);
    const updates = await stream.take(4);
    assert.deepEqual(
      updates.map(({ updateType, variable }) => [updateType, variable?.name ?? '', variable?.version ?? 0]),
      [
        ['initial_value', 'b', 1],
        ['initial_value', 'a', 2],
        ['synced', '', 0],
        ['value_change', 'b', 2],
      ],
    );
    const revisions = updates.map(({ revision }) => long(revision));
    assert.deepEqual(
      revisions,
      revisions.toSorted((x, y) => x - y),
      'revisions rise',
    );
    stream.call.cancel();
  });

  test('nothing for an equal value', async () => {
    await client.register('equal', 1);
    const stream = watch(['equal']);
    await stream.ready();
    await client.set('equal', 1);
    await client.set('equal', 2);
    assert.equal(newValue(await stream.next()), 2);
    stream.call.cancel();
  });

  test('the setter and its map', async () => {
    await client.register('set-by', 1);
    const stream = watch(['set-by']);
    await stream.ready();
    await client.call('SetVariable', {
      sessionId: 's',
      variableIdentifier: 'set-by',
      value: any(2),
      metadata: { source: 'python', why: 'hot' },
    });
    const update = await stream.next();
    assert.equal(update.updateSource, 'python');
    assert.deepEqual(update.updateMetadata, { why: 'hot' });
    stream.call.cancel();
  });

  test('heartbeats after as much silence as the watch asks for', async () => {
    await client.register('quiet', 1);
    const stream = watch(['quiet'], { heartbeatMs: 100 });
    await stream.ready();
    await until(5_000, () => stream.updates.length >= 2, 'two heartbeats');
    assert.deepEqual(
      stream.updates.map(({ updateType, epoch }) => [updateType, epoch]),
      stream.updates.map(() => ['heartbeat', server.epoch]),
    );
    stream.call.cancel();
  });
});

describe('the end of what is watched', () => {
  test('a deletion is sent with its reason; with the last variable the stream ends with OK', async () => {
    await client.register('d1', 1);
    await client.register('d2', 1);
    const stream = watch(['d1', 'd2']);
    await stream.ready();
    await client.call('DeleteVariable', { sessionId: 's', variableIdentifier: 'd1' });
    const first = await stream.next();
    assert.deepEqual([first.updateType, first.reason, first.variable?.name], ['deleted', 'deleted', 'd1']);
    await client.set('d2', 2);
    assert.equal(newValue(await stream.next()), 2);
    await client.call('DeleteVariable', { sessionId: 's', variableIdentifier: 'd2' });
    assert.equal((await stream.next()).updateType, 'deleted');
    assert.equal((await stream.end()).code, status.OK);
  });

  test('a variable that expires says so', async () => {
    // Longer than it takes to watch it.
    await client.register('short-lived', 1, { ttlMs: 1_000 });
    const stream = watch(['short-lived']);
    await stream.ready();
    const update = await stream.next();
    assert.deepEqual([update.updateType, update.reason], ['deleted', 'expired']);
    assert.equal((await stream.end()).code, status.OK);
    const error = await client.failure('GetVariable', { sessionId: 's', variableIdentifier: 'short-lived' });
    assert.equal(error.code, status.NOT_FOUND);
  });
});

describe('what does not exist yet', () => {
  test('is waited for by name and comes with its first version, then its changes', async () => {
    await client.register('here', 1);
    const stream = watch(['here', 'later'], { options: { missing: 'wait' }, includeInitialValues: true });
    assert.equal((await stream.next()).updateType, 'initial_value');
    await client.register('later', 7);
    const first = await stream.next();
    assert.deepEqual(
      [first.updateType, first.variable?.name, first.variable?.version, newValue(first), long(first.missed)],
      ['value_change', 'later', 1, 7, 0],
    );
    assert.equal(oldValue(first), undefined);
    await client.set('later', 8);
    const second = await stream.next();
    assert.deepEqual([oldValue(second), newValue(second)], [7, 8]);
    for (const variableIdentifier of ['later', 'here']) {
      await client.call('DeleteVariable', { sessionId: 's', variableIdentifier });
    }
    assert.equal((await stream.end()).code, status.OK);
  });

  test('is waited for by pattern, for good', async () => {
    await client.register('room/1', 1);
    const stream = client.watch({ sessionId: 's', patterns: ['room/*', 'room/?'], includeInitialValues: true });
    assert.equal((await stream.next()).variable?.name, 'room/1');
    await client.register('hall', 1);
    await client.register('room/2', 2);
    assert.equal((await stream.next()).variable?.name, 'room/2');
    for (const variableIdentifier of ['room/1', 'room/2']) {
      await client.call('DeleteVariable', { sessionId: 's', variableIdentifier });
      assert.equal((await stream.next()).updateType, 'deleted');
    }
    await client.register('room/1', 3);
    const again = await stream.next();
    assert.deepEqual([again.variable?.name, newValue(again)], ['room/1', 3]);
    stream.call.cancel();
  });

  test('has a name by the rules', async () => {
    const { code } = await watch(['a\u0000b'], { options: { missing: 'wait' } }).end();
    assert.equal(code, status.INVALID_ARGUMENT);
  });
});

test('all of it is unregistered when the streams have ended', async () => {
  await until(5_000, () => server.metrics().streams === 0, 'no stream');
  assert.equal(server.metrics().observers, 0);
});
