/** A Redis that goes on with less than it had acknowledged: exactly those watches that were told some of that hear `resync`, no other notices. */
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { BridgedState, derive, waitFor } from '../../src/main/index.js';
import { until, within } from '../../src/testing/within.js';
import { closeSentinels, startSentinels } from '../support/redis-sentinels.js';
import type { RedisServer } from '../support/redis-server.js';
import { closeRedis, startRedis, startRedisOnPort, startReplica, withRedis } from '../support/redis-server.js';
import { ServerProcess } from '../support/server-process.js';

withRedis('a Redis that has lost something', describeLosses);

interface Told {
  readonly name: string;
  readonly value: unknown;
  readonly version: number;
  readonly missed: number;
  readonly resync: boolean;
}

/** A client of one server, all that its watches are told, and what they become. */
interface Client {
  readonly state: BridgedState;
  readonly told: Told[];
  /** Of its watches' onError. */
  readonly errors: string[];
}

const closers: (() => Promise<void> | void)[] = [];

function describeLosses(): void {
  describe('a Redis that goes on with less than it had acknowledged', () => {
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
      await closeSentinels();
      await closeRedis();
    });

    test('begun again, then emptied while it runs: told by link and by streams, at both servers', async () => {
      const redis = await startRedis();
      const clients = await clientsOf([await startServer(redis.url), await startServer(redis.url)]);
      await clients[0]!.state.setVariable('lost', 1);
      assert.match(await redis.command('SAVE'), /OK/);
      await loseAndCompare(clients, async () => {
        redis.kill();
        await redis.ended();
        await redis.run();
      });

      assert.match(await redis.command('FLUSHALL'), /OK/);
      for (const { state } of clients) {
        await until(async () => (await state.listVariables()).length === 0, 'that all of it is lost');
        await assert.rejects(state.setVariable('lost', 80), { code: 'VARIABLE_NOT_FOUND' });
      }
      for (const name of ['lost', 'kept']) await clients[1]!.state.registerVariable(name, 'integer', 81);
      // Who comes back only then would hear of both at once.
      await until(() => clients.every((client) => last(client, 'lost')?.value === 81), 'that each has come back');
      await clients[2]!.state.setVariable('lost', 82);
      await until(() => clients.every((client) => last(client, 'lost')?.value === 82), 'what comes then');
      await until(() => clients.every((client) => last(client, 'kept')?.value === 81), 'the other one');
      for (const { told } of clients) {
        const since = told.slice(told.findIndex(({ value }) => value === 81));
        assert.deepEqual(
          since
            .filter(({ name }) => name === 'lost')
            .map(({ value, version, missed, resync }) => [value, version, missed, resync]),
          [
            [81, 1, 0, true],
            [82, 2, 0, false],
          ],
        );
        assert.deepEqual(since.map(({ name, value }) => name === 'kept' && value).filter(Boolean), [81]);
      }
    });

    test('a replica that lagged was promoted', async () => {
      const { primary, cut, takePlace, url } = await startLagging();
      const servers = await Promise.all([0, 1].map(() => startServer(url, 'primary')));
      const clients = await clientsOf(servers);
      await replicated(clients, primary);
      await cut();
      await loseAndCompare(clients, async () => {
        primary.kill();
        await primary.ended();
        takePlace();
      });
    });

    test('whoever goes on setting over its promotion is told that sets are lost, by whichever of them its server hears of it', async () => {
      const { primary, cut, takePlace, url } = await startLagging();
      const clients = await clientsOf([await startServer(url, 'primary')]);
      const { state, errors } = clients[0]!;
      for (const [name, value] of Object.entries({ source: 3, derived: 0 })) {
        await state.registerVariable(name, 'integer', value);
      }
      await replicated(clients, primary);
      await cut();
      await state.setVariable('lost', 2);
      // Written to what is lost, and computed of what is not.
      const derived = await derive(state, 'derived', 'source', (source: number) => source + 1, {
        onError: () => undefined,
      });
      closers.push(() => derived.close());
      await within(waitFor(state, 'derived', { eq: 4 }), 'what is derived');
      const waiting = waitFor(state, 'kept', { eq: 13 });
      primary.kill();
      await primary.ended();
      // Asked of nobody, and made by the next as soon as that is there: before the link hears that something is lost.
      const sets = [10, 11, 12].map((value) => state.setVariable('kept', value));
      takePlace();
      assert.equal((await within(Promise.all(sets), 'what was asked meanwhile', 20_000)).length, 3);
      await until(() => errors.length > 0, 'the word of what is lost');
      assert.deepEqual(new Set(errors), new Set(['LostSetsError']));
      await within(waitFor(state, 'derived', { eq: 4 }), 'what was derived, written again');
      await state.setVariable('kept', 13);
      assert.deepEqual(await within(waiting, 'what was waited for'), { kept: 13 });
    });

    test('one that was a replica meanwhile, and went back to what that primary had', async () => {
      const [redis, other] = [await startRedisOnPort(), await startRedisOnPort()];
      const servers = await Promise.all([0, 1].map(() => startServer(redis.url, 'primary')));
      const clients = await clientsOf(servers);
      await clients[0]!.state.setVariable('lost', 1);
      await other.replicate(redis.port);
      assert.match(await other.command('REPLICAOF', 'NO', 'ONE'), /OK/);
      await loseAndCompare(clients, async () => {
        await redis.replicate(other.port);
        assert.match(await redis.command('REPLICAOF', 'NO', 'ONE'), /OK/);
      });
    });

    test('a replica that was cut off was promoted by sentinels', async () => {
      const primary = await startRedisOnPort();
      const replica = await startReplica(primary.port);
      const sentinels = await startSentinels(1, primary.port);
      await sentinels.knowReplicas(1);
      const servers = await Promise.all([0, 1].map(() => startServer(`${sentinels.url}/house`, 'primary')));
      const clients = await clientsOf(servers);
      await replicated(clients, primary);
      // The sentinels make it a replica again, but not so soon.
      assert.match(await replica.command('REPLICAOF', 'NO', 'ONE'), /OK/);
      await loseAndCompare(clients, async () => {
        primary.kill();
        await sentinels.promote();
      });
    });

    test('a restart that loses nothing is noticed by nobody, and what follows another that does is exact', async () => {
      const redis = await startRedis('--appendonly', 'yes', '--appendfsync', 'always');
      const clients = await clientsOf([await startServer(redis.url), await startServer(redis.url)]);
      await clients[0]!.state.setVariable('lost', 1);
      for (let n = 1; n <= 3; n += 1) {
        redis.kill();
        await redis.ended();
        await redis.run();
        await set(clients[n % 2]!, 'kept', n);
        await until(
          () => clients.every((client) => last(client, 'kept')?.value === n),
          `what was set after restart ${n}`,
        );
      }
      assert.deepEqual(faults(clients), []);
      await redis.command('BGREWRITEAOF');
      await redis.command('CONFIG', 'SET', 'appendonly', 'no');
      assert.match(await redis.command('SAVE'), /OK/);
      await loseAndCompare(clients, async () => {
        redis.kill();
        await redis.ended();
        redis.options = [];
        await redis.run();
      });
    });
  });
}

