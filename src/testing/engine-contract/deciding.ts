/** What an engine decides: versions, equality, expected versions, atomic groups, names, limits of history. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableOperation } from '../../shared/state/operation.js';
import type { VariableValue } from '../../shared/values/variable-type.js';
import { within } from '../within.js';
import type { EngineSetup } from './engine-test.js';
import { asPromise, EngineTest } from './engine-test.js';

export function describeDeciding(setup: EngineSetup): void {
  const given = (sentence: string, body: (engineTest: EngineTest) => Promise<void>): void => {
    test(sentence, () => EngineTest.run(setup, body));
  };

  given('versions rise by one, and each change is told once, when it is answered', async (engineTest) => {
    const session = await engineTest.session();
    assert.equal(await session.register('fan'), 1);
    for (let value = 1; value <= 20; value += 1) {
      assert.equal(await session.set('fan', value), value + 1);
      assert.equal(session.told.length, value + 1, 'told when it is answered');
      assert.equal(session.following.table.require('fan').current.value, value);
    }
    session.checkChain();
  });

  given('an equal value is no change: it is answered with the present version', async (engineTest) => {
    const session = await engineTest.session();
    const equals: [string, VariableValue, VariableValue][] = [
      ['float', 0, -0],
      ['float', Number.NaN, Number.NaN],
      ['integer', 2n ** 80n, 2n ** 80n],
      ['map', { a: 1, b: [2] }, { b: [2], a: 1 }],
      ['string', 'ü', 'ü'],
      ['embedding', Float64Array.of(1, 2), Float64Array.of(1, 2)],
    ];
    for (const [index, [type, initial, again]] of equals.entries()) {
      await session.register(`v${index}`, { type, initial });
      const { length } = session.told;
      assert.equal(await session.set(`v${index}`, again), 1, type);
      assert.equal(session.told.length, length, `${type}: nobody is told`);
    }
  });

  given('a session made anew begins above all revisions that were told of the one before', async (engineTest) => {
    const session = await engineTest.session();
    for (const name of ['a', 'b', 'c']) await session.register(name);
    await session.set('a', 1);
    const { revision } = session.following.table;
    await session.end();
    const anew = await engineTest.session();
    const { table, gone } = anew.following;
    // Each of its variables went, which was told under a revision of its own.
    assert.ok(table.revision >= revision + 3, `${table.revision} is not above ${revision} and 3 deletions`);
    assert.equal(gone.forgottenRevision, table.revision, 'what went before is not known in it');
    const before = table.revision;
    await anew.register('a');
    assert.equal(anew.told.at(-1)?.revision, before + 1);
  });

  given('of 100 setters that expect one version one is taken', async (engineTest) => {
    const session = await engineTest.session();
    await session.register('fan');
    const asked = Array.from({ length: 100 }, (_, value) =>
      asPromise(() => session.ask([session.setting('fan', value + 1, 1)])),
    );
    const results = (await Promise.all(asked)).flatMap((outcome) => outcome.results);
    assert.deepEqual(
      results.filter((result) => typeof result === 'number'),
      [2],
    );
    const refused = results.filter((result) => typeof result !== 'number');
    assert.deepEqual([...new Set(refused.map(({ code }) => code))], ['VERSION_CONFLICT']);
    assert.equal(session.told.length, 2);
  });

  given('an atomic group is one commit under one revision, or nothing at all', async (engineTest) => {
    const session = await engineTest.session();
    await session.register('a');
    await session.register('b');
    const { table } = session.following;
    const atomic = (operations: Parameters<typeof session.ask>[0]) =>
      asPromise(() => session.ask(operations, { isAtomic: true }));
    const { results, revision } = await atomic([session.setting('a', 1), session.setting('b', 2)]);
    assert.deepEqual(results, [2, 2]);
    assert.deepEqual(
      session.told.at(-1)?.changes.map(({ current }) => current.revision),
      [revision, revision],
    );
    const before = session.told.length;
    const refused = await atomic([session.setting('a', 5), session.setting('b', 6, 9)]);
    assert.deepEqual(
      refused.results.map((result) => (typeof result === 'number' ? result : result.code)),
      ['BATCH_REFUSED', 'VERSION_CONFLICT'],
    );
    assert.deepEqual([session.told.length, table.revision], [before, revision]);
    assert.deepEqual(
      table
        .require('a')
        .history.last(9)
        .map(({ value }) => value),
      [0, 1],
    );
    // An equal one among them is answered, and is no change.
    assert.deepEqual((await atomic([session.setting('a', 1), session.setting('b', 7)])).results, [2, 3]);
    assert.equal(session.told.at(-1)?.changes.length, 1);
    session.checkChain();
  });

  given('a group of 10,000 is made as one of two is', async (engineTest) => {
    const session = await engineTest.session();
    const names = Array.from({ length: 10_000 }, (_, place) => `v${place}`);
    const registered = await asPromise(() => session.ask(names.map((name) => session.registration(name))));
    assert.ok(registered.results.every((result) => result === 1));
    const settings = names.map((name, place) => session.setting(name, place + 1));
    const { results, revision } = await asPromise(() => session.ask(settings, { isAtomic: true }));
    assert.ok(results.length === names.length && results.every((result) => result === 2));
    assert.equal(revision, registered.revision + 1);
    session.checkChain();
  });

  given('a name is registered once; deleted and registered again it is another variable', async (engineTest) => {
    const session = await engineTest.session();
    await session.register('fan');
    await assert.rejects(session.register('fan'), { code: 'ALREADY_EXISTS' });
    const old = session.following.table.require('fan');
    const late = session.setting('fan', 5);
    await session.set('fan', 1);
    assert.equal(await session.delete('fan'), 3);
    await assert.rejects(session.one(late), { code: 'VARIABLE_NOT_FOUND' });
    assert.equal(session.following.gone.find(old.id)?.reason, 'deleted');
    await session.register('fan');
    const { table } = session.following;
    assert.notEqual(table.require('fan').id, old.id);
    assert.equal(table.findById(old.id), undefined);
    session.checkChain();
  });

  given('commits are told in the order in which they were asked, in each of many sessions', async (engineTest) => {
    const sessions = [await engineTest.session('a'), await engineTest.session('b'), await engineTest.session('c')];
    for (const session of sessions) await session.register('x');
    const answers: number[][] = [[], [], []];
    const asked: Promise<unknown>[] = [];
    for (let value = 1; value <= 300; value += 1) {
      const session = sessions[value % 3]!;
      asked.push(session.set('x', value).then(() => answers[value % 3]!.push(value)));
    }
    await Promise.all(asked);
    for (const [place, values] of answers.entries()) {
      assert.deepEqual(
        values,
        Array.from({ length: 100 }, (_, index) => 3 * index + (place === 0 ? 3 : place)),
      );
    }
    for (const session of sessions) {
      session.checkChain();
      assert.equal(session.told.length, 101);
    }
  });

  given('a group that is not atomic makes what can be made', async (engineTest) => {
    const session = await engineTest.session();
    await session.register('a');
    const { results } = await asPromise(() =>
      session.ask([
        session.setting('a', 1),
        session.setting('a', 2, 9),
        session.setting('a', 3),
        session.registration('b'),
      ]),
    );
    assert.deepEqual(
      results.map((result) => (typeof result === 'number' ? result : result.code)),
      [2, 'VERSION_CONFLICT', 3, 1],
    );
    session.checkChain();
  });

  given('who follows later gets all of it at one revision, and what comes then', async (engineTest) => {
    const first = await engineTest.session();
    await first.register('fan');
    for (let value = 1; value <= 30; value += 1) await first.set('fan', value);
    first.following.release();
    const late = await engineTest.session('s', false);
    const { table } = late.following;
    assert.deepEqual([table.revision, table.require('fan').current.value], [31, 30]);
    await late.set('fan', 99);
    assert.deepEqual(late.versions, [32]);
    assert.deepEqual(first.told.length, 31);
    assert.equal(await engineTest.engine.head('s'), 32);
  });

  given('at least the last 16 versions stay, and no more than asked for', async (engineTest) => {
    const session = await engineTest.session();
    await session.register('fan');
    await Promise.all(Array.from({ length: 1_000 }, (_, value) => session.set('fan', value + 1)));
    const { history } = session.following.table.require('fan');
    assert.equal(history.length, 100);
    assert.equal(history.last(1)[0]?.version, 1_001);
  });

  given('a session that was ended is no more, and one of its name begins anew', async (engineTest) => {
    const session = await engineTest.session();
    await session.register('fan');
    await session.end();
    await assert.rejects(
      asPromise(() => session.ask([session.registration('x')])),
      { code: 'SESSION_NOT_FOUND' },
    );
    const next = await engineTest.session();
    assert.equal(next.following.table.size, 0);
    assert.equal(await next.register('fan'), 1);
  });

  given(
    'what cannot be written is not made, and what is asked with it and behind it is answered',
    async (engineTest) => {
      const session = await engineTest.session();
      await session.register('good');
      await session.register('bad', { type: 'map', initial: {} });
      const unwritable = {
        get value(): number {
          throw new Error('this value cannot be read');
        },
      };
      const asked = [
        session.set('good', 1),
        session.one({ ...session.setting('bad', {}), value: unwritable } as TableOperation),
        session.set('good', 2),
      ];
      const [, bad] = await within(Promise.allSettled(asked), 'what was asked with it');
      const { current } = session.following.table.require('bad');
      // An engine that writes nothing takes it.
      assert.equal(bad!.status === 'fulfilled', current.version === 2);
      const { version } = session.following.table.require('good').current;
      assert.equal(await session.set('good', 3), version + 1, 'what is asked behind it');
      session.checkChain();
    },
  );

  given('one that is closed has answered what was asked before', async (engineTest) => {
    const session = await engineTest.session();
    await session.register('fan');
    const asked = Array.from({ length: 50 }, (_, value) => session.set('fan', value + 1));
    const closing = engineTest.engine.close();
    const versions = await Promise.all(asked);
    assert.equal(versions.at(-1), 51);
    await closing;
  });
}
