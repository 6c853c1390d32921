/** The watching service is busy with something else, 5 ms in every 20: what waits, and does anything get lost. */
import { compareClients } from './compared-job.js';
import type { Scenario } from './scenario.js';
import { loadOf } from './scenario.js';
import { LATENCY_FIGURES, runStreamJob } from './stream-job.js';

export const busy: Scenario = {
  name: 'busy',
  summary: 'the same while the main thread works 5 ms in every 20',
  run: (options) => {
    const load = loadOf(options, {
      quick: { watches: 500, rate: 1_000, seconds: 1.5, warmupSeconds: 0.5 },
      normal: { watches: 2_000, rate: 5_000, seconds: 5, warmupSeconds: 2 },
    });
    const { watches, rate, seconds } = load;
    const title = `busy: main thread at work 5 ms of every 20, ${watches} watches, ${rate} updates/s, ${seconds} s`;
    const job = { ...load, scenario: 'busy', variables: watches, worksBeside: true };
    return compareClients(options, title, LATENCY_FIGURES, { able: ['redis'] }, (choice) => runStreamJob(choice, job));
  },
};
