/** One variable, many watches: each set is as many updates as there are watches. */
import { compareClients } from './compared-job.js';
import type { Scenario } from './scenario.js';
import { loadOf } from './scenario.js';
import { LATENCY_FIGURES, runStreamJob } from './stream-job.js';

export const fanout: Scenario = {
  name: 'fanout',
  summary: 'one variable with many watches',
  run: (options) => {
    const load = loadOf(options, {
      quick: { watches: 300, rate: 3_000, seconds: 1.5, warmupSeconds: 0.5 },
      normal: { watches: 1_000, rate: 10_000, seconds: 5, warmupSeconds: 2 },
    });
    const { watches, rate, seconds } = load;
    const title = `fanout: 1 variable, ${watches} watches, ${rate} updates/s, ${seconds} s`;
    const job = { ...load, scenario: 'fanout', variables: 1, worksBeside: false };
    return compareClients(options, title, LATENCY_FIGURES, { able: ['redis', 'nats'] }, (choice) =>
      runStreamJob(choice, job),
    );
  },
};
