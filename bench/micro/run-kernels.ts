/** Kernels through tinybench. @throws what a kernel throws: without `throws` it would be told as zeros */
import { Bench } from 'tinybench';
import type { Kernel, KernelResult } from './kernel.js';

export async function runKernels(kernels: readonly Kernel[], timeMs: number): Promise<KernelResult[]> {
  const bench = new Bench({ time: timeMs, warmupTime: timeMs / 2, throws: true });
  for (const { name, run } of kernels) bench.add(name, run as () => void);
  await bench.run();
  return kernels.map(({ name, operations, baseline }) => {
    const result = bench.getTask(name)?.result;
    if (result === undefined || !('latency' in result)) throw new Error(`${name} was not measured: ${result?.state}`);
    const { mean, p50, p99 } = result.latency;
    const ns = (ms: number | undefined) => ((ms ?? Number.NaN) * 1e6) / operations;
    return { name, baseline, meanNs: ns(mean), p50Ns: ns(p50), p99Ns: ns(p99) };
  });
}
