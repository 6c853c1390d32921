import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ObserverManager } from '../../../src/server/observer-manager.js';
import { CarrierBudget } from '../../../src/server/watch/carrier-budget.js';
import { Watch } from '../../../src/server/watch/watch.js';
import { registerWatch } from '../../../src/server/watch/watch-registration.js';
import type { WatchRequest } from '../../../src/server/watch/watch-request.js';
import { parseWatchRequest } from '../../../src/server/watch/watch-request.js';
import { AbortedError, InvalidNameError, VariablesNotFoundError } from '../../../src/shared/errors.js';
import { silentLogger } from '../../../src/shared/logger.js';
import type { Change } from '../../../src/shared/state/variable.js';
import { SampleTable } from '../sample-table.js';

function setup(message: Parameters<typeof parseWatchRequest>[0]) {
  const sample = new SampleTable();
  const { table } = sample;
  const manager = new ObserverManager(silentLogger);
  const gone = new Map<string, Change>();
  const told: string[] = [];
  const budget = new CarrierBudget(1e9);
  const watch = new Watch(
    { observers: manager, sessionId: 's', budget },
    {
      handleChange: (sent, { change }) => void told.push(`${sent.variable.name}=${change.current.version}`),
      handleNothingLeft: () => undefined,
      handleFailure: () => undefined,
    },
  );
  const remembers = { all: true };
  const session = {
    id: 's',
    revision: table.revision,
    find: (identifier: string) => table.find(identifier),
    findById: (id: string) => table.findById(id),
    findGone: (id: string) => gone.get(id),
    findGoneByName: (name: string, revision: number) =>
      [...gone.values()].find(({ variable, current }) => variable.name === name && current.revision > revision),
    gone: () => gone.values(),
    sharedUpTo: () => Number.POSITIVE_INFINITY,
    remembersSince: () => remembers.all,
    after: (place: number) => table.after(place),
  };
  let steps = 0;
  const register = (between: (step: number) => void = () => undefined, request?: WatchRequest) =>
    registerWatch(watch, request ?? parseWatchRequest(message), session, 'e1', {
      spend: () => {
        steps += 1;
        between(steps);
        return steps % 2 === 0 ? Promise.resolve() : undefined;
      },
    });
  return { sample, manager, budget, gone, watch, told, register, remembers, steps: () => steps };
}

