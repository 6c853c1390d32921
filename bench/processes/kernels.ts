/** Measurements that need one process only, away from the one that prints. */
import type { KernelGroup } from '../micro/kernel-groups.js';
import { KERNEL_GROUPS } from '../micro/kernel-groups.js';
import { runKernels } from '../micro/run-kernels.js';
import { answerParent } from './child-link.js';
import { measureEmitterSets, measureLocalSets } from './local-sets.js';

const calls = {
  sets: ({ transport, seconds }: { transport: 'local' | 'emitter'; seconds: number }) =>
    transport === 'local' ? measureLocalSets(seconds) : measureEmitterSets(seconds),
  micro: async ({ group, timeMs }: { group: KernelGroup; timeMs: number }) =>
    runKernels(await KERNEL_GROUPS[group](), timeMs),
};

export type KernelCalls = typeof calls;

answerParent(calls);
