/** What the size and kind of a value cost: numbers, short texts, maps and embeddings, set as JSON; the server sends large embeddings as binary. */
import { MEASURED_VALUES, VALUE_KINDS } from '../processes/measured-value.js';
import { compareClients } from './compared-job.js';
import type { Scenario } from './scenario.js';
import { loadOf, outcomeOfCases } from './scenario.js';
import { LATENCY_FIGURES, runStreamJob } from './stream-job.js';

export const mixed: Scenario = {
  name: 'mixed',
  summary: 'numbers, short texts, maps of 1 KB and embeddings of 1,536 elements',
  isLong: true,
  run: (options) => {
    const load = loadOf(options, {
      quick: { watches: 200, rate: 500, seconds: 1, warmupSeconds: 0.5 },
      normal: { watches: 1_000, rate: 1_000, seconds: 5, warmupSeconds: 2 },
    });
    const { watches, rate, seconds } = load;
    const title = `mixed: ${watches} watches, ${rate} updates/s, ${seconds} s of each kind of value`;
    return outcomeOfCases(title, VALUE_KINDS, (values) => {
      const { summary, jsonBytes } = MEASURED_VALUES[values];
      const name = `${summary}, ${jsonBytes.toLocaleString('en')} bytes of JSON`;
      const job = { ...load, scenario: 'mixed', case: name, variables: watches, worksBeside: false, values };
      return compareClients(options, title, LATENCY_FIGURES, { able: ['redis', 'nats'] }, (choice) =>
        runStreamJob(choice, job),
      );
    });
  },
};
