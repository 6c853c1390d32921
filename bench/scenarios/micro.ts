/** The kernels that an update passes, one by one, with tinybench: a closed loop, blind to queueing, for finding what got slower. */
import type { KernelResult } from '../micro/kernel.js';
import type { KernelGroup } from '../micro/kernel-groups.js';
import { KERNEL_GROUPS } from '../micro/kernel-groups.js';
import { BenchProcess } from '../processes/bench-process.js';
import type { KernelCalls } from '../processes/kernels.js';
import { ratiosTo, rowOf, withRatios } from '../report/row.js';
import type { Scenario } from './scenario.js';

export const micro: Scenario = {
  name: 'micro',
  summary: 'single kernels: codec, condition, ring, tracker, batch, dispatcher, table, update message',
  run: async (options) => {
    const timeMs = options.size === 'quick' ? 25 : 300;
    const results: KernelResult[] = [];
    for (const group of Object.keys(KERNEL_GROUPS) as KernelGroup[]) {
      await using kernels = await BenchProcess.start<KernelCalls>('kernels');
      results.push(...(await kernels.call('micro', { group, timeMs })));
    }
    const rows = results.map(({ name, meanNs, p50Ns, p99Ns }) =>
      rowOf({
        scenario: `micro ${name}`,
        transport: 'micro',
        mean_ns: meanNs,
        p50_ns: p50Ns,
        p99_ns: p99Ns,
        per_second: 1e9 / meanNs,
      }),
    );
    const compared = rows.map((row, place) => {
      const { baseline } = results[place]!;
      const other = rows.find(({ scenario }) => scenario === `micro ${baseline}`);
      return other === undefined ? row : withRatios(row, baseline!, ratiosTo(row, other, ['p50_ns']));
    });
    return { title: 'micro: one operation of each kernel', rows: compared, problems: [] };
  },
};