/** A primary, and a replica that takes its place at its address: from `cut` on it hears nothing more. */
async function startLagging() {
  const place = mkdtempSync(join(tmpdir(), 'bridged-state-primary-'));
  closers.push(() => rmSync(place, { recursive: true, force: true }));
  const primary = await startRedisOnPort();
  const replica = await startReplica(primary.port);
  const address = join(place, 'redis.sock');
  symlinkSync(primary.path, address);
  const cut = async (): Promise<void> => assert.match(await replica.command('REPLICAOF', 'NO', 'ONE'), /OK/);
  const takePlace = (): void => {
    symlinkSync(replica.path, `${address}.next`);
    renameSync(`${address}.next`, address);
  };
  return { primary, cut, takePlace, url: `unix:${address}?ack` };
}

/** Sets `lost` to what `lose` loses; `kept` stays, and both go on. */
async function loseAndCompare(clients: readonly Client[], lose: () => Promise<void>): Promise<void> {
  await until(() => clients.every((client) => last(client, 'lost')?.value === 1), 'what is kept');
  const before = clients.map(({ told }) => told.length);
  await clients[0]!.state.setVariable('lost', 2);
  await clients[2]!.state.setVariable('lost', 3);
  await until(() => clients.every((client) => last(client, 'lost')?.value === 3), 'what will be lost');
  await lose();
  await until(() => clients.every((client) => last(client, 'lost')?.value === 1), 'what is left');
  await set(clients[1]!, 'kept', 70);
  await set(clients[0]!, 'lost', 71);
  await until(
    () => clients.every((client) => last(client, 'kept')?.value === 70 && last(client, 'lost')?.value === 71),
    'what comes then',
  );
  // Two clients had set what is lost; over streams no set has a place in a window.
  assert.deepEqual(
    clients.map(({ errors }) => new Set(errors)),
    clients.map((_, place) => new Set(place === 0 || place === 2 ? ['LostSetsError'] : [])),
  );
  for (const [place, { told }] of clients.entries()) {
    const since = told.slice(before[place]);
    assert.deepEqual(
      since.filter(({ name }) => name === 'lost').map(({ value, missed, resync }) => [value, missed, resync]),
      [
        [2, 0, false],
        [3, 0, false],
        [1, since.find(({ resync }) => resync)!.missed, true],
        [71, 0, false],
      ],
      `client ${place}`,
    );
    assert.deepEqual(
      since.filter(({ name }) => name === 'kept').map(({ value, missed, resync }) => [value, missed, resync]),
      [[70, 0, false]],
      `client ${place}`,
    );
  }
}

