/** A link that comes back says where it was by one number, and the server tells what came since, deletions too. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Watch } from '../../src/main/index.js';
import { BridgedState } from '../../src/main/index.js';
import type { BridgeServer, BridgeServerOptions } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';
import { within } from '../support/deadline.js';
import { SeenUpdates, SOON } from '../support/seen-updates.js';
import { sharedPool } from '../support/shared-pool.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** A server, a writer beside it, and a state that watches it through a wire that can be cut. */
class House implements AsyncDisposable {
  readonly seen = new SeenUpdates();
  readonly server: BridgeServer;
  readonly proxy: TcpProxy;
  readonly writer: BridgedState;
  readonly state: BridgedState;

  private constructor(server: BridgeServer, proxy: TcpProxy, writer: BridgedState, state: BridgedState) {
    this.server = server;
    this.proxy = proxy;
    this.writer = writer;
    this.state = state;
  }

  static async open(options: BridgeServerOptions = {}): Promise<House> {
    const server = await startBridgeServer({ port: 0, ...options });
    const proxy = await TcpProxy.start(server.port);
    const writer = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, workers: 0 });
    const state = await BridgedState.open({
      ...{ endpoint: proxy.endpoint, pool: await sharedPool(1), transport: 'link', verify: true },
      ...SOON,
    });
    return new House(server, proxy, writer, state);
  }

  /** Two variables; of `a` the watch has been told a first change. */
  async watchAandB(): Promise<Watch> {
    const { writer, state, seen } = this;
    for (const name of ['a', 'b']) await writer.registerVariable(name, 'integer', 0);
    const { onError, onState } = seen;
    const watch = await state.watchVariables(['a', 'b'], seen.watcher, { onError, onState });
    await writer.setVariable('a', 1);
    await seen.when(5_000, () => seen.all.length === 1, 'the update before the cut');
    return watch;
  }

  async cut(meanwhile: () => Promise<unknown>): Promise<void> {
    const { seen, proxy } = this;
    seen.states.length = 0;
    proxy.cut();
    await seen.when(5_000, () => seen.states.includes('backoff'), 'the watch in backoff');
    await meanwhile();
    proxy.mend();
    await seen.when(15_000, () => seen.states.at(-1) === 'live', 'the watch live again');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of [this.state, this.writer, this.proxy, this.server]) await one[Symbol.asyncDispose]();
  }
}

test('3,000 watches that missed nothing come back by no more than their names, and are told nothing', async () => {
  await using house = await House.open();
  const { proxy, writer, state, seen } = house;
  const names = Array.from({ length: 3_000 }, (_, place) => `v${place}`);
  for (let from = 0; from < names.length; from += 250) {
    await Promise.all(names.slice(from, from + 250).map((name) => writer.registerVariable(name, 'integer', 0)));
  }
  const { onError, onState } = seen;
  const watches = await Promise.all(
    names.map((name) => state.watchVariables(name, seen.watcher, { onError, onState })),
  );
  await writer.setVariable('v7', 1);
  await seen.when(5_000, () => seen.all.length === 1, 'the update before the cut');
  const before = proxy.bytes;
  await house.cut(() => writer.setVariable('v9', 5));
  await within(20_000, Promise.all(watches.map((watch) => watch.synced)), 'all in step');
  await seen.when(5_000, () => seen.last?.newValue === 5, 'what was set during the cut');
  assert.equal(seen.all.length, 2);
  const up = proxy.bytes.up - before.up;
  assert.ok(up < 25 * names.length, `${up} bytes up`);
  assert.ok(proxy.bytes.down - before.down < 12 * names.length, `${proxy.bytes.down - before.down} bytes down`);
  assert.deepEqual(seen.errors, []);
});

test('what was set, deleted and registered again during a cut is told in the order of its revisions', async () => {
  await using house = await House.open();
  const { writer, state, seen } = house;
  for (const name of ['a', 'b', 'c']) await writer.registerVariable(name, 'integer', 0);
  const id = await writer.registerVariable('by id', 'integer', 0);
  const { onError, onState } = seen;
  const watch = await state.watchVariables(['a', 'b', 'c', id], seen.watcher, { onError, onState });
  await within(5_000, watch.synced, 'the first synced');
  await writer.setVariable('a', 1);
  await seen.when(5_000, () => seen.all.length === 1, 'the update before the cut');
  await house.cut(async () => {
    await writer.setVariable('b', 1);
    await writer.deleteVariable('a');
    await writer.registerVariable('a', 'integer', 9);
    await writer.setVariable('c', 1);
    await writer.deleteVariable(id);
    await writer.setVariable('b', 2);
  });
  await within(5_000, watch.synced, 'the second synced');
  assert.deepEqual(
    seen.all
      .slice(1)
      .map(({ identifier, oldValue, newValue, metadata }) => [identifier, oldValue, newValue, metadata.deleted]),
    [
      ['b', 0, 1, undefined],
      ['a', 1, undefined, 'deleted'],
      ['c', 0, 1, undefined],
      [id, 0, undefined, 'deleted'],
      ['b', 1, 2, undefined],
    ],
  );
  const revisions = seen.all.map(({ metadata }) => metadata.revision);
  assert.deepEqual(
    revisions,
    [...revisions].sort((x, y) => x - y),
  );
  assert.deepEqual(seen.errors, []);
});

