/** What outlives an engine: everything that was answered, whole, in the same epoch; and what it says when its storage does not do as it is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BridgeError } from '../../shared/errors.js';
import { setTimeout } from '../../shared/platform-timers.js';
import { valuesEqual } from '../../shared/values/value-equality.js';
import type { VariableType, VariableValue } from '../../shared/values/variable-type.js';
import { within } from '../within.js';
import type { EngineSetup, FollowedSession } from './engine-test.js';
import { asPromise, EngineTest } from './engine-test.js';

/** What a variable is, beside its versions. */
const REGISTERED = [
  ...(['id', 'name', 'type', 'constraints', 'metadata', 'description', 'ttlMs'] as const),
  ...(['firstVersion', 'place', 'createdAt', 'current'] as const),
] as const;

export function describeOutliving(setup: EngineSetup): void {
  const given = (
    sentence: string,
    needs: readonly (keyof EngineSetup)[],
    body: (engineTest: EngineTest) => Promise<void>,
  ): void => {
    const missing = needs.find((need) => setup[need] === undefined);
    const skip = missing === undefined ? false : `means nothing for this engine: it has no ${missing}`;
    test(sentence, { skip }, () => EngineTest.run(setup, body));
  };

  given(
    'sessions, variables, values and versions are there again, in the same epoch',
    ['reopen'],
    async (engineTest) => {
      const { life } = engineTest;
      const session = await engineTest.session();
      for (const [index, { type, value }] of VALUES.entries()) {
        const more = type === 'choice' ? { constraints: { choices: ['a', 'b'] } } : {};
        await session.register(`v${index}`, { type, initial: value, ...more });
      }
      const registration = {
        description: 'a fan',
        metadata: { key: 'ü' },
        ttlMs: 60_000,
        version: 2 ** 52,
        source: 'me',
      };
      await session.register('fan', { constraints: { min: 0, max: 9 }, ...registration });
      await session.set('fan', 5, { setter: { source: 'you', custom: { why: 'test' } } });
      const before = session.following.table.require('fan');
      const { revision } = session.following.table;
      await engineTest.reopen();
      assert.deepEqual(engineTest.life, life);
      assert.deepEqual([...engineTest.engine.sessionIds], ['s']);
      const again = await engineTest.session('s', false);
      assert.deepEqual(again.following.metadata, { owner: 'suite' });
      const { table } = again.following;
      assert.equal(table.revision, revision);
      for (const [index, { type, value }] of VALUES.entries()) {
        const variable = table.require(`v${index}`);
        assert.ok(valuesEqual(variable.current.value, value), `${type} ${index}`);
        assert.equal(await again.set(`v${index}`, value), 1, `${type} ${index} is equal to what it was`);
      }
      const after = table.require('fan');
      const said = (variable: typeof after) => REGISTERED.map((field) => [field, variable[field]]);
      assert.deepEqual(said(after), said(before));
      assert.deepEqual(after.history.last(9), before.history.last(9));
      assert.equal(await again.set('fan', 6), 2 ** 52 + 2);
      await again.register('last');
      assert.ok(table.require('last').place > after.place);
    },
  );

  given('what went is remembered, and what was ended is gone', ['reopen'], async (engineTest) => {
    const session = await engineTest.session();
    await session.register('fan', { initial: 7 });
    const { id } = session.following.table.require('fan');
    await session.delete('fan');
    const ended = await engineTest.session('ended');
    await ended.register('x');
    await ended.end();
    const anew = await engineTest.session('ended');
    await anew.register('y');
    await engineTest.reopen();
    const again = await engineTest.session('s', false);
    const gone = again.following.gone.find(id);
    assert.deepEqual(
      [gone?.reason, gone?.variable.name, gone?.current.version, gone?.current.value],
      ['deleted', 'fan', 2, 7],
    );
    assert.equal(again.following.table.size, 0);
    assert.equal(again.following.table.revision, 2);
    const other = await engineTest.session('ended', false);
    assert.deepEqual(
      [other.following.table.find('x'), other.following.table.require('y').current.version],
      [undefined, 1],
    );
  });

  given('a session made anew begins above the one before in another server too', ['reopen'], async (engineTest) => {
    const session = await engineTest.session();
    for (const name of ['a', 'b', 'c']) await session.register(name);
    const { revision } = session.following.table;
    await session.end();
    await engineTest.reopen();
    const anew = await engineTest.session();
    const { revision: begun } = anew.following.table;
    assert.ok(begun >= revision + 3, `${begun} is not above ${revision} and 3 deletions`);
    await engineTest.reopen();
    const { table, gone } = (await engineTest.session('s', false)).following;
    assert.deepEqual([table.revision, gone.forgottenRevision], [begun, begun], 'it has had no change yet');
  });

  given('outcomes of sets are known again: also of those that changed nothing', ['reopen'], async (engineTest) => {
    const session = await engineTest.session();
    await session.register('fan');
    const place = (sequence: number, answered = 0) => ({ link: 'link', sequence, answered, before: [] });
    await session.set('fan', 1, { once: place(1) });
    await session.set('fan', 1, { once: place(2) });
    await assert.rejects(session.one(session.setting('fan', 2, 9), { once: place(3) }), { code: 'VERSION_CONFLICT' });
    const before = [{ sequence: 4, version: 0, code: 'INVALID_VALUE', message: 'no' }];
    await session.set('fan', 2, { once: { ...place(5, 1), before } });
    await engineTest.reopen();
    const again = await engineTest.session('s', false);
    if (engineTest.engine.isShared) {
      // Whichever server is asked again finds them where the state is.
      for (const [sequence, outcome] of [
        [2, 2],
        [3, 'VERSION_CONFLICT'],
        [4, 'INVALID_VALUE'],
        [5, 3],
      ] as const) {
        const said = again.set('fan', 8, { once: place(sequence, 1) }).catch((error: BridgeError) => error.code);
        assert.equal(await said, outcome);
      }
      assert.equal(again.following.table.require('fan').current.version, 3);
      return;
    }
    const { windows } = again.following;
    assert.equal(windows.length, 1);
    assert.deepEqual(
      windows[0]!.outcomes
        .filter(({ sequence }) => sequence > 1)
        .map(({ sequence, version, code }) => [sequence, version, code]),
      [
        [2, 2, ''],
        [3, 0, 'VERSION_CONFLICT'],
        [4, 0, 'INVALID_VALUE'],
        [5, 3, ''],
      ],
    );
  });

  given('a link that has made nothing is known again', ['reopen'], async (engineTest) => {
    const session = await engineTest.session();
    // Shared engines keep it when they are asked for it.
    if (engineTest.engine.isShared) {
      assert.equal(await engineTest.engine.openWindow!('s', 'link', 0), undefined);
      await engineTest.reopen();
      await engineTest.session('s', false);
      const window = await engineTest.engine.openWindow!('s', 'link', 0);
      assert.deepEqual([window?.from, window?.outcomes], [0, []]);
      return;
    }
    await engineTest.engine.beginWindow!('s', 'link', 0, 0);
    await session.register('fan');
    await engineTest.reopen();
    const { windows } = (await engineTest.session('s', false)).following;
    assert.deepEqual(
      windows.map(({ link, from, outcomes }) => [link, from, outcomes]),
      [['link', 0, []]],
    );
  });

  given('histories are there again, without a hole', ['reopen'], async (engineTest) => {
    let session = await engineTest.session();
    await session.register('fan');
    for (let round = 1; round <= 3; round += 1) {
      await Promise.all(Array.from({ length: 10 }, () => session.set('fan', Math.random())));
      await engineTest.reopen();
      session = await engineTest.session('s', false);
      const { history, current } = session.following.table.require('fan');
      assert.equal(current.version, round * 10 + 1);
      const versions = history.last(1_000).map(({ version }) => version);
      assert.ok(versions.length >= Math.min(16, current.version));
      const first = current.version - versions.length + 1;
      assert.deepEqual(
        versions,
        versions.map((_, index) => first + index),
      );
    }
  });

  given('100,000 variables are there again', ['reopen'], async (engineTest) => {
    const session = await engineTest.session();
    for (let from = 0; from < 100_000; from += 1_000) {
      const operations = Array.from({ length: 1_000 }, (_, index) => session.registration(`v${from + index}`));
      await within(
        asPromise(() => session.ask(operations)),
        'an answer',
      );
    }
    await engineTest.engine.close();
    await engineTest.reopen(true);
    assert.equal((await engineTest.session('s', false)).following.table.size, 100_000);
  });

  given(
    'killed under load: what was answered is there, groups are whole, and nobody was told of more',
    ['reopen', 'kill'],
    async (engineTest) => {
      for (let seed = 1; seed <= 10; seed += 1) {
        const id = `s${seed}`;
        const session = await engineTest.session(id);
        for (let index = 0; index < 10; index += 1) await session.register(`v${index}`);
        const answered = await killed(engineTest, session, setup, seed);
        await engineTest.reopen(true);
        const { table } = (await engineTest.session(id, false)).following;
        const values = Array.from({ length: 10 }, (_, index) => table.require(`v${index}`).current.value as number);
        assert.equal(new Set(values).size, 1, `seed ${seed}: a group is whole: ${values.join()}`);
        assert.ok(values[0]! >= answered, `seed ${seed}: ${answered} was answered, ${values[0]} is there`);
        const lastTold = (session.told.at(-1)?.changes[0]?.current.value ?? 0) as number;
        assert.ok(values[0]! >= lastTold, `seed ${seed}: ${lastTold} was told, ${values[0]} is there`);
      }
    },
  );

  given(
    'storage that is full: refused, nothing half done, and it goes on when it is freed',
    ['fill'],
    async (engineTest) => {
      const session = await engineTest.session();
      await session.register('fan', { type: 'string', initial: '' });
      await session.register('old', { type: 'string', initial: 'x'.repeat(1_000) });
      const free = await setup.fill!(engineTest.engine);
      let kept = 1;
      await assert.rejects(
        async () => {
          for (; ; kept += 1) assert.equal(await session.set('fan', `${kept} ${'x'.repeat(50_000)}`), kept + 1);
        },
        (error: BridgeError) => error.code === 'STORAGE_FULL',
      );
      const { table } = session.following;
      assert.equal(table.require('fan').current.version, kept, 'nothing of what was refused can be read');
      assert.equal(session.told.length, kept + 1);
      assert.equal(await session.delete('old'), 2, 'what frees room is taken');
      await free();
      const again = async (): Promise<number> => {
        for (;;) {
          try {
            return await session.set('fan', 'again');
          } catch (error) {
            if ((error as BridgeError).code !== 'STORAGE_FULL') throw error;
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
      };
      assert.equal(await within(again(), 'room'), kept + 1);
      if (setup.reopen === undefined) return;
      await engineTest.reopen();
      assert.equal((await engineTest.session('s', false)).following.table.require('fan').current.value, 'again');
    },
  );

  given('slow storage: in order, and what would wait without an end is refused', ['pause'], async (engineTest) => {
    const session = await engineTest.session();
    await session.register('fan', { type: 'string', initial: '' });
    await setup.pause!(engineTest.engine, 200);
    const text = 'x'.repeat(500_000);
    const answers: number[] = [];
    const asked: Promise<unknown>[] = [];
    const refused = new Set<string>();
    for (let value = 0; value < 400; value += 1) {
      const setting = session.setting('fan', `${value} ${text}`);
      asked.push(
        session
          .one(setting)
          .then((version) => answers.push(version))
          .catch(({ code }: BridgeError) => refused.add(code)),
      );
    }
    await within(Promise.all(asked), 'the answers', 60_000);
    assert.deepEqual(
      answers,
      Array.from({ length: answers.length }, (_, index) => index + 2),
    );
    assert.deepEqual([...refused], ['QUOTA_EXCEEDED']);
  });
}

/** The last value that was answered when it was killed. */
async function killed(
  engineTest: EngineTest,
  session: FollowedSession,
  setup: EngineSetup,
  seed: number,
): Promise<number> {
  let answered = 0;
  let isRunning = true;
  const load = async (): Promise<void> => {
    for (let value = 1; isRunning; value += 1) {
      const operations = Array.from({ length: 10 }, (_, index) => session.setting(`v${index}`, value));
      const asking = asPromise(() => session.ask(operations, { isAtomic: true }));
      asking.then(
        () => {
          answered = value;
        },
        () => {
          isRunning = false;
        },
      );
      // Some in flight, not without an end.
      if (value % 5 === 0)
        await Promise.race([asking.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 50))]);
    }
  };
  const loading = load();
  await new Promise((resolve) => setTimeout(resolve, 30 + seed * 7));
  await setup.kill!(engineTest.engine);
  isRunning = false;
  await loading;
  return answered;
}

