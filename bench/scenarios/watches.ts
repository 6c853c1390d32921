/** Latency and CPU against the number of watches, at one rate in all: what a watch costs that an update does not concern. */
import { compareClients } from './compared-job.js';
import type { Scenario } from './scenario.js';
import { outcomeOfCases } from './scenario.js';
import { LATENCY_FIGURES, runStreamJob } from './stream-job.js';

export const watches: Scenario = {
  name: 'watches',
  summary: 'latency and CPU against watches: 100, 1,000, 10,000 and 100,000, at one rate in all',
  isLong: true,
  run: (options) => {
    const isQuick = options.size === 'quick';
    const rate = options.rate ?? (isQuick ? 1_000 : 10_000);
    const seconds = options.seconds ?? (isQuick ? 1 : 5);
    const cases = options.watches !== undefined ? [options.watches] : isQuick ? [100, 1_000] : WATCHES;
    const title = `watches: ${rate} updates/s in all, ${seconds} s at each number of watches; a stream a watch up to ${MAX_STREAMS}`;
    return outcomeOfCases(title, cases, (count) => {
      const job = {
        ...{ scenario: 'watches', case: `${count.toLocaleString('en')} watches`, watches: count, variables: count },
        ...{ rate, seconds, warmupSeconds: isQuick ? 0.5 : 2, worksBeside: false },
      };
      const peers = {
        able: ['redis', 'nats'] as const,
        // 100,000 streams are gigabytes at both ends, and minutes to open.
        fits: ({ kind }: { kind: string }) => count <= MAX_STREAMS || (kind !== 'stream' && kind !== 'plain'),
      };
      return compareClients(options, title, LATENCY_FIGURES, peers, (choice) => runStreamJob(choice, job));
    });
  },
};

const WATCHES = [100, 1_000, 10_000, 100_000];
const MAX_STREAMS = 10_000;
