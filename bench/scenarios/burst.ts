/** Ten times the rate for 100 ms of every second: how long what piles up is waited for, and whether anything gets lost. */
import { compareClients } from './compared-job.js';
import type { Scenario } from './scenario.js';
import { loadOf } from './scenario.js';
import { LATENCY_FIGURES, runStreamJob } from './stream-job.js';

export const burst: Scenario = {
  name: 'burst',
  summary: 'ten times the rate for 100 ms of every second',
  isLong: true,
  run: (options) => {
    const load = loadOf(options, {
      quick: { watches: 1_000, rate: 500, seconds: 2, warmupSeconds: 1 },
      normal: { watches: 5_000, rate: 5_000, seconds: 8, warmupSeconds: 2 },
    });
    const { watches, rate, seconds } = load;
    const title = `burst: ${watches} watches, ${rate} updates/s, and ${BURST.factor} times as many for ${BURST.lengthMs} ms of every second, ${seconds} s`;
    const job = { ...load, scenario: 'burst', variables: watches, worksBeside: false, burst: BURST };
    return compareClients(options, title, LATENCY_FIGURES, { able: ['redis', 'nats'] }, (choice) =>
      runStreamJob(choice, job),
    );
  },
};

const BURST = { everyMs: 1_000, lengthMs: 100, factor: 10 };
