/** Measurements that need one process only, away from the one that prints. */
import { allKernels } from '../micro/all-kernels.js';
import { runKernels } from '../micro/run-kernels.js';
import { answerParent } from './child-link.js';
import { measureEmitterSets, measureLocalSets } from './local-sets.js';

const calls = {
  sets: ({ transport, seconds }: { transport: 'local' | 'emitter'; seconds: number }) =>
    transport === 'local' ? measureLocalSets(seconds) : measureEmitterSets(seconds),
  micro: async ({ timeMs }: { timeMs: number }) => runKernels(await allKernels(), timeMs),
};

export type KernelCalls = typeof calls;

answerParent(calls);
