/** One watcher of many holds the main thread 20 ms at each of its updates: what the others lose by it, beside the same job without it. */
import { compareClients } from './compared-job.js';
import type { Scenario } from './scenario.js';
import { loadOf, outcomeOfCases } from './scenario.js';
import { LATENCY_FIGURES, runStreamJob } from './stream-job.js';

export const slow: Scenario = {
  name: 'slow',
  summary: 'one watcher holds the main thread 20 ms at each update; beside it none does',
  isLong: true,
  run: (options) => {
    const load = loadOf(options, {
      quick: { watches: 500, rate: 1_000, seconds: 1.5, warmupSeconds: 0.5 },
      normal: { watches: 1_000, rate: 5_000, seconds: 6, warmupSeconds: 2 },
    });
    const { watches, rate, seconds } = load;
    const title = `slow: ${watches} watches, ${rate} updates/s, ${seconds} s; latency of all watches, their stall included`;
    return outcomeOfCases(title, [0, SLOW_MS], (slowMs) => {
      const name = slowMs === 0 ? 'no watcher is slow' : `one watcher takes ${slowMs} ms`;
      const job = { ...load, scenario: 'slow', case: name, variables: watches, worksBeside: false, slowMs };
      return compareClients(options, title, LATENCY_FIGURES, { able: ['redis'] }, (choice) =>
        runStreamJob(choice, job),
      );
    });
  },
};

const SLOW_MS = 20;