test('of a name that went, came back and went again during a cut, the variable that was watched is told as deleted', async () => {
  await using house = await House.open();
  const { writer, seen } = house;
  const watch = await house.watchAandB();
  const { variableId } = seen.last!.metadata;
  await house.cut(async () => {
    await writer.deleteVariable('a');
    for (let life = 0; life < 2; life += 1) {
      await writer.registerVariable('a', 'integer', 7);
      await writer.deleteVariable('a');
    }
  });
  await within(5_000, watch.synced, 'the watch in step');
  const told = seen.all.slice(1).map(({ identifier, oldValue, metadata }) => [identifier, oldValue, metadata]);
  assert.equal(told.length, 1);
  const [identifier, oldValue, metadata] = told[0] as [string, unknown, (typeof seen.all)[number]['metadata']];
  assert.deepEqual([identifier, oldValue, metadata.deleted, metadata.missed], ['a', 1, 'deleted', 0]);
  assert.equal(metadata.variableId, variableId);
  assert.deepEqual(seen.errors, []);
});

test('beyond the history a watch hears the present value, and exactly how many versions it missed', async () => {
  await using house = await House.open({ history: { maxAgeMs: 0, maxVersions: 16 } });
  const { writer, seen } = house;
  await house.watchAandB();
  await house.cut(async () => {
    for (let value = 2; value <= 100; value += 1) await writer.setVariable('a', value);
  });
  await seen.when(5_000, () => seen.last?.newValue === 100, 'the present value');
  assert.deepEqual(seen.rows().slice(1), [[1, 100, 101, 98, true]]);
  assert.deepEqual(seen.errors, []);
});

test('where the server has forgotten what went, the watch comes back by its versions', async () => {
  await using house = await House.open();
  const { writer, seen } = house;
  const watch = await house.watchAandB();
  await house.cut(async () => {
    await writer.deleteVariable('b');
    const names = Array.from({ length: 1_100 }, (_, place) => `passing-${place}`);
    for (let from = 0; from < names.length; from += 100) {
      const some = names.slice(from, from + 100);
      await Promise.all(some.map((name) => writer.registerVariable(name, 'integer', 0)));
      await Promise.all(some.map((name) => writer.deleteVariable(name)));
    }
    await writer.setVariable('a', 2);
  });
  await within(10_000, watch.synced, 'the watch in step');
  const told = seen.all.slice(1).map(({ identifier, newValue, metadata }) => [identifier, newValue, metadata.deleted]);
  assert.deepEqual(told.sort(), [
    ['a', 2, undefined],
    ['b', undefined, 'deleted'],
  ]);
  assert.deepEqual(seen.errors, []);
});

test('a watch by id does not take what happens to a variable that is named like its id for its own', async () => {
  await using house = await House.open();
  const { writer, state, seen } = house;
  const id = await writer.registerVariable('watched', 'integer', 0);
  const { onError, onState } = seen;
  const watch = await state.watchVariables(id, seen.watcher, { onError, onState });
  await within(5_000, watch.synced, 'the first synced');
  await writer.registerVariable(id, 'integer', 7);
  await writer.setVariable('watched', 1);
  await seen.when(5_000, () => seen.all.length === 1, 'the update before the first cut');
  await house.cut(() => writer.setVariable(id, 8));
  await within(5_000, watch.synced, 'the second synced');
  await house.cut(() => writer.deleteVariable(id));
  await within(5_000, watch.synced, 'the third synced');
  await writer.setVariable('watched', 2);
  await seen.when(5_000, () => seen.last?.newValue === 2, 'the update behind both');
  assert.deepEqual(seen.rows(), [
    [0, 1, 2, 0, false],
    [1, 2, 3, 0, false],
  ]);
  assert.deepEqual(seen.errors, []);
});