describe('registering for what a request means', () => {
  test('takes a step for each id, identifier and variable times pattern, and no more', async () => {
    const { sample, register, steps } = setup({
      variableIdentifiers: Array.from({ length: 50 }, (_, index) => `v${index}`),
      patterns: ['x*', 'y*'],
      resume: Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`id${index}`, 1])),
      resumeEpoch: 'e1',
    });
    for (let index = 0; index < 70; index += 1) sample.variable(`v${index}`);
    await register();
    assert.equal(steps(), 30 + 50 + 2 * 70 + 30);
  });

  test('misses nothing that comes, changes or goes between its turns', async () => {
    const { sample, manager, register, watch } = setup({
      variableIdentifiers: ['late'],
      patterns: ['v*'],
      options: { missing: 'wait' },
    });
    const variables = Array.from({ length: 20 }, (_, index) => sample.variable(`v${index}`));
    await register((step) => {
      if (step === 5) manager.publish('s', sample.register('v-new'), 0);
      if (step === 8) manager.publish('s', sample.delete(variables[2]!), 0);
      if (step === 9) manager.publish('s', sample.delete(variables[15]!), 0);
      if (step === 10) manager.publish('s', sample.register('late'), 0);
    });
    const { states, gone } = watch.capture();
    const names = states.map(({ variable }) => variable.name).sort();
    const expected = [
      ...variables.map(({ name }) => name).filter((name) => name !== 'v2' && name !== 'v15'),
      'late',
      'v-new',
    ];
    assert.deepEqual(names, expected.sort());
    assert.deepEqual(
      gone.map(({ id }) => id),
      [variables[2]!.id],
    );
  });

  test('stops when the watch ends between its turns, whichever they are, and leaves no observer', async () => {
    const resumed = Object.fromEntries(Array.from({ length: 6 }, (_, index) => [`id${index}`, 1]));
    for (const variableIdentifiers of [['a', 'b', 'c', 'd', 'late'], []]) {
      for (let last = 1; last <= 20; last += 1) {
        const { sample, manager, register, watch, budget } = setup({
          ...{ variableIdentifiers, patterns: ['*', 'v*'], resume: resumed, resumeEpoch: 'e1' },
          options: { missing: 'wait' },
        });
        for (const name of ['a', 'b', 'c', 'd', 'e']) sample.variable(name);
        await register((step) => {
          if (step === last) watch.close({ begin: () => ({ spend: () => undefined }) });
        });
        watch.close({ begin: () => ({ spend: () => undefined }) });
        assert.deepEqual([manager.size, manager.patternsOf('s'), budget.held], [0, 0, 0], `ended at step ${last}`);
      }
    }
  });

  test('names all that are missing', async () => {
    const { sample, register } = setup({ variableIdentifiers: ['a', 'x', 'y'] });
    sample.variable('a');
    await assert.rejects(register(), (error: VariablesNotFoundError) => {
      assert.ok(error instanceof VariablesNotFoundError);
      assert.match(error.message, /x.*y/);
      return true;
    });
  });

  test('says of what is gone how it went, and what the request calls it unless that is its name alone', async () => {
    const { sample, gone, register } = setup({
      variableIdentifiers: ['fan', 'var_2', 'lamp'],
      resume: { var_1: 1, var_2: 1, var_9: 1 },
      resumeEpoch: 'e1',
    });
    for (const name of ['fan', 'lamp']) {
      const change = sample.delete(sample.variable(name));
      gone.set(change.variable.id, change);
    }
    const said = await register();
    assert.deepEqual(
      said.map(({ id, change, identifiers }) => [id, change?.variable.name, identifiers]),
      [
        ['var_1', 'fan', undefined],
        ['var_2', 'lamp', ['var_2', 'lamp']],
        ['var_9', undefined, undefined],
      ],
    );
  });

  test('from a revision tells what went since of what it names and of what fits, and refuses where that is forgotten', async () => {
    const { sample, gone, watch, register, remembers } = setup({});
    const variables = ['stays', 'went before', 'goes', 'comes again', 'p1', 'other'].map((name) =>
      sample.variable(name),
    );
    const byName = new Map(variables.map((variable) => [variable.name, variable]));
    const goes = (name: string): void => {
      const change = sample.delete(byName.get(name)!);
      gone.set(change.variable.id, change);
    };
    goes('went before');
    const { revision } = sample.table;
    for (const name of ['goes', 'comes again', 'p1', 'other']) goes(name);
    sample.variable('comes again');
    sample.variable('p2');
    const request: WatchRequest = {
      ...parseWatchRequest({ sessionId: 's', variableIdentifiers: ['stays', 'goes', 'comes again'], patterns: ['p*'] }),
      fromRevision: revision,
    };
    const said = await register(undefined, request);
    assert.deepEqual(said.map(({ change }) => change?.variable.name).sort(), ['comes again', 'goes', 'p1']);
    const { states } = watch.capture();
    assert.deepEqual(states.map(({ variable }) => variable.name).sort(), ['p2', 'stays']);
    remembers.all = false;
    await assert.rejects(register(undefined, request), AbortedError);
  });

  test('from a revision refuses to wait for what can be no name, as from the start', async () => {
    const { register } = setup({});
    const message = { sessionId: 's', variableIdentifiers: ['a\u0000'], options: { missing: 'wait' } };
    for (const fromRevision of [undefined, 0]) {
      await assert.rejects(register(undefined, { ...parseWatchRequest(message), fromRevision }), InvalidNameError);
    }
  });
});
