/** Conditions through breaks: each change that meets one is told once, with the value before it, and the books hold every other. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Condition, VariableChange, VariableValue, WatcherInfo } from '../../src/main/index.js';
import { BridgedState, WorkerPool } from '../../src/main/index.js';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { meets } from '../../src/shared/delivery/condition.js';
import { until } from '../../src/testing/within.js';
import { SOON } from '../support/seen-updates.js';
import { TcpProxy } from '../support/tcp-proxy.js';

let server: BridgeServer;

before(async () => {
  server = await startBridgeServer({ port: 0 });
});

after(() => server.close());

const CONDITIONS: readonly Condition[] = [
  { crosses: 50 },
  { crosses: 20.5 },
  { changedBy: 60 },
  { gt: 90 },
  { lte: 5 },
  { eq: 42 },
  { in: [1, 2, 3, 99] },
  { not: { changedBy: 2 } },
  { and: [{ gte: 40 }, { crosses: 70 }] },
  { or: [{ eq: 0 }, { and: [{ gt: 30 }, { lt: 33 }] }] },
  { gt: 1_000 },
];

const SETS = 400;

for (const transport of ['link', 'stream'] as const) {
  for (const fault of ['none', 'cuts', 'deaths of the worker'] as const) {
    test(`by ${transport}, fault ${fault}: what meets each of ${CONDITIONS.length} conditions is told once, and nothing else`, async () => {
      const name = `conditions ${transport} ${fault}`;
      await using proxy = await TcpProxy.start(server.port);
      await using pool = await WorkerPool.open({ workers: 1 });
      await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
      await using state = await BridgedState.open({ endpoint: proxy.endpoint, pool, transport, verify: true, ...SOON });
      await writer.registerVariable(name, 'float', 50);
      const errors: Error[] = [];
      const told: VariableChange[][] = CONDITIONS.map(() => []);
      for (const [place, filter] of CONDITIONS.entries()) {
        await state.watchVariables(
          name,
          (identifier, oldValue, newValue, metadata) => {
            told[place]!.push({ identifier, oldValue, newValue, metadata });
          },
          { filter, onError: (error) => errors.push(error) },
        );
      }

      const values: VariableValue[] = [0, 50];
      let random = 7;
      for (let made = 0; made < SETS; made += 1) {
        random = (random * 48_271) % 2_147_483_647;
        const value = made % 5 === 0 ? (values.at(-1) as number) + 1 : random % 100;
        const version = await writer.setVariable(name, value);
        values[version] = value;
        if (made % 100 === 55) proxy.mend();
        if (made % 100 !== 50) continue;
        if (fault === 'cuts') proxy.cut();
        if (fault === 'deaths of the worker') void pool.restartWorker(0);
      }
      const last = values.length - 1;
      await until(
        async () => (await state.listWatchers()).every((info) => booked(info) === last - 1),
        'books that balance',
        20_000,
      );
      for (const [place, condition] of CONDITIONS.entries()) {
        const expected: number[] = [];
        for (let version = 2; version <= last; version += 1) {
          if (meets(condition, values[version - 1], values[version]!)) expected.push(version);
        }
        const text = JSON.stringify(condition);
        assert.deepEqual(
          told[place]!.map(({ metadata }) => metadata.version),
          expected,
          text,
        );
        for (const { oldValue, newValue, metadata } of told[place]!) {
          const { version, missed, resync } = metadata;
          assert.deepEqual(
            [oldValue, newValue, missed, resync],
            [values[version - 1], values[version], 0, false],
            text,
          );
        }
      }
      assert.deepEqual(errors, []);
    });
  }
}

for (const transport of ['link', 'stream'] as const) {
  test(`by ${transport} what a variable was set to before it was deleted, while a watch with a condition was away, is told as missed`, async () => {
    const name = `gone by ${transport}`;
    await using proxy = await TcpProxy.start(server.port);
    await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
    await using state = await BridgedState.open({
      endpoint: proxy.endpoint,
      workers: 0,
      transport,
      verify: true,
      ...SOON,
    });
    await writer.registerVariable(name, 'float', 0);
    const told: VariableChange[] = [];
    const watch = await state.watchVariables(
      name,
      (identifier, oldValue, newValue, metadata) => {
        told.push({ identifier, oldValue, newValue, metadata });
      },
      { filter: { gt: 10 } },
    );
    await writer.setVariable(name, 20);
    await until(() => told.length === 1, 'the first change');
    proxy.cut();
    for (const value of [30, 5, 40]) await writer.setVariable(name, value);
    await writer.deleteVariable(name);
    proxy.mend();
    await until(() => watch.state === 'stopped', 'its end');
    const { oldValue, newValue, metadata } = told[1]!;
    assert.deepEqual([oldValue, newValue, metadata.deleted, metadata.missed], [20, undefined, 'deleted', 3]);
  });
}

test('by link what is kept out is not sent: of 1,000 changes that concern none of 100 watches, none', async () => {
  await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
  await using state = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 1, transport: 'link' });
  await writer.registerVariable('quiet', 'float', 0);
  for (let watch = 0; watch < 100; watch += 1) {
    await state.watchVariables('quiet', () => assert.fail('nothing is let through'), { filter: { gt: 1_000 + watch } });
  }
  const { updatesSent } = server.metrics();
  for (let value = 1; value <= 1_000; value += 1) await writer.setVariable('quiet', value);
  assert.equal(server.metrics().updatesSent, updatesSent);
  for (const { stats } of await state.listWatchers()) {
    assert.deepEqual([stats.updatesReceived, stats.updatesFiltered, stats.updatesMissed], [1_000, 1_000, 0]);
  }
});

test('by link watches of more conditions than the server asks of a variable are told what meets theirs, and nothing else', async () => {
  await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
  await using state = await BridgedState.open({
    ...{ endpoint: `127.0.0.1:${server.port}`, workers: 1, transport: 'link', verify: true },
  });
  await writer.registerVariable('many', 'float', 0);
  const parts = Array.from({ length: 250 }, (_, part) => part);
  const told: number[][] = [];
  // About 500 steps each: the server asks some 40 of them.
  for (let watch = 0; watch < 60; watch += 1) {
    const seen: number[] = [];
    told.push(seen);
    const filter = { or: [{ eq: watch }, ...parts.map((part) => ({ gt: 1_000 + watch + part }))] };
    await state.watchVariables('many', (_, __, now) => seen.push(now as number), { filter });
  }
  for (let value = 1; value < 60; value += 1) await writer.setVariable('many', value);
  await writer.setVariable('many', 1_030.5);
  await until(() => told.slice(0, 31).every((seen) => seen.at(-1) === 1_030.5), 'all who are above their lines');
  for (const [watch, seen] of told.entries()) {
    assert.deepEqual(seen, [...(watch === 0 ? [] : [watch]), ...(watch <= 30 ? [1_030.5] : [])], `watch ${watch}`);
  }
  for (const info of await state.listWatchers()) assert.equal(booked(info), 60);
});

test('a watch that was kept everything from for longer than the history reaches returns without a gap', async () => {
  await using small = await startBridgeServer({ port: 0, history: { maxVersions: 20 } });
  await using proxy = await TcpProxy.start(small.port);
  await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${small.port}`, workers: 0 });
  await using state = await BridgedState.open({
    endpoint: proxy.endpoint,
    workers: 1,
    transport: 'link',
    verify: true,
    ...SOON,
  });
  await writer.registerVariable('long', 'float', 0);
  const told: VariableChange[] = [];
  await state.watchVariables(
    'long',
    (identifier, oldValue, newValue, metadata) => {
      told.push({ identifier, oldValue, newValue, metadata });
    },
    { filter: { crosses: 1_000 } },
  );
  for (let value = 1; value <= 200; value += 1) await writer.setVariable('long', value);
  const [info] = await state.listWatchers();
  assert.equal(info!.stats.updatesFiltered, 200, 'the client knows how far it was kept out');
  proxy.cut();
  for (let value = 201; value <= 210; value += 1) await writer.setVariable('long', value);
  proxy.mend();
  await until(async () => (await state.listWatchers())[0]!.state === 'live', 'it returns');
  await writer.setVariable('long', 2_000);
  await until(() => told.length === 1, 'the crossing');
  const { oldValue, newValue, metadata } = told[0]!;
  assert.deepEqual(
    [oldValue, newValue, metadata.missed, metadata.resync, metadata.version],
    [210, 2_000, 0, false, 212],
  );
  assert.equal((await state.listWatchers())[0]!.stats.updatesFiltered, 210);
});

for (const transport of ['link', 'stream'] as const) {
  test(`by ${transport} a variable that goes while a watch with a condition is away says the value that it kept out last`, async () => {
    const name = `kept out ${transport}`;
    await using proxy = await TcpProxy.start(server.port);
    await using writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
    await using state = await BridgedState.open({ endpoint: proxy.endpoint, workers: 1, transport, ...SOON });
    await writer.registerVariable(name, 'float', 0);
    const told: VariableChange[] = [];
    await state.watchVariables(
      name,
      (identifier, oldValue, newValue, metadata) => {
        told.push({ identifier, oldValue, newValue, metadata });
      },
      { filter: { gt: 1_000 } },
    );
    await writer.setVariable(name, 1);
    await until(async () => (await state.listWatchers())[0]!.stats.updatesReceived === 1, 'the change kept out');
    proxy.cut();
    await writer.deleteVariable(name);
    proxy.mend();
    await until(() => told.length > 0, 'its end');
    const [{ oldValue, metadata }] = told as [VariableChange];
    assert.deepEqual([oldValue, metadata.deleted, metadata.version, metadata.missed], [1, 'deleted', 3, 0]);
  });
}

function booked({ stats }: WatcherInfo): number {
  return stats.updatesDelivered + stats.updatesFiltered + stats.updatesMissed + stats.buffered;
}
