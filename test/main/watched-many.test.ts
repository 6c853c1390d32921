/** Kind by kind: what one watch over many variables costs, in steps and never in time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LocalState } from '../../src/main/index.js';
import type { WatchOptionsInput } from '../../src/shared/options.js';
import { countSteps } from '../support/count-steps.js';

describe('a watch over many variables', () => {
  const kinds: Record<string, WatchOptionsInput> = {
    plain: {},
    conflated: { conflate: true },
    debounced: { debounceMs: 60_000 },
    throttled: { throttleMs: 60_000 },
    atomic: { atomic: true },
  };
  for (const [kind, options] of Object.entries(kinds)) {
    test(`${kind}: one set takes as many steps beside 2,000 variables as beside 20`, async () => {
      const few = await stepsOf(20, options, setOneByOne);
      const many = await stepsOf(2_000, options, setOneByOne);
      assert.ok(many <= 2 * few + 100, `20 take ${few} steps, 2,000 take ${many}`);
    });

    test(`${kind}: a batch over all of them takes steps by their number`, async () => {
      const few = await stepsOf(250, options, setAll);
      const many = await stepsOf(2_000, options, setAll);
      assert.ok(many <= 2 * 8 * few, `250 take ${few} steps, 2,000 take ${many}`);
    });
  }
});

type Work = (state: LocalState, names: readonly string[]) => Promise<void>;

async function setOneByOne(state: LocalState): Promise<void> {
  for (let value = 1; value <= 20; value += 1) await state.setVariable('v3', value);
}

async function setAll(state: LocalState, names: readonly string[]): Promise<void> {
  await state.updateVariables(Object.fromEntries(names.map((name) => [name, 1])));
}

async function stepsOf(variables: number, options: WatchOptionsInput, work: Work): Promise<number> {
  await using state = new LocalState();
  const names = Array.from({ length: variables }, (_, place) => `v${place}`);
  for (const name of names) await state.registerVariable(name, 'integer', 0);
  const watch = await state.watchVariables(names, () => undefined, { includeInitial: false, ...options });
  await watch.synced;
  return await countSteps(async () => {
    await work(state, names);
    // What is delivered at the end of the turn belongs to it.
    await new Promise((resolve) => setImmediate(resolve));
  });
}
