/** From a set at one server to a watcher at the other, over one Redis; beside Redis and NATS themselves, with a process at either end. */
import { isInstalled, missingPeerText } from '../peers/peer-programs.js';
import { compareClients } from './compared-job.js';
import type { Scenario } from './scenario.js';
import { outcomeOfCases } from './scenario.js';
import { LATENCY_FIGURES, runStreamJob } from './stream-job.js';

export const servers: Scenario = {
  name: 'servers',
  summary: 'a set at one server, a watcher at another, over one Redis: 1,000, 10,000 and 50,000 sets/s',
  isLong: true,
  run: async (options) => {
    const isQuick = options.size === 'quick';
    const watches = options.watches ?? 5_000;
    const seconds = options.seconds ?? (isQuick ? 1 : 5);
    const cases = options.rate !== undefined ? [options.rate] : isQuick ? [1_000] : RATES;
    const title = `servers: ${watches} variables, set at one server and watched at another`;
    if (!isInstalled('redis')) {
      return { title: `${title}: ${missingPeerText('redis')}`, rows: [], problems: [] };
    }
    return outcomeOfCases(title, cases, (rate) => {
      const job = {
        ...{ scenario: 'servers', case: `${rate.toLocaleString('en')} sets/s`, watches, variables: watches, rate },
        ...{ seconds, warmupSeconds: isQuick ? 0.5 : 2, worksBeside: false, overloads: true, hasTwoServers: true },
      };
      return compareClients(
        options,
        title,
        LATENCY_FIGURES,
        { able: ['redis', 'nats-kv'], fits: ({ kind }) => kind !== 'plain' },
        (choice) => runStreamJob(choice, job),
      );
    });
  },
};

const RATES = [1_000, 10_000, 50_000];
