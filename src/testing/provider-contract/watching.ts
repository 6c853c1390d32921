/** What a watcher is called with, in which order, and with what beside the values. */
import assert from 'node:assert/strict';
import type { Promised } from './contract-test.js';
import { pairsOf, valuesOf } from './recording.js';

export function describeWatching(promise: Promised): void {
  promise('a provider that watches says so, and how', async ({ provider }) => {
    assert.equal(provider.supportsWatching, true);
    assert.ok(['local', 'stream', 'link'].includes(provider.capabilities.transport));
    for (const fact of ['resume', 'waitForMissing', 'conditionsOffMainThread'] as const) {
      assert.equal(typeof provider.capabilities[fact], 'boolean');
    }
  });

  promise('a set from 1 to 2 calls the watcher with old 1, new 2 and the setter’s source', async (contract) => {
    const { provider } = contract;
    await provider.registerVariable('fan', 'integer', 1);
    const recording = await contract.record(['fan']);
    await provider.setVariable('fan', 2, { source: 'test', metadata: { reason: 'heat' } });
    const { identifier, oldValue, newValue, metadata } = await recording.next();
    assert.equal(identifier, 'fan');
    assert.equal(oldValue, 1, 'without includeInitial the first old value is the value at registration');
    assert.equal(newValue, 2);
    assert.equal(metadata.source, 'test');
    assert.deepEqual({ ...metadata.custom }, { reason: 'heat' });
  });

  promise('the metadata says version, times, revision, session and variable', async (contract) => {
    const { provider } = contract;
    const id = await provider.registerVariable('fan', 'integer', 1);
    const recording = await contract.record('fan');
    await provider.setVariable('fan', 2);
    await provider.setVariable('fan', 3);
    const [first, second] = (await recording.take(2)).map(({ metadata }) => metadata);
    assert.equal(first!.version, 2);
    assert.equal(second!.version, 3);
    assert.equal(second!.revision, first!.revision + 1);
    assert.equal(first!.variableId, id);
    assert.ok(first!.sessionId.length > 0);
    assert.ok(first!.timestamp > 1.6e12 && second!.timestamp >= first!.timestamp, 'ms since 1970');
    assert.ok(first!.receivedAt > 1.6e12, 'ms since 1970');
    for (const metadata of [first!, second!]) {
      assert.deepEqual(
        [metadata.initial, metadata.missed, metadata.resync, metadata.deleted],
        [false, 0, false, undefined],
      );
      assert.deepEqual({ ...metadata.custom }, {});
    }
  });

  promise('a set without a source has that of its state, the same for each', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 1 });
    const recording = await contract.record('x');
    await provider.setVariable('x', 2);
    await provider.updateVariables({ x: 3 });
    const [first, second] = await recording.take(2);
    assert.equal(typeof first!.metadata.source, 'string');
    assert.equal(first!.metadata.source, second!.metadata.source);
  });

  promise('a set made after the watch is registered is seen, however soon', async (contract) => {
    const { provider } = contract;
    for (let round = 0; round < 20; round += 1) {
      const name = `v${round}`;
      await contract.floats({ [name]: 0 });
      const recording = await contract.record(name);
      await provider.setVariable(name, 1);
      assert.deepEqual(pairsOf([await recording.next()]), [[0, 1]]);
    }
  });

  promise('with includeInitial the present values come first, and then every later version', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 1, b: 2 });
    await provider.setVariable('b', 20);
    const recording = await contract.record(['a', 'b'], { includeInitial: true });
    const changes = [provider.setVariable('a', 10), provider.setVariable('b', 21), provider.setVariable('a', 11)];
    await Promise.all(changes);
    const calls = await recording.take(5);
    const initial = calls.filter(({ metadata }) => metadata.initial);
    assert.deepEqual(
      new Map(initial.map((call) => [call.identifier, call.newValue])),
      new Map([
        ['a', 1],
        ['b', 20],
      ]),
    );
    for (const { oldValue, metadata } of initial) {
      assert.equal(oldValue, undefined, 'nothing was seen before');
      assert.equal(metadata.missed, 0);
    }
    for (const [name, values, versions] of [
      ['a', [1, 10, 11], [1, 2, 3]],
      ['b', [20, 21], [2, 3]],
    ] as const) {
      const ofName = calls.filter(({ identifier }) => identifier === name);
      assert.deepEqual(valuesOf(ofName), values);
      assert.deepEqual(
        ofName.map(({ metadata }) => metadata.version),
        versions,
      );
      assert.deepEqual(
        ofName.map(({ metadata }) => metadata.initial),
        values.map((_, place) => place === 0),
      );
      assert.deepEqual(
        ofName.slice(1).map(({ oldValue }) => oldValue),
        values.slice(0, -1),
      );
    }
  });

  promise('an initial value carries the setter of that version', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 1 });
    await provider.setVariable('x', 2, { source: 'planner' });
    const recording = await contract.record('x', { includeInitial: true });
    const { newValue, metadata } = await recording.next();
    assert.deepEqual([newValue, metadata.version, metadata.initial, metadata.source], [2, 2, true, 'planner']);
  });

  promise('under a running writer, initial value and changes join without a gap or a repetition', async (contract) => {
    const { provider } = contract;
    await provider.registerVariable('n', 'integer', 1);
    let isWriting = true;
    const writer = (async () => {
      for (let n = 2; isWriting; n += 1) await provider.setVariable('n', n);
    })();
    try {
      for (let round = 0; round < 10; round += 1) {
        const recording = await contract.record('n', { includeInitial: true });
        const calls = await recording.take(20);
        const first = calls[0]!.metadata.version;
        assert.equal(calls[0]!.metadata.initial, true);
        assert.deepEqual(
          valuesOf(calls),
          Array.from({ length: 20 }, (_, n) => first + n),
          'the value is the version',
        );
        await recording.watch.stop();
      }
    } finally {
      isWriting = false;
      await writer;
    }
  });

  promise('ten sets that are not awaited one by one arrive as ten updates in order', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 0 });
    const recording = await contract.record('x');
    await Promise.all(Array.from({ length: 10 }, (_, n) => provider.setVariable('x', n + 1)));
    const calls = await recording.take(10);
    assert.deepEqual(
      pairsOf(calls),
      Array.from({ length: 10 }, (_, n) => [n, n + 1]),
    );
    assert.deepEqual(
      calls.map(({ metadata }) => metadata.version),
      Array.from({ length: 10 }, (_, n) => n + 2),
    );
    assert.ok(calls.every(({ metadata }) => metadata.missed === 0));
  });

  promise('setting an equal value notifies nobody', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 1 });
    await provider.registerVariable('nan', 'float', Number.NaN);
    const recording = await contract.record(['x', 'nan']);
    await provider.setVariable('x', 1, { source: 'again' });
    await provider.setVariable('nan', Number.NaN);
    await provider.setVariable('x', 2);
    await provider.setVariable('nan', 0);
    const calls = await recording.take(2);
    assert.deepEqual(
      new Map(calls.map((call) => [call.identifier, [call.oldValue, call.newValue, call.metadata.version]])),
      new Map<string, unknown>([
        ['x', [1, 2, 2]],
        ['nan', [Number.NaN, 0, 2]],
      ]),
    );
  });

  promise('a watcher is called with the identifier that its caller used', async (contract) => {
    const { provider } = contract;
    const id = await provider.registerVariable('fan', 'integer', 1);
    const byName = await contract.record('fan');
    const byId = await contract.record(id);
    const byBoth = await contract.record(['fan', id]);
    await provider.setVariable('fan', 2);
    await provider.setVariable(id, 3);
    assert.deepEqual(
      (await byName.take(2)).map(({ identifier }) => identifier),
      ['fan', 'fan'],
    );
    assert.deepEqual(
      (await byId.take(2)).map(({ identifier }) => identifier),
      [id, id],
    );
    const both = await byBoth.take(4);
    for (const name of ['fan', id]) {
      const called = both.filter(({ identifier }) => identifier === name);
      assert.deepEqual(pairsOf(called), [
        [1, 2],
        [2, 3],
      ]);
    }
  });

  promise('an identifier given twice is watched once', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 1, y: 1 });
    const recording = await contract.record(['x', 'y', 'x']);
    assert.deepEqual([...recording.watch.identifiers].sort(), ['x', 'y']);
    await provider.setVariable('x', 2);
    await provider.setVariable('x', 3);
    assert.deepEqual(valuesOf(await recording.take(2)), [2, 3]);
  });

  promise('two watches of one variable are told independently', async (contract) => {
    const { provider } = contract;
    await contract.floats({ x: 1 });
    const [one, other] = [await contract.record('x'), await contract.record('x')];
    assert.notEqual(one.watch.ref, other.watch.ref);
    await provider.setVariable('x', 2);
    assert.deepEqual(pairsOf([await one.next(), await other.next()]), [
      [1, 2],
      [1, 2],
    ]);
    await one.watch.stop();
    await provider.setVariable('x', 3);
    assert.deepEqual(pairsOf([await other.next()]), [[2, 3]]);
    assert.equal(one.waiting, 0);
  });

  promise('of many variables each is told its own changes, in its own order', async (contract) => {
    const { provider } = contract;
    const names = Array.from({ length: 100 }, (_, n) => `v${n}`);
    await contract.floats(Object.fromEntries(names.map((name) => [name, 0])));
    const recording = await contract.record(names);
    const changes: Promise<unknown>[] = [];
    for (let value = 1; value <= 5; value += 1)
      for (const name of names) changes.push(provider.setVariable(name, value));
    await Promise.all(changes);
    await recording.take(500);
    recording.checkChained(Object.fromEntries(names.map((name) => [name, { value: 0, version: 1 }])));
  });

  promise('a watch on one worker never sees the revision go back', async (contract) => {
    const { provider } = contract;
    await contract.floats({ a: 0, b: 0, c: 0 });
    const recording = await contract.record(['a', 'b', 'c'], { atomic: true });
    const changes: Promise<unknown>[] = [];
    for (let n = 1; n <= 30; n += 1) changes.push(provider.setVariable('abc'[n % 3]!, n));
    await Promise.all(changes);
    const revisions = (await recording.take(30)).map(({ metadata }) => metadata.revision);
    assert.deepEqual(
      revisions,
      [...revisions].sort((a, b) => a - b),
    );
    assert.equal(new Set(revisions).size, 30, 'one change, one revision');
  });

  promise('a running watch is live, registered, in step and fresh', async (contract) => {
    await contract.floats({ x: 1 });
    let synced = 0;
    const { watch } = await contract.record('x', { onSynced: () => (synced += 1) });
    await watch.ready;
    await watch.synced;
    assert.equal(watch.state, 'live');
    assert.equal(synced, 1);
    assert.ok(watch.freshnessMs >= 0 && watch.freshnessMs < 60_000);
    assert.deepEqual(watch.identifiers, ['x']);
    assert.ok(watch.ref.length > 0);
  });

  promise('what was there at registration has been told when synced resolves', async (contract) => {
    const { provider } = contract;
    const names = Array.from({ length: 50 }, (_, n) => `v${n}`);
    await contract.floats(Object.fromEntries(names.map((name) => [name, 1])));
    for (const name of names) await provider.setVariable(name, 2);
    const recording = await contract.record(names, { includeInitial: true });
    await recording.watch.synced;
    assert.equal(recording.calls.length, 50);
  });

  promise('one watch of hundreds of variables hears each of them', async (contract) => {
    const { provider } = contract;
    const names = Array.from({ length: 300 }, (_, n) => `v${n}`);
    await Promise.all(names.map((name) => provider.registerVariable(name, 'integer', 0)));
    const recording = await contract.record(names);
    await provider.updateVariables(Object.fromEntries(names.map((name, n) => [name, n + 1])));
    const calls = await recording.take(names.length);
    assert.deepEqual(
      new Map(calls.map((call) => [call.identifier, call.newValue])),
      new Map(names.map((name, n) => [name, n + 1])),
    );
  });
}
