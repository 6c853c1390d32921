import { LocalState } from '../../src/main/index.js';
import type { Kernel } from './kernel.js';

/** Awaited one by one, promise and notification included; `npm run bench -- local` tells them apart. */
export async function localStateKernels(): Promise<Kernel[]> {
  const state = new LocalState();
  let value = 0;
  let calls = 0;
  await state.registerVariable('fan', 'float', value);
  await state.watchVariables('fan', () => {
    calls += 1;
  });
  const run = async () => {
    for (let left = SETS; left > 0; left -= 1) {
      value += 1;
      await state.setVariable('fan', value);
    }
    return calls;
  };
  return [{ name: 'local state: awaited set, one watcher', operations: SETS, run }];
}

const SETS = 100;
