/** Many watches, one on each variable, at a steady rate; and how far from a bare socket that is. */
import { measureTcp } from '../baselines/tcp.js';
import { PEER_NAMES } from '../peers/peer-programs.js';
import { ratiosTo, withRatios } from '../report/row.js';
import { compareClients } from './compared-job.js';
import type { Scenario } from './scenario.js';
import { loadOf } from './scenario.js';
import { LATENCY_FIGURES, runStreamJob } from './stream-job.js';

const PEERS = { able: PEER_NAMES, quick: ['redis'] } as const;

export const steady: Scenario = {
  name: 'steady',
  summary: 'updates at a steady rate to thousands of watches: latency, CPU, main thread',
  run: async (options) => {
    const load = loadOf(options, {
      quick: { watches: 1_000, rate: 2_000, seconds: 2, warmupSeconds: 1 },
      normal: { watches: 5_000, rate: 10_000, seconds: 6, warmupSeconds: 2 },
    });
    const { watches, rate, seconds } = load;
    const title = `steady: ${watches} watches, ${rate} updates/s, ${seconds} s`;
    const job = { ...load, scenario: 'steady', variables: watches, worksBeside: false };
    const outcome = await compareClients(options, title, LATENCY_FIGURES, PEERS, (choice) => runStreamJob(choice, job));
    const tcp = await measureTcp('steady', options.size === 'quick' ? 1 : 2);
    const rows = outcome.rows.map((row) =>
      row.workers !== undefined ? withRatios(row, 'tcp', ratiosTo(row, tcp, ['p50_ms', 'p99_ms'])) : row,
    );
    return { ...outcome, rows: [...rows, tcp] };
  },
};