/** Two clients at each server: by link, and by streams. Two watches each. */
async function clientsOf(servers: readonly ServerProcess[]): Promise<Client[]> {
  const clients: Client[] = [];
  for (const { port } of servers) {
    for (const transport of ['link', 'stream'] as const) {
      const state = await BridgedState.open({
        endpoints: [`127.0.0.1:${port}`],
        sessionId: 'house',
        workers: 1,
        transport,
      });
      closers.push(() => state.close());
      if (clients.length === 0) for (const name of ['lost', 'kept']) await state.registerVariable(name, 'integer', 0);
      const told: Told[] = [];
      const errors: string[] = [];
      const onError = (error: Error): void => void errors.push(error.name);
      for (const name of ['lost', 'kept']) {
        await state.watchVariables(
          name,
          (_, __, value, { version, missed, resync }) => {
            told.push({ name, value, version, missed, resync });
          },
          { onError },
        );
      }
      clients.push({ state, told, errors });
    }
  }
  return clients;
}

function last({ told }: Client, name: string): Told | undefined {
  return told.findLast((one) => one.name === name);
}

function faults(clients: readonly Client[]): Told[] {
  return clients.flatMap(({ told }) => told.filter(({ missed, resync }) => missed > 0 || resync));
}

/** Until the servers have found the new Redis. */
async function set({ state }: Client, name: string, value: number): Promise<void> {
  await within(
    until(() => state.setVariable(name, value).then(() => true), `a set of ${name}`),
    `a set of ${name}`,
    20_000,
  );
}

async function startServer(url: string, ack?: 'primary'): Promise<ServerProcess> {
  const server = await ServerProcess.start({ engine: url, ...(ack === undefined ? {} : { ack }) });
  closers.push(() => server.close());
  return server;
}

/** The last set that a replica has too. */
async function replicated(clients: readonly Client[], primary: RedisServer): Promise<void> {
  await clients[0]!.state.setVariable('lost', 1);
  assert.match(await primary.command('WAIT', '1', '5000'), /:1/);
}
