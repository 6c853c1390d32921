/** Two servers over one Redis: every promise holds at either. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { BridgeError } from '../../src/main/index.js';
import { bucketOf } from '../../src/server/engine/redis/format/keys.js';
import { until, within } from '../../src/testing/within.js';
import { any, PlainClient } from '../server/plain-client.js';
import { HeldRedis } from '../support/held-redis.js';
import { assertNamesInOrder } from '../support/names-in-order.js';
import { openAt, overOneRedis, startBehind, startServer } from '../support/opened-over-redis.js';
import { withRedis } from '../support/redis-server.js';

withRedis('two servers over Redis', describeTwoServers);

function describeTwoServers(): void {
  describe('two servers over one Redis', () => {
    const { redis, prefix, url, twoServers } = overOneRedis('two');

    test('what one is told the other tells: sessions, variables, values, ends', async () => {
      const servers = await twoServers();
      const [one, other] = await Promise.all(servers.map((server) => openAt([server])));
      assert.equal(servers[0].epoch, servers[1].epoch);
      const id = await one!.registerVariable('mode', 'choice', 'eco', { constraints: { choices: ['eco', 'boost'] } });
      assert.equal((await other!.getVariableInfo('mode')).id, id, 'what was answered at one is there at the other');
      const changes = other!.watch('mode', { includeInitial: true });
      assert.equal((await within(changes.next(), 'the present value')).value.newValue, 'eco');
      await one!.setVariable('mode', 'boost', { source: 'one', metadata: { why: 'cold' } });
      const { value: change } = await within(changes.next(), 'the change');
      assert.deepEqual([change.oldValue, change.newValue, change.metadata.source], ['eco', 'boost', 'one']);
      assert.deepEqual({ ...change.metadata.custom }, { why: 'cold' });
      await assert.rejects(other!.setVariable('mode', 'turbo'), { code: 'CONSTRAINT_VIOLATION' });
      await assert.rejects(other!.registerVariable('mode', 'float', 0), { code: 'ALREADY_EXISTS' });
      await assert.rejects(other!.setVariable('mode', 'eco', { expectedVersion: 1 }), { code: 'VERSION_CONFLICT' });
      await other!.deleteVariable('mode');
      assert.deepEqual(await one!.listVariables(), []);
      await changes.return?.();
    });

    test('the end of a session ends what waits in it at either', async () => {
      const servers = await twoServers();
      const clients = servers.map(({ port }) => new PlainClient(port));
      const session = { sessionId: 'house' };
      for (const client of clients) await client.call('InitializeSession', session);
      const watches = clients.flatMap((client) => [
        client.watch({ ...session, patterns: ['*'] }),
        client.watch({ ...session, variableIdentifiers: ['late'], options: { missing: 'wait' } }),
      ]);
      for (const watch of watches) await watch.ready();
      await clients[0]!.call('CleanupSession', { ...session, force: true });
      for (const watch of watches) assert.equal((await watch.end()).code, status.OK);
      for (const client of clients) client.close();
    });

    test('calls of one connection about one name are made in their order', async () => {
      const [{ port }] = await twoServers();
      const client = new PlainClient(port);
      await client.initSession();
      await assertNamesInOrder(client);
      client.close();
    });

    test('what was asked right before the end of a session is answered', async () => {
      const servers = await twoServers();
      const client = new PlainClient(servers[0].port);
      const asked: Promise<unknown>[] = [];
      for (let round = 1; round <= 20; round += 1) {
        await client.call('InitializeSession', { sessionId: 's' });
        await client.register('v', 0);
        for (let value = 1; value <= 5; value += 1) {
          const updates = { v: any(round * 10 + value) };
          asked.push(client.call('SetVariables', { sessionId: 's', updates }));
        }
        await client.call('CleanupSession', { sessionId: 's', force: true });
      }
      await within(Promise.all(asked), 'all answers');
      client.close();
    });

    test('every change is told once, in one order of revisions, whichever server it came by', async () => {
      const servers = await twoServers();
      const states = await Promise.all(servers.map((server) => openAt([server])));
      const names = Array.from({ length: 20 }, (_, index) => `v${index}`);
      for (const name of names) await states[0]!.registerVariable(name, 'integer', 0);
      await until(async () => (await states[1]!.listVariables()).length === names.length, 'the variables');
      const seen: { name: string; value: unknown; version: number; revision: number; missed: number }[][] = [[], []];
      for (const [place, state] of states.entries()) {
        await state.watchVariables(names, (name, _, value, { version, revision, missed }) => {
          seen[place]!.push({ name, value, version, revision, missed });
        });
      }
      const sets: Promise<unknown>[] = [];
      for (let n = 1; n <= 1_000; n += 1) sets.push(states[n % 2]!.setVariable(names[n % 20]!, n));
      for (let n = 1; n <= 50; n += 1) {
        sets.push(states[n % 2]!.updateVariables({ v0: -n, v1: -n }, { atomic: true }));
      }
      await within(Promise.all(sets), 'the sets');
      const changes = 1_000 + 100;
      await until(() => seen.every((told) => told.length === changes), `${changes} changes at each`);
      const ordered = seen.map((told) =>
        [...told].sort((a, b) => a.revision - b.revision || a.name.localeCompare(b.name)),
      );
      assert.deepEqual(ordered[0], ordered[1]);
      for (const told of seen) {
        const versions = new Map<string, number>();
        for (const { name, version, missed } of told) {
          assert.deepEqual([version, missed], [(versions.get(name) ?? 1) + 1, 0]);
          versions.set(name, version);
        }
      }
    });

    test('what was registered at one can be set at the other at once, alone, in batches, by the link and by calls', async () => {
      const servers = await twoServers();
      const [one, other] = await Promise.all(servers.map((server) => openAt([server])));
      for (let round = 0; round < 20; round += 1) {
        await one!.registerVariable(`a${round}`, 'integer', 0);
        assert.equal(await other!.setVariable(`a${round}`, 1), 2);
        await one!.registerVariable(`b${round}`, 'map', {});
        assert.equal(await other!.setVariable(`b${round}`, { round }), 2);
        await one!.registerVariable(`c${round}`, 'integer', 0);
        const versions = await other!.updateVariables({ [`a${round}`]: 2, [`c${round}`]: 1 }, { atomic: true });
        assert.deepEqual([...versions.values()], [3, 2]);
      }
      await assert.rejects(other!.setVariable('nobody', 1), { code: 'VARIABLE_NOT_FOUND' });
    });

    test('what one has registered is there at the other, however far that is behind; where it cannot know, it does not say that there is none', async () => {
      await using held = await HeldRedis.start(redis().path);
      const servers = await Promise.all(
        [300, 5_000].map((behindMs) => startBehind(`${held.url}/${prefix()}`, behindMs)),
      );
      const one = await openAt([await startServer(url())]);
      const [hurried, patient] = await Promise.all(servers.map((server) => openAt([server])));
      const many = Array.from({ length: 350 }, (_, place) => `${place}`.padEnd(200, '-'));
      for (const state of [hurried, patient]) assert.deepEqual(await state!.listVariables(), []);

      held.hold();
      for (const name of ['link', 'alone', 'batch', 'gone', 'watched', 'read'])
        await one.registerVariable(name, 'integer', 0);
      await one.registerVariable('call', 'map', {});
      await Promise.all(many.map((name) => one.registerVariable(name, 'integer', 0)));
      const asked = [
        patient!.setVariable('link', 1),
        patient!.updateVariables({ alone: 1, batch: 1 }, { atomic: true }).then((versions) => versions.get('batch')),
        patient!.setVariable('call', { a: 1 }),
        patient!.updateVariables(Object.fromEntries(many.map((name) => [name, 1n]))).then(({ size }) => size),
        patient!.deleteVariable('gone'),
        patient!.watchVariables('watched', () => undefined).then(({ state }) => state),
        patient!.getVariable('read'),
      ];
      await assert.rejects(hurried!.setVariable('link', 2), { code: 'ENGINE_UNAVAILABLE', message: /300 ms behind/ });
      await assert.rejects(hurried!.setVariable('call', {}), { code: 'ENGINE_UNAVAILABLE' });
      held.release();

      assert.deepEqual(await within(Promise.all(asked), 'what was asked'), [
        2,
        2,
        2,
        many.length,
        undefined,
        'live',
        0,
      ]);
      await assert.rejects(patient!.setVariable('nobody', 1), { code: 'VARIABLE_NOT_FOUND' });
    });

    test('of 100 setters at two servers that expect one version one is taken', async () => {
      const servers = await twoServers();
      const states = await Promise.all(servers.map((server) => openAt([server])));
      await states[0]!.registerVariable('v', 'integer', 0);
      const sets = Array.from({ length: 100 }, (_, n) =>
        states[n % 2]!.setVariable('v', n + 1, { expectedVersion: 1 }),
      );
      const codes = (await Promise.allSettled(sets)).map((set) =>
        set.status === 'fulfilled' ? set.value : (set.reason as BridgeError).code,
      );
      assert.deepEqual(codes.sort(), [2, ...Array.from({ length: 99 }, () => 'VERSION_CONFLICT')]);
    });

    test('a variable that expires goes once', async () => {
      const servers = await twoServers();
      const states = await Promise.all(servers.map((server) => openAt([server])));
      await states[0]!.registerVariable('brief', 'integer', 0, { ttlMs: 1_500 });
      await until(async () => (await states[1]!.listVariables()).length === 1, 'the variable');
      const ends: unknown[][] = [[], []];
      for (const [place, state] of states.entries()) {
        await state.watchVariables('brief', (_, __, ___, { deleted, version }) =>
          ends[place]!.push([deleted, version]),
        );
      }
      // The other server renews it.
      await states[1]!.setVariable('brief', 0);
      await until(() => ends.every(({ length }) => length > 0), 'its end at each');
      assert.deepEqual(ends, [[['expired', 2]], [['expired', 2]]]);
    });

    test('a server that was away until the log began later than where it was has a history without a hole', async () => {
      const servers = await twoServers();
      const [one, other] = await Promise.all(servers.map((server) => openAt([server])));
      await one!.registerVariable('v', 'integer', 0);
      await other!.setVariable('v', 1);
      servers[1].child.kill('SIGSTOP');
      for (let n = 2; n <= 40; n += 1) await one!.setVariable('v', n);
      const trimmed = await redis().command('XTRIM', `${prefix()}:bs:{b${bucketOf('house')}}:log`, 'MAXLEN', '1');
      assert.match(trimmed, /^:[1-9]/);
      servers[1].child.kill('SIGCONT');

      await one!.setVariable('v', 41);

      const { version } = await other!.getVariableInfo('v');
      const kept = await other!.history('v');
      assert.deepEqual(
        kept.map((entry) => [entry.version, entry.value]),
        kept.map((_, place) => [version - kept.length + 1 + place, version - kept.length + place]),
      );
      assert.equal(version, 42);
      assert.ok(kept.length >= 16, `${kept.length} versions`);
      assert.equal(await other!.rollback('v', kept[0]!.version), 43);
    });

    test('an entry of the log that cannot be taken is made up for: the server reads what it said', async () => {
      const servers = await twoServers();
      const [one, other] = await Promise.all(servers.map((server) => openAt([server])));
      await one!.registerVariable('v', 'integer', 0);
      await other!.setVariable('v', 1);
      const log = `${prefix()}:bs:{b${bucketOf('house')}}:log`;
      servers[1].child.kill('SIGSTOP');
      // It hears nothing before the entry is another.
      for (const [, id] of (await redis().command('CLIENT', 'LIST')).matchAll(/^id=(\d+) .* cmd=xread /gm)) {
        await redis().command('CLIENT', 'KILL', 'ID', id!);
      }
      await one!.setVariable('v', 2);
      const [position] = /\d+(?=-1\r)/.exec(await redis().command('XREVRANGE', log, '+', '-', 'COUNT', '1')) ?? [];
      assert.equal(await redis().command('XDEL', log, `${position}-1`), ':1\r\n');
      await redis().command('XADD', log, `${position}-2`, 'of', 'somebody else');
      servers[1].child.kill('SIGCONT');
      await until(async () => (await other!.getVariable('v')) === 2, 'what the entry said');
      assert.equal(await other!.setVariable('v', 3), 4);
      assert.equal(await one!.getVariable('v'), 3);
    });
  });
}
