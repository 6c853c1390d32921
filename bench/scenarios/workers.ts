/** The sweep of worker threads: what a second one buys, and what the hop between threads costs beside `workers: 0`. */
import { compareClients } from './compared-job.js';
import type { Scenario } from './scenario.js';
import { loadOf } from './scenario.js';
import { LATENCY_FIGURES, runStreamJob } from './stream-job.js';

export const workers: Scenario = {
  name: 'workers',
  summary: 'the job of steady with 0, 1, 2 and 4 workers',
  isLong: true,
  run: (options) => {
    const load = loadOf(options, {
      quick: { watches: 500, rate: 1_000, seconds: 1, warmupSeconds: 0.5 },
      normal: { watches: 5_000, rate: 10_000, seconds: 8, warmupSeconds: 2 },
    });
    const counts = options.size === 'quick' ? [0, 1] : [0, 1, 2, 4];
    const title = `workers: ${load.watches} watches, ${load.rate} updates/s, ${load.seconds} s with ${counts.join(', ')} workers`;
    const job = { ...load, scenario: 'workers', variables: load.watches, worksBeside: false };
    return compareClients({ ...options, workers: counts }, title, LATENCY_FIGURES, { able: [] }, (choice) =>
      runStreamJob(choice, job),
    );
  },
};