const VALUES: readonly { readonly type: VariableType; readonly value: VariableValue }[] = [
  { type: 'float', value: -0 },
  { type: 'float', value: Number.NaN },
  { type: 'float', value: Number.NEGATIVE_INFINITY },
  { type: 'float', value: 5e-324 },
  { type: 'integer', value: Number.MAX_SAFE_INTEGER },
  { type: 'integer', value: -(2n ** 200n) },
  { type: 'boolean', value: false },
  { type: 'string', value: '' },
  { type: 'string', value: 'ü\u0000 \u{1F600}' },
  { type: 'string', value: 'x'.repeat(4_000_000) },
  { type: 'choice', value: 'a' },
  { type: 'module', value: 'Foo.Bar' },
  { type: 'map', value: { __proto__x: null, a: [1, { b: 'ü' }] } as unknown as VariableValue },
  { type: 'list', value: [] },
  { type: 'list', value: Array.from({ length: 5_000 }, (_, index) => index) as unknown as VariableValue },
  { type: 'embedding', value: Float64Array.of(1, -0, Number.NaN) },
  { type: 'embedding', value: Float32Array.from({ length: 5_000 }, (_, index) => index / 3) },
  { type: 'tensor', value: { shape: [2, 1], data: Float64Array.of(1, 2) } as unknown as VariableValue },
];
