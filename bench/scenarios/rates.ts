/** Latency against rate: the same watches, from a rate at which everything sleeps between two updates to one that fills the machine. */
import { PEER_NAMES } from '../peers/peer-programs.js';
import { compareClients } from './compared-job.js';
import type { Scenario } from './scenario.js';
import { outcomeOfCases } from './scenario.js';
import { LATENCY_FIGURES, runStreamJob } from './stream-job.js';

export const rates: Scenario = {
  name: 'rates',
  summary: 'latency against rate: 1,000, 10,000, 50,000 and 100,000 updates/s',
  isLong: true,
  run: (options) => {
    const isQuick = options.size === 'quick';
    const watches = options.watches ?? (isQuick ? 1_000 : 10_000);
    const seconds = options.seconds ?? (isQuick ? 1 : 5);
    const cases = options.rate !== undefined ? [options.rate] : isQuick ? [1_000, 5_000] : RATES;
    const title = `rates: ${watches} watches, ${seconds} s at each rate`;
    return outcomeOfCases(title, cases, (rate) => {
      const job = {
        ...{ scenario: 'rates', case: `${rate.toLocaleString('en')} updates/s`, watches, variables: watches, rate },
        ...{ seconds, warmupSeconds: isQuick ? 0.5 : 2, worksBeside: false, overloads: true },
      };
      return compareClients(options, title, LATENCY_FIGURES, { able: PEER_NAMES }, (choice) =>
        runStreamJob(choice, job),
      );
    });
  },
};

const RATES = [1_000, 10_000, 50_000, 100_000];
